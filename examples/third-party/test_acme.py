"""Acme before a stand-in of it: revetl's conformance suite, inherited."""

from __future__ import annotations

from typing import Any

import orjson
from revetl_acme import ACME

from revetl.contract import Call, Http, Reply
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler


class TestAcme(DestinationSuite):
    """Every case that the declaration has a use for."""

    destination = ACME
    settings = {"api_key": "canary-k4", "subdomain": "shop"}  # noqa: RUF012
    secrets = ("canary-k4",)
    poison = {"text_field": "POISON"}  # noqa: RUF012
    lacks = {  # noqa: RUF012
        "account": "Acme has no call for it",
        "cohorts": "Acme knows no lists",
        "consent": "Acme sends nothing to anybody",
        "discover": "every field name is good there",
        "erase": "Acme has no call for it",
        "identity": "an address is for life at Acme",
        "jobs": "Acme answers at once",
        "leave": "nobody is ever removed from Acme",
        "links": "Acme knows people alone",
        "read_back": "Acme shows nothing of what it has",
    }

    def service(self) -> Handler:
        """Return an empty Acme."""
        return Service()


class Service:
    """People by address."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.people: dict[str, dict[str, Any]] = {}

    def __call__(self, call: Call) -> Reply:
        """Answer one call."""
        if not isinstance(call, Http):
            raise TypeError(call)
        results = [self.take(person) for person in orjson.loads(call.content or b"{}")["people"]]
        return Reply(200, orjson.dumps({"results": results}))

    def take(self, person: dict[str, Any]) -> dict[str, Any]:
        """Keep one person, or refuse them."""
        if "POISON" in person["fields"].values():
            return {"email": person["email"], "id": None, "error": {"code": "BAD", "message": "poison"}}
        self.people.setdefault(person["email"], {}).update(person["fields"])
        return {"email": person["email"], "id": f"p-{person['email']}", "error": None}
