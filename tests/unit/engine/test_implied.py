"""A renamed record goes whole where records cannot go in part, but for one whose rename proved that it stands."""

from __future__ import annotations

from tests.faults.vendor import WHOLE
from tests.unit.engine.harness import Rig

A, B, NEW = "a@example.org", "b@example.org", "new@example.org"


def rig(*, names: bool = True) -> Rig:
    """Return a rig of two people who are there; ``names``: a rename is answered with the record's id."""
    made = Rig()
    made.destination = WHOLE
    made.vendor.names = names
    made.people(("a", A, "x"), ("b", B, "y"))
    made.run()
    return made


def test_a_proven_rename_is_one_write() -> None:
    """The whole record is delivered without a call and without a row of the ledger; the next run has nothing to do."""
    made = rig()
    made.people(("a", NEW, "x"), ("b", B, "y"))
    done = made.run()
    assert [op for op, _ in done.calls] == ["identity"]
    assert [(did.op, did.status, did.code) for did in done.changes] == [
        ("identity", "delivered", None), ("upsert", "delivered", "IMPLIED"),
    ]  # fmt: skip
    rows = f"SELECT op FROM revetl_state.ledger_rows WHERE run = '{done.run}'"
    assert made.rows(rows) == ["identity"]
    assert made.vendor.people[NEW] == {"email": NEW, "a": "x"}
    assert made.run().changes == []


def test_a_rename_that_names_no_record_proves_nothing() -> None:
    """Without the id in the answer the record goes whole, as ever."""
    made = rig(names=False)
    made.people(("a", NEW, "x"), ("b", B, "y"))
    assert [op for op, _ in made.run().calls] == ["identity", "upsert"]


def test_somebody_else_under_the_new_identity_is_written() -> None:
    """A stranger stood there: our record is merged away, and whoever holds the identity gets all that ours had."""
    made = rig()
    made.vendor.people[NEW], made.vendor.ids[NEW] = {"email": NEW, "a": "theirs"}, "stranger"
    made.people(("a", NEW, "x"), ("b", B, "y"))
    assert [op for op, _ in made.run().calls] == ["identity", "upsert"]
    assert made.vendor.people[NEW]["a"] == "x"


def test_anything_else_that_changed_is_written() -> None:
    """A new value beside the new identity goes in a call of its own."""
    made = rig()
    made.people(("a", NEW, "better"), ("b", B, "y"))
    assert [op for op, _ in made.run().calls] == ["identity", "upsert"]
    assert made.vendor.people[NEW]["a"] == "better"


def test_a_lost_rename_proves_nothing() -> None:
    """Whose rename was answered only the second time may still see the first one land: the record goes whole."""
    made = rig()
    made.vendor.lose = {f"identity {NEW}"}
    made.people(("a", NEW, "x"), ("b", B, "y"))
    made.run()
    made.vendor.lose = set()
    made.later(hours=1)
    assert ("upsert", NEW) in [(op, row["email"]) for op, row in made.run().calls]
