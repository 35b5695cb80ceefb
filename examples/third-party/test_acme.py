"""Acme before a stand-in of it: revetl's conformance suite, inherited."""

from __future__ import annotations

from typing import Any

import orjson
from revetl_acme import ACME

from revetl.contract import Http, PutFile, Reply
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler


class TestAcme(DestinationSuite):
    """Every case that the declaration has a use for."""

    destination = ACME
    settings = {"api_key": "canary-k4", "subdomain": "shop"}  # noqa: RUF012
    secrets = ("canary-k4",)
    poison = {"text_field": "POISON"}  # noqa: RUF012

    def service(self) -> Handler:
        """Return an empty Acme."""
        return Service()


class Service:
    """People by address."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.people: dict[str, dict[str, Any]] = {}

    def __call__(self, call: Http | PutFile) -> Reply:
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
