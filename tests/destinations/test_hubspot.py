"""HubSpot's nuances, call by call."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import Script

from revetl.contract import Context, Fault, Reply
from revetl.destinations.hubspot import HUBSPOT
from revetl.destinations.hubspot.api import HubSpotSettings, Tier
from revetl.errors import DestinationError
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Mode, OnLeave, Op, Proof, Status

SETTINGS = HubSpotSettings.model_validate({"access_token": "pat-secret"})
OBJECT = "POST /crm/v3/objects/contacts"
UPSERT, UPDATE, READ = f"{OBJECT}/batch/upsert", f"{OBJECT}/batch/update", f"{OBJECT}/batch/read"
ARCHIVE = f"{OBJECT}/batch/archive"


def run(op: Op, changes: list[Any], script: Script, **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    settled = batch(changes, SETTINGS, op, object="contacts", match_field="email", **more)
    seen = drive(HUBSPOT.actions[op].run(settled), script)
    assert not script.left
    return seen


def done(*rows: tuple[int, str, bool | None], errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the answer to a batch write: (sequence number, record id, new)."""
    results = [
        {"id": record, "objectWriteTraceId": str(seq), "properties": {}} | ({} if new is None else {"new": new})
        for seq, record, new in rows
    ]
    return {"status": "COMPLETE", "results": results} | ({"errors": list(errors)} if errors else {})


def people(**found: str) -> dict[str, Any]:
    """Return the answer to a read: local part → record id."""
    rows = [{"id": record, "properties": {"email": f"{name}@example.org"}} for name, record in found.items()]
    return {"status": "COMPLETE", "results": rows}


# --- upsert ---------------------------------------------------------------------------------------------------------


def test_records_with_an_id_are_updated_by_it_and_the_others_upserted() -> None:
    """An upsert by e-mail must be whole; an update by id need not be."""
    script = Script((UPDATE, 200, done((1, "11", None))), (UPSERT, 201, done((2, "22", True))))
    known = change(1, fields={"firstname": ""}, remote_id="11", created=True)
    seen = run(Op.UPSERT, [known, change(2, fields={"firstname": "B"})], script)
    assert script.bodies[0]["inputs"] == [
        {"id": "11", "objectWriteTraceId": "1", "properties": {"firstname": "", "email": "c1@example.org"}}
    ]
    assert script.bodies[1]["inputs"] == [
        {
            "id": "c2@example.org",
            "idProperty": "email",
            "objectWriteTraceId": "2",
            "properties": {"firstname": "B", "email": "c2@example.org"},
        }
    ]
    assert [(o.change.seq, o.remote_id, o.created) for o in seen.outcomes] == [(1, "11", None), (2, "22", True)]


def test_results_are_found_by_trace_id_in_any_order() -> None:
    """HubSpot answers in an order of its own."""
    script = Script((UPSERT, 200, done((3, "33", False), (1, "11", True), (2, "22", True))))
    seen = run(Op.UPSERT, [change(1), change(2), change(3)], script)
    assert {o.change.seq: o.remote_id for o in seen.outcomes} == {1: "11", 2: "22", 3: "33"}
    assert seen.of(change(3))[0].created is False


def test_a_207_names_the_row_that_it_refuses() -> None:
    """The others are delivered; a row that nothing names has no outcome."""
    error = {"category": "VALIDATION_ERROR", "message": "no such email", "context": {"objectWriteTraceId": ["2"]}}
    script = Script((UPSERT, 207, done((1, "11", True), errors=(error, {"category": "X", "message": "who?"}))))
    seen = run(Op.UPSERT, [change(1), change(2), change(3)], script)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    assert seen.of(change(2))[0].code == "VALIDATION_ERROR"


def test_a_record_that_is_gone_is_upserted_by_its_address() -> None:
    """The id is not there any more, and who stands under the address instead is not ours."""
    error = {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["11"]}}
    script = Script((UPDATE, 207, done(errors=(error,))), (UPSERT, 200, done((1, "99", False))))
    seen = run(Op.UPSERT, [change(1, remote_id="11", created=True)], script)
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [("99", False)]


def test_one_bad_value_refuses_its_batch() -> None:
    """400 is for the whole call: the sender halves it."""
    script = Script((UPSERT, 400, {"category": "VALIDATION_ERROR", "message": "Property values were not valid"}))
    seen = run(Op.UPSERT, [change(1), change(2)], script)
    assert seen.rejected is not None
    assert (seen.rejected.code, seen.outcomes) == ("VALIDATION_ERROR", [])


