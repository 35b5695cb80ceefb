"""The conformance suite before the stand-in of Pipedrive: persons by address, organizations by name."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sandboxed import SandboxSuite

from revetl.destinations.pipedrive import PIPEDRIVE
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Driven, Handler, drive
from revetl.types import JSON, Change, Op

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
        "clock": count(0, 1).__next__,  # nobody here waits for a window
    }

    def prepared(self, service: Handler, label: str = "High Value", **more: Any) -> dict[str, JSON]:
        """Return what ``prepare`` finds of all fields and the cohort."""
        assert PIPEDRIVE.discover is not None
        found = drive(PIPEDRIVE.discover(self.context()), service).value
        names = tuple(field.name for field in found if field.writable)
        return super().prepared(service, label, fields=names, **more)

    @pytest.mark.parametrize("op", list(Op))
    def test_a_row_that_the_answer_leaves_out_is_not_delivered(self, op: Op) -> None:
        """Answers name records by number, which the general case does not cut: see test_pipedrive.py."""
        self.not_applicable(op.value, "each write is about one record, and is held to the id that its answer names")

    def run(self, service: Handler, changes: list[Change], **more: Any) -> Driven:  # type: ignore[override]
        """Run with what ``prepare`` found."""
        if "prepared" not in more:
            more["prepared"] = self.prepared(service)
        return super().run(service, changes, **more)


class TestPipedriveOrganizations(TestPipedrive):
    """Organizations, by name."""

    object = "organizations"
    avoid = frozenset({"owner_id", "visible_to", "annual_revenue", "employee_count", "industry", "website"})
    snapshots: ClassVar[Path | None] = None  # type: ignore[assignment]  # one recording a destination
