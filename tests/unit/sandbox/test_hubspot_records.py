from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Caller

OBJECTS = "/objects/contacts"


def create(*properties: dict[str, str], traced: bool = False) -> dict[str, Any]:
    inputs = [
        {"properties": one, **({"objectWriteTraceId": str(n)} if traced else {})} for n, one in enumerate(properties)
    ]
    return {"inputs": inputs}


def test_create_conflict_refuses_all_without_trace_ids(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """Without trace ids one known address refuses the whole create (409)."""
    held = upsert("ada@example.org")
    status, answer = hubspot(
        "POST", OBJECTS + "/batch/create", create({"email": "b@example.org"}, {"email": "ada@example.org"})
    )
    assert (status, answer["category"], answer["context"]["existingId"]) == (409, "CONFLICT", [held])
    assert len(hubspot.box.store["objects"]["contacts"]["records"]) == 1


def test_create_with_trace_ids_fails_row_by_row(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """With trace ids on all inputs a create reports conflicts and wrong values per row (207)."""
    upsert("ada@example.org")
    body = create({"email": "ada@example.org"}, {"email": "b@example.org"}, {"ltv": "x"}, traced=True)
    status, answer = hubspot("POST", OBJECTS + "/batch/create", body)
    found = {tuple(one["context"]["objectWriteTraceId"]): one["category"] for one in answer["errors"]}
    assert (status, found) == (207, {("0",): "CONFLICT", ("2",): "VALIDATION_ERROR"})
    assert [one["objectWriteTraceId"] for one in answer["results"]] == ["1"]


def test_create_of_known_ones_only_is_a_conflict(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """When all inputs exist a create answers 409 CONFLICT, trace ids or not."""
    upsert("ada@example.org")
    status, answer = hubspot("POST", OBJECTS + "/batch/create", create({"email": "ada@example.org"}, traced=True))
    assert (status, answer["category"]) == (409, "CONFLICT")


def test_create_refuses_an_address_twice_in_a_batch(hubspot: Caller) -> None:
    """Two inputs of one create with the same address conflict."""
    body = create({"email": "b@example.org"}, {"email": "b@example.org"})
    assert hubspot("POST", OBJECTS + "/batch/create", body)[0] == 409


def test_create_answers_201(hubspot: Caller) -> None:
    """A create of new contacts answers 201."""
    assert hubspot("POST", OBJECTS + "/batch/create", create({"email": "b@example.org"}))[0] == 201


def test_update_by_id(hubspot: Caller, upsert: Callable[..., str], read: Callable[..., dict[str, Any]]) -> None:
    """An update by record id writes; an unknown numeric id fails alone with context.ids."""
    key = upsert(firstname="Ada")
    inputs = [{"id": key, "properties": {"firstname": "Eve"}}, {"id": "999999", "properties": {"firstname": "No"}}]
    status, answer = hubspot("POST", OBJECTS + "/batch/update", {"inputs": inputs})
    assert (status, answer["numErrors"], answer["errors"][0]["context"]["ids"]) == (207, 1, ["999999"])
    assert read("firstname") == {"firstname": "Eve"}


def test_update_by_email_as_id_matches_nothing(
    hubspot: Caller, upsert: Callable[..., str], read: Callable[..., dict[str, Any]]
) -> None:
    """An update with an e-mail as `id` and no idProperty succeeds and changes nothing."""
    upsert(firstname="Ada")
    body = {"inputs": [{"id": "ada@example.org", "properties": {"firstname": "Eve"}}]}
    status, answer = hubspot("POST", OBJECTS + "/batch/update", body)
    assert (status, answer["results"]) == (200, [])
    assert hubspot.box.journal[-1]["flags"] == ["silently_unmatched"]
    assert read("firstname") == {"firstname": "Ada"}


def test_update_refuses_one_bad_value_for_all(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """A wrong value refuses the whole update."""
    key = upsert()
    assert hubspot("POST", OBJECTS + "/batch/update", {"inputs": [{"id": key, "properties": {"ltv": "x"}}]})[0] == 400


def test_read_reports_the_missing(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """batch/read answers 207 and puts unknown ids in one error."""
    upsert("ada@example.org")
    body = {
        "inputs": [{"id": "ada@example.org"}, {"id": "b@example.org"}],
        "idProperty": "email",
        "properties": ["email"],
    }
    status, answer = hubspot("POST", OBJECTS + "/batch/read", body)
    assert (status, answer["numErrors"]) == (207, 1)
    assert answer["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert answer["errors"][0]["context"]["ids"] == ["b@example.org"]
    assert [one["properties"]["email"] for one in answer["results"]] == ["ada@example.org"]


def test_archive_frees_the_address_and_leaves_lists(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """An archived contact is gone from reads and lists; archiving it again is no error."""
    key = upsert("ada@example.org")
    number = hubspot("POST", "/lists", {"name": "L", "objectTypeId": "0-1", "processingType": "MANUAL"})[1]["list"][
        "listId"
    ]
    hubspot("PUT", f"/lists/{number}/memberships/add", [key])
    for _ in range(2):
        assert hubspot("POST", OBJECTS + "/batch/archive", {"inputs": [{"id": key}]}) == (204, None)
    assert hubspot("GET", f"{OBJECTS}/{key}")[0] == 404
    assert hubspot("GET", f"/lists/{number}/memberships")[1]["results"] == []
    assert upsert("ada@example.org") != key


def test_erase_blocks_an_unknown_address(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """gdpr-delete removes a contact; an address that nobody has is blocked for the future."""
    key = upsert("ada@example.org")
    assert hubspot("POST", OBJECTS + "/gdpr-delete", {"objectId": key})[0] == 204
    assert hubspot("POST", OBJECTS + "/gdpr-delete", {"objectId": key})[0] == 404
    assert hubspot("POST", OBJECTS + "/gdpr-delete", {"objectId": "b@example.org", "idProperty": "email"})[0] == 204
    row = {"id": "b@example.org", "idProperty": "email", "properties": {}}
    status, answer = hubspot("POST", OBJECTS + "/batch/upsert", {"inputs": [row]})
    assert (status, answer["results"]) == (207, [])


def test_single_record(hubspot: Caller) -> None:
    """One contact is created, found by address, renamed, and deleted; a taken address is a conflict."""
    status, made = hubspot("POST", OBJECTS, {"properties": {"email": "a@example.org"}})
    assert status == 201
    assert hubspot("POST", OBJECTS, {"properties": {"email": "a@example.org"}})[0] == 409
    assert hubspot("POST", OBJECTS, {"properties": {"email": "b@example.org"}})[0] == 201
    query = "idProperty=email"
    assert hubspot("PATCH", OBJECTS + "/a%40example.org", {"properties": {"email": "b@example.org"}}, query)[0] == 409
    assert hubspot("PATCH", OBJECTS + "/a%40example.org", {"properties": {"email": "c@example.org"}}, query)[0] == 200
    assert hubspot("GET", OBJECTS + "/c%40example.org", query=query)[1]["id"] == made["id"]
    assert hubspot("GET", OBJECTS + "/a%40example.org", query=query)[0] == 404
    assert hubspot("DELETE", f"{OBJECTS}/{made['id']}")[0] == 204


def test_pages(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """Contacts are listed by ascending id until a page names no next one."""
    ids = [upsert(f"u{n}@example.org") for n in range(5)]
    seen, query = [], "limit=2"
    while query:
        _, answer = hubspot("GET", OBJECTS, query=query)
        seen += [one["id"] for one in answer["results"]]
        query = f"limit=2&after={answer['paging']['next']['after']}" if "paging" in answer else ""
    assert seen == ids


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=x"])
def test_pages_refused(hubspot: Caller, query: str) -> None:
    """A page holds 1 to 100 contacts."""
    assert hubspot("GET", OBJECTS, query=query)[0] == 400


def test_properties(hubspot: Caller) -> None:
    """A property is made once, with all it needs, and can be read and used at once."""
    made = {"name": "tier", "label": "Tier", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    assert hubspot("POST", "/properties/contacts", made)[0] == 201
    assert hubspot("POST", "/properties/contacts", made)[0] == 409
    names = {one["name"]: one for one in hubspot("GET", "/properties/contacts")[1]["results"]}
    assert {"email", "firstname", "tier", "hs_object_id"} <= set(names)
    assert names["hs_object_id"]["modificationMetadata"]["readOnlyValue"]
    assert names["email"]["hasUniqueValue"]
    assert hubspot("GET", "/properties/contacts/tier")[1]["type"] == "string"
    assert hubspot("GET", "/properties/contacts/nope")[0] == 404
    assert hubspot("DELETE", "/properties/contacts/tier")[0] == 204
    assert hubspot("GET", "/properties/contacts/tier")[0] == 404


@pytest.mark.parametrize(
    "change", [{"name": "Tier"}, {"type": "text"}, {"label": ""}, {"groupName": None}, {"type": "enumeration"}]
)
def test_properties_refused(hubspot: Caller, change: dict[str, Any]) -> None:
    """A property needs a lower-case name, a known type, a label, a group; an enumeration needs options."""
    made = {"name": "tier", "label": "Tier", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    assert hubspot("POST", "/properties/contacts", {**made, **change})[0] == 400


def test_ten_unique_properties(hubspot: Caller) -> None:
    """An object has at most ten properties with unique values."""
    made = {"label": "U", "type": "string", "fieldType": "text", "groupName": "g", "hasUniqueValue": True}
    statuses = [hubspot("POST", "/properties/contacts", {**made, "name": f"u{n}"})[0] for n in range(10)]
    assert statuses == [201] * 9 + [400]  # the fixture has one already


def test_unknown_names_become_properties_where_allowed() -> None:
    """With strict_fields=False an unknown property is accepted as text."""
    box = make("hubspot", strict_fields=False)
    body = b'{"inputs":[{"id":"a@example.org","idProperty":"email","properties":{"tier":"gold"}}]}'
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    assert box.handle("POST", "/crm/v3/objects/contacts/batch/upsert", "", headers, body)[0] == 200
