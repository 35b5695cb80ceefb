"""Whatever comes, a stand-in answers in the vendor's words and never fails."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot import ROUTES as HUBSPOT
from revetl.sandbox.mailchimp import ROUTES as MAILCHIMP

HEADERS = {
    "hubspot": {"Authorization": "Bearer sandbox", "Content-Type": "application/json"},
    "mailchimp": {"Authorization": "Bearer sandbox-us1"},
}
WORDS = [
    "id",
    "idProperty",
    "inputs",
    "properties",
    "objectWriteTraceId",
    "email",
    "firstname",
    "name",
    "type",
    "fieldType",
    "groupName",
    "label",
    "listId",
    "recordIdsToAdd",
    "objectId",
    "objectTypeId",
    "processingType",
    "0-1",
    "MANUAL",
    "string",
    "members",
    "email_address",
    "status",
    "subscribed",
    "merge_fields",
    "FNAME",
    "tags",
    "active",
    "update_existing",
    "members_to_add",
    "static_segment",
    "ada@example.org",
    "1001",
    "a",
]
text = st.sampled_from(WORDS) | st.text(max_size=5)
leaf = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
document = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=5), max_leaves=25
)
parts = st.sampled_from(["contacts", "companies", "email", "1", "1001", "sandbox", "ada@example.org", "%ff", "x"])
query = st.dictionaries(
    st.sampled_from(["limit", "after", "count", "offset", "idProperty", "fields", "status"]), text, max_size=2
)
ROUTES = [("hubspot", *route[:2]) for route in HUBSPOT] + [("mailchimp", *route[:2]) for route in MAILCHIMP]


@settings(max_examples=300, deadline=None)
@given(route=st.sampled_from(ROUTES), data=st.data())
def test_any_json_is_answered(route: tuple[str, str, str], data: st.DataObject) -> None:
    """Any JSON to any endpoint is answered with 2xx or 4xx in JSON, and a refusal leaves the store as it was."""
    name, method, template = route
    path = "/".join(
        data.draw(parts) if part.startswith("{") and part != "{list_id}" else part.replace("{list_id}", "sandbox")
        for part in template.split("/")
    )
    box = make(name, burst=10**6) if name == "hubspot" else make(name)
    before = box.dump()
    asked = "&".join(f"{key}={value}" for key, value in data.draw(query).items() if value.isascii())
    body = b"" if method in ("GET", "DELETE") else orjson.dumps(data.draw(document))
    status, _, answer = box.handle(method, path, asked, HEADERS[name], body)
    assert 200 <= status < 500
    told = orjson.loads(answer) if answer else None
    if status >= 400:
        assert box.dump() == before
        assert isinstance(told, dict)
        assert "status" in told
    else:
        box.dump()


ROW = {"id": "ada@example.org", "idProperty": "email", "objectWriteTraceId": "1", "properties": {"firstname": "A"}}
MEMBER = {"email_address": "ada@example.org", "status": "subscribed", "merge_fields": {"FNAME": "A"}, "tags": ["t"]}
CONTACTS, MEMBERS = "/crm/v3/objects/contacts/", "/3.0/lists/sandbox/members"
Sound = tuple[str, str, str, Any]  # stand-in, method, path, body
Path = tuple[str | int, ...]
SOUND: list[Sound] = [
    ("hubspot", "POST", CONTACTS + "batch/upsert", {"inputs": [ROW, {**ROW, "id": "b@example.org"}]}),
    ("hubspot", "POST", CONTACTS + "batch/create", {"inputs": [{"properties": {"email": "c@example.org"}}]}),
    ("hubspot", "POST", CONTACTS + "batch/update", {"inputs": [{"id": "1001", "properties": {"phone": "1"}}]}),
    ("hubspot", "POST", CONTACTS + "batch/read", {"inputs": [{"id": "1001"}], "properties": ["email"]}),
    ("hubspot", "POST", CONTACTS + "batch/archive", {"inputs": [{"id": "1001"}]}),
    ("hubspot", "POST", CONTACTS + "gdpr-delete", {"objectId": "1001", "idProperty": None}),
    ("hubspot", "PATCH", CONTACTS + "1001", {"properties": {"email": "c@example.org"}}),
    ("hubspot", "POST", "/crm/v3/lists", {"name": "M", "objectTypeId": "0-1", "processingType": "MANUAL"}),
    ("hubspot", "PUT", "/crm/v3/lists/1/memberships/add", ["1001"]),
    ("hubspot", "PUT", "/crm/v3/lists/1/memberships/add-and-remove", {"recordIdsToAdd": ["1001"]}),
    (
        "hubspot",
        "POST",
        "/crm/v3/properties/contacts",
        {
            "name": "n",
            "label": "N",
            "type": "enumeration",
            "fieldType": "select",
            "groupName": "g",
            "options": [{"label": "A", "value": "a"}],
        },
    ),
    ("mailchimp", "POST", "/3.0/lists/sandbox", {"members": [MEMBER], "update_existing": True, "sync_tags": False}),
    ("mailchimp", "POST", MEMBERS, {**MEMBER, "email_address": "b@example.org"}),
    ("mailchimp", "PUT", MEMBERS + "/ada@example.org", {**MEMBER, "status_if_new": "pending", "vip": True}),
    ("mailchimp", "POST", MEMBERS + "/ada@example.org/tags", {"tags": [{"name": "t", "status": "active"}]}),
    ("mailchimp", "POST", "/3.0/lists/sandbox/segments", {"name": "s", "static_segment": ["ada@example.org"]}),
    ("mailchimp", "PATCH", "/3.0/lists/sandbox/segments/1001", {"name": "s", "static_segment": ["ada@example.org"]}),
    ("mailchimp", "POST", "/3.0/lists/sandbox/segments/1001", {"members_to_add": ["ada@example.org"]}),
    (
        "mailchimp",
        "POST",
        "/3.0/lists/sandbox/merge-fields",
        {"tag": "T", "name": "T", "type": "dropdown", "options": {}},
    ),
]
PEOPLE = {"hubspot": [0, 7], "mailchimp": [11, 15]}  # which of SOUND make a record and a cohort to work on


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every node of a JSON document."""
    yield path
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(inner, (*path, key))


