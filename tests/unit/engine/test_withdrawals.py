"""Consent: a no is made good first, whatever is held; a yes restores nothing; the column itself never leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from revetl.errors import ConfigError
from revetl.types import ConsentPlan, Guards, Limits, OnLeave
from tests.unit.engine.harness import Rig, cohort, plan, ref

A, B, C = (f"{name}@example.org" for name in "abc")
WIDE = "id VARCHAR, email VARCHAR, a VARCHAR, ok BOOLEAN"
NO = "consent:unsubscribe"
CONSENT = ConsentPlan("ok", "model.sim.people", "unsubscribe", "pending")


def rig(*rows: tuple[object, ...], **more: Any) -> Rig:
    """Return a rig whose sync has a consent column, after its first run."""
    made = Rig(plan(consent=CONSENT, **more))
    made.people(*(rows or (("a", A, "x", True), ("b", B, "x", None))), columns=WIDE)
    for name in (*(one.name for one in made.plan.cohorts), *(one.model for one in made.plan.audience)):
        made.keys(name, *[str(row[0]) for row in rows])
    made.run()
    return made


def test_new_people_start_as_they_should() -> None:
    """Who says no is never in, not for a moment; the others start as ``new_as`` says; null is no statement."""
    made = rig(("a", A, "x", True), ("b", B, "x", None), ("c", C, "x", False))
    assert made.vendor.status == {A: "pending", B: "pending", C: "unsubscribed"}
    assert [row["okay"] for op, row in made.vendor.seen if op == "upsert"] == [True, None, False]
    assert "ok" not in json.dumps([row["fields"] for _, row in made.vendor.seen])
    assert [(row["email"], row["tag"]) for op, row in made.vendor.seen if op == "join"] == [(C, NO)]
    assert made.run().changes == []


def test_a_no_goes_first() -> None:
    """A withdrawal is sent before everything else of its run, and only once."""
    made = rig(("a", A, "x", True), ("b", B, "x", True))
    made.people(("a", A, "y", True), ("b", "new@example.org", "y", False), columns=WIDE)
    done = made.run()
    assert done.sent[0] == f"b join {NO}"
    assert sorted(done.sent[1:]) == ["a upsert", "b identity", "b upsert"]
    assert done.calls[0][1]["email"] == B  # where the record stands before it is renamed
    assert made.vendor.status["new@example.org"] == "unsubscribed"
    assert made.run().changes == []


@pytest.mark.parametrize("before", [True, False])
def test_a_no_outlives_a_merge(before: bool) -> None:
    """Who says no, or said so before, and moves to where a leaver's record stands, is withdrawn at both places."""
    made = rig(("a", A, "x", before), ("b", B, "x", True), on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.people(("a", B, "x", False), columns=WIDE)
    done = made.run()
    asked = [(op, row["email"]) for op, row in done.calls if op in {"join", "identity"}]
    assert asked == [("join", A), ("identity", B), ("join", B)]
    assert made.vendor.status[B] == "unsubscribed"
    assert made.members() == [("a", NO)]
    assert made.run().changes == []


def test_a_no_that_reached_one_place_of_two_is_said_again() -> None:
    """Where the second is lost, the next run says it."""
    made = rig(("a", A, "x", True), ("b", B, "x", True), on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.people(("a", B, "x", False), columns=WIDE)
    made.vendor.refuse = {f"join {B}": "REFUSED"}
    made.run()
    assert (made.vendor.status[B], made.members()) == ("pending", [])
    made.vendor.refuse = {}
    made.later(days=8)
    assert made.run().sent == [f"a join {NO}"]
    assert made.vendor.status[B] == "unsubscribed"


def test_a_yes_restores_nothing() -> None:
    """True again, or null again, sends nothing; a later no is sent anew."""
    made = rig(("a", A, "x", False))
    made.people(("a", A, "x", True), columns=WIDE)
    done = made.run()
    assert (done.calls, done.status) == ([], {f"a part {NO}": "forgotten"})
    assert made.members() == []
    assert made.vendor.status[A] == "unsubscribed"
    assert made.run().changes == []
    made.people(("a", A, "x", False), columns=WIDE)
    assert made.run().sent == [f"a join {NO}"]


def test_outside_the_audience() -> None:
    """Who leaves the audience by saying no is withdrawn, then left; one who left before, too; a stranger stays one."""
    made = rig(("a", A, "x", True), ("b", B, "x", True), ("c", C, "x", None), audience=(ref("fans"),))
    made.keys("fans", "a")
    made.people(("a", A, "x", True), ("b", B, "x", False), ("c", C, "x", None), ("d", "d@example.org", "x", False),
                columns=WIDE)  # fmt: skip
    assert made.run().sent == [f"b join {NO}"]
    assert made.vendor.status[B] == "unsubscribed"
    assert made.run().changes == []
    made.people(("a", A, "x", True), ("b", B, "x", False), ("c", C, "x", False), ("d", "d@example.org", "x", False),
                columns=WIDE)  # fmt: skip
    assert made.run().sent == [f"c join {NO}"]
    assert made.run().changes == []


@pytest.mark.parametrize("trip", ["hold", "stop"])
def test_a_no_is_never_held(trip: str) -> None:
    """Guards that hold leaves, or stop the whole sync, let withdrawals through and nothing else."""
    made = rig(*[(k, f"{k}@example.org", "x", True) for k in "abcdef"], on_leave=OnLeave.DELETE,
               on_leave_scope="all")  # fmt: skip
    made.plan = replace(made.plan, guards=Guards(Limits(0.1, 1), Limits(), Limits(), 0, trip))
    made.people(("a", A, "x", False), ("f", "f@example.org", "x", True), columns=WIDE)
    done = made.run()
    assert [held.guard for held in done.held] == ["max_leave"]
    assert done.sent == [f"a join {NO}"]
    assert made.vendor.status[A] == "unsubscribed"


def test_a_no_does_not_wait_for_data() -> None:
    """A record whose values are refused is withdrawn all the same."""
    made = rig(("a", A, "x", True))
    made.vendor.refuse = {f"upsert {A}": "NO"}
    made.people(("a", A, "y", False), columns=WIDE)
    assert made.run().status == {f"a join {NO}": "delivered", "a upsert": "NO"}
    made.people(("a", B, "y", False), ("b", B, "y", True), columns=WIDE)  # two claim one identity
    made.later(days=8)
    assert made.run().status["a upsert"] == "MATCH_COLLISION"


def test_a_no_that_was_lost_rests_once_it_is_acknowledged() -> None:
    """Nothing is said against a no, so a late one changes nothing: its record is left at once and all is quiet."""
    made = rig(("a", A, "x", True), ("b", B, "x", True), on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.vendor.lose = {f"join {A}"}
    made.people(("a", A, "x", False), ("b", B, "x", True), columns=WIDE)
    made.run()
    made.vendor.lose = set()
    made.people(("b", B, "x", True), columns=WIDE)
    made.later(seconds=60)
    assert made.run().sent == [f"a join {NO}", "a leave"]
    made.later(days=8)
    assert made.run().sent == []
    assert made.run().changes == []


def test_a_lost_no_is_repeated() -> None:
    """A withdrawal of unknown outcome is sent again, even when the person has left the model meanwhile."""
    made = rig(("a", A, "x", True), ("b", B, "x", True))
    made.vendor.lose = {f"join {A}"}
    made.people(("a", A, "x", False), ("b", B, "x", True), columns=WIDE)
    assert made.run().status == {f"a join {NO}": "unknown"}
    made.vendor.lose = set()
    made.people(("b", B, "x", True), columns=WIDE)
    assert f"a join {NO}" in made.run().sent
    made.later(hours=1)
    assert made.run().sent == []
    assert made.run().changes == []


def test_cohorts_beside_it() -> None:
    """Cohorts are joined and parted as ever; whoever is deleted and returns is withdrawn again."""
    made = rig(("a", A, "x", False), ("b", B, "x", True), cohorts=(cohort("gold"),), on_leave=OnLeave.DELETE,
               on_leave_scope="all")  # fmt: skip
    assert made.members() == [("a", NO), ("a", "gold"), ("b", "gold")]
    made.keys("gold", "b")
    assert made.run().sent == ["a part gold"]
    made.people(("b", B, "x", True), columns=WIDE)
    made.run()
    made.run()
    assert made.members() == [("b", "gold")]
    made.people(("a", A, "x", False), ("b", B, "x", True), columns=WIDE)
    assert made.run().sent == ["a upsert", f"a join {NO}"]


def test_column_of_another_type() -> None:
    """A column that is no boolean stops the sync: what is no clear yes or no is nothing to guess at."""
    made = Rig(plan(consent=CONSENT))
    made.people(("a", A, "x", "no"), columns="id VARCHAR, email VARCHAR, a VARCHAR, ok VARCHAR")
    (error,) = made.run().found.errors.values()
    assert isinstance(error, ConfigError)
    assert error.code == "RVT-424"
    assert made.vendor.seen == []


def test_without_a_column_any_more() -> None:
    """Where nothing says consent any more, nobody is given anything back."""
    made = rig(("a", A, "x", False))
    made.plan = replace(made.plan, consent=None)
    assert made.run().changes == []
    assert made.run(clear=(f"sim.person.{NO}",)).calls == []
    assert made.vendor.status[A] == "unsubscribed"