def test_a_refusal_of_the_second_call_leaves_the_first_settled() -> None:
    """What the update proved is acknowledged before the upsert's refusal is handed on."""
    script = Script((UPDATE, 200, done((1, "11", None))), (UPSERT, 400, {"category": "VALIDATION_ERROR"}))
    seen = run(Op.UPSERT, [change(1, remote_id="11", created=True), change(2)], script)
    assert seen.statuses() == {1: Status.DELIVERED}
    assert seen.rejected is not None


def test_mode_insert_creates_and_owns() -> None:
    """batch/create has no ``new``: everything in its answer is."""
    script = Script((f"{OBJECT}/batch/create", 201, done((1, "11", None))))
    assert run(Op.UPSERT, [change(1)], script, mode=Mode.INSERT).outcomes[0].created is True


def test_mode_update_reads_first_and_creates_nothing() -> None:
    """Who is not there is refused by name."""
    script = Script((READ, 207, people(c1="11")), (UPDATE, 200, done((1, "11", None))))
    seen = run(Op.UPSERT, [change(1), change(2)], script, mode=Mode.UPDATE)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}


# --- a new identity -------------------------------------------------------------------------------------------------


def rename(*, created: bool | None = True, remote_id: str | None = "11") -> Any:
    """old@ becomes new@."""
    before = "old@example.org"
    return change(1, Op.IDENTITY, match="new@example.org", before_match=before, created=created, remote_id=remote_id)


def test_a_rename_is_an_update_by_id() -> None:
    """Both addresses are read in one call."""
    script = Script((READ, 200, people(old="11")), (UPDATE, 200, done((1, "11", None))))
    seen = run(Op.IDENTITY, [rename()], script)
    assert [i["id"] for i in script.bodies[0]["inputs"]] == ["old@example.org", "new@example.org"]
    assert script.bodies[1]["inputs"][0]["properties"] == {"email": "new@example.org"}
    assert seen.statuses() == {1: Status.DELIVERED}


@pytest.mark.parametrize(("remote_id", "created"), [("11", None), ("10", False)])
def test_a_rename_whose_old_record_is_gone_is_done(remote_id: str, created: bool | None) -> None:
    """Who stands under the new address is ours by its id alone."""
    script = Script((READ, 200, people(new="11")))
    seen = run(Op.IDENTITY, [rename(remote_id=remote_id)], script)
    assert [(o.status, o.remote_id, o.created) for o in seen.outcomes] == [(Status.DELIVERED, "11", created)]


def test_a_taken_identity_archives_our_old_record() -> None:
    """The other record stands, and is not ours."""
    script = Script((READ, 200, people(old="11", new="12")), (ARCHIVE, 204, b""))
    seen = run(Op.IDENTITY, [rename()], script)
    assert script.bodies[1] == {"inputs": [{"id": "11"}]}
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [("12", False)]


def test_a_taken_identity_is_refused_where_the_old_record_is_not_ours() -> None:
    """Two people are not merged behind their back."""
    script = Script((READ, 200, people(old="11", new="12")))
    assert run(Op.IDENTITY, [rename(created=False)], script).outcomes[0].code == "IDENTITY_TAKEN"


def test_a_secondary_address_is_the_same_record() -> None:
    """A read by a secondary address answers the primary one."""
    row = {"id": "11", "properties": {"email": "old@example.org", "hs_additional_emails": "new@example.org;x@y.org"}}
    script = Script((READ, 200, {"results": [row]}), (UPDATE, 200, done((1, "11", None))))
    assert run(Op.IDENTITY, [rename(created=False)], script).statuses() == {1: Status.DELIVERED}


# --- leaving --------------------------------------------------------------------------------------------------------


def test_archiving_finds_ids_that_are_not_known() -> None:
    """Who is not there is gone already."""
    script = Script((READ, 207, people(c2="22")), (ARCHIVE, 204, b""))
    leaves = [change(1, Op.LEAVE, remote_id="11"), change(2, Op.LEAVE), change(3, Op.LEAVE)]
    seen = run(Op.LEAVE, leaves, script, on_leave=OnLeave.ARCHIVE)
    assert script.bodies[1] == {"inputs": [{"id": "11"}, {"id": "22"}]}
    assert set(seen.statuses().values()) == {Status.DELIVERED}
    assert {o.change.seq: o.proof for o in seen.outcomes} == {1: Proof.ACCEPTED, 2: Proof.ACCEPTED, 3: Proof.ROW}


