"""The conformance suite before the stand-in of Pipedrive: persons by address, organizations by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from sandboxed import SandboxSuite

from revetl.contract import Http
from revetl.destinations.pipedrive import PIPEDRIVE
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler, drive
from revetl.types import JSON, Batch, Change, Op

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so

FIELDS = {
    "City": "varchar",
    "Spent": "double",
    "Since": "date",
    "Seen at": "varchar",
    "Band": {"type": "enum", "options": ["Gold", "Silver"]},
    "Interests": {"type": "set", "options": ["Tea", "Coffee"]},
}


class TestPipedrive(SandboxSuite, DestinationSuite):
    """Persons; every batch has what ``prepare`` found, as in a run."""

    destination = PIPEDRIVE
    settings = {"company": "acme", "api_token": "canary-7d2f"}  # noqa: RUF012
    secrets = ("canary-7d2f",)
    snapshots = Path(__file__).parent / "snapshots"
    poison = {"Spent": "a lot"}  # noqa: RUF012
    avoid = frozenset({"owner_id", "visible_to"})  # ids of users, and levels
    account = {  # noqa: RUF012
        "api_token": settings["api_token"],
        "fields": {"persons": FIELDS, "organizations": FIELDS},
        "campaigns": True,
        "clock": count(0, 1).__next__,  # nobody here waits for a window
    }

    lacks = {  # noqa: RUF012
        "jobs": "Pipedrive has no call for more than one record",
        "leave archive": "a deleted record can be restored for 30 days; there is no other archive",
        "membership fields": "a label carries nothing beside its name",
    }
    latest: Handler | None = None  # the service that was made last

    def service(self) -> Handler:
        """Return a new company, and remember it: batches are prepared in it."""
        self.latest = super().service()
        return self.latest

    def prepared(
        self, service: Handler, label: str = "High Value", style: str | None = None, **more: Any
    ) -> dict[str, JSON]:
        """Return what ``prepare`` finds of all fields and the cohort."""
        assert PIPEDRIVE.discover is not None
        found = drive(PIPEDRIVE.discover(self.context()), service).value
        names = tuple(field.name for field in found if field.writable)
        return super().prepared(service, label, style, fields=names, **more)

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return a batch with what ``prepare`` found."""
        if "prepared" not in more and self.latest is not None:
            more["prepared"] = self.prepared(self.latest)
        return super().batch(changes, op, **more)

    def targets(self, service: Handler, kind: str) -> list[str]:
        """Return the ids of two new organizations."""
        bodies = (orjson.dumps({"name": f"Target {n}"}) for n in (1, 2))
        replies = [service(Http("POST", f"/v2/{kind}", content=body)) for body in bodies]
        return [str(orjson.loads(reply.content)["data"]["id"]) for reply in replies]

    @pytest.mark.parametrize("op", list(Op))
    def test_a_row_that_the_answer_leaves_out_is_not_delivered(self, op: Op) -> None:
        """Answers name records by number, which the general case does not cut: see test_pipedrive.py."""
        self.not_applicable(op.value, "each write is about one record, and is held to the id that its answer names")


class TestPipedriveOrganizations(TestPipedrive):
    """Organizations, by name."""

    object = "organizations"
    lacks = {  # noqa: RUF012
        **TestPipedrive.lacks,
        "consent": "an organization is mailed nothing",
        "links": "it is the persons that belong to organizations",
    }
    avoid = frozenset({"owner_id", "visible_to", "annual_revenue", "employee_count", "industry", "website"})
    snapshots: ClassVar[Path | None] = None  # type: ignore[assignment]  # one recording a destination
