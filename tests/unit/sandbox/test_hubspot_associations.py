"""The HubSpot stand-in's associations: strict in shape, honest about what is not there, one primary company at most."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.unit.sandbox.sandbox_caller import HEADERS, Caller

PRIMARY = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
PLAIN = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}


def associate(hubspot: Caller, verb: str, *inputs: dict[str, Any], ends: str = "contacts/companies") -> tuple[int, Any]:
    """Return the answer to one batch call."""
    body = orjson.dumps({"inputs": list(inputs)})
    path = f"/crm/v4/associations/{ends}/batch/{verb}"
    status, _, answer = hubspot.box.handle("POST", path, "", HEADERS["hubspot"], body)
    return status, orjson.loads(answer) if answer else None


def pair(contact: str, company: str, *types: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a create."""
    return {"from": {"id": contact}, "to": {"id": company}, "types": list(types or (PRIMARY,))}


@pytest.fixture
def portal(hubspot: Caller) -> tuple[Caller, str, list[str]]:
    """Return a portal with a contact and two companies, and their ids."""
    _, contact = hubspot("POST", "/objects/contacts", {"properties": {"email": "a@example.org"}})
    made = [hubspot("POST", "/objects/companies", {"properties": {"name": name}})[1] for name in ("one", "two")]
    return hubspot, contact["id"], [company["id"] for company in made]


def primary(hubspot: Caller, contact: str) -> str | None:
    """Return what the contact's property shows."""
    _, found = hubspot("GET", f"/objects/contacts/{contact}", query="properties=associatedcompanyid")
    shown: str | None = found["properties"]["associatedcompanyid"]
    return shown


def test_one_primary_company(portal: tuple[Caller, str, list[str]]) -> None:
    """A new primary company takes the old one's place, which stays associated."""
    hubspot, contact, (one, two) = portal
    status, answer = associate(hubspot, "create", pair(contact, one))
    assert (status, answer["results"][0]["labels"]) == (201, ["Primary"])
    assert primary(hubspot, contact) == one
    assert associate(hubspot, "create", pair(contact, two, PLAIN))[0] == 201
    assert primary(hubspot, contact) == one
    associate(hubspot, "create", pair(contact, two))
    assert primary(hubspot, contact) == two
    assert hubspot.box.store["associations"][contact] == {one: [279], two: [1, 279]}


def test_archive(portal: tuple[Caller, str, list[str]]) -> None:
    """An archive takes all between two records away, and does not mind what is not associated."""
    hubspot, contact, (one, two) = portal
    associate(hubspot, "create", pair(contact, one))
    ends = {"from": {"id": contact}, "to": [{"id": one}, {"id": two}]}
    assert associate(hubspot, "archive", ends) == (204, None)
    assert primary(hubspot, contact) is None
    assert associate(hubspot, "archive", ends) == (204, None)


def test_records_that_are_gone(portal: tuple[Caller, str, list[str]]) -> None:
    """Who is not there cannot be associated (207); who goes takes the association along."""
    hubspot, contact, (one, _) = portal
    status, answer = associate(hubspot, "create", pair(contact, "77"), pair(contact, one))
    assert (status, answer["numErrors"], len(answer["results"])) == (207, 1, 1)
    assert answer["errors"][0]["context"] == {"fromObjectId": [contact], "toObjectId": ["77"]}
    hubspot("DELETE", f"/objects/companies/{one}")
    assert primary(hubspot, contact) is None


@pytest.mark.parametrize(
    "given",
    [
        {"from": {"id": 1}, "to": {"id": "2"}, "types": [PRIMARY]},
        {"from": {"id": "1"}, "to": {"id": "2"}, "types": []},
        {"from": {"id": "1"}, "to": {"id": "2"}},
        pair("1", "2", {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 2}),
        pair("1", "2", {"associationCategory": "USER_DEFINED", "associationTypeId": 1}),
    ],
)
def test_strict(hubspot: Caller, given: dict[str, Any]) -> None:
    """What is not of the documented shape is refused as a whole."""
    assert associate(hubspot, "create", given)[0] == 400


def test_limits(hubspot: Caller) -> None:
    """A batch holds 1 to 2,000 inputs, and only contacts are associated with companies."""
    assert associate(hubspot, "create", *[pair("1", "2")] * 2_001)[0] == 400
    assert associate(hubspot, "create")[0] == 400
    assert associate(hubspot, "create", pair("1", "2"), ends="companies/contacts")[0] == 404


def test_the_property_is_read_only(hubspot: Caller) -> None:
    """The primary company cannot be set as a property."""
    row = {"id": "a@example.org", "idProperty": "email", "properties": {"associatedcompanyid": "5"}}
    status, answer = hubspot("POST", "/objects/contacts/batch/upsert", {"inputs": [row]})
    assert (status, answer["errors"][0]["code"]) == (400, "READ_ONLY_VALUE")