def test_clearing_writes_only_what_is_cleared() -> None:
    """A clear is an update by id of the fields in the body."""
    script = Script((UPDATE, 200, done((1, "11", None))))
    leaves = [change(1, Op.LEAVE, remote_id="11", fields={"ltv": ""})]
    run(Op.LEAVE, leaves, script, on_leave=OnLeave.CLEAR)
    assert script.bodies[0]["inputs"][0]["properties"] == {"ltv": ""}


def test_deleting_for_good_goes_by_id_alone() -> None:
    """A delete by an address that nobody has would block the address for ever."""
    path = f"{OBJECT}/gdpr-delete"
    script = Script((READ, 207, people(c2="22")), (path, 204, b""), (path, 404, {}))
    leaves = [change(1, Op.LEAVE, remote_id="11"), change(2, Op.LEAVE), change(3, Op.LEAVE)]
    seen = run(Op.LEAVE, leaves, script, on_leave=OnLeave.DELETE)
    assert script.bodies[1:] == [{"objectId": "11"}, {"objectId": "22"}]
    assert seen.statuses() == dict.fromkeys((1, 2, 3), Status.DELIVERED)


# --- lists ----------------------------------------------------------------------------------------------------------

PREPARED = {"cohorts": {"vip": "500"}}


def test_joining_takes_record_ids() -> None:
    """Unknown ids are read first; who is missing is refused; who is on the list already is done."""
    added = {"recordsIdsAdded": ["11"], "recordIdsRemoved": [], "recordIdsMissing": ["33"]}
    script = Script((READ, 207, people(c2="22")), ("PUT /crm/v3/lists/500/memberships/add", 200, added))
    joins = [change(1, Op.JOIN, remote_id="11"), change(2, Op.JOIN), change(3, Op.JOIN, remote_id="33")]
    seen = run(Op.JOIN, [*joins, change(4, Op.JOIN)], script, prepared=PREPARED)
    assert script.bodies[1] == ["11", "22", "33"]
    delivered = {o.change.seq: o.proof for o in seen.outcomes if o.status is Status.DELIVERED}
    assert delivered == {1: Proof.ROW, 2: Proof.ACCOUNT}
    assert {o.change.seq for o in seen.outcomes if o.code == "RECORD_MISSING"} == {3, 4}


def test_parting_records_that_are_missing_is_done() -> None:
    """Nobody is on a list who is not there."""
    removed = {"recordsIdsAdded": [], "recordIdsRemoved": ["11"], "recordIdsMissing": ["22"]}
    script = Script(("PUT /crm/v3/lists/500/memberships/remove", 200, removed))
    parts = [change(1, Op.PART, remote_id="11"), change(2, Op.PART, remote_id="22")]
    assert set(run(Op.PART, parts, script, prepared=PREPARED).statuses().values()) == {Status.DELIVERED}


def test_an_answer_without_its_lists_is_unreadable() -> None:
    """An empty object proves no membership."""
    script = Script(("PUT /crm/v3/lists/500/memberships/add", 200, {}))
    seen = run(Op.JOIN, [change(1, Op.JOIN, remote_id="11")], script, prepared=PREPARED)
    assert seen.unreadable is not None


def context(**more: Any) -> Context:
    """Return what ``prepare`` and ``read_back`` are told."""
    return Context("test.customer", "contacts", SETTINGS, match_field="email", **more)


NAMED = "GET /crm/v3/lists/object-type-id/0-1/name/High%20Value"
FOUND = {"list": {"listId": "5", "name": "High Value", "processingType": "MANUAL"}}


@pytest.mark.parametrize(
    ("ids", "steps"),
    [
        ({}, [(NAMED, 200, FOUND)]),
        ({}, [(NAMED, 404, {}), ("POST /crm/v3/lists", 200, FOUND)]),
        ({"vip": "5"}, [("GET /crm/v3/lists/5", 200, FOUND)]),
        (
            {"vip": "5"},
            [
                ("GET /crm/v3/lists/5", 200, {"list": {"listId": "5", "name": "Old Label"}}),
                ("PUT /crm/v3/lists/5/update-list-name", 200, {"updatedList": {"listId": "5"}}),
            ],
        ),
        ({"vip": "4"}, [("GET /crm/v3/lists/4", 404, {}), (NAMED, 200, FOUND)]),
    ],
    ids=["by name", "created", "known", "renamed", "gone and by name"],
)
def test_a_cohort_finds_its_list(ids: dict[str, str], steps: list[Any]) -> None:
    """By the id of earlier runs, which outlives a new label; by name; else it is created."""
    script = Script(*steps)
    assert HUBSPOT.prepare is not None
    seen = drive(HUBSPOT.prepare(context(cohorts=(("vip", "High Value"),), ids=ids)), script)
    assert seen.value == {"cohorts": {"vip": "5"}}
    assert script.left == []


