"""What HubSpot's pages and recorded answers demand of its stand-in beyond single endpoints, read from them alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.sandbox import make
from revetl.sandbox.server import serve

CONTACTS = "/objects/contacts"
HEADERS = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
POSTED = [f"{CONTACTS}/batch/{verb}" for verb in ("upsert", "create", "update", "read", "archive")]


def by_id(key: str, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """Return an update input by record id."""
    return {"id": key, "properties": properties, **({} if trace is None else {"objectWriteTraceId": trace})}


def by_key(key: str, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """Return an upsert input by the custom unique property."""
    return {**by_id(key, trace, **properties), "idProperty": "customer_id"}


def test_update_to_a_taken_address_fails_its_row_alone(
    hubspot: Any, upsert: Callable[..., str], read: Callable[..., dict[str, Any]]
) -> None:
    """An update whose e-mail another contact holds is a CONFLICT naming input and holder; the other row is written."""
    ada, bob = upsert("ada@example.org", firstname="Ada"), upsert("bob@example.org", firstname="Bob")
    inputs = [by_id(ada, "r1", email="BOB@example.org"), by_id(bob, "r2", lastname="B")]
    status, answer = hubspot("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})
    assert status == 207
    assert answer["numErrors"] == 1
    (error,) = answer["errors"]
    assert (error["status"], error["category"]) == ("error", "CONFLICT")
    assert error["message"] == f"Contact already exists. Existing ID: {bob}"
    assert error["context"] == {"objectWriteTraceId": ["r1"], "existingId": [bob]}
    assert [one["id"] for one in answer["results"]] == [bob]
    assert read("email", "firstname") == {"email": "ada@example.org", "firstname": "Ada"}


def test_update_of_an_unknown_id_names_its_input(hubspot: Any) -> None:
    """An unknown record id is a row error in HubSpot's words, with the id and the trace id."""
    status, answer = hubspot("POST", f"{CONTACTS}/batch/update", {"inputs": [by_id("99", "r9", firstname="A")]})
    assert (status, answer["results"]) == (207, [])
    (error,) = answer["errors"]
    told = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
    assert (error["category"], error["message"]) == ("OBJECT_NOT_FOUND", told)
    assert error["context"] == {"ids": ["99"], "objectWriteTraceId": ["r9"]}


def test_duplicates_in_the_vendors_words(hubspot: Any) -> None:
    """The refusal of duplicate ids reads as recorded: the ids bare in brackets, and in context.ids."""
    status, answer = hubspot("POST", f"{CONTACTS}/batch/update", {"inputs": [by_id("12"), by_id("12")]})
    assert status == 400
    assert answer["category"] == "VALIDATION_ERROR"
    assert answer["message"] == "Duplicate IDs found in batch input: [12]. IDs must be unique"
    assert answer["context"] == {"ids": ["12"]}


def test_create_of_one_unique_value_spelled_twice(hubspot: Any) -> None:
    """Two creates whose unique values differ by outer spaces conflict, and nothing is written."""
    inputs = [{"properties": {"customer_id": "7"}}, {"properties": {"customer_id": " 7"}}]
    status, answer = hubspot("POST", f"{CONTACTS}/batch/create", {"inputs": inputs})
    assert (status, answer["category"]) == (409, "CONFLICT")
    assert hubspot("GET", CONTACTS)[1]["results"] == []


def test_taken_list_name_in_the_vendors_words(hubspot: Any) -> None:
    """A list name in use is 400 with subCategory ILS.DUPLICATE_LIST_NAMES, as connectors meet it; not 409."""
    body = {"name": "High Value", "objectTypeId": "0-1", "processingType": "MANUAL"}
    assert hubspot("POST", "/lists", body)[0] == 200
    status, answer = hubspot("POST", "/lists", body)
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert answer["subCategory"] == "ILS.DUPLICATE_LIST_NAMES"
    assert hubspot("POST", "/lists", {**body, "objectTypeId": "0-2"})[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"inputs":{}}', b'{"inputs":[1]}', b'{"a":NaN}'])
