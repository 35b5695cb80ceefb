"""Salesforce's nuances, call by call."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from scripted import Script

from revetl.contract import Fault, Http, Reply, Token
from revetl.destinations.salesforce import SALESFORCE, auth
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.errors import DestinationError
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Link, Mode, OnLeave, Op, Status

APP = {"host": "acme.my.salesforce.com", "client_id": "app", "client_secret": "hush"}
SETTINGS = SalesforceSettings.model_validate(APP)
MATCH = "Customer_Id__c"
UPSERT, UPDATE = f"PATCH /composite/sobjects/Contact/{MATCH}", "PATCH /composite/sobjects"
CREATE, DELETE, QUERY = "POST /composite/sobjects", "DELETE /composite/sobjects", "GET /query"
ADA, BOB = "003000000000001AAA", "003000000000002AAA"


def run(op: Op, changes: list[Any], script: Script, **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    settled = batch(changes, SETTINGS, op, object="Contact", match_field=MATCH, **more)
    seen = drive(SALESFORCE.actions[op].run(settled), script)
    assert not script.left
    return seen


def ok(record: str, **more: Any) -> dict[str, Any]:
    """Return the answer to a row that was written."""
    return {"id": record, "success": True, "errors": [], **more}


def no(code: str, *fields: str) -> dict[str, Any]:
    """Return the answer to a row that was refused."""
    return {"success": False, "errors": [{"statusCode": code, "message": "no", "fields": list(fields)}]}


def found(**people: str) -> dict[str, Any]:
    """Return the answer to a query: local part of the identity → record id."""
    rows = [{"Id": record, MATCH: f"{name}@example.org"} for name, record in people.items()]
    return {"totalSize": len(rows), "done": True, "records": rows}


def row(seq: int, **fields: Any) -> dict[str, Any]:
    """Return a record as a call carries it."""
    return {"attributes": {"type": "Contact"}, MATCH: f"c{seq}@example.org", **fields}


# --- upsert ---------------------------------------------------------------------------------------------------------


def test_records_with_an_id_are_updated_by_it_and_the_others_upserted() -> None:
    """Whose external id was changed there is found by id, and nobody is doubled."""
    script = Script((UPDATE, 200, [ok(ADA)]), (UPSERT, 200, [ok(BOB, created=True)]))
    known = change(1, fields={"LastName": None}, remote_id=ADA, created=True)
    seen = run(Op.UPSERT, [known, change(2, fields={"LastName": "B"})], script)
    assert script.bodies[0] == {"allOrNone": False, "records": [{"id": ADA, **row(1, LastName=None)}]}
    assert script.bodies[1] == {"allOrNone": False, "records": [row(2, LastName="B")]}
    assert [(o.change.seq, o.remote_id, o.created) for o in seen.outcomes] == [(1, ADA, None), (2, BOB, True)]


def test_each_row_is_judged_by_its_position() -> None:
    """A refused row is refused by its own code and fields; its neighbours are delivered."""
    script = Script((UPSERT, 200, [ok(ADA, created=False), no("STRING_TOO_LONG", "Title"), ok(BOB, created=True)]))
    seen = run(Op.UPSERT, [change(1), change(2), change(3)], script)
    assert [(o.status, o.code, o.created) for o in seen.outcomes] == [
        (Status.DELIVERED, "", False),
        (Status.REJECTED, "STRING_TOO_LONG", None),
        (Status.DELIVERED, "", True),
    ]
    assert seen.outcomes[1].reason == "no (Title)"


@pytest.mark.parametrize("rows", [[ok(ADA)], [ok(ADA), ok(BOB), ok(ADA)], [ok(ADA), {"success": False}], [ok(ADA), {}]])
def test_an_answer_of_another_length_or_shape_proves_nothing(rows: list[Any]) -> None:
    """Positions mean something only where each row has its answer."""
    seen = run(Op.UPSERT, [change(1), change(2)], Script((UPSERT, 200, rows)))
    assert seen.unreadable is not None
    assert seen.outcomes == []


def test_an_update_answered_under_another_id_proves_nothing() -> None:
    """A result out of its place is not taken for the row's own."""
    seen = run(Op.UPSERT, [change(1, remote_id=ADA)], Script((UPDATE, 200, [ok(BOB)])))
    assert seen.unreadable is not None


