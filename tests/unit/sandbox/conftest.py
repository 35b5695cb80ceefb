"""A HubSpot stand-in with a few properties of each type, and shorthands for one contact in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Caller, Clock


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def hubspot(clock: Clock) -> Caller:
    """Return a caller of a portal with a few more properties, its limits out of the way."""
    properties = {
        "customer_id": {"hasUniqueValue": True},
        "ltv": "number",
        "vip": "bool",
        "birthday": "date",
        "seen_at": "datetime",
        "band": {"type": "enumeration", "options": ["low", "high"]},
        "likes": {"type": "enumeration", "fieldType": "checkbox", "options": ["tea", "wine", "jam"]},
    }
    return Caller(make("hubspot", properties=properties, burst=10**6, clock=clock, now=clock))


@pytest.fixture
def upsert(hubspot: Caller) -> Callable[..., str]:
    """Return a function that upserts one contact by e-mail and returns its record id."""

    def write(email: str = "ada@example.org", **properties: str) -> str:
        row = {"id": email, "idProperty": "email", "properties": properties}
        status, answer = hubspot("POST", "/objects/contacts/batch/upsert", {"inputs": [row]})
        assert status == 200, answer
        return str(answer["results"][0]["id"])

    return write


@pytest.fixture
def read(hubspot: Caller) -> Callable[..., dict[str, Any]]:
    """Return a function that reads properties of a contact by e-mail."""

    def get(*names: str, email: str = "ada@example.org") -> dict[str, Any]:
        body = {"inputs": [{"id": email}], "idProperty": "email", "properties": list(names)}
        status, answer = hubspot("POST", "/objects/contacts/batch/read", body)
        assert status == 200, answer
        return {name: answer["results"][0]["properties"][name] for name in names}

    return get