@pytest.mark.parametrize("path", [*POSTED, CONTACTS, f"{CONTACTS}/gdpr-delete", "/properties/contacts", "/lists"])
def test_bodies_of_no_use_are_refused_in_the_envelope(hubspot: Any, path: str, body: Any) -> None:
    """Whatever arrives instead of the documented body is 400 in HubSpot's envelope and changes nothing."""
    before = hubspot.box.dump()
    status, _, content = hubspot.box.handle("POST", f"/crm/v3{path}", "", HEADERS, body)
    answer = orjson.loads(content)
    assert status == 400
    assert answer.keys() >= {"status", "message", "category", "correlationId"}
    assert (answer["status"], answer["category"]) == ("error", "VALIDATION_ERROR")
    assert hubspot.box.dump() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{CONTACTS}/batch/upsert", {"inputs": [{**by_key("1"), "objectWriteTraceId": 5}]}),
        (f"{CONTACTS}/batch/upsert", {"inputs": [{**by_key("1"), "idProperty": ["customer_id"]}]}),
        (f"{CONTACTS}/batch/upsert", {"inputs": [by_key("1", firstname="A"), by_key("2", ltv="much")]}),
        (f"{CONTACTS}/batch/upsert", {"inputs": [by_key("1"), by_key("2", firstname=None)]}),
        (f"{CONTACTS}/batch/upsert", {"inputs": [by_key("1"), by_key(" 1")]}),
        (f"{CONTACTS}/batch/read", {"inputs": [{"id": "1"}], "properties": "email"}),
        (f"{CONTACTS}/batch/read", {"inputs": [{"id": "1"}], "properties": 5}),
        (f"{CONTACTS}/batch/read", {"inputs": [{"id": 1}]}),
        (f"{CONTACTS}/batch/archive", {"inputs": [{"id": 1}]}),
    ],
)
def test_a_refused_batch_writes_nothing(hubspot: Any, path: str, body: Any) -> None:
    """A batch that is refused leaves the account exactly as it was, the good rows before the bad one included."""
    before = hubspot.box.dump()
    status, answer = hubspot("POST", path, body)
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert hubspot.box.dump() == before


def test_leading_semicolon_is_text_in_a_text(upsert: Callable[..., str], read: Callable[..., dict[str, Any]]) -> None:
    """Only checkboxes append: a text that begins with a semicolon replaces the text before."""
    upsert(firstname="Ada")
    upsert(firstname=";)")
    assert read("firstname") == {"firstname": ";)"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seen_at", "0001-01-01T00:00:00+14:00"),
        ("seen_at", "9999-12-31T23:59:59-14:00"),
        ("seen_at", "2026-01-01T25:00:00Z"),
        ("birthday", "2026-02-30"),
        ("birthday", "1598745600001"),
        ("birthday", "20260830"),
        ("ltv", "1_000"),
        ("ltv", " 1"),
        ("ltv", "\u0661"),
        ("ltv", "NaN"),
        ("ltv", "1e999"),
        ("ltv", "0x10"),
        ("vip", "True"),
        ("vip", "1"),
    ],
)
def test_values_at_the_edges_are_refused(hubspot: Any, name: str, value: str) -> None:
    """Values that only look right are refused by name, never an accident of the stand-in."""
    status, answer = hubspot("POST", f"{CONTACTS}/batch/upsert", {"inputs": [by_key("1", **{name: value})]})
    assert status == 400
    assert [error["context"]["propertyName"] for error in answer["errors"]] == [[name]]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "bool", "fieldType": "text"},
        {"type": "string", "fieldType": "number"},
        {"type": "datetime", "fieldType": "datetime"},
        {"options": ["low"]},
        {"options": "low"},
        {"options": [{"label": "Low"}]},
        {"options": [{"label": "Low", "value": 1}]},
    ],
)
def test_properties_of_no_sense_are_refused(hubspot: Any, change: dict[str, Any]) -> None:
    """A field type must fit the type, and each option needs a label and a value."""
    good = {"name": "size", "label": "Size", "groupName": "contactinformation"}
    choice = {"type": "enumeration", "fieldType": "select", "options": [{"label": "Low", "value": "low"}]}
    status, answer = hubspot("POST", "/properties/contacts", {**good, **choice, **change})
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert hubspot("POST", "/properties/contacts", {**good, **choice})[0] == 201