@pytest.mark.parametrize("code", ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"])
def test_a_record_that_is_gone_is_upserted_by_its_external_id(code: str) -> None:
    """Deleted or merged away: whoever holds the external id now is not ours unless this call made it."""
    script = Script((UPDATE, 200, [no(code)]), (UPSERT, 200, [ok(BOB, created=False)]))
    seen = run(Op.UPSERT, [change(1, remote_id=ADA, created=True)], script)
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [(BOB, False)]


def test_a_locked_row_comes_again_alone() -> None:
    """UNABLE_TO_LOCK_ROW: the others are acknowledged first."""
    script = Script((UPSERT, 200, [ok(ADA), no("UNABLE_TO_LOCK_ROW")]), (UPSERT, 200, [ok(BOB)]))
    seen = run(Op.UPSERT, [change(1), change(2)], script)
    assert [one[MATCH] for one in script.bodies[1]["records"]] == ["c2@example.org"]
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}


def test_a_row_that_stays_locked_waits_for_a_later_run() -> None:
    """After three tries it provably is not applied."""
    script = Script(*[(UPSERT, 200, [no("UNABLE_TO_LOCK_ROW")])] * 3)
    assert run(Op.UPSERT, [change(1)], script).statuses() == {1: Status.WAITING}


def test_a_refused_second_try_leaves_the_locked_row_waiting() -> None:
    """The first call's rows stand; the batch is not refused as a whole."""
    script = Script((UPSERT, 200, [ok(ADA), no("UNABLE_TO_LOCK_ROW")]), (UPSERT, 400, [{"errorCode": "X"}]))
    seen = run(Op.UPSERT, [change(1), change(2)], script)
    assert (seen.rejected, seen.statuses()) == (None, {1: Status.DELIVERED, 2: Status.WAITING})