def test_a_list_that_follows_a_filter_is_refused() -> None:
    """Nobody can be put on a DYNAMIC list."""
    script = Script((NAMED, 200, {"list": {"listId": "5", "processingType": "DYNAMIC"}}))
    assert HUBSPOT.prepare is not None
    with pytest.raises(DestinationError, match="DYNAMIC"):
        drive(HUBSPOT.prepare(context(cohorts=(("vip", "High Value"),))), script)


# --- reading --------------------------------------------------------------------------------------------------------


def test_reading_back_joins_records_and_lists() -> None:
    """One read for 100 people, one page for each 250 members of a list."""
    pages = [
        {"results": [{"recordId": "22"}], "paging": {"next": {"after": "A"}}},
        {"results": [{"recordId": "11"}]},
    ]
    members = "GET /crm/v3/lists/5/memberships"
    script = Script((READ, 207, people(c1="11")), (members, 200, pages[0]), (members, 200, pages[1]))
    assert HUBSPOT.read_back is not None
    told = context(fields=("firstname",), cohorts=(("vip", "High Value"),), prepared={"cohorts": {"vip": "5"}})
    found = drive(HUBSPOT.read_back.run(told, ["C1@example.org", "c9@example.org"]), script).value
    assert [(r.identity, r.remote_id, r.cohorts) for r in found] == [
        ("c1@example.org", "11", frozenset({"High Value"}))
    ]
    assert script.bodies[0]["properties"] == ["email", "firstname", "hs_email_optout", "hs_additional_emails"]
    assert script.queries[2]["after"] == "A"


def test_properties_are_understood() -> None:
    """Types, choices, what cannot be written, what is unique."""
    rows = [
        {"name": "email", "type": "string", "fieldType": "text"},
        {"name": "since", "type": "datetime", "modificationMetadata": {"readOnlyValue": True}},
        {"name": "topics", "type": "enumeration", "fieldType": "checkbox", "options": [{"value": "a"}]},
        {"name": "shop_id", "type": "number", "hasUniqueValue": True},
    ]
    assert HUBSPOT.discover is not None
    script = Script(("GET /crm/v3/properties/contacts", 200, {"results": rows}))
    found = {f.name: f for f in drive(HUBSPOT.discover(context()), script).value}
    assert [(f.type, f.writable, f.unique) for f in found.values()] == [
        ("text", True, True),
        ("timestamp", False, False),
        ("list", True, False),
        ("number", True, True),
    ]
    assert found["topics"].options == ("a",)


@pytest.mark.parametrize(
    ("status", "body", "fault", "after"),
    [
        (429, b'{"policyName": "DAILY"}', Fault.QUOTA, None),
        (429, b'{"policyName": "TEN_SECONDLY_ROLLING"}', Fault.THROTTLED, 10.0),
        (429, b'{"category": "RATE_LIMITS"}', Fault.THROTTLED, 10.0),
        (423, b"{}", Fault.THROTTLED, 2.0),
        (477, b"{}", Fault.THROTTLED, 60.0),
        (401, b"{}", Fault.FATAL, None),
    ],
)
def test_replies_are_understood(status: int, body: bytes, fault: Fault, after: float | None) -> None:
    """The day's quota stops; the ten-second window waits."""
    found = HUBSPOT.diagnose(Reply(status, body))
    assert found is not None
    assert (found.fault, found.after) == (fault, after)


@pytest.mark.parametrize(("tier", "allowances"), [(Tier.FREE, [100, 250_000]), (Tier.PROFESSIONAL, [190, 625_000])])
def test_allowances_follow_the_tier(tier: Tier, allowances: list[int]) -> None:
    """Calls per ten seconds, calls a day."""
    settings = SETTINGS.model_copy(update={"tier": tier})
    assert [limit.allowance for limit in HUBSPOT.limits(settings)] == allowances
