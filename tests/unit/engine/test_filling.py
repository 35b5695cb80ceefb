"""``write: if_empty`` through a run: what stands there stays, and the record of what left says so."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import Context, Http, ReadBack, Reply
from revetl.types import Constant, Effect, FieldPlan, Mode, RemoteRecord, Write
from tests.faults.vendor import SIM
from tests.unit.engine.harness import Rig, fields, plan

A, B = "a@example.org", "b@example.org"


def read(_: Context, identities: Sequence[str]) -> Generator[Http, Reply, list[RemoteRecord]]:
    """Read people back."""
    reply = yield Http("POST", "/person/read", content=json.dumps(list(identities)).encode(), effect=Effect.READ)
    return [RemoteRecord(email, "id0", told) for email, told in reply.json().items()]


def rig(**more: Any) -> Rig:
    """Return a rig whose field ``a`` is written only while it is empty."""
    guarded = FieldPlan("a", "a", "model.sim.people", write=Write.IF_EMPTY)
    made = Rig(plan(**{"fields": (*fields("email"), guarded), **more}))
    person = replace(SIM.objects["person"], if_empty=True)
    made.destination = replace(SIM, objects={**SIM.objects, "person": person}, read_back=ReadBack(read, 2))
    return made


def ledger(made: Rig) -> list[dict[str, Any]]:
    """Return what the ledger says of each change."""
    return [json.loads(text) for text in made.rows('SELECT "values" FROM revetl_state.ledger_rows ORDER BY seq')]


def test_what_stands_there_stays() -> None:
    """A typed value is left alone and does not stand in the ledger; an empty field is filled; then all is quiet."""
    made = rig()
    made.vendor.people = {A: {"email": A, "a": "theirs"}}
    made.people(("a", A, "ours"), ("b", B, "ours"))
    assert made.run().status == {"a upsert": "delivered", "b upsert": "delivered"}
    assert {email: told["a"] for email, told in made.vendor.people.items()} == {A: "theirs", B: "ours"}
    assert ledger(made) == [{"email": A}, {"email": B, "a": "ours"}]
    assert made.run().changes == []
    made.people(("a", A, "other"), ("b", B, "other"))
    made.run()
    assert {email: told["a"] for email, told in made.vendor.people.items()} == {A: "theirs", B: "ours"}
    assert made.run().changes == []


def test_nothing_is_cleared() -> None:
    """A null clears nothing: nobody knows whose value stands there."""
    made = rig()
    made.people(("a", A, "ours"))
    made.run()
    made.people(("a", A, None))
    assert made.run().calls == []
    assert made.vendor.people[A]["a"] == "ours"


def test_constants() -> None:
    """A constant written by that rule goes with new records, and only where nothing stands there."""
    made = rig(fields=fields("email"), constants=(Constant("source", "dbt", Write.IF_EMPTY),), mode=Mode.UPSERT)
    made.vendor.people = {A: {"email": A, "source": "web"}}
    made.people(("a", A, "x"), ("b", B, "x"))
    made.run()
    assert {email: told["source"] for email, told in made.vendor.people.items()} == {A: "web", B: "dbt"}


def test_lost_answers() -> None:
    """A lost write is repeated; what arrived the first time stands there and is left alone."""
    made = rig()
    made.vendor.lose = {A}
    made.people(("a", A, "ours"))
    assert made.run().status == {"a upsert": "unknown"}
    made.vendor.lose = set()
    made.people(("a", A, "later"))
    made.later(hours=1)
    assert made.run().status == {"a upsert": "delivered"}
    assert made.vendor.people[A]["a"] == "ours"
    assert made.run().changes == []
