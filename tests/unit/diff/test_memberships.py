"""Fields of memberships: typed in state, carried by a JOIN, which is sent again when one of them changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.types import FieldPlan, OnLeave, OnNull
from tests.unit.engine.harness import Rig, cohort, plan

A, B = "a@example.org", "b@example.org"
COLUMNS = "id VARCHAR, level VARCHAR, since DATE"


def carried(*names: str, **more: Any) -> tuple[FieldPlan, ...]:
    """Return membership fields that bear the names of their columns."""
    return tuple(FieldPlan(name, name, "model.sim.gold", **more) for name in names)


def rig(*fields: FieldPlan, **more: Any) -> Rig:
    """Return a rig with two people, a cohort whose memberships carry fields and one whose do not."""
    gold = replace(cohort("gold"), fields=fields or carried("level", "since"))
    made = Rig(plan(cohorts=(gold, cohort("risky")), **more))
    made.people(("a", A, "x"), ("b", B, "x"))
    made.keys("risky", "a")
    made.model("gold", COLUMNS, ("a", "high", date(2026, 1, 2)))
    return made


def test_join_carries_the_fields() -> None:
    """A JOIN has what its own cohort's memberships carry, nulls left out; nothing else has it."""
    made = rig()
    made.model("gold", COLUMNS, ("a", "high", date(2026, 1, 2)), ("b", None, None))
    done = made.run()
    assert done.body("a join gold") == {"level": "high", "since": "2026-01-02"}
    assert done.body("b join gold") == {}
    assert done.body("a join risky") == {}
    assert made.vendor.told[A]["gold"] == {"level": "high", "since": "2026-01-02"}
    assert made.run().changes == []


def test_changed_field_joins_again() -> None:
    """A changed field sends the JOIN again, as data, with all that the membership carries."""
    made = rig()
    made.run()
    made.model("gold", COLUMNS, ("a", "low", date(2026, 1, 2)))
    (did,) = made.run().changes
    assert (did.name, did.cause, did.body) == ("a join gold", "data", {"level": "low", "since": "2026-01-02"})
    assert made.rows("SELECT f2, f3 FROM revetl_state.members_1 WHERE cohort = 'gold'") == [("low", date(2026, 1, 2))]
    assert made.run().changes == []


def test_nulls() -> None:
    """A null clears what was delivered, once, or keeps it where the field says so."""
    made = rig()
    made.run()
    made.model("gold", COLUMNS, ("a", None, date(2026, 1, 2)))
    assert made.run().body("a join gold") == {"level": None, "since": "2026-01-02"}
    made.model("gold", COLUMNS, ("a", None, date(2026, 1, 3)))
    assert made.run().body("a join gold") == {"since": "2026-01-03"}
    kept = rig(*carried("level", on_null=OnNull.KEEP))
    kept.run()
    kept.model("gold", COLUMNS, ("a", None, None))
    assert kept.run().body("a join gold") == {}
    assert kept.vendor.told[A]["gold"] == {"level": "high"}


def test_new_field_is_backfill() -> None:
    """A field that is mapped anew joins the members again, as a change of the mapping; later it is data."""
    made = rig(*carried("level"))
    made.run()
    made.plan = replace(made.plan, cohorts=(replace(made.plan.cohorts[0], fields=carried("level", "since")),))
    assert [(did.name, did.cause) for did in made.run().changes] == [("a join gold", "mapping")]
    made.model("gold", COLUMNS, ("a", "high", date(2026, 1, 3)))
    assert [(did.name, did.cause) for did in made.run().changes] == [("a join gold", "data")]


def test_left_and_back() -> None:
    """Who parts and returns carries everything again."""
    made = rig()
    made.run()
    made.model("gold", COLUMNS)
    assert made.run().sent == ["a part gold"]
    made.model("gold", COLUMNS, ("a", "high", date(2026, 1, 2)))
    assert made.run().body("a join gold") == {"level": "high", "since": "2026-01-02"}


def test_lost_join_is_asserted_whole() -> None:
    """After a lost JOIN everything is asserted, and what it may have set is cleared where it turned null."""
    made = rig()
    made.vendor.lose = {f"join {A}"}
    assert made.run().status["a join gold"] == "unknown"
    made.vendor.lose = set()
    made.model("gold", COLUMNS, ("a", None, date(2026, 1, 2)))
    done = made.run()
    assert done.body("a join gold") == {"level": None, "since": "2026-01-02"}
    assert made.vendor.told[A]["gold"] == {"level": None, "since": "2026-01-02"}


