from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Caller, Clock

URL = "/objects/contacts/batch/upsert"


def row(key: str = "ada@example.org", by: Any = "email", trace: str | None = None, **properties: Any) -> dict[str, Any]:
    made = {"id": key, "idProperty": by, "properties": properties}
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def test_creates_then_updates(hubspot: Caller, read: Callable[..., dict[str, Any]]) -> None:
    """`new` tells a created contact from an updated one; absent properties stay as they are."""
    created = hubspot("POST", URL, {"inputs": [row(firstname="Ada", lastname="L", trace="r1")]})
    updated = hubspot("POST", URL, {"inputs": [row(firstname="Eve")]})
    assert created[0] == updated[0] == 200
    first, second = created[1]["results"][0], updated[1]["results"][0]
    assert (first["new"], first["objectWriteTraceId"], second["new"]) == (True, "r1", False)
    assert first["id"] == second["id"]
    assert "objectWriteTraceId" not in second
    assert read("firstname", "lastname", "email") == {"firstname": "Eve", "lastname": "L", "email": "ada@example.org"}


def test_answers_in_another_order(hubspot: Caller) -> None:
    """Results do not come in the order of the inputs."""
    inputs = [row(f"u{n}@example.org", trace=str(n)) for n in range(3)]
    _, answer = hubspot("POST", URL, {"inputs": inputs})
    assert [one["objectWriteTraceId"] for one in answer["results"]] != ["0", "1", "2"]
    assert sorted(one["objectWriteTraceId"] for one in answer["results"]) == ["0", "1", "2"]


def test_takes_100_and_not_101(hubspot: Caller) -> None:
    """A batch holds at most 100 inputs, and at least one."""
    rows = [row(f"u{n}@example.org") for n in range(101)]
    assert hubspot("POST", URL, {"inputs": rows[:100]})[0] == 200
    assert hubspot("POST", URL, {"inputs": rows})[0] == 400
    assert hubspot("POST", URL, {"inputs": []})[0] == 400


def test_refuses_duplicates_whatever_their_case(hubspot: Caller) -> None:
    """One key twice refuses the whole batch and names the ids."""
    status, answer = hubspot(
        "POST", URL, {"inputs": [row("a@example.org"), row("A@example.org"), row("b@example.org")]}
    )
    assert (status, answer["category"], answer["context"]["ids"]) == (400, "VALIDATION_ERROR", ["A@example.org"])
    assert answer["message"].startswith("Duplicate IDs found in batch input")
    assert not hubspot.box.store["objects"]["contacts"]["records"]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"nope": "x"}, "PROPERTY_DOESNT_EXIST"),
        ({"ltv": "many"}, "INVALID_INTEGER"),
        ({"createdate": "1"}, "READ_ONLY_VALUE"),
    ],
)
def test_one_bad_property_refuses_the_batch(hubspot: Caller, properties: dict[str, str], code: str) -> None:
    """A wrong property refuses all rows, trace ids or not, and is named."""
    rows = [row("a@example.org", trace="1", firstname="A"), row("b@example.org", trace="2", **properties)]
    status, answer = hubspot("POST", URL, {"inputs": rows})
    assert (status, answer["category"], answer["errors"][0]["code"]) == (400, "VALIDATION_ERROR", code)
    assert answer["errors"][0]["context"]["propertyName"] == list(properties)
    assert answer["correlationId"]
    assert not hubspot.box.store["objects"]["contacts"]["records"]


@pytest.mark.parametrize("value", [1, None, True, 1.5, ["x"]])
def test_values_are_strings(hubspot: Caller, value: Any) -> None:
    """A property value that is not a string refuses the batch."""
    assert hubspot("POST", URL, {"inputs": [row(firstname=value)]})[0] == 400


@pytest.mark.parametrize("by", ["firstname", "hs_object_id", "nope", 7])
def test_key_property_is_unique(hubspot: Caller, by: Any) -> None:
    """Only e-mail and properties with unique values may be the idProperty."""
    status, answer = hubspot("POST", URL, {"inputs": [row("x", by)]})
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert "non-unique" in answer["message"]


