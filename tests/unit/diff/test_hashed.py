"""A field that leaves hashed: the value itself stands nowhere, and what cannot be hashed is refused by name."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from revetl.types import FieldPlan, Guards, Hash, Limits, OnLeave
from tests.unit.engine.harness import OFF, Rig, fields, plan

A, B = "a@example.org", "b@example.org"
PHONES = "id VARCHAR, email VARCHAR, a VARCHAR"
NUMBER, OTHER = "+44 20 7031 3000", "+1 650 555 1212"


def phone(**more: object) -> FieldPlan:
    """Return the field ``a`` of a telephone number."""
    return replace(FieldPlan("a", "a", "model.sim.people", pii="phone"), **more)  # type: ignore[arg-type]


def of(text: str) -> str:
    """Return a digest."""
    return sha256(text.encode()).hexdigest()


def test_only_the_digest_leaves_and_is_kept() -> None:
    """The destination, the snapshot and the ledger get the digest of the normalised value, and see nothing else."""
    rig = Rig(plan(fields=(*fields("email"), phone(hash=Hash.SHA256))))
    rig.people(("a", A, NUMBER), ("b", B, None))
    done = rig.run()
    assert done.body("a upsert") == {"email": A, "a": of("+442070313000")}
    assert rig.vendor.people[A]["a"] == of("+442070313000")
    assert of("+442070313000") in str(rig.snapshot())
    tables = rig.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'revetl_state'")
    assert tables
    assert not [t for t in tables if "7031" in str(rig.rows(f"FROM revetl_state.{t}"))]
    rig.people(("a", A, "0044 (20) 7031-3000"), ("b", B, None))
    assert rig.run().changes == []  # another spelling of the same number


def test_what_has_no_digest_is_refused_by_name() -> None:
    """A number without its country code rejects its row, says why without the value, and goes once it is mended."""
    rig = Rig(plan(fields=(*fields("email"), phone(hash=Hash.SHA256))))
    rig.people(("a", A, "020 7031 3000"), ("b", B, OTHER))
    assert rig.run().status == {"a upsert": "VALUE", "b upsert": "delivered"}
    (reason,) = rig.rows("SELECT reason FROM revetl_state.rejected")
    assert reason == "a: not a phone number with its country code, such as +44…"
    rig.people(("a", A, NUMBER), ("b", B, OTHER))
    assert rig.run().status == {"a upsert": "delivered"}


def test_a_hash_that_is_asked_for_later_is_a_backfill() -> None:
    """To hash a field from now on is a change of the mapping: no guard of data holds it, and it is sent once."""
    guards = Guards(max_leave=Limits(), max_change=Limits(0.0, 0), max_null=Limits(), min_rows=0)
    rig = Rig(plan(fields=(*fields("email"), phone()), guards=OFF))
    rig.people(("a", A, NUMBER), ("b", B, OTHER))
    rig.run()
    for hashed in (Hash.SHA256, Hash.META, None):
        rig.plan = replace(rig.plan, fields=(*fields("email"), phone(hash=hashed)), guards=guards)
        done = rig.run()
        assert [(did.name, did.cause, did.status) for did in done.changes] == [
            ("a upsert", "mapping", "delivered"), ("b upsert", "mapping", "delivered")
        ]  # fmt: skip
        assert rig.run().changes == []
    assert rig.vendor.people[A]["a"] == NUMBER


def test_the_identity_may_be_a_digest() -> None:
    """Records are matched by a hashed address: a person without one is unmatched, and a leave finds the record."""
    address = replace(fields("email")[0], pii="email", hash=Hash.META)
    rig = Rig(plan(fields=(address, *fields("a")), on_leave=OnLeave.DELETE))
    rig.people(("a", " A@Example.org", "x"), ("b", "nobody", "x"), ("c", None, "x"))
    assert rig.run().status == {"a upsert": "delivered"}
    assert set(rig.vendor.people) == {of(A)}
    assert sorted(rig.rows("SELECT key FROM revetl_state.unmatched")) == ['["b"]', '["c"]']
    rig.people(("d", B, "x"))
    rig.run()
    assert set(rig.vendor.people) == {of(B)}


def test_drop_ends_personal_fields_alone() -> None:
    """``on_leave: drop`` empties what is personal of whoever left; the rest, and the identity, stays."""
    rig = Rig(plan(fields=(*fields("email", pii="email"), phone(), *fields("c")), on_leave=OnLeave.CLEAR, drops=True))
    columns = "id VARCHAR, email VARCHAR, a VARCHAR, c VARCHAR"
    stays = ("s", "s@example.org", OTHER, "red")
    rig.people(("a", A, NUMBER, "blue"), ("b", B, None, "red"), stays, columns=columns)
    rig.run()
    rig.people(stays, columns=columns)
    done = rig.run()
    assert done.body("a leave") == {"a": None}
    assert done.body("b leave") == {}
    assert [row[0] for row in rig.snapshot()] == ["s"]
