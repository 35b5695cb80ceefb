"""What earlier runs were like, and keys that are like other keys: both are held until somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from revetl.diff.habits import usual
from revetl.state.habits import KEPT, load_habits, save_habit
from revetl.types import Guards, Habit, Limits, OnLeave
from tests.unit.engine.harness import NAME, OFF, Rig, cohort, plan

START = datetime(2026, 1, 1, tzinfo=UTC)
WATCHFUL = replace(OFF, unusual=Limits(rows=1))


def hourly(*changes: int, whole: bool = True) -> list[Habit]:
    """Return earlier runs, an hour apart, that found so many changes and leaves."""
    return [Habit(START + timedelta(hours=n), whole, {"changes": x, "leaves": x}) for n, x in enumerate(changes)]


def allowed(history: Sequence[Habit], kind: str = "changes", hours: float = 1) -> int | None:
    """Return how many are not unusual, so many hours after the last run."""
    found = usual(kind, None, history, history[-1].at + timedelta(hours=hours))
    return found.allowed if found else None


# --- what is usual ----------------------------------------------------------------------------------------------------


def test_few_runs_say_nothing() -> None:
    """Six runs are no habit, seven are."""
    assert allowed(hourly(*[5] * 6)) is None
    assert allowed(hourly(*[5] * 7)) == 10


def test_one_odd_run_makes_no_rule() -> None:
    """One run of thousands does not make thousands usual; the same a second time does."""
    assert allowed(hourly(*[10, 12] * 10, 5000)) == 42
    assert allowed(hourly(*[10, 12] * 10, 5000, 5000)) == 10000


def test_wide_habits_are_wide() -> None:
    """Counts that always vary a lot may vary: ten deviations from the median."""
    found = usual("changes", None, hourly(0, 10, 20, 30, 40, 50, 60), START + timedelta(hours=7))
    assert found is not None
    assert (found.runs, found.rule, found.most, found.allowed) == (7, 30, 60, 327)


def test_after_a_pause_more_is_usual() -> None:
    """Three times as long since the last run, three times as much; sooner than usual takes nothing away."""
    history = hourly(*[5] * 8)
    assert [allowed(history, hours=hours) for hours in (0.1, 1, 3)] == [10, 10, 30]


def test_who_did_not_read_all_knows_no_leaves() -> None:
    """Runs that read what is new alone count changes, and say nothing of who left."""
    history = hourly(*[5] * 8, whole=False)
    assert allowed(history) == 10
    assert allowed(history, "leaves") is None


# --- what is held -----------------------------------------------------------------------------------------------------


def crowd(*names: str, a: str = "x") -> list[Sequence[object]]:
    """Return people."""
    return [(name, f"{name}@example.org", a) for name in names]


def seasoned(guards: Guards = WATCHFUL, **more: object) -> Rig:
    """Return a rig of six people whose runs changed one record each, and nothing else."""
    rig = Rig(plan(**{"guards": guards, "on_leave": OnLeave.DELETE, **more}))
    for one in rig.plan.cohorts:
        rig.keys(one.name)
    rig.people(*crowd(*"abcdef"))
    rig.run()
    kinds = ["leaves", "changes", "new", *(f"{k} {c.name}" for k in ("joins", "parts") for c in rig.plan.cohorts)]
    for n in range(8):
        save_habit(rig.store(), NAME, f"r{n}", dict.fromkeys(kinds, 0) | {"changes": 1}, whole=True)
        rig.later(hours=1)
    return rig


def test_more_changes_than_ever_are_held_until_approved() -> None:
    """A run that changes far more than any before holds that, says what is usual, and keeps it for later."""
    rig = seasoned()
    rig.people(*crowd(*"abcde", a="y"), *crowd("f", "z"))
    done = rig.run()
    (held,) = done.held
    assert (held.guard, held.found, held.allowed, held.total, held.stops) == ("unusual_changes", 5, 2, 6, False)
    assert "as a rule 1, at most 1 in 8 earlier runs" in held.reason
    assert "--guard unusual_changes --up-to 5" in held.release
    assert done.sent == ["z upsert"]
    assert len(load_habits(rig.store(), NAME)) == 8  # what was held is no habit
    rig.approve("unusual_changes", up_to=5)
    assert len(rig.run().sent) == 5
    assert load_habits(rig.store(), NAME)[-1].counts["changes"] == 5


@pytest.mark.parametrize("guards", [OFF, replace(OFF, unusual=Limits())])
def test_a_few_rows_are_never_unusual(guards: Guards) -> None:
    """Below the floor nothing is held, and nothing where the guard is off."""
    rig = seasoned(guards)
    rig.people(*crowd(*"abcdef", a="y"))
    assert len(rig.run().sent) == 6


def test_leaves_new_records_and_members_have_habits_of_their_own() -> None:
    """Each kind is held by itself; whoever is not sent joins nothing either."""
    rig = seasoned(cohorts=(cohort("gold", WATCHFUL),))
    rig.people(*crowd(*"abcd"), *crowd("y", "z"))
    rig.keys("gold", "a", "b", "y")
    done = rig.run()
    assert done.sent == []
    found = {(held.guard, held.cohort): held.found for held in done.held}
    assert found == {("unusual_leaves", None): 2, ("unusual_new", None): 2, ("unusual_joins", "gold"): 2}
    rig.approve("unusual_new", up_to=2)
    assert rig.run().sent == ["y upsert", "z upsert"]
    rig.approve("unusual_joins", up_to=3, cohort="gold")
    assert sorted(rig.run().sent) == ["a join gold", "b join gold", "y join gold"]


def test_canaries_and_first_runs_are_no_habit() -> None:
    """What is remembered are whole runs after the first; runs without any change are."""
    rig = Rig()
    rig.people(*crowd(*"ab"))
    rig.run()
    rig.people(*crowd(*"ab", a="y"))
    rig.run(limit=1)
    assert load_habits(rig.store(), NAME) == ()
    rig.run()
    rig.run()
    assert [one.counts["changes"] for one in load_habits(rig.store(), NAME)] == [1, 0]


def test_a_run_that_came_to_nothing_is_no_habit() -> None:
    """Changes that were not delivered are counted by the run that delivers them."""
    rig = seasoned(OFF)
    rig.vendor.lose = {f"{name}@example.org" for name in "abcdef"}
    rig.people(*crowd(*"abcdef", a="y"))
    rig.run()
    assert len(load_habits(rig.store(), NAME)) == 8


def test_old_habits_are_forgotten() -> None:
    """State keeps so many runs of a sync and no more."""
    rig = Rig()
    rig.people(*crowd("a"))
    rig.run()
    rig.con.execute(
        f"INSERT INTO revetl_state.habits SELECT '{NAME}', 'r', TIMESTAMPTZ '2020-01-01 00:00:00+00' + "
        f"INTERVAL (n) HOURS, true, '{{}}' FROM range({KEPT + 3}) t(n)"
    )
    rig.run()
    assert len(load_habits(rig.store(), NAME)) == KEPT


# --- keys that are alike ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["A", " a", "\u00e9", "e\u0301"])
def test_a_new_key_that_is_like_another_stops_the_sync(other: str) -> None:
    """Case, blanks and Unicode form do not tell entities apart, be it at the first run or later."""
    one = "e\u0301" if other == "\u00e9" else "\u00e9" if other == "e\u0301" else "a"
    rig = Rig()
    rows = [(one, "1@example.org", "x"), (other, "2@example.org", "x")]
    rig.people(*rows)
    done = rig.run()
    assert (done.calls, [held.guard for held in done.held]) == ([], ["similar_keys"])
    rig.people(rows[0])
    rig.run()
    rig.people(rows[1])  # the same entity, spelt anew: it would leave, and come as another
    assert [held.guard for held in rig.run().held] == ["similar_keys"]


def test_similar_keys_can_be_meant() -> None:
    """An approval lets them in, once and for all that are known then; ``similar_keys: allow`` looks at none."""
    for rig in (Rig(), Rig(plan(guards=replace(OFF, similar_keys="allow")))):
        rig.people(*crowd("a", "A", "1"))
        rig.vendor.people = {}
        if rig.plan.guards.similar_keys == "stop":
            rig.people(("a", "1@example.org", "x"), ("A", "2@example.org", "x"))
            rig.approve("similar_keys")
            assert len(rig.run().sent) == 2
            rig.people(("a", "1@example.org", "x"), ("A", "2@example.org", "y"), ("b", "3@example.org", "x"))
            assert sorted(rig.run().sent) == ["A upsert", "b upsert"]
        else:
            rig.people(("a", "1@example.org", "x"), ("A", "2@example.org", "x"))
            assert len(rig.run().sent) == 2


def test_a_manifest_that_is_older_than_the_last_run_s_stops_the_sync() -> None:
    """What is left over from before is not run; an hour of difference is one schedule's tasks."""
    rig = Rig()
    rig.people(*crowd("a"))
    rig.project = replace(rig.project, generated_at=START)
    rig.run()
    rig.people(*crowd("a", a="y"))
    rig.project = replace(rig.project, generated_at=START - timedelta(hours=2))
    assert [held.guard for held in rig.run().held] == ["older_manifest"]
    rig.project = replace(rig.project, generated_at=START - timedelta(minutes=59))
    assert rig.run().sent == ["a upsert"]
