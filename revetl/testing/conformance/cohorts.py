"""Cases about cohorts: found or made, joined, parted, joined again, renamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Handler
from revetl.types import JSON, Change, Op, Status

_LABEL = "High Value"


class CohortCases(Suite):
    """A cohort there holds whom the model holds."""

    def group(self, service: Handler, count: int) -> tuple[dict[str, JSON], list[Change]]:
        """Return the prepared cohort and records that may join it."""
        if not self.thing.cohorts:
            self.not_applicable("cohorts")
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, count + 1)]
        return self.prepared(service), self.delivers(service, rows)

    def move(self, service: Handler, op: Op, rows: list[Change], prepared: dict[str, JSON]) -> None:
        """Join or part, all delivered."""
        self.delivers(service, [replace(row, op=op, body=b"{}") for row in rows], prepared=prepared)

    def members(self, service: Handler, rows: list[Change], prepared: dict[str, JSON], label: str = _LABEL) -> set[int]:
        """Return the numbers of those who are in the cohort there."""
        self.must_be_readable()
        told: dict[str, Any] = {"cohorts": (("vip", label),), "prepared": prepared}
        found = self.read(service, *(row.match for row in rows), **told)
        return {row.seq for row in rows if label in found[row.identity].cohorts}

    def test_members_join_part_and_return(self) -> None:
        """Two join, one parts, all join again: repeats and returns are delivered like any other."""
        service = self.service()
        prepared, rows = self.group(service, 3)
        self.move(service, Op.JOIN, rows[:2], prepared)
        assert self.members(service, rows, prepared) == {1, 2}
        self.move(service, Op.PART, rows[:1], prepared)
        assert self.members(service, rows, prepared) == {2}
        self.move(service, Op.JOIN, rows, prepared)
        assert self.members(service, rows, prepared) == {1, 2, 3}

    def test_ids_that_are_not_known_are_found(self) -> None:
        """A join without a stored record id works like one with it."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        self.move(service, Op.JOIN, [replace(row, remote_id=None) for row in rows], prepared)
        assert self.members(service, rows, prepared) == {1}

    def test_parting_is_done_for_those_who_are_not_there(self) -> None:
        """Nobody, and somebody who never joined: a membership that is not there has ended."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        self.move(service, Op.PART, [*rows, self.change(99, created=True)], prepared)

    def test_nobody_cannot_join(self) -> None:
        """A person who is not there is refused by name, and the others join."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        self.must_be_readable()
        joins = [replace(row, op=Op.JOIN, body=b"{}") for row in [*rows, self.change(99, created=True)]]
        seen = self.run(service, joins, prepared=prepared)
        assert seen.statuses() == {1: Status.DELIVERED, 99: Status.REJECTED}

    def test_a_cohort_is_found_again_and_renamed_in_place(self) -> None:
        """The same id by stored id and by label; a new label takes its members along."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        ids = prepared.get("cohorts")
        if not ids:
            self.not_applicable("cohort ids", f"{self.destination.name} keeps no cohorts of its own")
        self.move(service, Op.JOIN, rows, prepared)
        assert self.prepared(service) == prepared
        assert self.prepared(service, ids=ids) == prepared
        assert self.prepared(service, label="Top Customers", ids=ids) == prepared
        assert self.members(service, rows, prepared, label="Top Customers") == {1}
