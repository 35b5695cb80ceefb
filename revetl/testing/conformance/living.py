"""Cases about several writes in a row: of new and known records, of names and memberships, in any number and order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from revetl.testing.conformance.modes import ModeCases
from revetl.testing.drive import Handler, drive
from revetl.types import Change, Cohort, OnLeave, Op, RemoteField, Status

_ODD = 'Čtenáři & "VIP", O\'Brien / 50 %'
_MANY = 120


class LifeCases(ModeCases):
    """What stands there after several writes is what the last of them said, of each record for itself."""

    def valued(self, fields: tuple[RemoteField, ...], number: int, seed: int, **more: Any) -> Change:
        """Return record ``number`` with the values of ``seed``."""
        return self.change(number, fields=self.values(fields, seed), **more)

    def needed(self, fields: tuple[RemoteField, ...]) -> tuple[RemoteField, ...]:
        """Return the fields without which no record is made."""
        required = {*self.thing.required, *self.thing.creation, *(field.name for field in fields if field.required)}
        return tuple(field for field in fields if field.name in required)

    def test_the_later_of_two_writes_stands(self) -> None:
        """Three writes of one record: it has the values of the third, and there is no second record."""
        service = self.service()
        fields, (row,) = self.made(service)
        for seed in (2, 3):
            (again,) = self.delivers(service, [replace(row, seq=seed, body=orjson.dumps(self.values(fields, seed)))])
            assert again.remote_id == row.remote_id
        self.stands(service, fields, again)

    def test_known_and_new_records_travel_together(self) -> None:
        """One batch of both: each has its own values afterwards, and only the new ones are ours by this answer."""
        service = self.service()
        fields, rows = self.made(service, 3)
        known = [replace(row, body=orjson.dumps(self.values(fields, row.seq + 10))) for row in rows]
        new = [self.valued(fields, number, number) for number in (4, 5, 6)]
        mixed = [row for pair in zip(new, known, strict=True) for row in pair]
        for row in self.delivers(service, mixed):
            self.stands(service, fields, row)

    def test_the_order_of_rows_does_not_matter(self) -> None:
        """Written backwards, each record has its own values and its own id."""
        service = self.service()
        fields, rows = self.made(service, 7)
        again = self.delivers(
            service, [replace(r, body=orjson.dumps(self.values(fields, 20 - r.seq))) for r in rows[::-1]]
        )
        ids = {row.key: row.remote_id for row in rows}
        for row in again:
            assert row.remote_id == ids[row.key]
            self.stands(service, fields, row)

    def test_the_size_of_a_batch_does_not_matter(self) -> None:
        """Records that are written one by one stand there like those of one batch."""
        self.must_be_readable()
        service = self.service()
        fields = self.fields(service)
        for row in [self.valued(fields, number, number) for number in range(1, 5)]:
            (alone,) = self.delivers(service, [row])
            self.stands(service, fields, alone)

    def test_a_record_may_have_nothing_but_its_identity(self) -> None:
        """Without any field that is not required, a record is made, and made once."""
        self.must_be_readable()
        service = self.service()
        needed = self.needed(self.fields(service))
        row = self.change(1, fields=self.values(needed, 1))
        (first,) = self.delivers(service, [row])
        (again,) = self.delivers(service, [first])
        assert again.remote_id == first.remote_id
        assert set(self.read(service, row.match)) == {row.identity}

    def test_nulls_of_a_new_record_are_harmless(self) -> None:
        """A record whose optional fields are all empty is made, and they are empty."""
        self.must_be_readable()
        service = self.service()
        fields = self.fields(service)
        needed = self.needed(fields)
        optional = [f for f in fields if f not in needed and f.type != "boolean" and not f.options]
        empty = {field.name: self.destination.wire.null for field in optional}
        (row,) = self.delivers(service, [self.change(1, fields={**self.values(needed, 1), **empty})])
        there = self.read(service, row.match, fields=fields)[row.identity].fields
        assert {there.get(field.name) in (None, "", self.destination.wire.null) for field in optional} == {True}

    def test_many_are_read_back(self) -> None:
        """More records than a page shows are all found, and nobody twice."""
        self.must_be_readable()
        assert self.destination.read_back is not None
        service = self.service()
        needed = self.needed(self.fields(service))
        rows = [self.change(n, fields=self.values(needed, n)) for n in range(1, _MANY + 1)]
        room = self.needs(Op.UPSERT).max_records
        for at in range(0, len(rows), room):
            self.delivers(service, rows[at : at + room])
        asked = [row.match for row in rows][: self.destination.read_back.max_records]
        found = [r.identity for r in drive(self.destination.read_back.run(self.context(), asked), service).value]
        assert sorted(found) == sorted(row.identity for row in rows[: len(asked)])

    def test_a_vanished_record_is_made_again(self) -> None:
        """Whoever was ended there behind our back comes back with all values, though an id is remembered."""
        if self.ending not in (OnLeave.ARCHIVE, OnLeave.DELETE) or "vanished records" in self.lacks:
            self.not_applicable("vanished records", "no record is ended there")
        service = self.service()
        fields, (row, neighbour) = self.made(service, 2)
        self.delivers(service, [replace(row, op=Op.LEAVE, body=b"{}")])
        (back,) = self.delivers(service, [row])
        self.stands(service, fields, back)
        self.stands(service, fields, neighbour)

    # --- names --------------------------------------------------------------------------------------------------------

    def test_a_rename_of_nobody_makes_nobody(self) -> None:
        """Who is not there cannot be renamed, and does not come into being by it; who is there is left alone."""
        self.needs(Op.IDENTITY)
        service = self.service()
        fields, (neighbour,) = self.made(service)
        ghost = self.renamed(self.change(9), f"ghost@{self.domain}", created=True)
        seen = self.run(service, [ghost])
        assert set(seen.statuses()) == {50}
        there = self.read(service, ghost.match, f"c9@{self.domain}", neighbour.match, fields=fields)
        assert set(there) == {neighbour.identity}
        self.stands(service, fields, neighbour)

    def test_a_rename_tells_whose_record_it_was(self) -> None:
        """The answer names the record's own id, or none; where records go whole, the id spares another write."""
        self.needs(Op.IDENTITY)
        if "renames" in self.lacks:
            self.not_applicable("renames")
        service = self.service()
        _, (row,) = self.made(service)
        (outcome,) = self.run(service, [self.renamed(row, f"new@{self.domain}", created=True)]).outcomes
        assert outcome.status is Status.DELIVERED
        assert outcome.created is not False
        assert outcome.remote_id == row.remote_id or (self.thing.partial and outcome.remote_id is None)

    def test_a_renamed_record_stays_a_member(self) -> None:
        """A new identity takes the memberships along, and can be parted under it."""
        self.needs(Op.IDENTITY)
        if "renames" in self.lacks:
            self.not_applicable("renames")
        service = self.service()
        prepared, (row,) = self.group(service, 1)
        self.move(service, Op.JOIN, [row], prepared)
        (moved,) = self.delivers(service, [self.renamed(row, f"new@{self.domain}", created=True)])
        now = replace(moved, op=Op.UPSERT, before_match=None, before_identity=None)
        assert self.members(service, [now], prepared) == {now.seq}
        self.move(service, Op.PART, [now], prepared)
        assert self.members(service, [now], prepared) == set()

    # --- cohorts ------------------------------------------------------------------------------------------------------

    def inside(self, service: Handler, row: Change, cohorts: dict[str, str], prepared: dict[str, Any]) -> set[str]:
        """Return the labels of the cohorts that a record is in."""
        self.must_be_readable()
        told: dict[str, Any] = {"cohorts": tuple(cohorts.items()), "prepared": prepared}
        return set(self.read(service, row.match, **told)[row.identity].cohorts)

    def test_two_cohorts_do_not_mix(self) -> None:
        """Who joins both and parts from one is in the other."""
        service = self.service()
        _, (row, neighbour) = self.group(service, 2)
        style = next(iter(self.thing.cohorts))
        cohorts = {"vip": "High Value", "risk": "Churn Risk"}
        prepared = self.all_prepared(service, cohorts, style)
        told = {name: Cohort(name, label, style) for name, label in cohorts.items()}
        both = [replace(one, op=Op.JOIN, body=b"{}") for one in (row, neighbour)]
        self.delivers(service, both, prepared=prepared, cohort=told["vip"])
        self.delivers(service, both[:1], prepared=prepared, cohort=told["risk"])
        assert self.inside(service, row, cohorts, prepared) == set(cohorts.values())
        self.delivers(service, [replace(row, op=Op.PART, body=b"{}")], prepared=prepared, cohort=told["vip"])
        assert self.inside(service, row, cohorts, prepared) == {"Churn Risk"}
        assert self.inside(service, neighbour, cohorts, prepared) == {"High Value"}

    def all_prepared(self, service: Handler, cohorts: dict[str, str], style: str) -> dict[str, Any]:
        """Return what ``prepare`` finds or makes for several cohorts."""
        if self.destination.prepare is None:
            return {}
        known = self.prepared(service)
        told = self.context(cohorts=tuple(cohorts.items()), cohort_style=style)
        return {**known, **drive(self.destination.prepare(told), service).value}

    def test_a_cohort_may_have_any_label(self) -> None:
        """Accents, quotes, a slash, a percent sign: made, found again, joined and parted."""
        service = self.service()
        _, (row,) = self.group(service, 1)
        style = next(iter(self.thing.cohorts))
        prepared = self.prepared(service, label=_ODD)
        assert self.prepared(service, label=_ODD) == prepared
        cohort = Cohort("vip", _ODD, style)
        for op, expected in ((Op.JOIN, {_ODD}), (Op.PART, set())):
            self.delivers(service, [replace(row, op=op, body=b"{}")], prepared=prepared, cohort=cohort)
            assert self.inside(service, row, {"vip": _ODD}, prepared) == expected

    def test_joining_and_parting_leave_the_record_as_it_is(self) -> None:
        """A membership changes no field of the record."""
        self.must_be_readable()
        service = self.service()
        prepared, (row,) = self.group(service, 1)
        fields = self.fields(service)
        for op in (Op.JOIN, Op.PART):
            self.move(service, op, [row], prepared)
            self.stands(service, fields, row)

    def test_memberships_of_many_are_told_apart(self) -> None:
        """Every second of twelve joins: those are in the cohort, and the others are not."""
        service = self.service()
        prepared, rows = self.group(service, 12)
        self.move(service, Op.JOIN, rows[::2], prepared)
        assert self.members(service, rows, prepared) == {row.seq for row in rows[::2]}

    def test_a_refused_change_leaves_the_record_as_it_was(self) -> None:
        """A known record whose change is refused by name keeps all that it had."""
        if self.poison is None:
            self.not_applicable("poison", f"{self.destination.name} refuses no row")
        service = self.service()
        fields, (row, neighbour) = self.made(service, 2)
        whole = {**self.values(fields, 5), **self.poison}
        news = replace(neighbour, body=orjson.dumps(self.values(fields, 6)))
        seen = self.run(service, [replace(row, body=orjson.dumps(whole)), news])
        assert seen.statuses() == {row.seq: Status.REJECTED, neighbour.seq: Status.DELIVERED}
        self.stands(service, fields, row)
        self.stands(service, fields, news)
