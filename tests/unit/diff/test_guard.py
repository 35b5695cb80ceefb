"""What each guard counts and holds, said once more in Python and asked of picked changes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from revetl.diff import guard, habits
from revetl.diff.guard import Watch
from revetl.types import Guards, Habit, Limits
from tests.unit.diff.picked import NO, SLOTS, Picker, keyed, mostly, ordered, pick, shaped, yes
from tests.unit.engine.harness import OFF, cohort, plan, ref

NUMBER, KEYS = 500, 90
AT = datetime(2026, 11, 20, tzinfo=UTC)
LIMITS = Guards(Limits(0.1, 1), Limits(0.2, 2), Limits(0.3, 3), unusual=Limits(0.4, 4))
GOLD = replace(LIMITS, max_leave=Limits(0.5, 5), unusual=Limits(0.6, 1))
PLAN = plan(guards=LIMITS, joined=(ref("more"), ref("bare")), cohorts=(
    replace(cohort("gold", GOLD), label="Gold"), cohort("risky", replace(OFF, max_leave=Limits(0.7), unusual=Limits()))
))  # fmt: skip
LATE = replace(SLOTS[2], stored=False)
SHAPE = shaped(slots=(*SLOTS[:2], LATE, replace(SLOTS[3], property=""), *SLOTS[4:]))


class Table:
    """Picked changes, with all that guards ask beside them."""

    def __init__(self, picker: Picker) -> None:
        """Pick them."""
        fields = {f"f{n}": pick("x", None) for n in (0, 1, 2, 3, 4, 5)}
        before = {f"b{f[1:]}": mostly(f, pick("x", None)) for f in fields}
        picker.make("delta_1", KEYS, **keyed(), known=yes(70), **fields, **before)
        picker.make(
            "every", NUMBER, **keyed(f"hash(n) % {KEYS}"), op=pick("upsert", "upsert", "leave", "join", "part"),
            cohort=f"CASE WHEN op IN ('join', 'part') THEN {pick('gold', 'risky', NO)} END",
            cause=pick("data", "data", "data", "retry", "mapping"), early=pick(1, 0, None) + "::BOOLEAN",
            local=pick(None, None, None, "handed_over", "kept"), verdict=pick(None, None, None, "rejected"),
        )  # fmt: skip
        picker.run(["DELETE FROM every WHERE op = 'leave' AND k0 % 3 > 0",
                    "CREATE TEMP TABLE changes_1 AS SELECT DISTINCT ON (key, op, cohort) * FROM every"])  # fmt: skip
        picker.put("pending", KEYS, sync=f"CASE WHEN n % 5 = 0 THEN 'sim.other' ELSE '{SHAPE.sync}' END",
                   key=keyed()["key"], ended="n % 3 = 0",
                   op="CASE WHEN n % 2 = 0 THEN 'join' ELSE 'upsert' END",
                   cohort="CASE WHEN n % 2 = 0 THEN ['gold', 'risky'][1 + n % 4 // 2] END")  # fmt: skip
        picker.run([
            "CREATE OR REPLACE TABLE revetl_state.snap_1 AS SELECT unnest(range(70)) AS k0",
            "CREATE OR REPLACE TABLE revetl_state.members_1 AS SELECT n, CASE WHEN n < 21 THEN 'gold' ELSE 'risky' END "
            "AS cohort FROM range(33) t(n)",
        ])  # fmt: skip
        self.rows = picker.rows("SELECT * FROM changes_1")
        self.delta = {x.key: x for x in picker.rows("SELECT * FROM delta_1")}
        lost = picker.rows(f"SELECT * FROM revetl_state.pending WHERE ended AND sync = '{SHAPE.sync}'")
        self.ended = {(p.key, "part" if p.op == "join" else "leave", p.cohort) for p in lost}
        self.leaving = {c.key for c in self.rows if c.op == "leave"}

    def again(self, c: Any) -> bool:
        """Return whether a change asserts an end that an earlier run had let go."""
        return (c.key, c.op, c.cohort) in self.ended

    def known(self, c: Any) -> bool:
        """Return whether a change is of a known record."""
        return bool(self.delta[c.key].known)

    def turned(self, c: Any, *ordinals: int) -> bool:
        """Return whether an update takes all that a known record had in some fields."""
        x = self.delta[c.key]
        gone = all(getattr(x, f"f{n}") is None for n in ordinals)
        return bool(c.op == "upsert" and x.known and gone and any(getattr(x, f"b{n}") is not None for n in ordinals))

    def parts(self, c: Any, name: str) -> bool:
        """Return whether a change is a further loss of a cohort whose record stays."""
        return c.op == "part" and c.cohort == name and c.key not in self.leaving and not self.again(c)

    def kind(self, c: Any) -> str | None:
        """Return of which kind a change is."""
        if c.verdict or c.local == "handed_over" or self.again(c) or (c.op != "leave" and c.cause != "data"):
            return None
        if c.op in {"join", "part"}:
            return f"{c.op}s" if c.cohort != NO and c.key not in self.leaving else None
        if c.op == "upsert":
            return None if c.local else "changes" if self.known(c) else "new"
        return "leaves"


@pytest.fixture
def table(picker: Picker) -> Table:
    """Return picked changes."""
    return Table(picker)


def names(found: Any) -> list[tuple[Any, ...]]:
    """Return key, operation and cohort of changes."""
    return ordered((c.key, c.op, c.cohort) for c in found)


def test_each_guard_holds_what_it_is_about(picker: Picker, table: Table) -> None:
    """Leaves, changes, parts, lost rows and lost values: of how many, up to how many, and exactly which."""
    expected: list[tuple[str, str | None, int, Limits, str, Any]] = [
        ("max_leave", None, 70, LIMITS.max_leave, "records would leave",
         lambda c: c.op == "leave" and not table.again(c)),
        ("max_change", None, 70, LIMITS.max_change, "known records would change",
         lambda c: c.op == "upsert" and c.cause == "data" and not c.local and table.known(c)),
        ("max_leave", "gold", 21, GOLD.max_leave, "members would leave Gold", lambda c: table.parts(c, "gold")),
        ("max_leave", "risky", 12, Limits(0.7), "members would leave risky", lambda c: table.parts(c, "risky")),
        ("max_leave", None, 70, LIMITS.max_leave, "records would lose their row of more",
         lambda c: table.turned(c, 4, 5)),
        ("max_leave", None, 70, LIMITS.max_leave, "records would lose their row of bare", lambda _: False),
        *(("max_null", None, 70, LIMITS.max_null, f"values of {slot.field} would turn null",
           lambda c, n=slot.ordinal: table.turned(c, n)) for slot in SHAPE.slots if slot.ordinal not in {2, 3}),
    ]  # fmt: skip
    watches = guard.watches(PLAN, SHAPE)
    assert len(watches) == len(expected)
    for number, (watch, (name, about, total, limit, reason, holds)) in enumerate(zip(watches, expected, strict=True)):
        assert (watch.guard, watch.cohort, watch.limit, watch.reason) == (name, about, limit, reason)
        assert picker.con.execute(watch.total).fetchall() == [(total,)]
        assert held(picker, watch, number) == names(c for c in table.rows if goes(c) and holds(c))
        assert bool(watch.also) is (reason == "records would leave")


def goes(c: Any) -> bool:
    """Return whether a change would go, or needs no call for another reason than that another has the record now."""
    return c.verdict is None and c.local != "handed_over"


def held(picker: Picker, watch: Watch, number: int) -> list[tuple[Any, ...]]:
    """Return what a guard holds."""
    picker.run(guard.hold(SHAPE, watch, number))
    return picker.tuples(f"SELECT key, op, cohort FROM held_1_{number}")


def test_a_guard_that_is_off_looks_at_nothing() -> None:
    """No limit, no statement; nor where there is nothing to compare with."""
    off = replace(PLAN, guards=OFF, cohorts=(cohort("gold"),))
    assert guard.watches(off, SHAPE) == []
    assert guard.watches(PLAN, replace(SHAPE, stored=False)) == ()
    told = replace(SHAPE, sizes={None: 5, "gold": 3})
    totals = {(watch.cohort, watch.total) for watch in guard.watches(PLAN, told)}
    assert totals == {(None, "SELECT 5"), ("gold", "SELECT 3"), ("risky", "SELECT 0")}


def test_each_change_is_counted_as_its_kind(picker: Picker, table: Table) -> None:
    """Of every change: which habit of the data it is, if any."""
    counts = Counter((table.kind(c), c.cohort) for c in table.rows)
    expected = [(kind, about, n) for (kind, about), n in counts.items() if kind is not None]
    assert picker.tuples(habits.counting(SHAPE)) == ordered(expected)
    assert {kind for kind, _, _ in expected} == set(habits.WORDS)


def hourly(count: int, kinds: Sequence[str], *, whole: bool = True) -> list[Habit]:
    """Return nine earlier runs, each of which had so many of each kind."""
    return [Habit(AT + timedelta(hours=n), whole, dict.fromkeys(kinds, count)) for n in range(9)]


KINDS = ("leaves", "changes", "new", "joins gold", "parts gold", "joins risky", "parts risky")


def unusual(counts: int, earlier: list[Habit], **more: Any) -> dict[tuple[str, str | None], Watch]:
    """Return the guards of a run that has so many of each kind, an hour after the last."""
    found = guard.unusual(PLAN, replace(SHAPE, **more), dict.fromkeys(KINDS, counts), earlier, AT + timedelta(hours=9))
    return {(watch.guard, watch.cohort): watch for watch in found}


def test_what_is_unusual_is_held_by_its_kind(picker: Picker, table: Table) -> None:
    """One more than twice what every run had: each kind has a guard of its own, of a cohort its cohort's."""
    earlier = hourly(3, KINDS)
    assert unusual(6, earlier) == {}
    assert guard.watches(PLAN, SHAPE)[0].also == unusual(7, earlier)["unusual_leaves", None].also
    found = unusual(7, earlier)
    assert set(found) == {("unusual_leaves", None), ("unusual_changes", None), ("unusual_new", None),
                          ("unusual_joins", "gold"), ("unusual_parts", "gold")}  # fmt: skip
    rule = "(as a rule 3, at most 3 in 9 earlier runs)"
    words = {"leaves": "records would leave", "changes": "known records would change", "new": "records would be new",
             "joins": "would become members of Gold", "parts": "members would leave Gold"}  # fmt: skip
    for number, ((name, about), watch) in enumerate(found.items()):
        kind = name.removeprefix("unusual_")
        assert watch.reason == f"{words[kind]} {rule}"
        assert watch.limit == (Limits(0.4, 6) if about is None else Limits(0.6, 6))
        assert picker.con.execute(watch.total).fetchall() == [(21 if about else 70,)]
        assert held(picker, watch, number) == names(
            c for c in table.rows if table.kind(c) == kind and c.cohort == about
        )
        assert bool(watch.also) is (kind in {"leaves", "new"})
    assert {watch.limit for watch in unusual(7, hourly(1, KINDS)).values()} == {Limits(0.4, 4), Limits(0.6, 2)}


