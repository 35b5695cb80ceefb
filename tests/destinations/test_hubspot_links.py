"""HubSpot's links: associations after the records, in one call for all; a record is delivered with its link."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scripted import Script

from revetl.contract import BatchRejected
from revetl.destinations.hubspot import HUBSPOT
from revetl.destinations.hubspot.api import HubSpotSettings
from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Cause, Change, Link, OnLeave, Op, Status

SETTINGS = HubSpotSettings.model_validate({"access_token": "sandbox"})
WRITE = "POST /crm/v3/objects/contacts/batch/upsert"
MAKE, END = (f"POST /crm/v4/associations/contacts/companies/batch/{verb}" for verb in ("create", "archive"))
PRIMARY = "associatedcompanyid"


def linked(number: int, company: str | None, before: str | None = None, *doubts: str, **more: Any) -> Change:
    """Return a change with a link."""
    return replace(change(number, **more), links={PRIMARY: Link(company, before, doubts)})


def run(changes: list[Change], handler: Any, op: Op = Op.UPSERT, **more: Any) -> Driven:
    """Run one action."""
    return drive(
        HUBSPOT.actions[op].run(batch(changes, SETTINGS, op, object="contacts", match_field="email", **more)), handler
    )


def written(*rows: tuple[int, str]) -> dict[str, Any]:
    """Return the answer to an upsert."""
    return {
        "results": [
            {"id": record, "objectWriteTraceId": str(seq), "properties": {}, "new": True} for seq, record in rows
        ]
    }


def made(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return the answer to a create of associations."""
    return {
        "results": [{"fromObjectId": int(a), "toObjectId": int(b), "labels": ["Primary"]} for a, b in pairs],
        **more,
    }


def test_links_follow_their_records() -> None:
    """New links and ended ones take a call each, whatever their number; who has none is acknowledged first."""
    script = Script(
        (WRITE, 200, written((1, "11"), (2, "12"), (3, "13"))),
        (END, 204, b""),
        (MAKE, 201, made(("11", "21"), ("12", "22"))),
    )
    seen = run([linked(1, "21"), linked(2, "22", "29", "28"), change(3)], script)
    assert script.bodies[1]["inputs"] == [
        {"from": {"id": "12"}, "to": [{"id": "29"}]}, {"from": {"id": "12"}, "to": [{"id": "28"}]},
    ]  # fmt: skip
    assert script.bodies[2]["inputs"][0] == {
        "from": {"id": "11"}, "to": {"id": "21"},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}],
    }  # fmt: skip
    assert [o.change.seq for o in seen.outcomes] == [3, 1, 2]
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert {o.change.seq: o.remote_id for o in seen.outcomes} == {1: "11", 2: "12", 3: "13"}


def test_a_company_that_is_gone_refuses_its_link_alone() -> None:
    """207 names what was made; the other record is refused by name, though its fields were written."""
    gone = {"category": "OBJECT_NOT_FOUND", "message": "21 does not exist", "context": {"toObjectId": ["21"]}}
    script = Script(
        (WRITE, 200, written((1, "11"), (2, "12"))),
        (MAKE, 207, made(("12", "22"), numErrors=1, errors=[gone])),
    )
    outcomes = {o.change.seq: (o.status, o.code) for o in run([linked(1, "21"), linked(2, "22")], script).outcomes}
    assert outcomes == {1: (Status.REJECTED, "OBJECT_NOT_FOUND"), 2: (Status.DELIVERED, "")}


def test_refused_call_leaves_links_in_doubt() -> None:
    """Where the call for links is refused as a whole, nobody is delivered whose link it held."""
    script = Script((WRITE, 200, written((1, "11"), (2, "12"))), (MAKE, 400, {"category": "VALIDATION_ERROR"}))
    outcomes = {o.change.seq: o.status for o in run([linked(1, "21"), change(2)], script).outcomes}
    assert outcomes == {1: Status.UNKNOWN, 2: Status.DELIVERED}


def test_refused_batch_is_halved_as_before() -> None:
    """A batch refused for some row in it makes no link."""
    script = Script((WRITE, 400, {"category": "VALIDATION_ERROR", "message": "no"}))
    assert isinstance(run([linked(1, "21"), change(2)], script).value, BatchRejected)


KNOWN: dict[str, Any] = {"remote_id": "11", "created": True}


def test_a_link_alone_writes_no_record() -> None:
    """Who is known and gets nothing but another company costs the two calls of the link; the others are written."""
    script = Script(
        (WRITE, 200, written((2, "12"))),
        (END, 204, b""),
        (MAKE, 201, made(("11", "21"), ("12", "22"))),
    )
    seen = run([linked(1, "21", "20", **KNOWN), linked(2, "22", fields={"firstname": "B"})], script)
    assert [row["id"] for row in script.bodies[0]["inputs"]] == ["c2@example.org"]
    assert {o.change.seq: (o.status, o.remote_id) for o in seen.outcomes} == {
        1: (Status.DELIVERED, "11"), 2: (Status.DELIVERED, "12"),
    }  # fmt: skip


def test_a_record_in_doubt_is_written_before_its_link() -> None:
    """What is sent again is written, though its body be empty: it may not be there any more."""
    update = "POST /crm/v3/objects/contacts/batch/update"
    script = Script((update, 200, written((1, "11"))), (MAKE, 201, made(("11", "21"))))
    assert [o.status for o in run([linked(1, "21", cause=Cause.RETRY, **KNOWN)], script).outcomes] == [Status.DELIVERED]
    assert script.left == []


def test_a_record_that_vanished_meanwhile_is_in_doubt() -> None:
    """Where a link alone finds no record, or no company, the next run sends the record whole."""
    gone = {"category": "OBJECT_NOT_FOUND", "message": "11 does not exist", "context": {"fromObjectId": ["11"]}}
    script = Script((MAKE, 207, made(numErrors=1, errors=[gone])))
    (outcome,) = run([linked(1, "21", **KNOWN)], script).outcomes
    assert (outcome.status, outcome.code) == (Status.UNKNOWN, "OBJECT_NOT_FOUND")


def test_before_the_stand_in() -> None:
    """Made, moved, ended and cleared, as the stand-in holds it; repeats do no harm."""
    box = make("hubspot")
    handler = stand_in(HUBSPOT, SETTINGS, lambda m, p, q, h, b: box.handle(m, p, "", h, b))
    companies = box.store["objects"]["companies"]["records"]
    for number in ("21", "22"):
        companies[number] = {"id": number, "properties": {"name": number}, "archived": False}

    def held() -> list[str]:
        (contact,) = box.store["objects"]["contacts"]["records"].values()
        assert contact["properties"][PRIMARY] in ("", *box.store["associations"].get(contact["id"], {}))
        return sorted(box.store["associations"].get(contact["id"], {}))

    for _ in range(2):
        (outcome,) = run([linked(1, "21", fields={"firstname": "A"})], handler).outcomes
        assert held() == ["21"]
    known: dict[str, Any] = {"remote_id": outcome.remote_id, "created": True}
    run([linked(2, "22", "21", **known)], handler)
    assert held() == ["22"]
    run([linked(3, None, "22", **known)], handler)
    assert held() == []
    run([linked(4, "21", **known)], handler)
    (cleared,) = run([linked(5, None, "21", **known)], handler, Op.LEAVE, on_leave=OnLeave.CLEAR).outcomes
    assert (cleared.status, held()) == (Status.DELIVERED, [])
