"""Guards and approvals: what is held, what goes on, and what releases it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from revetl.engine.approving import strange
from revetl.errors import ConfigError
from revetl.state.approvals import Approvals
from revetl.types import BuildResult, Check, Guards, Limits, Node, OnLeave, Relation
from tests.unit.engine.harness import BUILT, OFF, Rig, cohort, fields, plan, ref

LEAVE = replace(OFF, max_leave=Limits(rows=1))


def crowd(n: int, a: str | None = "x", *, but: str = "") -> list[Sequence[object]]:
    """Return the first n people, without some."""
    return [(k, f"{k}@example.org", a) for k in "abcdefghij"[:n] if k not in but]


def started(guards: Guards = LEAVE, n: int = 6, **more: object) -> Rig:
    """Return a rig whose vendor holds n people."""
    rig = Rig(plan(**{"guards": guards, "on_leave": OnLeave.DELETE, **more}))
    for one in rig.plan.cohorts:
        rig.keys(one.name)
    rig.people(*crowd(n))
    rig.run()
    return rig


# --- what is held -----------------------------------------------------------------------------------------------------


def test_leaves_held() -> None:
    """Too many leaves are held, memberships included; everything else goes on."""
    rig = started(cohorts=(cohort("gold"),))
    rig.keys("gold", "b", "c")
    rig.run()
    rig.people(*crowd(6, but="bc"), ("z", "z@example.org", "x"))
    done = rig.run()
    assert done.sent == ["z upsert"]
    (held,) = done.held
    assert (held.guard, held.found, held.allowed, held.total, held.stops) == ("max_leave", 2, 1, 6, False)
    assert set(held.sample) == {'["b"]', '["c"]'}
    assert len(rig.vendor.people) == 7
    assert rig.vendor.tags["b@example.org"] == {"gold"}


def test_within_the_limit() -> None:
    """As many as the limit allows may go."""
    rig = started()
    rig.people(*crowd(6, but="b"))
    assert rig.run().sent == ["b leave"]


def test_share_or_rows() -> None:
    """The greater of share and rows is what may go."""
    rig = started(replace(OFF, max_leave=Limits(0.5, 1)))
    rig.people(*crowd(6, but="abc"))
    assert len(rig.run().sent) == 3


def test_on_trip_stop() -> None:
    """``on_trip: stop`` holds the whole sync."""
    rig = started(replace(LEAVE, on_trip="stop"))
    rig.people(*crowd(6, but="bc"), ("z", "z@example.org", "x"))
    done = rig.run()
    assert done.changes == []
    assert done.held[0].stops


def test_change_held() -> None:
    """Too many changed records are held; new ones, leaves and backfills are no changes of that kind."""
    rig = started(replace(OFF, max_change=Limits(rows=2)))
    rig.people(*crowd(3, "y"), *crowd(6, but="abcf"), ("z", "z@example.org", "x"))
    done = rig.run()
    assert sorted(done.sent) == ["f leave", "z upsert"]
    assert [(held.guard, held.found) for held in done.held] == [("max_change", 3)]
    rig = started(replace(OFF, max_change=Limits(rows=2)), fields=fields("email"))
    rig.plan = replace(rig.plan, fields=fields("email", "a"))
    assert len(rig.run().sent) == 6


def test_null_held() -> None:
    """A field that turns null for too many is held."""
    rig = started(replace(OFF, max_null=Limits(rows=2)))
    rig.people(*crowd(3, None), *crowd(6, but="abc"))
    done = rig.run()
    assert (done.sent, done.held[0].guard, done.held[0].found) == ([], "max_null", 3)


def test_cohort_guard() -> None:
    """Each cohort has its own guard over those who stay records."""
    rig = started(OFF, cohorts=(cohort("gold", replace(OFF, max_leave=Limits(rows=1))), cohort("risky")))
    rig.keys("gold", "a", "b")
    rig.keys("risky", "a", "b")
    rig.run()
    rig.keys("gold")
    rig.keys("risky")
    done = rig.run()
    assert done.sent == ["a part risky", "b part risky"]
    assert [(held.guard, held.cohort, held.found, held.total) for held in done.held] == [("max_leave", "gold", 2, 2)]
    rig.approve("max_leave", up_to=2, cohort="gold")
    assert rig.run().sent == ["a part gold", "b part gold"]


def test_a_leave_that_is_asserted_again_is_no_further_loss() -> None:
    """Whom a run let go and never heard of again is sent again beside as many as may leave; who came back counts."""
    rig = started()
    rig.people(*crowd(6, but="b"))
    rig.vendor.lose = {"leave b@example.org"}
    assert rig.run().sent == ["b leave"]
    rig.people(*crowd(6, but="bc"))
    rig.vendor.lose = {"leave c@example.org"}
    assert rig.run().sent == ["b leave", "c leave"]
    rig.people(*crowd(6, but="c"))
    rig.vendor.lose = set()
    assert rig.run().sent == ["c leave", "b upsert"]
    rig.people(*crowd(6, but="bcd"))
    done = rig.run()
    assert done.sent == []
    assert [(held.guard, held.found) for held in done.held] == [("max_leave", 2)]


def test_a_part_that_is_asserted_again_is_no_further_loss() -> None:
    """So it is with members; a join of unknown outcome that the cohort no longer has is a loss like any other."""
    one = replace(OFF, max_leave=Limits(rows=1))
    rig = started(OFF, cohorts=(cohort("gold", one),))
    rig.keys("gold", "a", "b", "c")
    rig.vendor.lose = {"join c@example.org"}
    rig.run()
    rig.keys("gold", "b", "c")
    rig.vendor.lose = {"part a@example.org"}
    assert rig.run().status["a part gold"] == "unknown"
    rig.keys("gold", "c")
    assert {"a part gold", "b part gold"} <= set(rig.run().sent)
    rig.keys("gold")
    rig.people(*crowd(6))
    rig.vendor.lose = set()
    assert "c part gold" in rig.run().sent
    rig.keys("gold", "a", "b", "c")
    rig.run()
    rig.keys("gold")
    assert [(held.guard, held.found) for held in rig.run().held] == [("max_leave", 3)]


def test_joined_model_lost() -> None:
    """Rows that a joined model loses count as leaves of it."""
    rig = Rig(plan(guards=LEAVE, joined=(ref("scores"),), fields=fields("email") + fields("score", model="scores")))
    rig.people(*crowd(4))
    rig.model("scores", "id VARCHAR, score INTEGER", *[(k, 1) for k in "abcd"])
    rig.run()
    rig.model("scores", "id VARCHAR, score INTEGER", ("a", 1), ("b", 2))
    done = rig.run()
    assert done.sent == ["b upsert"]
    assert (done.held[0].guard, done.held[0].found) == ("max_leave", 2)


# --- approvals --------------------------------------------------------------------------------------------------------


def test_approval_is_used_once() -> None:
    """An approval lets the run through that stays within it, and no other."""
    rig = started()
    rig.people(*crowd(6, but="bc"))
    assert rig.run().sent == []
    rig.approve("max_leave", up_to=2)
    assert rig.run().sent == ["b leave", "c leave"]
    rig.people(*crowd(6, but="bcde"))
    assert rig.run().sent == []


def test_a_canary_uses_no_approval_up() -> None:
    """What a few keys went through on is good for the rest, by number as by hash; the run after that uses it up."""
    rig = started()
    rig.people(*crowd(6, but="bc"))
    (held,) = rig.run().held
    assert rig.run(limit=1, approve=[held.hash]).sent == ["b leave"]
    assert rig.rows("SELECT hash FROM revetl_state.approvals") == [held.hash]
    rig.people(*crowd(6, but="bcd"))
    rig.approve("max_leave", up_to=2)
    assert rig.run(keys=["c"]).sent == ["c leave"]
    rig.people(*crowd(6, but="bcde"))
    assert rig.run().sent == ["d leave", "e leave"]
    assert rig.rows("SELECT used_by FROM revetl_state.approvals WHERE hash IS NULL") == ["run-005"]


@pytest.mark.parametrize(("up_to", "hours"), [(1, 24.0), (5, 0.5)])
def test_approval_is_bounded(up_to: int, hours: float) -> None:
    """More rows than approved, or later than approved, is held."""
    rig = started()
    rig.people(*crowd(6, but="bc"))
    rig.approve("max_leave", up_to=up_to, hours=hours)
    rig.later(hours=1)
    assert rig.run().sent == []


def test_a_plan_uses_nothing_up() -> None:
    """To look is not to use."""
    rig = started()
    rig.people(*crowd(6, but="bc"))
    rig.approve("max_leave", up_to=2)
    assert not rig.look().previews()[0].held
    assert len(rig.run().sent) == 2


def test_hash_lets_a_subset_through() -> None:
    """``--approve HASH`` releases what was refused, or less, once."""
    rig = started()
    rig.people(*crowd(6, but="abcd"))
    digest = rig.run().held[0].hash
    rig.people(*crowd(6, but="abc"))
    assert rig.run(approve=(digest,)).sent == ["a leave", "b leave", "c leave"]
    assert rig.rows(f"SELECT count(*) FROM revetl_state.refused WHERE hash = '{digest}'") == [0]


def test_a_hash_is_of_one_sync_and_recorded() -> None:
    """What may leave one sync may not leave another for that; who let it through, and when, is kept."""
    rig = started()
    rig.others = (replace(rig.plan, name="sim.other"),)
    rig.run()
    rig.people(*crowd(6, but="bc"))
    mine = next(held for held in rig.run().held if held.sync == rig.plan.name)
    done = rig.run(approve=(mine.hash,))
    assert [held.sync for held in done.held] == ["sim.other"]
    kept = rig.rows("SELECT sync, guard, hash, up_to, who <> '', used_by FROM revetl_state.approvals")
    assert kept == [(rig.plan.name, "max_leave", mine.hash, 2, True, done.run)]


def test_a_hash_that_nothing_has_is_named() -> None:
    """What was used, is too old or never was lets nothing through, and the run says so."""
    rig = started()
    rig.people(*crowd(6, but="bc"))
    digest = rig.run().held[0].hash
    assert strange(Approvals(rig.store()), (digest,)) == ()
    (problem,) = strange(Approvals(rig.store()), ("0" * 12,))
    assert (problem.code, "0" * 12 in problem.message) == ("RVT-867", True)
    rig.later(hours=25)
    assert strange(Approvals(rig.store()), (digest,)) != ()


@pytest.mark.parametrize(("gone", "wait"), [("abe", 0), ("ab", 25)])
def test_hash_lets_nothing_else_through(gone: str, wait: int) -> None:
    """Neither other keys than those refused, nor after 24 hours."""
    rig = started()
    rig.people(*crowd(6, but="abc"))
    digest = rig.run().held[0].hash
    rig.later(hours=wait)
    rig.people(*crowd(6, but=gone))
    assert rig.run(approve=(digest,)).sent == []


# --- what stops a sync ------------------------------------------------------------------------------------------------


def stopped(rig: Rig) -> str:
    """Run, expect that nothing leaves, and return the guard that stopped the sync."""
    done = rig.run()
    assert done.calls == []
    (held,) = done.held
    assert held.stops
    return held.guard


def test_broken_keys() -> None:
    """A null or a repeated key stops the sync, at the first run as later, and no approval lets it through."""
    for rig in (Rig(), started()):
        rig.people(*crowd(3), (None, "n@example.org", "x"))
        rig.approve("key", up_to=None)
        assert stopped(rig) == "key"
        rig.people(*crowd(3), ("a", "other@example.org", "x"))
        assert stopped(rig) == "key"


def test_repeated_key_of_a_joined_model() -> None:
    """A joined model with two rows of a key stops the sync; the reason names it."""
    rig = Rig(plan(joined=(ref("scores"),), fields=fields("email") + fields("score", model="scores")))
    rig.people(*crowd(2))
    rig.model("scores", "id VARCHAR, score INTEGER", ("a", 1), ("a", 2))
    done = rig.run()
    assert done.calls == []
    assert "scores" in done.held[0].reason


@pytest.mark.parametrize(("minimum", "rows"), [(0, 0), (1, 0), (5, 4)])
def test_min_rows(minimum: int, rows: int) -> None:
    """An empty model, or one smaller than ``min_rows``, stops the sync until somebody approves."""
    rig = started(replace(OFF, min_rows=minimum))
    rig.people(*crowd(rows))
    assert stopped(rig) == "min_rows"
    rig.approve("min_rows")
    assert len(rig.run().sent) == 6 - rows


def test_key_type_changed() -> None:
    """Another type of the key stops the sync: every record would look new."""
    rig = Rig()
    rig.people((1, "a@example.org", "x"), columns="id INTEGER, email VARCHAR, a VARCHAR")
    rig.run()
    rig.people(("1", "a@example.org", "x"))
    assert stopped(rig) == "key_type"


def test_column_gone() -> None:
    """A mapped column that is gone stops the sync by name, and the nearest one that is there is told."""
    rig = started()
    rig.people(("a", "a@example.org", "x"), columns="id VARCHAR, email VARCHAR, aa VARCHAR")
    done = rig.run()
    assert done.calls == []
    (error,) = done.found.errors.values()
    assert isinstance(error, ConfigError)
    assert (error.code, error.hint.startswith("did you mean aa? else ")) == ("RVT-420", True)


def test_retyped() -> None:
    """A column of another type stops the sync until approved; then only values that differ are sent."""
    rig = Rig()
    rig.people(("a", "a@example.org", "1"), ("b", "b@example.org", "many"))
    rig.run()
    rig.people(("a", "a@example.org", 1), ("b", "b@example.org", 7), columns="id VARCHAR, email VARCHAR, a INTEGER")
    assert stopped(rig) == "types"
    rig.approve("types")
    assert rig.run().sent == ["b upsert"]
    assert rig.run().changes == []


def test_relations_moved() -> None:
    """Models of another schema stop the sync until ``--rebase-relations``, which then holds."""
    rig = started()
    rig.plan = replace(rig.plan, base=ref("people", schema="elsewhere"))
    rig.people(*crowd(6, "y"))
    assert stopped(rig) == "relations"
    assert len(rig.run(rebase_relations=True).sent) == 6
    assert rig.run().held == []


# --- dbt's own verdicts -----------------------------------------------------------------------------------------------


def judged(result: BuildResult | None, require: str = "failed", singular: bool = False) -> list[str]:
    """Return the guards that trip over one result of the model's test (or of the model, where it names one)."""
    rig = Rig(plan(require_tests=require))
    rig.people(*crowd(2))
    uid = "model.sim.people"
    attached = None if singular else uid
    parent = Node("model.sim.raw", "raw", "model", "sim", "raw.sql", None, None, "view")
    node = Node(uid, "people", "model", "sim", "p.sql", None, Relation("memory", "main", "people"), "table",
                parents=(parent.unique_id,))  # fmt: skip
    check = Check("test.sim.t", "t", attached, None, (uid,))
    rig.project = replace(rig.project, nodes={uid: node, parent.unique_id: parent}, checks={check.unique_id: check})
    rig.results = {result.unique_id: result} if result else {}
    return [held.guard for held in rig.run().held]