def test_a_run_that_did_not_read_all_has_no_losses() -> None:
    """Of rows that were not read, nobody knows whether they left."""
    found = unusual(7, hourly(3, KINDS), asked="some")
    assert {name for name, _ in found} == {"unusual_changes", "unusual_new", "unusual_joins"}
    assert unusual(7, hourly(3, KINDS), asked="some", complete=True).keys() == unusual(7, hourly(3, KINDS)).keys()
    assert guard.unusual(PLAN, SHAPE, {}, hourly(3, KINDS), AT)
    assert list(guard.unusual(PLAN, SHAPE, {}, hourly(0, KINDS), AT + timedelta(hours=9))) == []


@pytest.mark.usefixtures("table")
def test_what_is_held_goes_with_what_belongs_to_it(picker: Picker) -> None:
    """Held changes are taken out, and parts of who was to leave, joins of who was to come; a no goes all the same."""
    leaves, change = guard.watches(PLAN, SHAPE)[:2]
    new = unusual(7, hourly(3, KINDS))["unusual_new", None]
    for number, (watch, also) in enumerate(((leaves, "part"), (new, "join"), (change, ""))):
        picker.run(["CREATE OR REPLACE TEMP TABLE changes_1 AS SELECT DISTINCT ON (key, op, cohort) * FROM every"])
        every, out = picker.rows("SELECT * FROM changes_1"), held(picker, watch, number)
        keys = {key for key, _, _ in out}
        belongs = [c for c in every if c.op == also and c.key in keys and (also == "part" or c.early is not True)]
        picker.run(guard.take_out(SHAPE, watch, number))
        kept = set(names(every)) - set(out) - set(names(belongs))
        assert set(picker.tuples("SELECT key, op, cohort FROM changes_1")) == kept
        assert out
        assert bool(belongs) is bool(also)