def replaced(node: Any, path: Path, value: Any) -> Any:
    """Return a document with ``value`` at ``path``."""
    if not path:
        return value
    copied = node.copy()
    copied[path[0]] = replaced(node[path[0]], path[1:], value)
    return copied


def send(box: Sandbox, sound: Sound) -> tuple[int, bytes]:
    """Send one of SOUND and return its status and answer."""
    name, method, path, body = sound
    status, _, answer = box.handle(method, path, "", HEADERS[name], orjson.dumps(body))
    return status, answer


@settings(max_examples=400, deadline=None)
@given(sound=st.sampled_from(SOUND), data=st.data())
def test_one_strange_node_is_answered(sound: Sound, data: st.DataObject) -> None:
    """A sound body with any one node replaced is answered with 2xx or 4xx; a refusal leaves the store as it was."""
    name, method, path, body = sound
    box = make(name)
    assert [send(box, SOUND[one])[0] for one in PEOPLE[name]] == [200, 200]
    before = box.dump()
    place = data.draw(st.sampled_from(list(places(body))))
    status, answer = send(box, (name, method, path, replaced(body, place, data.draw(document))))
    assert 200 <= status < 500, answer
    if status >= 400:
        assert box.dump() == before


@pytest.mark.parametrize("sound", SOUND)
def test_sound_bodies_are_sound(sound: Sound) -> None:
    """What the test above perturbs is accepted as it stands (or refused for what is there already)."""
    box = make(sound[0])
    for one in PEOPLE[sound[0]]:
        send(box, SOUND[one])
    status, answer = send(box, sound)
    assert status < 300 or b"already exists" in answer, answer


@pytest.mark.parametrize("name", ["hubspot", "mailchimp"])
@given(path=st.text(alphabet=string.printable, max_size=30))
def test_any_path_is_answered(name: str, path: str) -> None:
    """Any path is answered."""
    box = make(name)
    assert box.handle("GET", "/" + path, "", HEADERS[name])[0] in (200, 400, 404, 405)
