"""Salesforce's cohorts and what is read there, call by call and against the stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import Script

from revetl.contract import Context
from revetl.destinations.salesforce import SALESFORCE, cohorts, read
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.errors import DestinationError
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, Op, RemoteField, Status

SETTINGS = SalesforceSettings.model_validate({"host": "a.my.salesforce.com", "client_id": "a", "client_secret": "hush"})
MATCH = "Customer_Id__c"
CREATE, UPDATE, DELETE = "POST /composite/sobjects", "PATCH /composite/sobjects", "DELETE /composite/sobjects"
QUERY, DESCRIBE = "GET /query", "GET /sobjects/Contact/describe"
ADA, BOB, VIP = "003000000000001AAA", "003000000000002AAA", "701000000000001AAA"
BOX = {"name": "Is_Vip__c", "label": "High Value", "type": "boolean", "createable": True, "updateable": True}


def context(**more: Any) -> Context:
    """Return a sync with one cohort."""
    return Context("t", "Contact", SETTINGS, match_field=MATCH, **{"cohorts": (("vip", "High Value"),), **more})


def run(op: Op, changes: list[Any], script: Script, style: str, place: str) -> Driven:
    """Run one action against a script, to the script's end."""
    more = {"cohort": Cohort("vip", "High Value", style), "prepared": {"cohorts": {"vip": place}}}
    work = batch(changes, SETTINGS, op, object="Contact", match_field=MATCH, **more)
    seen = drive(SALESFORCE.actions[op].run(work), script)
    assert not script.left
    return seen


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a query."""
    return {"totalSize": len(rows), "done": True, "records": list(rows)}


STATUSES = {VIP: ["Sent", "Responded"]}
LABELS = (QUERY, 200, answer(*({"Id": "01Y", "CampaignId": VIP, "Label": one} for one in STATUSES[VIP])))
PREPARED = {"cohorts": {"vip": VIP}, "statuses": STATUSES}


def no(code: str) -> dict[str, Any]:
    """Return the answer to a row that was refused."""
    return {"success": False, "errors": [{"statusCode": code, "message": "no", "fields": []}]}


def test_a_campaign_is_found_by_name_and_made_when_missing() -> None:
    """The oldest of several wins; nothing is made where the sync says so."""
    script = Script(
        (QUERY, 200, answer({"Id": VIP, "Name": "High Value"}, {"Id": "701B", "Name": "High Value"})), LABELS
    )
    assert drive(cohorts.prepare(context()), script).value == PREPARED
    assert script.queries[0]["q"].endswith("WHERE Name = 'High Value' ORDER BY CreatedDate, Id")
    script = Script((QUERY, 200, answer()), ("POST /sobjects/Campaign", 201, {"id": VIP, "success": True}), LABELS)
    assert drive(cohorts.prepare(context()), script).value == PREPARED
    assert script.bodies[1] == {"Name": "High Value", "IsActive": True}
    script = Script((QUERY, 200, answer()))
    assert drive(cohorts.prepare(context(create=False)), script).value == {"cohorts": {}}


def test_a_stored_campaign_is_renamed_in_place() -> None:
    """Its members stay; another campaign of the new name does not take its place."""
    rows = answer({"Id": "701B", "Name": "High Value"}, {"Id": VIP, "Name": "VIP"})
    script = Script((QUERY, 200, rows), (f"PATCH /sobjects/Campaign/{VIP}", 204, b""), LABELS)
    assert drive(cohorts.prepare(context(ids={"vip": VIP})), script).value == PREPARED


def test_a_refused_campaign_is_named() -> None:
    """The message carries Salesforce's reason."""
    refusal = [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no campaigns"}]
    with pytest.raises(DestinationError, match="no campaigns"):
        drive(cohorts.prepare(context()), Script((QUERY, 403, refusal)))


def test_who_is_a_member_already_has_joined() -> None:
    """DUPLICATE_VALUE is what was wished; a person who is gone is refused by name."""
    rows = [{"id": "00v1", "success": True, "errors": []}, no("DUPLICATE_VALUE"), no("ENTITY_IS_DELETED")]
    changes = [change(n, Op.JOIN, remote_id=f"00300000000000{n}AAA") for n in (1, 2, 3)]
    script = Script((CREATE, 200, rows), (QUERY, 200, answer()))
    seen = run(Op.JOIN, changes, script, "campaign", VIP)
    assert script.bodies[0]["records"][0] == {
        "attributes": {"type": "CampaignMember"},
        "CampaignId": VIP,
        "ContactId": "003000000000001AAA",
    }
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}
    assert seen.of(changes[2])[0].code == "RECORD_MISSING"


def test_parting_deletes_the_membership_not_the_person() -> None:
    """Its id is asked for; who is no member is done."""
    script = Script(
        (QUERY, 200, answer({"Id": "00v1", "CampaignId": VIP, "ContactId": ADA})),
        (DELETE, 200, [{"id": "00v1", "success": True, "errors": []}]),
    )
    changes = [change(1, Op.PART, remote_id=ADA), change(2, Op.PART, remote_id=BOB)]
    seen = run(Op.PART, changes, script, "campaign", VIP)
    assert script.queries[1]["ids"] == "00v1"
    assert f"ContactId IN ('{ADA}','{BOB}') AND CampaignId IN ('{VIP}')" in script.queries[0]["q"]
    assert set(seen.statuses().values()) == {Status.DELIVERED}


