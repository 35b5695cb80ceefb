"""Whatever comes, Intercom's stand-in answers in the vendor's words and never fails."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.sandbox.intercom import ROUTES
from tests.unit.sandbox.intercom_caller import ADA, HEADERS, There
from tests.unit.sandbox.test_sandbox_robust import document, places, replaced


@settings(max_examples=200, deadline=None)
@given(route=st.sampled_from(ROUTES), data=st.data())
def test_any_json_is_answered(route: Any, data: st.DataObject) -> None:
    """Any JSON to any endpoint: 2xx or 4xx in JSON, and a refusal leaves the store as it was."""
    method, template, _ = route
    there = There()
    contact = there.contact(external_id="7")
    part = st.sampled_from([contact, "1001", "7", "%ff", ADA])
    path = "/".join(data.draw(part) if piece.startswith("{") else piece for piece in template.split("/"))
    body = b"" if method in ("GET", "DELETE") else orjson.dumps(data.draw(document))
    before = there.box.dump()
    status, _, answer = there.box.handle(method, path, "", HEADERS, body)
    assert 200 <= status < 500, answer
    if status >= 400:
        assert there.box.dump() == before
        assert orjson.loads(answer)["errors"]


SOUND = [
    ("POST", "/contacts", {"role": "user", "external_id": "8", "email": ADA, "signed_up_at": 1, "owner_id": 1,
                           "unsubscribed_from_emails": True, "custom_attributes": {"tier": "gold", "spent": 1.5}}),
    ("POST", "/contacts/search", {"query": {"operator": "OR", "value": [
        {"field": "email", "operator": "=", "value": ADA}]}, "pagination": {"per_page": 5, "starting_after": None}}),
    ("POST", "/companies", {"company_id": "k", "name": "n", "size": 1, "custom_attributes": {"gift": True}}),
    ("POST", "/tags", {"name": "t", "companies": [{"company_id": "k0", "untag": False}]}),
    ("POST", "/data_attributes", {"name": "n", "model": "contact", "data_type": "options", "description": "d",
                                  "options": [{"value": "a"}, {"value": "b"}]}),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(sound=st.sampled_from(SOUND), data=st.data())
def test_one_strange_node_is_answered(sound: Any, data: st.DataObject) -> None:
    """A sound body with any one node replaced: 2xx or 4xx, and a refusal leaves the store as it was."""
    method, path, body = sound
    there = There()
    assert there("POST", "/companies", {"company_id": "k0"})[0] == 200
    before = there.box.dump()
    place = data.draw(st.sampled_from(list(places(body))))
    changed = replaced(body, place, data.draw(document))
    status, _, answer = there.box.handle(method, path, "", HEADERS, orjson.dumps(changed))
    assert 200 <= status < 500, answer
    if status >= 400:
        assert there.box.dump() == before


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound[1])
def test_sound_bodies_are_sound(sound: Any) -> None:
    """What the test above perturbs is accepted as it stands."""
    there = There()
    there("POST", "/companies", {"company_id": "k0"})
    assert there(*sound)[0] == 200
