"""The conformance suite over Sailthru, before its stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sandboxed import SandboxSuite

from revetl.destinations.sailthru import SAILTHRU
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import Batch, Change, Op, RemoteField

_FIELDS = tuple(RemoteField(f"{kind}_field", kind) for kind in ("text", "number", "boolean", "date"))


class TestSailthru(SandboxSuite, DestinationSuite):
    """Users by address. Variables have no types there: one of each kind is written."""

    destination = SAILTHRU
    settings = {"api_key": "canary-k3y7", "secret": "canary-5ec2"}  # noqa: RUF012
    secrets = ("canary-k3y7", "canary-5ec2")
    snapshots: ClassVar[Path | None] = Path(__file__).parent / "snapshots"
    poison = {"a_name_of_more_than_32_characters": 1}  # noqa: RUF012
    account = settings
    lacks = {  # noqa: RUF012
        "create_field": "a variable comes into being with its first value, and has no type",
        "leave archive": "there is no archive there",
        "links": "a user belongs to nothing else",
        "membership fields": "a list carries nothing beside its members",
    }

    def fields(self, service: Handler) -> tuple[RemoteField, ...]:
        """Return a variable of each kind; there is nothing to discover."""
        del service
        return _FIELDS

    def field_of(self, service: Handler, kind: str) -> RemoteField:
        """Return a variable, which has no type."""
        del service, kind
        return RemoteField("any_field")

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return the batch, with what ``prepare`` finds of its cohort."""
        if op in (Op.JOIN, Op.PART):
            more.setdefault("prepared", {"names": {"vip": "High Value"}})
        return super().batch(changes, op, **more)


class TestSailthruByExtid(TestSailthru):
    """The same by the extid, which is compared as it is."""

    object = "user_by_extid"
    snapshots = None  # one recording a destination


class TestSailthruLosingIds(TestSailthru):
    """The same where no sid is known: users are found again by their address, for more calls."""

    snapshots = None

    def delivers(self, service: Handler, changes: Sequence[Change], **more: Any) -> list[Change]:
        """Return the changes with sids that nobody has (any more)."""
        return [replace(c, remote_id="5f" * 12) for c in super().delivers(service, changes, **more)]

    test_known_records_move_in_few_calls = None  # type: ignore[assignment]  # three calls each here
