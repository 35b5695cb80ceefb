"""Cases about what stands there afterwards: values, new identities, endings. They read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest

from revetl.contract import Destination
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Handler
from revetl.types import JSON, Change, OnLeave, Op, RemoteField, Status


class RecordCases(Suite):
    """The record there becomes the record wished, whatever stood there before."""

    def made(self, service: Handler, count: int = 1, **more: Any) -> tuple[tuple[RemoteField, ...], list[Change]]:
        """Return fields, and records that were just created."""
        self.must_be_readable()
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, count + 1)]
        return fields, self.delivers(service, rows, **more)

    def stands(self, service: Handler, fields: tuple[RemoteField, ...], change: Change) -> None:
        """Hold each field of ``change`` to what is read back."""
        found = self.read(service, change.match, fields=fields)[change.identity]
        by_name = {field.name: field for field in fields}
        for name, sent in change.fields.items():
            if name in by_name:
                there = found.fields.get(name)
                assert same(self.destination, by_name[name], sent, there), f"{name}: {sent!r} is {there!r}"

    def test_values_arrive_as_they_are(self) -> None:
        """Accents, astral characters, markup, decimals, booleans, dates: read back equal."""
        service = self.service()
        fields, rows = self.made(service, 8)
        for row in rows:
            self.stands(service, fields, row)

    def test_new_records_are_ours_and_older_ones_are_not(self) -> None:
        """Where leaves end records, what stood there before revetl is never taken for its own."""
        service = self.service()
        fields, (first,) = self.made(service, on_leave=self.ending)
        assert first.created is True
        stranger = self.change(9, match=first.match, fields=self.values(fields, 3))
        (found,) = self.delivers(service, [stranger], on_leave=self.ending)
        assert found.created is False

    def test_sending_again_changes_nothing(self) -> None:
        """Every write is repeatable: delivered twice, one record, the same values."""
        service = self.service()
        fields, rows = self.made(service, 3, on_leave=self.ending)
        again = self.delivers(service, rows, on_leave=self.ending)
        assert [row.remote_id for row in again] == [row.remote_id for row in rows]
        assert all(row.created for row in again)
        for row in again:
            self.stands(service, fields, row)

    def test_an_identity_in_other_letters_is_the_same_one(self) -> None:
        """Where identities are compared without case, a record made in capitals is found again, and no second one."""
        if self.thing.compared(self.match_field) == "exact":
            self.not_applicable("normalised identities", "identities are compared exactly there")
        self.must_be_readable()
        service = self.service()
        fields = self.fields(service)
        name = f"c1@{self.domain}"
        loud = self.change(1, match=name.upper(), identity=name, fields=self.values(fields, 1))
        (first,) = self.delivers(service, [loud])
        (again,) = self.delivers(service, [self.change(2, match=name, fields=self.values(fields, 2))])
        assert again.remote_id == first.remote_id
        self.stands(service, fields, again)

    def test_changes_arrive_and_null_clears(self) -> None:
        """One field changes, one is cleared; where partial writes are possible the others stay."""
        service = self.service()
        fields, (row,) = self.made(service)
        optional = [field for field in fields if not field.required and not field.options and field.type != "boolean"]
        changed, cleared = optional[0], optional[-1]
        news = {changed.name: self.values([changed], 2)[changed.name], cleared.name: self.destination.wire.null}
        body = news if self.thing.partial else {**row.fields, **news}
        self.delivers(service, [replace(row, seq=2, body=orjson.dumps(body))])
        found = self.read(service, row.match, fields=fields)[row.identity]
        assert found.fields.get(cleared.name) in (None, "", self.destination.wire.null)
        assert same(self.destination, changed, news[changed.name], found.fields.get(changed.name))
        rest = {name: value for name, value in row.fields.items() if name not in news}
        self.stands(service, fields, replace(row, body=orjson.dumps(rest)))

    def renamed(self, row: Change, to: str, *, created: bool) -> Change:
        """Return the change of identity of a known record."""
        return replace(
            row, seq=50, op=Op.IDENTITY, match=to, identity=to, before_match=row.match, created=created, body=b"{}"
        )

    def test_nothing_stays_behind_under_an_old_identity(self) -> None:
        """A rename keeps the record: its fields are under the new identity, and nobody is under the old one."""
        self.needs(Op.IDENTITY)
        service = self.service()
        fields, (row,) = self.made(service)
        (moved,) = self.delivers(service, [self.renamed(row, f"new@{self.domain}", created=True)])
        assert row.identity not in self.read(service, row.match)
        self.stands(service, fields, replace(moved, body=row.body))
        self.delivers(service, [self.renamed(row, f"new@{self.domain}", created=True)])

    def test_a_taken_identity_ends_our_record_only(self) -> None:
        """Our old record goes, and the answer tells it; a stranger's stays, and so does who holds the new identity."""
        self.needs(Op.IDENTITY)
        service = self.service()
        _, (first, second, holder, other) = self.made(service, 4)
        (ended,) = self.run(service, [self.renamed(first, holder.match, created=True)]).outcomes
        assert (ended.status, ended.created) == (Status.DELIVERED, False)
        seen = self.run(service, [self.renamed(second, other.match, created=False)])
        assert [(o.status, o.code) for o in seen.outcomes] == [(Status.REJECTED, "IDENTITY_TAKEN")]
        there = self.read(service, first.match, second.match, holder.match, other.match)
        assert set(there) == {second.identity, holder.identity, other.identity}

    @pytest.mark.parametrize("policy", [OnLeave.CLEAR, OnLeave.ARCHIVE, OnLeave.DELETE])
    def test_leaves_do_what_the_policy_says_and_no_more(self, policy: OnLeave) -> None:
        """Cleared fields are empty, ended records gone, the neighbour is untouched, and twice is as good as once."""
        if policy not in self.thing.on_leave:
            self.not_applicable(f"leave {policy.value}", f"there is no {policy.value} there")
        service = self.service()
        fields, (row, neighbour) = self.made(service, 2)
        name = next(f.name for f in fields if not f.required and not f.options and f.type != "boolean")
        body = orjson.dumps({name: self.destination.wire.null} if policy is OnLeave.CLEAR else {})
        leave = replace(row, op=Op.LEAVE, body=body)
        for _ in range(2):
            self.delivers(service, [leave], on_leave=policy)
        there = self.read(service, row.match, neighbour.match, fields=fields)
        if policy is OnLeave.CLEAR:
            assert there[row.identity].fields.get(name) in (None, "", self.destination.wire.null)
        else:
            assert set(there) == {neighbour.identity}
        self.stands(service, fields, neighbour)

    def test_leaving_nobody_is_done(self) -> None:
        """A record that is gone already needs no ending, and ending it bars nobody from coming later."""
        self.needs(Op.LEAVE)
        for policy in sorted(self.thing.on_leave - {OnLeave.KEEP}):
            service = self.service()
            fields = self.fields(service)
            body = {fields[0].name: self.destination.wire.null}
            self.delivers(service, [self.change(1, Op.LEAVE, fields=body, created=True)], on_leave=policy)
            self.delivers(service, [self.change(1, fields=self.values(fields, 1))])

    def test_an_archived_record_comes_back(self) -> None:
        """Who left and returns is written like anybody new, and stands there again."""
        if OnLeave.ARCHIVE not in self.thing.on_leave:
            self.not_applicable("leave archive", "there is no archive there")
        service = self.service()
        fields, (row,) = self.made(service)
        self.delivers(service, [replace(row, op=Op.LEAVE, body=b"{}")], on_leave=OnLeave.ARCHIVE)
        (back,) = self.delivers(service, [self.change(9, match=row.match, fields=self.values(fields, 5))])
        self.stands(service, fields, back)


def same(destination: Destination, field: RemoteField, sent: JSON, there: JSON) -> bool:
    """Return whether what is read back is what was sent, by the destination's own rule where it has one."""
    if destination.same is not None:
        return destination.same(field, sent, there)
    if field.type in ("number", "integer"):
        return float(sent) == float(there)
    if field.type == "timestamp":
        return datetime.fromisoformat(str(sent)) == datetime.fromisoformat(str(there))
    if field.type == "boolean":
        return str(sent).lower() == str(there).lower()
    return bool(sent == there)