@pytest.mark.parametrize("label", ["high value", "is_vip__C"])
def test_a_checkbox_is_found_by_label_or_name(label: str) -> None:
    """Case does not matter to people."""
    told = Context("t", "Contact", SETTINGS, cohorts=(("vip", label),), cohort_style="field")
    script = Script((DESCRIBE, 200, {"fields": [BOX]}))
    assert drive(cohorts.prepare(told), script).value == {"cohorts": {"vip": "Is_Vip__c"}}


def test_a_checkbox_that_is_missing_or_fixed_is_asked_for() -> None:
    """Fields are made in Setup, never by a sync."""
    script = Script((DESCRIBE, 200, {"fields": [{**BOX, "updateable": False}]}))
    with pytest.raises(DestinationError, match="High Value"):
        drive(cohorts.prepare(context(cohort_style="field")), script)


@pytest.mark.parametrize(("op", "value"), [(Op.JOIN, True), (Op.PART, False)])
def test_a_checkbox_is_checked_and_unchecked(op: Op, value: bool) -> None:
    """By record id, and nothing else of the record is written."""
    script = Script((UPDATE, 200, [{"id": ADA, "success": True, "errors": []}, no("ENTITY_IS_DELETED")]))
    changes = [change(1, op, remote_id=ADA, fields={"Title": "x"}), change(2, op, remote_id=BOB)]
    seen = run(op, changes, script, "field", "Is_Vip__c")
    assert script.bodies[0]["records"][0] == {"attributes": {"type": "Contact"}, "id": ADA, "Is_Vip__c": value}
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED if op is Op.JOIN else Status.DELIVERED}


def test_the_checkbox_is_read_back_as_a_cohort() -> None:
    """It is asked for beside the mapped fields, and so is the opt-out, mapped or not."""
    told = context(fields=("Title",), cohort_style="field", prepared={"cohorts": {"vip": "Is_Vip__c"}})
    row = {"Id": ADA, MATCH: "C1@example.org", "Is_Vip__c": True, "HasOptedOutOfEmail": True}
    script = Script((QUERY, 200, answer(row)))
    (found,) = drive(read.read_back(told, ["c1@example.org", "c2@example.org"]), script).value
    assert (found.identity, found.remote_id, found.cohorts, found.opted_out) == (
        "c1@example.org",
        ADA,
        {"High Value"},
        True,
    )


def test_an_opt_out_that_one_may_not_see_is_left_out() -> None:
    """Field-level security hides it: records are read without it."""
    refusal = [{"errorCode": "INVALID_FIELD", "message": "No such column 'HasOptedOutOfEmail'"}]
    script = Script((QUERY, 400, refusal), (QUERY, 200, answer({"Id": ADA, MATCH: "c1@example.org"})))
    (found,) = drive(read.read_back(context(cohorts=()), ["c1@example.org"]), script).value
    assert (found.remote_id, found.opted_out) == (ADA, False)
    assert ["HasOptedOutOfEmail" in one["q"] for one in script.queries] == [True, False]


def test_fields_are_described_as_they_bind() -> None:
    """Restricted choices are options, open ones are not; lengths of texts; whole numbers; external ids."""
    both = {"createable": True, "updateable": True, "nillable": True}
    open_list = {"type": "picklist", "length": 255, "picklistValues": [{"value": "a", "active": True}]}
    fields = [
        {"name": "LastName", "type": "string", "length": 80, **both, "nillable": False},
        {"name": "Name", "type": "string", "length": 121, "createable": False, "updateable": False},
        {"name": "Open", **open_list, **both},
        {"name": "Closed", **open_list, **both, "restrictedPicklist": True},
        {"name": "Whole__c", "type": "double", "scale": 0, **both},
        {"name": "Key__c", "type": "string", "length": 20, "externalId": True, **both},
    ]
    found = drive(read.discover(context()), Script((DESCRIBE, 200, {"fields": fields}))).value
    assert found == (
        RemoteField("LastName", "text", required=True, max_length=80),
        RemoteField("Name", "text", writable=False, max_length=121),
        RemoteField("Open", "text", max_length=255),
        RemoteField("Closed", "text", options=("a",), max_length=255),
        RemoteField("Whole__c", "integer"),
        RemoteField("Key__c", "text", max_length=20, unique=True),
    )


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "equal"),
    [
        ("text", " a ", "a", True),
        ("text", None, "", True),
        ("text", " ", None, True),
        ("text", "a", None, False),
        ("number", 12.5, 12.5, True),
        ("list", "a;b", "b;a", True),
        ("timestamp", "2024-02-29T10:01:00Z", "2024-02-29T10:01:00.000+0000", True),
        ("timestamp", "2024-02-29T10:01:00Z", "2024-02-29T11:01:00.000+0000", False),
        ("boolean", False, None, False),
    ],
)
def test_what_is_the_same_there(kind: str, ours: Any, theirs: Any, equal: bool) -> None:
    """Trimmed texts, sets of choices, instants."""
    assert read.same(RemoteField("f", kind), ours, theirs) is equal
