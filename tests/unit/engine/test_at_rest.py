"""A record of which nothing is to be written makes no call, also where records cannot go in part."""

from __future__ import annotations

import pytest

from revetl.types import FieldPlan, OnNull, Write
from tests.faults.vendor import WHOLE
from tests.unit.engine.harness import Rig, plan

A = "a@example.org"


def rig(*, whole: bool, **policy: OnNull | Write) -> Rig:
    """Return a rig of one person who is there, with a field ``a`` of this policy."""
    email = FieldPlan("email", "email", "model.sim.people")
    made = Rig(plan(fields=(email, FieldPlan("a", "a", "model.sim.people", **policy))))  # type: ignore[arg-type]
    made.destination = WHOLE if whole else made.destination
    made.people(("a", A, "x"))
    made.run()
    return made


@pytest.mark.parametrize("whole", [True, False])
def test_a_null_that_keeps_what_stands_there(whole: bool) -> None:
    """Nothing leaves for it, once and later; the value that comes back is written, since another may have come."""
    made = rig(whole=whole, on_null=OnNull.KEEP)
    made.people(("a", A, None))
    assert made.run().calls == []
    assert made.run().changes == []
    made.people(("a", A, "x"))
    assert [op for op, _ in made.run().calls] == ["upsert"]
    assert made.vendor.people[A]["a"] == "x"


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_written_once(whole: bool) -> None:
    """A new value of a field that is for new records alone makes no call."""
    made = rig(whole=whole, write=Write.CREATE)
    made.people(("a", A, "y"))
    assert made.run().calls == []
    assert made.vendor.people[A]["a"] == "x"


def test_a_null_that_clears() -> None:
    """It does leave: whole, where records go whole."""
    made = rig(whole=True, on_null=OnNull.CLEAR)
    made.people(("a", A, None))
    assert made.run().body("a upsert") == {"email": A, "a": None}
