"""What is mapped no more: left alone until somebody asks for its end, and then ended where revetl put it."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.engine.harness import Rig, cohort, fields, plan

A, B = "a@example.org", "b@example.org"


def unmapped() -> Rig:
    """Return a rig whose field ``a`` and cohort ``gold`` were sent once and are mapped no more."""
    rig = Rig(plan(cohorts=(cohort("gold"),)))
    rig.people(("a", A, "x"), ("b", B, None))
    rig.keys("gold", "a", "b")
    rig.run()
    rig.plan = replace(rig.plan, fields=fields("email"), cohorts=())
    return rig


def test_removing_a_mapping_sends_nothing() -> None:
    """The value and the memberships stay where they are."""
    rig = unmapped()
    assert rig.run().changes == []
    assert rig.vendor.people[A]["a"] == "x"
    assert rig.vendor.tags == {A: {"gold"}, B: {"gold"}}


def test_a_field_is_cleared_where_it_was_delivered() -> None:
    """One call for whom it was delivered to; nobody else hears of it."""
    rig = unmapped()
    done = rig.run(clear=("sim.person.a",))
    assert done.sent == ["a upsert"]
    assert done.body("a upsert") == {"a": None}
    assert "a" not in rig.vendor.people[A]


def test_a_cohort_is_ended() -> None:
    """Every membership that revetl made ends."""
    rig = unmapped()
    assert sorted(rig.run(clear=("sim.person.gold",)).sent) == ["a part gold", "b part gold"]
    assert not any(rig.vendor.tags.values())
    assert rig.run(clear=("sim.person.gold",)).changes == []
