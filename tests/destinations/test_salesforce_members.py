"""Salesforce's campaign members with a status, links to accounts, consent, and ids that are old."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import Script

from revetl.destinations.salesforce import SALESFORCE, members
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, Link, Mode, Op, Status

SETTINGS = SalesforceSettings.model_validate({"host": "a.my.salesforce.com", "client_id": "a", "client_secret": "hush"})
MATCH = "Customer_Id__c"
CREATE, UPDATE, QUERY = "POST /composite/sobjects", "PATCH /composite/sobjects", "GET /query"
UPSERT = f"{UPDATE}/Contact/{MATCH}"
LABEL = "POST /sobjects/CampaignMemberStatus"
ADA, BOB, VIP = "003000000000001AAA", "003000000000002AAA", "701000000000001AAA"
ACME, GLOBEX = "001000000000001AAA", "001000000000002AAA"


def run(op: Op, changes: list[Any], script: Script, style: str = "campaign", **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    prepared = {"cohorts": {"vip": VIP}, "statuses": {VIP: ["Sent", "Responded"]}}
    if op is Op.JOIN:
        more |= {"cohort": Cohort("vip", "High Value", style), "prepared": prepared}
    work = batch(changes, SETTINGS, op, object="Contact", match_field=MATCH, **more)
    seen = drive(SALESFORCE.actions[op].run(work), script)
    assert not script.left
    return seen


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a query."""
    return {"totalSize": len(rows), "done": True, "records": list(rows)}


def ok(record: str, **more: Any) -> dict[str, Any]:
    """Return the answer to a row that was written."""
    return {"id": record, "success": True, "errors": [], **more}


def no(code: str) -> dict[str, Any]:
    """Return the answer to a row that was refused."""
    return {"success": False, "errors": [{"statusCode": code, "message": "no", "fields": []}]}


# --- statuses -------------------------------------------------------------------------------------------------------


def test_a_status_that_the_campaign_lacks_is_made_once() -> None:
    """Before the members that have it; known ones, in whatever case, are not asked for."""
    changes = [
        change(1, Op.JOIN, remote_id=ADA, fields={"Status": "sent"}),
        change(2, Op.JOIN, remote_id=BOB, fields={"Status": "Invited"}),
    ]
    script = Script((LABEL, 201, {"id": "01Y", "success": True}), (CREATE, 200, [ok("00v1"), ok("00v2")]))
    seen = run(Op.JOIN, changes, script)
    assert script.bodies[0] == {"CampaignId": VIP, "Label": "Invited"}
    assert [row["Status"] for row in script.bodies[1]["records"]] == ["sent", "Invited"]
    assert set(seen.statuses().values()) == {Status.DELIVERED}


def test_joining_again_updates_the_membership() -> None:
    """Whoever is a member already gets the status by the membership's id, and nobody else is touched."""
    changes = [change(n, Op.JOIN, remote_id=i, fields={"Status": "Responded"}) for n, i in ((1, ADA), (2, BOB))]
    script = Script(
        (CREATE, 200, [ok("00v1"), no("DUPLICATE_VALUE")]),
        (QUERY, 200, answer({"Id": "00v2", "CampaignId": VIP, "ContactId": BOB})),
        (UPDATE, 200, [ok("00v2")]),
    )
    assert run(Op.JOIN, changes, script).statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}
    assert script.bodies[2]["records"] == [
        {"attributes": {"type": "CampaignMember"}, "id": "00v2", "Status": "Responded"}
    ]


def test_a_refused_status_is_refused_by_name() -> None:
    """Of a member as of somebody new."""
    changes = [change(1, Op.JOIN, remote_id=ADA, fields={"Status": "Responded"})]
    script = Script(
        (CREATE, 200, [no("DUPLICATE_VALUE")]),
        (QUERY, 200, answer({"Id": "00v1", "CampaignId": VIP, "ContactId": ADA})),
        (UPDATE, 200, [no("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")]),
    )
    (outcome,) = run(Op.JOIN, changes, script).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")


def test_a_null_status_is_left_to_the_campaigns_default() -> None:
    """A membership's status cannot be empty: null says nothing, and a member stays as it is."""
    changes = [change(1, Op.JOIN, remote_id=ADA, fields={"Status": None})]
    script = Script((CREATE, 200, [no("DUPLICATE_VALUE")]))
    assert run(Op.JOIN, changes, script).statuses() == {1: Status.DELIVERED}
    assert "Status" not in script.bodies[0]["records"][0]


def test_a_membership_that_ends_meanwhile_waits() -> None:
    """Between the insert that finds it and the read that does not: a later run joins again."""
    changes = [change(1, Op.JOIN, remote_id=ADA, fields={"Status": "Sent"})]
    script = Script((CREATE, 200, [no("DUPLICATE_VALUE")]), (QUERY, 200, answer()))
    assert run(Op.JOIN, changes, script).statuses() == {1: Status.WAITING}