def of(status: str, unique_id: str = "test.sim.t", **more: object) -> BuildResult:
    """Return one result."""
    return BuildResult(unique_id, status, BUILT, "build", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize(
    ("status", "failed", "strict"),
    [("pass", [], []), ("warn", [], []), ("fail", ["tests"], ["tests"]), ("error", ["tests"], ["tests"]),
     ("runtime error", ["tests"], ["tests"]), ("skipped", [], ["tests"])],
)  # fmt: skip
def test_tests(status: str, failed: list[str], strict: list[str], singular: bool) -> None:
    """A failed test stops the sync, attached or singular; one that did not run only where all are required."""
    assert judged(of(status), singular=singular) == failed
    assert judged(of(status), "all", singular=singular) == strict
    assert judged(of(status), "off", singular=singular) == []


def test_not_run() -> None:
    """A test that never ran is a note, unless all are required."""
    assert judged(None) == []
    assert judged(None, "all") == ["tests"]


@pytest.mark.parametrize("uid", ["model.sim.people", "model.sim.raw"])
@pytest.mark.parametrize("status", ["error", "skipped", "runtime error", "partial success"])
def test_failed_build(uid: str, status: str) -> None:
    """A model or a parent that was not built stops the sync."""
    assert judged(of(status, uid)) == ["tests"]


@pytest.mark.parametrize("require", ["failed", "all", "off"])
def test_partial_build(require: str) -> None:
    """A build of no or of some rows is never sent, tests or not."""
    assert judged(of("success", "model.sim.people", partial="--empty"), require) == ["partial_build"]


def test_max_age() -> None:
    """A manifest older than ``max_age`` stops the sync; a younger one does not."""
    rig = Rig(plan(guards=replace(OFF, max_age="36h")))
    rig.people(*crowd(1))
    rig.project = replace(rig.project, generated_at=rig.now() - timedelta(hours=37))
    assert stopped(rig) == "max_age"
    rig.project = replace(rig.project, generated_at=rig.now() - timedelta(hours=35))
    assert rig.run().sent == ["a upsert"]