@pytest.mark.parametrize(
    "broken", [{"idProperty": "email", "properties": {}}, {"id": "a@example.org", "properties": {}}]
)
def test_key_is_required(hubspot: Caller, broken: dict[str, Any]) -> None:
    """An input needs an id and an idProperty."""
    assert hubspot("POST", URL, {"inputs": [broken]})[0] == 400


def test_conflict_fails_its_row_alone(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """An e-mail that another contact holds fails one row (207), named by trace id and existing id."""
    held = upsert("ada@example.org")
    rows = [row("c-1", "customer_id", "1", email="ada@example.org"), row("c-2", "customer_id", "2", firstname="B")]
    status, answer = hubspot("POST", URL, {"inputs": rows})
    assert (status, answer["numErrors"]) == (207, 1)
    assert answer["errors"][0]["category"] == "CONFLICT"
    assert answer["errors"][0]["context"] == {"existingId": [held], "objectWriteTraceId": ["1"]}
    assert [one["objectWriteTraceId"] for one in answer["results"]] == ["2"]


def test_without_trace_id_an_error_names_no_input(hubspot: Caller, upsert: Callable[..., str]) -> None:
    """context.objectWriteTraceId is there only if it was sent."""
    upsert("ada@example.org")
    status, answer = hubspot("POST", URL, {"inputs": [row("c-1", "customer_id", email="ada@example.org")]})
    assert status == 207
    assert set(answer["errors"][0]["context"]) == {"existingId"}


def test_partial_by_email_is_flagged(
    hubspot: Caller, upsert: Callable[..., str], read: Callable[..., dict[str, Any]]
) -> None:
    """An upsert by e-mail that leaves out what the contact has blanks nothing, and is flagged in the journal."""
    upsert(firstname="Ada", ltv="1")
    assert hubspot.box.journal[-1]["flags"] == []
    upsert(ltv="2")
    assert hubspot.box.journal[-1]["flags"] == ["unsupported_partial"]
    assert read("firstname", "ltv") == {"firstname": "Ada", "ltv": "2"}


def test_partial_by_unique_property_is_fine(hubspot: Caller) -> None:
    """An upsert by a custom unique property may leave properties out."""
    hubspot("POST", URL, {"inputs": [row("c-1", "customer_id", firstname="Ada", ltv="1")]})
    hubspot("POST", URL, {"inputs": [row("c-1", "customer_id", ltv="2")]})
    assert hubspot.box.journal[-1]["flags"] == []


def test_changed_email_by_unique_property_frees_the_old_one(hubspot: Caller) -> None:
    """A renamed contact keeps its id; its old address may be used again."""
    first = hubspot("POST", URL, {"inputs": [row("c-1", "customer_id", email="a@example.org")]})[1]["results"][0]
    renamed = hubspot("POST", URL, {"inputs": [row("c-1", "customer_id", email="b@example.org")]})[1]["results"][0]
    fresh = hubspot("POST", URL, {"inputs": [row("a@example.org")]})[1]["results"][0]
    assert renamed["id"] == first["id"]
    assert fresh["new"]


def test_dated_paths_are_the_same_api(hubspot: Caller, read: Callable[..., dict[str, Any]]) -> None:
    """/crm/objects/2026-03/contacts is another spelling of /crm/v3/objects/contacts."""
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    body = b'{"inputs":[{"id":"ada@example.org","idProperty":"email","properties":{"firstname":"Ada"}}]}'
    assert hubspot.box.handle("POST", "/crm/objects/2026-03/contacts/batch/upsert", "", headers, body)[0] == 200
    assert read("firstname") == {"firstname": "Ada"}


def test_companies_have_their_own_unique_property(clock: Clock) -> None:
    """Companies are upserted by a custom unique property, not by domain."""
    box = make("hubspot", company_properties={"account_id": {"hasUniqueValue": True}}, clock=clock)
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    good = b'{"inputs":[{"id":"7","idProperty":"account_id","properties":{"name":"N"}}]}'
    bad = good.replace(b"account_id", b"domain")
    url = "/crm/v3/objects/companies/batch/upsert"
    assert (box.handle("POST", url, "", headers, good)[0], box.handle("POST", url, "", headers, bad)[0]) == (200, 400)