def test_who_has_another_id_now_joins_under_it() -> None:
    """A person deleted and made again, or merged: the remembered id is old, the external id finds who is there."""
    changes = [change(1, Op.JOIN, remote_id=ADA), change(2, Op.JOIN, remote_id=BOB)]
    script = Script(
        (CREATE, 200, [no("ENTITY_IS_DELETED"), no("ENTITY_IS_DELETED")]),
        (QUERY, 200, answer({"Id": "003000000000009AAA", MATCH: "c1@example.org"})),
        (CREATE, 200, [ok("00v1")]),
    )
    seen = run(Op.JOIN, changes, script)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    assert seen.of(changes[0])[0].remote_id == "003000000000009AAA"
    assert seen.of(changes[1])[0].code == "RECORD_MISSING"


def test_a_status_is_declared_as_what_a_membership_carries() -> None:
    """So that it can be mapped; a checkbox carries nothing."""
    styles = SALESFORCE.objects["Contact"].cohorts
    assert styles["campaign"].fields == (members.STATUS,)
    assert styles["field"].fields == ()


# --- consent --------------------------------------------------------------------------------------------------------


def test_consent_is_withdrawn_by_the_opt_out_box() -> None:
    """By record id, and it is the one field that is written."""
    script = Script((UPDATE, 200, [ok(ADA)]))
    assert run(Op.JOIN, [change(1, Op.JOIN, remote_id=ADA)], script, "unsubscribe").statuses() == {1: Status.DELIVERED}
    assert script.bodies[0]["records"] == [{"attributes": {"type": "Contact"}, "id": ADA, "HasOptedOutOfEmail": True}]


def test_a_new_record_of_one_without_consent_starts_opted_out() -> None:
    """Nobody is opted in for the time between two calls; who consents, or is not asked, keeps the box as it is."""
    changes = [change(n, fields={"LastName": "A"}, consent=told) for n, told in ((1, False), (2, True), (3, None))]
    script = Script((UPSERT, 200, [ok(ADA, created=True), ok(BOB, created=True), ok(ACME, created=True)]))
    run(Op.UPSERT, changes, script)
    assert [row.get("HasOptedOutOfEmail") for row in script.bodies[0]["records"]] == [True, None, None]


def test_consent_can_be_withdrawn_of_people_only() -> None:
    """An account has no opt-out."""
    assert {name: [*of.consent] for name, of in SALESFORCE.objects.items()} == {
        "Contact": ["unsubscribe"],
        "Lead": ["unsubscribe"],
        "Account": [],
    }


# --- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "sent"),
    [
        (Link(ACME), {"AccountId": ACME}),
        (Link(GLOBEX, before=ACME), {"AccountId": GLOBEX}),
        (Link(None, before=ACME), {"AccountId": None}),
        (Link(None), {}),
    ],
)
@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.INSERT])
def test_a_link_is_a_field_of_the_record(link: Link, sent: dict[str, Any], mode: Mode) -> None:
    """Set, moved, emptied where it was set by us; a link to nothing yet empties nothing."""
    path = CREATE if mode is Mode.INSERT else UPSERT
    script = Script((path, 200, [ok(ADA, created=True)]))
    run(Op.UPSERT, [change(1, fields={"LastName": "A"}, links={"AccountId": link})], script, mode=mode)
    (row,) = script.bodies[0]["records"]
    assert {name: value for name, value in row.items() if name == "AccountId"} == sent


def test_people_of_one_account_are_neighbours() -> None:
    """Their writes lock the account: rows of one call come in the order of their parents."""
    accounts = {1: GLOBEX, 2: ACME, 3: GLOBEX, 4: ACME}
    changes = [change(n, links={"AccountId": Link(account)}) for n, account in accounts.items()]
    rows = [ok(f"00300000000000{n}AAA") for n in (2, 4, 1, 3)]
    script = Script((UPSERT, 200, rows))
    seen = run(Op.UPSERT, changes, script)
    assert [row["AccountId"] for row in script.bodies[0]["records"]] == [ACME, ACME, GLOBEX, GLOBEX]
    assert {o.change.seq: o.remote_id for o in seen.outcomes} == {n: f"00300000000000{n}AAA" for n in accounts}


@pytest.mark.parametrize(
    ("code", "words"),
    [("DUPLICATES_DETECTED", "duplicate rule"), ("CANNOT_UPDATE_CONVERTED_LEAD", "contact and account stand for it")],
)
def test_refusals_that_do_not_explain_themselves_are_explained(code: str, words: str) -> None:
    """The reason says what a person can do."""
    (outcome,) = run(Op.UPSERT, [change(1)], Script((UPSERT, 200, [no(code)]))).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, code)
    assert words in outcome.reason