def test_a_value_of_the_wrong_type_refuses_its_batch() -> None:
    """400 is for the whole call: the sender halves it."""
    script = Script((UPSERT, 400, [{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot deserialize"}]))
    seen = run(Op.UPSERT, [change(1), change(2)], script)
    assert seen.rejected is not None
    assert (seen.rejected.code, seen.rejected.reason) == ("JSON_PARSER_ERROR", "Cannot deserialize")


def test_mode_insert_is_never_repeated_blindly() -> None:
    """An external id need not be unique: a second insert could make a double."""
    script = Script((CREATE, 200, [ok(ADA)]))
    seen = run(Op.UPSERT, [change(1)], script, mode=Mode.INSERT)
    assert (seen.outcomes[0].created, seen.calls[0].effect.value) == (True, "once")


def test_mode_update_looks_up_and_creates_nothing() -> None:
    """Who is not there is refused by name."""
    script = Script((QUERY, 200, found(c1=ADA)), (UPDATE, 200, [ok(ADA)]))
    seen = run(Op.UPSERT, [change(1), change(2)], script, mode=Mode.UPDATE)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    wanted = f"WHERE {MATCH} IN ('c1@example.org','c2@example.org') ORDER BY CreatedDate, Id"
    assert script.queries[0]["q"] == f"SELECT Id, {MATCH} FROM Contact {wanted}"


# --- reading --------------------------------------------------------------------------------------------------------


def test_literals_are_quoted() -> None:
    """An identity with a quote or a backslash stays one literal."""
    script = Script((QUERY, 200, found()))
    run(Op.UPSERT, [change(1, match="o'br\\ien")], script, mode=Mode.UPDATE)
    assert "IN ('o\\'br\\\\ien')" in script.queries[0]["q"]


def test_long_identities_are_asked_for_in_several_queries() -> None:
    """URL and headers have 16,384 bytes; each query stays well below, and nobody is left out."""
    changes = [change(n, match=f"{n:03d}" + "é" * 100) for n in range(100)]
    calls: list[Http] = []

    def service(call: Any) -> Reply:
        calls.append(call)
        return Reply(200, b'{"totalSize":0,"done":true,"records":[]}')

    work = batch(changes, SETTINGS, Op.LEAVE, object="Contact", match_field=MATCH, on_leave=OnLeave.DELETE)
    drive(SALESFORCE.actions[Op.LEAVE].run(work), service)
    assert len(calls) > 1
    assert sum(call.query[0][1].count("é" * 100) for call in calls) == 100
    assert all(len(call.query[0][1].encode()) < 8_500 for call in calls)


def test_pages_are_followed_and_counted() -> None:
    """The second page is asked for by its locator; a total that is not reached is not believed."""
    first = {**found(c1=ADA), "totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v68.0/query/01gX-2000"}
    script = Script(
        (QUERY, 200, first),
        ("GET /query/01gX-2000", 200, {**found(c2=BOB), "totalSize": 2}),
        (DELETE, 200, [ok(ADA), ok(BOB)]),
    )
    leaves = [change(1, Op.LEAVE), change(2, Op.LEAVE)]
    run(Op.LEAVE, leaves, script, on_leave=OnLeave.DELETE)
    assert script.queries[2] == {"ids": f"{ADA},{BOB}", "allOrNone": "false"}
    short = Script((QUERY, 200, {**found(c1=ADA), "totalSize": 2}))
    assert run(Op.LEAVE, leaves, short, on_leave=OnLeave.DELETE).unreadable is not None


# --- a new identity, endings ----------------------------------------------------------------------------------------


def test_a_rename_is_an_update_by_id() -> None:
    """Both identities are read in one query."""
    moved = change(1, Op.IDENTITY, match="new@example.org", before_match="old@example.org", created=True, remote_id=ADA)
    script = Script((QUERY, 200, found(old=ADA)), (UPDATE, 200, [ok(ADA)]))
    assert run(Op.IDENTITY, [moved], script).statuses() == {1: Status.DELIVERED}
    assert script.bodies[1]["records"] == [{"attributes": {"type": "Contact"}, "id": ADA, MATCH: "new@example.org"}]


def test_a_taken_identity_deletes_our_old_record_and_leaves_a_strangers() -> None:
    """Two people are not merged behind their back; the holder is not ours."""
    more: dict[str, Any] = {"match": "new@example.org", "before_match": "old@example.org", "remote_id": ADA}
    script = Script((QUERY, 200, found(old=ADA, new=BOB)), (DELETE, 200, [ok(ADA)]))
    seen = run(Op.IDENTITY, [change(1, Op.IDENTITY, created=True, **more)], script)
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [(BOB, False)]
    script = Script((QUERY, 200, found(old=ADA, new=BOB)))
    assert (
        run(Op.IDENTITY, [change(1, Op.IDENTITY, created=False, **more)], script).outcomes[0].code == "IDENTITY_TAKEN"
    )


def test_deleting_what_is_deleted_is_done_and_a_refusal_is_named() -> None:
    """By position again."""
    script = Script((DELETE, 200, [ok(ADA), no("ENTITY_IS_DELETED"), no("DELETE_FAILED")]))
    leaves = [change(n, Op.LEAVE, remote_id=ADA) for n in (1, 2, 3)]
    seen = run(Op.LEAVE, leaves, script, on_leave=OnLeave.DELETE)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}


FIELDS = {
    "fields": [
        {"name": "Title", "type": "string", "updateable": True, "nillable": True},
        {"name": "LastName", "type": "string", "updateable": True, "nillable": False},
        {"name": "Vip__c", "type": "boolean", "updateable": True, "nillable": False},
        {"name": "AccountId", "type": "reference", "updateable": True, "nillable": True},
    ]
}
DESCRIBE = "GET /sobjects/Contact/describe"


def test_clearing_writes_only_what_is_cleared() -> None:
    """null clears, a checkbox is unchecked, the account goes; what is required stays, and so does the identity."""
    script = Script((DESCRIBE, 200, FIELDS), (UPDATE, 200, [ok(ADA)]))
    told = {"Title": None, "LastName": None, "Vip__c": None}
    left = change(1, Op.LEAVE, remote_id=ADA, fields=told, links={"AccountId": Link(None, "001000000000001AAA")})
    seen = run(Op.LEAVE, [left], script, on_leave=OnLeave.CLEAR)
    emptied = {"Title": None, "Vip__c": False, "AccountId": None}
    assert script.bodies[-1]["records"] == [{"attributes": {"type": "Contact"}, "id": ADA, **emptied}]
    assert [one.status for one in seen.outcomes] == [Status.DELIVERED]


def test_where_nothing_can_be_cleared_nothing_is_written() -> None:
    """A contact of which only the last name came is done as it is."""
    script = Script((DESCRIBE, 200, FIELDS))
    seen = run(
        Op.LEAVE, [change(1, Op.LEAVE, remote_id=ADA, fields={"LastName": None})], script, on_leave=OnLeave.CLEAR
    )
    assert [one.status for one in seen.outcomes] == [Status.DELIVERED]


def test_clearing_waits_where_the_fields_are_not_shown() -> None:
    """Without the list of fields nobody knows what may be emptied: nothing is written, a later run tries again."""
    script = Script((DESCRIBE, 403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]))
    seen = run(Op.LEAVE, [change(1, Op.LEAVE, remote_id=ADA, fields={"Title": None})], script, on_leave=OnLeave.CLEAR)
    assert [one.status for one in seen.outcomes] == [Status.WAITING]


# --- credentials ----------------------------------------------------------------------------------------------------


def test_the_token_brings_its_host() -> None:
    """Client credentials go out as a form, and the answer's instance is where calls go."""
    seen = drive(
        auth.token(SETTINGS), lambda _: Reply(200, b'{"access_token":"t","instance_url":"https://x.my.salesforce.com"}')
    )
    (call,) = seen.calls
    assert isinstance(call, Http)
    assert (call.origin, call.path) == ("https://acme.my.salesforce.com", "/services/oauth2/token")
    assert call.content == b"client_id=app&client_secret=hush&grant_type=client_credentials"
    assert not call.authenticated
    assert seen.value == Token("t", base_url="https://x.my.salesforce.com/services/data/v68.0")
    assert dict(auth.authorise(SETTINGS, seen.value, call).headers)["authorization"] == "Bearer t"


def test_a_refresh_token_is_used_where_there_is_one() -> None:
    """Then the login hosts are good too."""
    told = {**APP, "host": "login.salesforce.com", "refresh_token": "again"}
    settings = SalesforceSettings.model_validate(told)
    reply = Reply(200, b'{"access_token":"t","instance_url":"https://x.my.salesforce.com"}')
    (call,) = drive(auth.token(settings), lambda _: reply).calls
    assert isinstance(call, Http)
    assert b"grant_type=refresh_token&refresh_token=again" in (call.content or b"")


def test_a_refused_token_says_why() -> None:
    """RVT-651 with Salesforce's own words."""
    with pytest.raises(DestinationError, match="invalid_client, no") as refused:
        drive(auth.token(SETTINGS), lambda _: Reply(400, b'{"error":"invalid_client","error_description":"no"}'))
    assert refused.value.code == "RVT-651"


@pytest.mark.parametrize(
    "host", ["login.salesforce.com", "salesforce.com.evil.example", "https://acme.my.salesforce.com"]
)
def test_a_host_that_is_not_the_orgs_is_refused(host: str) -> None:
    """Secrets leave for the org's own host alone."""
    with pytest.raises(ValidationError):
        SalesforceSettings.model_validate({**APP, "host": host})


@pytest.mark.parametrize(
    ("status", "code", "message", "fault"),
    [
        (401, "INVALID_SESSION_ID", "Session expired or invalid", Fault.EXPIRED),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Fault.QUOTA),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Fault.BUSY),
        (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled", Fault.FATAL),
    ],
)
def test_refusals_that_are_not_about_rows(status: int, code: str, message: str, fault: Fault) -> None:
    """A spent day stops the account, too many long calls wait, a session that ended is renewed."""
    body = b'[{"errorCode":"%s","message":"%s"}]' % (code.encode(), message.encode())
    found = SALESFORCE.diagnose(Reply(status, body))
    assert found is not None
    assert (found.fault, found.code) == (fault, code)
    assert SALESFORCE.diagnose(Reply(400, body)) is None
