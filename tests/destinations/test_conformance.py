"""The conformance suite over the registry: a destination without a suite fails here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from revetl.contract import Http, PutFile, Reply
from revetl.destinations import registry
from revetl.destinations.file import FILE
from revetl.destinations.hubspot import HUBSPOT
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.webhook import WEBHOOK
from revetl.testing.conformance import DestinationSuite, stand_in
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Handler

SNAPSHOTS = Path(__file__).parent / "snapshots"


class TestWebhook(DestinationSuite):
    """The webhook, before a receiver that names the rows it refuses."""

    destination = WEBHOOK
    settings = {"url": "https://hooks.example.org/in/canary-u7?key=canary-q2", "secret": "canary-s9"}  # noqa: RUF012
    snapshots = SNAPSHOTS
    secrets = ("canary-u7", "canary-q2", "canary-s9")
    poison = {"text_field": "POISON"}  # noqa: RUF012

    def service(self) -> Handler:
        """Return a receiver that answers with a list of errors."""
        return _receive


def _receive(call: Http | PutFile) -> Reply:
    assert isinstance(call, Http)
    assert call.content is not None
    records = orjson.loads(call.content)["records"]
    bad = [row["id"] for row in records if row.get("fields", {}).get("text_field") == "POISON"]
    return Reply(200, orjson.dumps({"errors": [{"id": i, "code": "BAD", "message": "poison"} for i in bad]}))


class TestFile(DestinationSuite):
    """Files, before a disk that takes everything."""

    destination = FILE
    settings = {"directory": "out"}  # noqa: RUF012
    secrets = ()
    snapshots = SNAPSHOTS

    def service(self) -> Handler:
        """Return a disk."""
        return lambda _: Reply(200)


class SandboxSuite(Suite):
    """A suite before the stand-in that revetl itself ships for rehearsals."""

    new_fields: ClassVar[tuple[tuple[str, dict[str, Any]], ...]] = ()  # (path, body) of what the account gets first

    def service(self) -> Handler:
        """Return a new account with one field of each type."""
        from revetl import sandbox
        from revetl.sandbox.hubspot import HubSpot

        box = (
            HubSpot(token="pat-na1-canary-0123")
            if self.destination.name == "hubspot"
            else sandbox.make(self.destination.name)
        )

        def send(method: str, path: str, query: Any, headers: Any, body: bytes) -> Any:
            return box.handle(method, path, urlencode(query), headers, body)

        handler = stand_in(self.destination, self.configured, send)
        for path, fields in self.new_fields:
            reply = handler(Http("POST", path, content=orjson.dumps(fields)))
            assert reply.ok, reply.content
        return handler


class TestMailchimp(SandboxSuite, DestinationSuite):
    """Mailchimp, before its stand-in."""

    destination = MAILCHIMP
    settings = {"api_key": "0123456789abcdef0123456789abcdef-us6", "list_id": "a1b2c3d4e5"}  # noqa: RUF012
    secrets = ("0123456789abcdef0123456789abcdef",)
    snapshots = SNAPSHOTS
    poison = {"SPENT": "a lot"}  # noqa: RUF012
    new_fields = tuple(
        ("/lists/a1b2c3d4e5/merge-fields", {"tag": tag, "name": tag, "type": kind})
        for tag, kind in (("CITY", "text"), ("SPENT", "number"), ("SINCE", "date"))
    )


class TestHubSpot(SandboxSuite, DestinationSuite):
    """HubSpot, before its stand-in."""

    destination = HUBSPOT
    settings = {"access_token": "pat-na1-canary-0123", "tier": "enterprise"}  # noqa: RUF012
    secrets = ("canary-0123",)
    snapshots = SNAPSHOTS
    poison = {"spent": "a lot"}  # noqa: RUF012
    avoid = frozenset({"lifecyclestage"})  # moves forward only
    new_fields = tuple(
        (
            "/crm/v3/properties/contacts",
            {"name": name, "label": name, "type": kind, "fieldType": field, "groupName": "contactinformation"},
        )
        for name, kind, field in (
            ("spent", "number", "number"),
            ("since", "date", "date"),
            ("seen_at", "datetime", "date"),
            ("gift", "bool", "booleancheckbox"),
        )
    )


def _suites(of: type[Any] = Suite) -> set[type[Any]]:
    return {of}.union(*(_suites(more) for more in of.__subclasses__()))


def test_no_destination_is_forgotten() -> None:
    """Whatever the registry offers has a suite."""
    covered = {suite.destination.name for suite in _suites() if "destination" in vars(suite)}
    assert covered >= set(registry())