def test_refused_join_waits_for_another_value() -> None:
    """A refused JOIN rests until its gap is over or a field of it changes."""
    made = rig()
    made.vendor.refuse = {f"join {A}": "NO"}
    made.run()
    made.vendor.refuse = {}
    assert "a join gold" not in made.run().sent
    made.model("gold", COLUMNS, ("a", "low", date(2026, 1, 2)))
    assert "a join gold" in made.run().sent


def test_value_that_cannot_be_carried() -> None:
    """A value that has no exact spelling refuses its membership by name, not the others."""
    made = rig(*carried("n"))
    made.model("gold", "id VARCHAR, n DOUBLE", ("a", float("nan")), ("b", 1.5))
    done = made.run()
    assert (done.status["a join gold"], done.status["b join gold"]) == ("VALUE", "delivered")


def test_two_rows_of_one_member() -> None:
    """A cohort that says two things of one member stops the sync: nobody chooses."""
    made = rig()
    made.model("gold", COLUMNS, ("a", "high", None), ("a", "low", None))
    (held,) = made.run().held
    assert (held.guard, held.stops) == ("key", True)
    assert "1 members of gold" in held.reason


def test_type_of_a_field_changes() -> None:
    """A field that gets another type is held like any column, and joins again once that is approved."""
    made = rig(*carried("level"))
    made.run()
    made.model("gold", "id VARCHAR, level INTEGER", ("a", 3))
    assert [held.guard for held in made.run().held] == ["types"]
    made.approve("types")
    assert made.run().body("a join gold") == {"level": 3}


def test_personal_fields_are_hidden() -> None:
    """A personal field stands in the ledger as a keyed hash."""
    made = Rig(plan(cohorts=(replace(cohort("gold"), fields=carried("level", pii="name")),)), values="hash")
    made.people(("a", A, "x"))
    made.model("gold", COLUMNS, ("a", "high", None))
    made.run()
    (text,) = made.rows("SELECT \"values\" FROM revetl_state.ledger_rows WHERE op = 'join'")
    assert set(json.loads(text)["level"]) == {"hmac"}


def test_who_moves_to_where_a_leaver_stood_is_a_member_there() -> None:
    """One of the two records ends when a renamed one meets a leaver's: the memberships are asserted at the address."""
    made = rig(on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    made.people(("a", B, "x"))
    done = made.run()
    assert done.body("a join gold") == {"level": "high", "since": "2026-01-02"}
    assert made.vendor.tags[B] == {"gold", "risky"}
    assert made.run().changes == []


def heir(made: Rig) -> None:
    """Let b stand where a, the member, stood; b's membership says nothing."""
    made.people(("b", A, "x"))
    made.model("gold", COLUMNS, ("b", None, None))
    made.keys("risky")


def test_heir_of_an_address_clears_what_the_membership_carried_there() -> None:
    """A membership that began under another key, at the same address, keeps nothing of what that one was told."""
    made = rig(on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    heir(made)
    assert made.run().body("b join gold") == {"level": None, "since": None}
    assert made.run().changes == []


def test_membership_is_handed_over_when_its_heir_has_it() -> None:
    """While the heir's JOIN did not arrive, what was told before is not forgotten, and is cleared by the next."""
    made = rig(on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    heir(made)
    made.vendor.refuse = {f"join {A}": "NO"}
    assert made.run().status["b join gold"] == "NO"
    made.vendor.refuse = {}
    made.model("gold", COLUMNS, ("b", None, date(2026, 1, 3)))
    assert made.run().body("b join gold") == {"level": None, "since": "2026-01-03"}


told = st.dictionaries(st.sampled_from("abc"), st.tuples(st.none() | st.sampled_from("xyz"), st.none() | st.dates()))


@pytest.mark.timeout(300)
@settings(max_examples=8, deadline=None)
@given(models=st.lists(told, min_size=1, max_size=3))
def test_memberships_follow_the_model(models: list[dict[str, tuple[str | None, date | None]]]) -> None:
    """Whatever the cohort goes through, state and vendor hold what it says, and nothing is sent twice."""
    made = rig()
    made.people(*[(key, f"{key}@example.org", "x") for key in "abc"])
    try:
        for wanted in models:
            made.model("gold", COLUMNS, *[(key, *values) for key, values in wanted.items()])
            made.run()
            held = made.rows("SELECT k0, f2, f3 FROM revetl_state.members_1 WHERE cohort = 'gold' ORDER BY k0")
            assert held == sorted((key, *values) for key, values in wanted.items())
            for key, (level, since) in wanted.items():
                found = made.vendor.told[f"{key}@example.org"]["gold"]
                assert (found.get("level"), found.get("since")) == (level, since.isoformat() if since else None)
            assert made.run().changes == []
    finally:
        made.con.close()
