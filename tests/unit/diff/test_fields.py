"""Which fields of a changed record travel, why, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revetl.types import Constant, OnNull, Write
from tests.unit.engine.harness import Rig, cohort, fields, plan

WIDE = "id VARCHAR, email VARCHAR, a VARCHAR, b VARCHAR"
A = "a@example.org"


def started(*rows: tuple[object, ...], columns: str = WIDE, **more: object) -> Rig:
    """Return a rig whose vendor holds these people."""
    rig = Rig(plan(**more))
    for one in rig.plan.cohorts:
        rig.keys(one.name)
    rig.people(*rows, columns=columns)
    rig.run()
    return rig


def test_null_clears_what_was_delivered() -> None:
    """A value that revetl delivered and that turned null is cleared there."""
    rig = started(("a", A, "x", None))
    rig.people(("a", A, None, None), columns=WIDE)
    assert rig.run().body("a upsert") == {"a": None}
    assert rig.vendor.people == {A: {"email": A}}


def test_null_never_wipes_what_others_typed() -> None:
    """A null of which revetl never delivered a value is not sent, neither first nor later."""
    rig = started(("a", A, None, "1"), fields=fields("email", "a", "b"))
    assert rig.vendor.seen[0][1]["fields"] == {"email": A, "b": "1"}
    rig.people(("a", A, None, "2"), columns=WIDE)
    assert rig.run().body("a upsert") == {"b": "2"}


def test_null_kept() -> None:
    """``on_null: keep`` sends no null: nothing is called, the snapshot moves, and the value's return is sent."""
    rig = started(("a", A, "x", None), fields=fields("email") + fields("a", on_null=OnNull.KEEP))
    rig.people(("a", A, None, None), columns=WIDE)
    done = rig.run()
    assert (done.status, done.calls) == ({"a upsert": "quiet"}, [])
    assert rig.run().changes == []
    rig.people(("a", A, "x", None), columns=WIDE)
    assert rig.run().body("a upsert") == {"a": "x"}


def test_write_create() -> None:
    """A field written on creation only is never sent again: its changes are quiet."""
    rig = started(("a", A, "x", "1"), fields=fields("email", "a") + fields("b", write=Write.CREATE))
    assert rig.vendor.people[A] == {"email": A, "a": "x", "b": "1"}
    rig.people(("a", A, "x", "2"), columns=WIDE)
    done = rig.run()
    assert (done.status, done.calls) == ({"a upsert": "quiet"}, [])
    assert rig.run().changes == []
    rig.people(("a", A, "y", "3"), columns=WIDE)
    assert rig.run().body("a upsert") == {"a": "y"}


def test_constants() -> None:
    """A constant goes with the record's creation, and with every write where it says so."""
    rig = started(("a", A, "x", None), constants=(Constant("SOURCE", "dbt"), Constant("V", 1, Write.ALWAYS)))
    assert rig.vendor.people[A] == {"email": A, "a": "x", "SOURCE": "dbt", "V": 1}
    rig.people(("a", A, "y", None), columns=WIDE)
    assert rig.run().body("a upsert") == {"a": "y", "V": 1}


def test_new_field_is_backfill() -> None:
    """A newly mapped field is a mapping change that carries this field alone; after it, differences are data."""
    rig = started(("a", A, "x", "1"), ("b", "b@example.org", "x", None))
    rig.plan = replace(rig.plan, fields=fields("email", "a", "b"))
    done = rig.run()
    assert [(did.name, did.cause, did.body) for did in done.changes if did.body is not None] == [
        ("a upsert", "mapping", {"b": "1"})
    ]
    rig.people(("a", A, "x", "2"), ("b", "b@example.org", "x", None), columns=WIDE)
    assert [(did.name, did.cause) for did in rig.run().changes] == [("a upsert", "data")]


def test_full_record_where_not_partial() -> None:
    """Where a destination takes full records only, every write carries every value."""
    rig = started(("a", A, "x", "1"), fields=fields("email", "a", "b"))
    person = replace(rig.destination.objects["person"], partial=False)
    rig.destination = replace(rig.destination, objects={"person": person})
    rig.people(("a", A, "y", "1"), columns=WIDE)
    assert rig.run().body("a upsert") == {"email": A, "a": "y", "b": "1"}


def test_new_wire_format_sends_again() -> None:
    """A new version of the wire format sends every known record again, once, in full."""
    rig = started(("a", A, "x", None))
    rig.destination = replace(rig.destination, wire=replace(rig.destination.wire, version=2))
    assert rig.run().body("a upsert") == {"email": A, "a": "x"}
    assert rig.run().changes == []


def test_order() -> None:
    """Parts first, then data, then what is tried again, then the backfill; a key's operations stay in their order."""
    rows = [(k, f"{k}@example.org", "x", None) for k in "abcde"]
    rig = started(*rows, cohorts=(cohort("gold"),))
    rig.keys("gold", "e")
    rig.vendor.lose = {"upsert b@example.org"}
    rig.people(*[("b", "b@example.org", "lost", None) if row[0] == "b" else row for row in rows], columns=WIDE)
    assert rig.run().status["b upsert"] == "unknown"
    rig.vendor.lose = set()
    rig.later(hours=1)
    rig.plan = replace(rig.plan, fields=fields("email", "a", "b"))
    rig.keys("gold", "c")
    rig.people(
        ("a", "a@example.org", "x", "new"), ("b", "b@example.org", "lost", None), ("c", "c@example.org", "y", None),
        ("d", "d@example.org", "x", None), ("e", "e@example.org", "x", None), columns=WIDE,
    )  # fmt: skip
    done = rig.run()
    assert done.sent == ["e part gold", "c upsert", "c join gold", "b upsert", "a upsert"]
    assert [did.cause for did in done.changes] == ["data", "data", "data", "retry", "mapping"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"limit": 2}, ["a upsert", "b upsert"]), ({"keys": ("c",)}, ["c upsert"]),
     ({"keys": ('["a"]', "b@example.org")}, ["a upsert", "b upsert"])],
)  # fmt: skip
def test_canary(options: dict[str, Any], expected: list[str]) -> None:
    """A canary sends its own keys alone; the next run sends the rest."""
    rig = Rig()
    rig.people(*[(k, f"{k}@example.org", "x") for k in "abcd"])
    assert rig.run(**options).sent == expected
    rest = rig.run().sent
    assert sorted(expected + rest) == ["a upsert", "b upsert", "c upsert", "d upsert"]


def test_canary_of_backfill() -> None:
    """A canary does not settle a backfill: what is left of it is mapping still."""
    rig = started(("a", A, "x", "1"), ("b", "b@example.org", "x", "2"))
    rig.plan = replace(rig.plan, fields=fields("email", "a", "b"))
    assert rig.run(limit=1).sent == ["a upsert"]
    assert [(did.name, did.cause) for did in rig.run().changes] == [("b upsert", "mapping")]


def test_what_a_newer_module_spells_otherwise_is_sent_again() -> None:
    """Where the destination's module changed how it spells values, all records go once, and not twice."""
    rig = Rig(plan())
    rig.people(("a", "a@example.org", "x"), ("b", "b@example.org", "x"))
    rig.run()
    rig.rows("UPDATE revetl_state.syncs SET wire_version = wire_version + 1")
    assert sorted(rig.run().sent) == ["a upsert", "b upsert"]
    assert rig.run().changes == []
