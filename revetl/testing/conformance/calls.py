"""Cases about the calls: how many, how large, what shows in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from revetl.contract import Call, Http
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Driven, deliver, drive
from revetl.types import Change, Op, Proof

_MOST = 500  # rows of a full batch in these cases
_FULL = 5_000  # rows at which a batch is full enough for a test
_STRENGTH = {Proof.ROW: 3, Proof.ACCOUNT: 2, Proof.ACCEPTED: 1, None: 0}


class CallCases(Suite):
    """No call too many, none too large, and no secret in any."""

    @pytest.mark.parametrize("op", list(Op))
    def test_an_empty_batch_makes_no_call(self, op: Op) -> None:
        """Nothing to do is nothing sent."""
        seen = drive(self.needs(op).run(self.batch([], op)), _no_calls)
        assert (seen.calls, seen.outcomes, seen.rejected) == ([], [], None)

    def test_new_records_take_no_call_too_many(self) -> None:
        """A full batch of new records: at most 1.1 times the calls that the action names, each row proven."""
        service = self.service()
        fields = self.fields(service)
        action = self.needs(Op.UPSERT)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, min(_MOST, action.max_records) + 1)]
        seen = self.run(service, rows)
        assert len(seen.calls) <= ceil(1.1 * action.calls(len(rows)))
        self.proven(seen, Op.UPSERT)

    def test_known_records_take_no_call_too_many(self) -> None:
        """The same for records that were written before."""
        service = self.service()
        fields = self.fields(service)
        action = self.needs(Op.UPSERT)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, min(_MOST, action.max_records) + 1)]
        known = self.delivers(service, rows)
        seen = self.run(service, known)
        assert len(seen.calls) <= ceil(1.1 * action.calls(len(rows)))
        self.proven(seen, Op.UPSERT)

    @pytest.mark.parametrize("op", [Op.JOIN, Op.PART, Op.LEAVE])
    def test_known_records_move_in_few_calls(self, op: Op) -> None:
        """Cohorts and leaves of known records: at most 1.1 times the calls that the action names, as proven as said."""
        action = self.needs(op)
        service = self.service()
        prepared = self.prepared(service)
        fields = self.fields(service)
        count = min(30, action.max_records, self.needs(Op.UPSERT).max_records)
        known = self.delivers(service, [self.change(n, fields=self.values(fields, n)) for n in range(1, count + 1)])
        seen = self.run(service, _as(op, known), prepared=prepared)
        assert len(seen.calls) <= ceil(1.1 * action.calls(count))
        self.proven(seen, op)

    def proven(self, seen: Driven, op: Op) -> None:
        """Hold each delivery to the proof that the action declares."""
        least = _STRENGTH[self.destination.actions[op].proof]
        assert all(_STRENGTH[o.proof] >= least for o in seen.outcomes)

    def test_calls_show_neither_secrets_nor_people(self) -> None:
        """No secret in a call before its credentials join it, nor ever in path or query; no person in its label."""
        service = self.service()
        seen = self.story(service)
        assert seen, "the story makes calls"
        for call in seen:
            assert not [secret for secret in self.secrets if secret in repr(call)]
            assert f"c1@{self.domain}" not in call.label
            if isinstance(call, Http) and self.destination.auth is not None:
                sent = self.destination.auth.apply(self.configured, None, call)
                assert not [s for s in self.secrets if s in sent.path or s in call.label or s in repr(call.query)]

    def test_calls_stay_within_their_bounds(self) -> None:
        """A batch at its byte limit is a body within it, overhead included."""
        service = self.service()
        fields = self.fields(service)
        action = self.needs(Op.UPSERT)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, min(_MOST, action.max_records) + 1)]
        counted = sum(len(row.body) + len(row.match) + len(row.key) + action.overhead for row in rows)
        for call in self.run(service, rows).calls:
            if isinstance(call, Http):
                assert len(call.content or b"") <= min(counted, action.max_bytes)

    def test_a_full_batch_is_taken(self) -> None:
        """As many rows, or as many bytes, as the action says that a batch may have: the service takes them at once."""
        service = self.service()
        action = self.needs(Op.UPSERT)
        fields = self.fields(service)
        texts = [f for f in fields if f.type in ("text", "any") and not f.options]
        rows: list[Change] = []
        size = 0
        for n in range(1, action.max_records + 1):
            long = {f.name: f"{n} ".ljust(min(f.max_length or 2_000, 200), "x") for f in texts}
            row = self.change(n, fields={**self.values(fields, n), **long})
            size += len(row.body) + len(row.match) + len(row.key) + action.overhead
            if size > action.max_bytes or n > _FULL:
                break
            rows.append(row)
        work = self.batch(rows, Op.UPSERT)
        seen = drive(action.run(work), service, pause=self.pass_time)
        assert seen.rejected is None, seen.rejected
        assert {o.status.value for o in seen.outcomes} == {"delivered"}
        assert len(seen.outcomes) == len(rows)

    def story(self, service: Any) -> list[Call]:
        """Return the calls of one record's life: made, changed, renamed, joined, parted, ended."""
        prepared = self.prepared(service)
        fields = self.fields(service)
        calls: list[Call] = []
        first = self.change(1, fields=self.values(fields, 1))
        moved = self.change(2, Op.IDENTITY, match=f"n1@{self.domain}", before_match=first.match, key=first.key)
        for sent in (first, moved, *(self.change(n, op) for n, op in ((3, Op.JOIN), (4, Op.PART), (5, Op.LEAVE)))):
            if sent.op in self.destination.actions:
                work = self.batch([sent], sent.op, prepared=prepared)
                calls += deliver(self.destination.actions[sent.op], work, service, pause=self.pass_time).calls
        return calls


def _as(op: Op, changes: Sequence[Change]) -> list[Change]:
    return [replace(c, op=op, body=b"{}") for c in changes]


def _no_calls(call: Call) -> Any:
    raise AssertionError(f"a call for nothing: {call.label}")
