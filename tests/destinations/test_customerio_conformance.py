"""The conformance suite over Customer.io, before its stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from sandboxed import JoiningMakesSuite, SandboxSuite

from revetl.destinations.customerio import CUSTOMERIO
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import RemoteField

_FIELDS = tuple(RemoteField(f"{kind}_field", kind) for kind in ("text", "number", "boolean"))


class TestCustomerio(JoiningMakesSuite, SandboxSuite, DestinationSuite):
    """People by id. Attributes have no types there: one of each kind is written."""

    destination = CUSTOMERIO
    settings = {"site_id": "canary-s1te", "track_key": "canary-7rac", "app_key": "canary-a99k"}  # noqa: RUF012
    secrets = ("canary-s1te", "canary-7rac", "canary-a99k")
    snapshots: ClassVar[Path | None] = Path(__file__).parent / "snapshots"
    poison = {"email": "no address"}  # noqa: RUF012
    account = {**settings, "rates": {"track": 10**6, "app": 10**6}}  # noqa: RUF012
    lacks = {  # noqa: RUF012
        "create_field": "an attribute comes into being with its first value, and has no type",
        "jobs": "batches of 500 KB are all there is",
        "leave archive": "there is no archive there",
        "links": "a person belongs to nothing that is served",
        "membership fields": "a segment carries nothing beside its members",
    }

    def fields(self, service: Handler) -> tuple[RemoteField, ...]:
        """Return an attribute of each kind; there is nothing to discover."""
        del service
        return _FIELDS

    def field_of(self, service: Handler, kind: str) -> RemoteField:
        """Return an attribute, which has no type."""
        del service, kind
        return RemoteField("any_field")