@pytest.mark.usefixtures("table")
def test_a_refusal_is_named_by_its_changes(picker: Picker) -> None:
    """The hash is of sync, guard and every change, in order; a subset of what was refused is let through, no other."""
    watch = guard.watches(PLAN, SHAPE)[2]
    out = sorted(held(picker, watch, 7))
    rows, digest, sample = picker.con.execute(guard.held_count(SHAPE, 7, watch.guard)).fetchall()[0]
    spelt = " ".join("/".join((key, op, about or "")) for key, op, about in out)
    assert rows == len(out) > 5
    assert sample == [key for key, _, _ in out][:5]
    assert digest == hashlib.md5(f"{SHAPE.sync} {watch.guard} {spelt}".encode()).hexdigest()
    empty = replace(watch, where="false")
    assert held(picker, empty, 8) == []
    nothing = picker.con.execute(guard.held_count(SHAPE, 8, "g")).fetchall()[0]
    assert nothing == (0, hashlib.md5(f"{SHAPE.sync} g ".encode()).hexdigest(), None)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("harm", ["hash = 'other'", "key = 'x'", "op = 'upsert'", "cohort = 'risky'"])
def test_a_subset_of_a_refusal(picker: Picker, harm: str) -> None:
    """Every held change must have been refused under this hash: its key, its operation and its cohort."""
    for number in (0, 2):  # of records, and of members
        assert len(held(picker, guard.watches(PLAN, SHAPE)[number], number)) > 1
        picker.run([
            "DELETE FROM revetl_state.refused",
            "INSERT INTO revetl_state.refused BY NAME SELECT 'h' AS hash, key, op, cohort FROM changes_1",
        ])  # fmt: skip
        subset = guard.refused_subset(SHAPE, number, "h")
        assert picker.con.execute(subset).fetchall() == [(True,)]
        picker.run([f"UPDATE revetl_state.refused SET {harm} WHERE (key, op, coalesce(cohort, '')) IN "
                    f"(SELECT (key, op, coalesce(cohort, '')) FROM held_1_{number} ORDER BY ALL LIMIT 1)"])  # fmt: skip
        assert picker.con.execute(subset).fetchall() == [(False,)]