def test_a_dumped_account_goes_on_elsewhere(hubspot: Any, clock: Any) -> None:
    """A dump is JSON and no view of the account; loaded elsewhere, keys are found, ids go on, members stay."""
    rows = [by_key("1", email="ada@example.org"), by_key("2", email="bob@example.org")]
    answer = hubspot("POST", f"{CONTACTS}/batch/upsert", {"inputs": rows})[1]
    ids = {one["properties"]["customer_id"]: one["id"] for one in answer["results"]}
    hubspot("POST", "/lists", {"name": "High Value", "objectTypeId": "0-1", "processingType": "MANUAL"})
    hubspot("PUT", "/lists/1/memberships/add", [ids["1"]])
    dumped = orjson.dumps(hubspot.box.dump())

    other = type(hubspot)(make("hubspot", clock=clock, now=clock))
    other.box.load(orjson.loads(dumped))
    rows = [by_key("1", firstname="Ada"), by_key("3"), by_key("2", "r2", email="ada@example.org")]
    status, answer = other("POST", f"{CONTACTS}/batch/upsert", {"inputs": rows})
    assert status == 207
    assert answer["errors"][0]["context"] == {"objectWriteTraceId": ["r2"], "existingId": [ids["1"]]}
    written = {one["properties"]["customer_id"]: one for one in answer["results"]}
    assert (written["1"]["id"], written["1"]["new"], written["3"]["new"]) == (ids["1"], False, True)
    assert written["3"]["id"] not in ids.values()
    assert [one["recordId"] for one in other("GET", "/lists/1/memberships")[1]["results"]] == [ids["1"]]
    assert orjson.dumps(hubspot.box.dump()) == dumped


KEYS = st.sampled_from(["1", "2", "3"])
ADDRESSES = st.sampled_from(["", "a@example.org", "B@example.org", "c@example.org"])
STEPS = st.lists(st.tuples(st.sampled_from(["upsert", "update", "archive"]), KEYS, ADDRESSES), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_unique_values_name_their_holder_after_any_history(steps: list[tuple[str, str, str]]) -> None:
    """After any writes each unique value leads to the one record that holds it, and to nothing once it is gone."""
    box = make("hubspot", properties={"customer_id": {"hasUniqueValue": True}}, burst=10**6)
    for verb, key, address in steps:
        known = box.store["objects"]["contacts"]["index"]["customer_id"].get(key, "999")
        row = by_key(key, email=address) if verb == "upsert" else by_id(known, email=address)
        content = orjson.dumps({"inputs": [{"id": known} if verb == "archive" else row]})
        status, _, _ = box.handle("POST", f"/crm/v3{CONTACTS}/batch/{verb}", "", HEADERS, content)
        assert status in (200, 204, 207)
    table = box.store["objects"]["contacts"]
    for name in ("customer_id", "email"):
        held = {one["properties"][name]: number for number, one in table["records"].items() if one["properties"][name]}
        assert table["index"][name] == held


def test_over_http() -> None:
    """Served on a socket it answers an ordinary client: envelope, headers, encoded names, and the limit at last."""
    with serve([make("hubspot", burst=5)]) as server, httpx.Client(headers=HEADERS) as client:
        base = f"{server.origin('hubspot')}/crm/v3"
        body = {"inputs": [{"id": "ada@example.org", "idProperty": "email", "properties": {"firstname": "Ada"}}]}
        upserted = client.post(f"{base}{CONTACTS}/batch/upsert", json=body)
        assert upserted.status_code == 200
        assert upserted.headers["X-HubSpot-RateLimit-Max"] == "5"
        assert upserted.headers["X-HubSpot-RateLimit-Remaining"] == "4"
        number = upserted.json()["results"][0]["id"]
        made = client.post(f"{base}/lists", json={"name": "A/B & Ä", "objectTypeId": "0-1", "processingType": "MANUAL"})
        found = client.get(f"{base}/lists/object-type-id/0-1/name/A%2FB%20%26%20%C3%84")
        assert found.json()["list"]["listId"] == made.json()["list"]["listId"]
        added = client.put(f"{base}/lists/{made.json()['list']['listId']}/memberships/add", json=[number, "77"])
        assert added.json() == {"recordsIdsAdded": [number], "recordIdsRemoved": [], "recordIdsMissing": ["77"]}
        assert client.post(f"{base}{CONTACTS}/batch/archive", json={"inputs": [{"id": number}]}).status_code == 204
        refused = client.get(f"{base}{CONTACTS}/{number}")
        assert refused.status_code == 429
        assert refused.json()["errorType"] == "RATE_LIMIT"
        assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
        assert client.get(f"{base}{CONTACTS}", headers={"Authorization": "Bearer other"}).status_code == 401
