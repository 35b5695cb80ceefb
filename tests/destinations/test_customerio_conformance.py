"""The conformance suite over Customer.io, before its stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sandboxed import SandboxSuite

from revetl.destinations.customerio import CUSTOMERIO
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import EMPTY, Batch, Change, Mode, OnLeave, Op, RemoteField, Status

_FIELDS = tuple(RemoteField(f"{kind}_field", kind) for kind in ("text", "number", "boolean"))


class TestCustomerio(SandboxSuite, DestinationSuite):
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
    told: Mapping[str, Any] = EMPTY  # what a case says of its sync

    def fields(self, service: Handler) -> tuple[RemoteField, ...]:
        """Return an attribute of each kind; there is nothing to discover."""
        del service
        return _FIELDS

    def field_of(self, service: Handler, kind: str) -> RemoteField:
        """Return an attribute, which has no type."""
        del service, kind
        return RemoteField("any_field")

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return the batch; a LEAVE without a policy deletes, for there is no archive."""
        if op is Op.LEAVE and more.get("on_leave", OnLeave.KEEP) is OnLeave.KEEP:
            more["on_leave"] = OnLeave.DELETE
        return super().batch(changes, op, **{**self.told, **more})

    def test_new_records_are_ours_and_older_ones_are_not(self) -> None:
        """An answer does not say who is new: people are looked for first, where the policy is to delete."""
        self.told = {"on_leave": OnLeave.DELETE}
        super().test_new_records_are_ours_and_older_ones_are_not()

    def test_sending_again_changes_nothing(self) -> None:
        """The same: whose a person is, is known where the policy is to delete."""
        self.told = {"on_leave": OnLeave.DELETE}
        super().test_sending_again_changes_nothing()

    def test_nobody_cannot_join(self) -> None:
        """A segment makes people of unknown ids: mode ``update`` looks for them first."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        joins = [replace(row, op=Op.JOIN, body=b"{}") for row in [*rows, self.change(99, created=True)]]
        seen = self.run(service, joins, prepared=prepared, mode=Mode.UPDATE)
        assert seen.statuses() == {1: Status.DELIVERED, 99: Status.REJECTED}
