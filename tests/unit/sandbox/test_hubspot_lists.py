from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Caller, Clock

MANUAL = {"name": "High Value", "objectTypeId": "0-1", "processingType": "MANUAL"}


@pytest.fixture
def number(hubspot: Caller) -> str:
    """Return the id of an empty MANUAL list of contacts."""
    status, answer = hubspot("POST", "/lists", MANUAL)
    assert status == 200
    return str(answer["list"]["listId"])


def test_found_by_name(hubspot: Caller, number: str) -> None:
    """A list is found by object type and name, 404 where there is none."""
    assert hubspot("GET", "/lists/object-type-id/0-1/name/High%20Value")[1]["list"]["listId"] == number
    assert hubspot("GET", "/lists/object-type-id/0-1/name/Nope")[0] == 404
    assert hubspot("GET", "/lists/object-type-id/0-2/name/High%20Value")[0] == 404


@pytest.mark.parametrize(
    "change", [{}, {"name": ""}, {"objectTypeId": "9-9"}, {"processingType": "MANUEL"}, {"name": 7}]
)
def test_create_refused(hubspot: Caller, number: str, change: dict[str, Any]) -> None:
    """A list needs a free name, a known object type and processing type."""
    assert hubspot("POST", "/lists", {**MANUAL, **change})[0] == 400


def test_memberships(hubspot: Caller, upsert: Callable[..., str], number: str) -> None:
    """Additions and removals are answered with what changed; unknown ids are missing, not errors."""
    a, b = upsert("a@example.org"), upsert("b@example.org")
    url = f"/lists/{number}/memberships"
    assert hubspot("PUT", url + "/add", [a, b, "999"]) == (
        200,
        {"recordsIdsAdded": [a, b], "recordIdsRemoved": [], "recordIdsMissing": ["999"]},
    )
    assert hubspot("PUT", url + "/add", [a])[1]["recordsIdsAdded"] == []
    assert hubspot("PUT", url + "/remove", [a])[1]["recordIdsRemoved"] == [a]
    both = hubspot("PUT", url + "/add-and-remove", {"recordIdsToAdd": [a], "recordIdsToRemove": [b]})[1]
    assert (both["recordsIdsAdded"], both["recordIdsRemoved"]) == ([a], [b])
    assert [one["recordId"] for one in hubspot("GET", url)[1]["results"]] == [a]
    assert hubspot("DELETE", url)[0] == 204
    assert hubspot("GET", url)[1]["results"] == []


@pytest.mark.parametrize("body", [{"recordIds": ["1"]}, [1], ["x"], "1", [None]])
def test_memberships_refused(hubspot: Caller, number: str, body: Any) -> None:
    """Memberships are a bare array of strings of digits."""
    assert hubspot("PUT", f"/lists/{number}/memberships/add", body)[0] == 400


def test_dynamic_list_refuses_members(hubspot: Caller) -> None:
    """A DYNAMIC list's memberships cannot be written."""
    number = hubspot("POST", "/lists", {**MANUAL, "name": "D", "processingType": "DYNAMIC"})[1]["list"]["listId"]
    assert hubspot("PUT", f"/lists/{number}/memberships/add", ["1"])[0] == 400


def test_pages_of_members(hubspot: Caller, upsert: Callable[..., str], number: str) -> None:
    """Memberships come in pages of at most 250."""
    ids = [upsert(f"u{n}@example.org") for n in range(3)]
    url = f"/lists/{number}/memberships"
    hubspot("PUT", url + "/add", ids)
    first = hubspot("GET", url, query="limit=2")[1]
    second = hubspot("GET", url, query=f"limit=2&after={first['paging']['next']['after']}")[1]
    assert [one["recordId"] for one in first["results"] + second["results"]] == ids
    assert "paging" not in second
    assert hubspot("GET", url, query="limit=251")[0] == 400


def test_rename_and_delete(hubspot: Caller, number: str) -> None:
    """A list is renamed to a free name, and deleted once."""
    hubspot("POST", "/lists", {**MANUAL, "name": "Other"})
    assert hubspot("PUT", f"/lists/{number}/update-list-name", query="listName=Other")[0] == 400
    assert hubspot("PUT", f"/lists/{number}/update-list-name", query="listName=New+Name")[0] == 200
    assert hubspot("GET", f"/lists/{number}")[1]["list"]["name"] == "New Name"
    assert hubspot("DELETE", f"/lists/{number}")[0] == 204
    assert hubspot("DELETE", f"/lists/{number}")[0] == 404


def test_new_list_is_locked_for_a_while(clock: Clock) -> None:
    """With list_lock a new list's memberships answer 423 until the time has passed."""
    box = make("hubspot", list_lock=2.0, now=clock)
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    body = b'{"name":"L","objectTypeId":"0-1","processingType":"MANUAL"}'
    assert box.handle("POST", "/crm/v3/lists", "", headers, body)[0] == 200
    assert box.handle("PUT", "/crm/v3/lists/1/memberships/add", "", headers, b"[]")[0] == 423
    clock.at += 2.0
    assert box.handle("PUT", "/crm/v3/lists/1/memberships/add", "", headers, b"[]")[0] == 200
