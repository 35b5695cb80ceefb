"""The conformance suite over Braze, before its stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from sandboxed import JoiningMakesSuite, SandboxSuite

from revetl.destinations.braze import BRAZE
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import Batch, Change, Op, RemoteField


class TestBraze(JoiningMakesSuite, SandboxSuite, DestinationSuite):
    """Users by external id."""

    destination = BRAZE
    settings = {"api_key": "canary-b7a2", "endpoint": "rest.fra-01.braze.eu"}  # noqa: RUF012
    secrets = ("canary-b7a2",)
    snapshots: ClassVar[Path | None] = Path(__file__).parent / "snapshots"
    poison = {"email": "no address"}  # noqa: RUF012
    avoid = frozenset(
        {"email", "country", "language", "gender", "dob", "phone", "time_zone"}
    )  # well-formed, or nothing
    account = {  # noqa: RUF012
        "api_key": settings["api_key"],
        "attributes": {"spent": "Number", "since": "Time", "gift": "Boolean", "city": "String"},
        "rates": dict.fromkeys(("track", "export", "delete", "ids", "attributes"), (10**6, 1.0)),
    }
    lacks = {  # noqa: RUF012
        "account": "no call says which workspace a key belongs to",
        "create_field": "an attribute comes into being with its first value",
        "jobs": "writes of 75 users a call are all there is",
        "leave archive": "there is no archive there",
        "links": "a user belongs to nothing else",
        "membership fields": "an attribute carries nothing but itself",
    }

    def field_of(self, service: Handler, kind: str) -> RemoteField:
        """Return an attribute that is not there yet: it takes any first value."""
        del service, kind
        return RemoteField("any_field")

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return the batch, with what ``prepare`` finds of its cohort."""
        if op in (Op.JOIN, Op.PART):
            more.setdefault("prepared", {"cohorts": {"vip": "High Value"}})
        return super().batch(changes, op, **more)

    def test_cohorts_are_only_found_where_none_may_be_made(self) -> None:
        """An attribute is there once somebody was a member; before that it is not found, and nothing is made."""
        service = self.service()
        assert self.prepared(service, create=False) == {"cohorts": {}}
        prepared, rows = self.group(service, 1)
        self.move(service, Op.JOIN, rows, prepared)
        assert self.prepared(service, create=False) == prepared != {"cohorts": {}}
