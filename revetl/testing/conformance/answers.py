"""Cases about answers that prove nothing: no delivery may come of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from revetl.contract import Call, Reply
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Driven, Handler, deliver, drive
from revetl.types import JSON, Batch, Op, Proof, Status

_SENSELESS = (b"<html>proxy</html>", b"", b"{}", b"[]", b"null", b'"ok"', b'{"results": {}, "errors": 1}', b"\xff\xfe")
_REFUSALS = (302, 400, 404, 409, 410, 413, 422)
_ENDINGS = (Op.IDENTITY, Op.PART, Op.LEAVE)  # where "there is nobody" is what was wished


class AnswerCases(Suite):
    """Success needs proof: an answer that is odd, a refusal or incomplete delivers nothing that it does not name."""

    def two(self, op: Op, service: Handler) -> Batch:
        """Return a batch of two known records."""
        self.needs(op)
        fields = self.fields(service)
        prepared = self.prepared(service)
        known = self.delivers(service, [self.change(n, fields=self.values(fields, n)) for n in (1, 2)])
        changes = [replace(c, op=op, body=c.body if op is Op.UPSERT else b"{}") for c in known]
        if op is Op.IDENTITY:
            changes = [replace(c, match=f"n{c.match}", identity=f"n{c.match}", before_match=c.match) for c in changes]
        return self.batch(changes, op, prepared=prepared)

    @pytest.mark.parametrize("body", _SENSELESS, ids=repr)
    @pytest.mark.parametrize("op", list(Op))
    def test_a_senseless_success_delivers_nothing(self, op: Op, body: bytes) -> None:
        """HTTP 200 with anything but the documented answer: unknown, unless an acceptance is all there is."""
        work = self.two(op, self.service())
        action = self.needs(op)
        seen = drive(action.run(work), lambda _: Reply(200, body))
        delivered = [o for o in seen.outcomes if o.status is Status.DELIVERED]
        assert action.proof is Proof.ACCEPTED or not delivered
        assert all(o.proof is Proof.ACCEPTED for o in delivered)

    @pytest.mark.parametrize("status", _REFUSALS)
    @pytest.mark.parametrize("op", list(Op))
    def test_a_refusal_accounts_for_each_change(self, op: Op, status: int) -> None:
        """Each change is rejected or waits; only where nobody was to be left may 404 and the like be a delivery."""
        work = self.two(op, self.service())
        refusal = orjson.dumps({"title": "No", "detail": "no", "category": "NO", "message": "no", "errors": []})
        seen = deliver(self.needs(op), work, lambda _: Reply(status, refusal))
        if seen.unreadable is None:
            assert sorted(seen.statuses()) == [1, 2]
        if op not in _ENDINGS:
            assert Status.DELIVERED not in seen.statuses().values()

    @pytest.mark.parametrize("op", list(Op))
    def test_a_row_that_the_answer_leaves_out_is_not_delivered(self, op: Op) -> None:
        """Every mention of the second record is cut out of every answer: nothing proves it by name."""
        service = self.service()
        work = self.two(op, service)
        action = self.needs(op)
        if action.proof is not Proof.ROW:
            self.not_applicable(f"{op.value} by row", f"{op.value} is proven by {action.proof.value}, not by row")
        second = work.changes[1]
        names = {second.match, second.identity, second.before_match, second.remote_id, f'"{second.seq}"'} - {None, ""}
        cuts: list[bool] = []

        def cut(call: Call) -> Reply:
            reply = service(call)
            less = _without(reply, [str(name) for name in names])
            cuts.append(less.content != reply.content)
            return less

        seen = drive(action.run(work), cut)
        if not any(cuts):
            self.not_applicable(f"{op.value} by row", f"{op.value}: a call is about one row, and its status the answer")
        assert self.unproven(seen, second.seq)

    def unproven(self, seen: Driven, seq: int) -> bool:
        """Return whether nothing was delivered under that number."""
        return seen.statuses().get(seq) is not Status.DELIVERED

    @pytest.mark.parametrize("places", [(1,), (7,), (11,), (3, 8), tuple(range(1, 12))], ids=str)
    def test_a_poisoned_row_hurts_nobody_else(self, places: tuple[int, ...]) -> None:
        """First, middle, last, two, or all of eleven rows are refused by name; the others are delivered."""
        if self.poison is None:
            self.not_applicable("poison", f"{self.destination.name} refuses no row")
        service = self.service()
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, 12)]
        for n in places:
            rows[n - 1] = self.change(n, fields={**self.values(fields, n), **self.poison})
        seen = self.run(service, rows)
        assert {s for s, status in seen.statuses().items() if status is not Status.DELIVERED} == set(places)
        for n in places:
            (refused,) = seen.of(rows[n - 1])
            assert refused.status is Status.REJECTED
            assert refused.code
            assert refused.reason
            assert not [secret for secret in self.secrets if secret in f"{refused.code} {refused.reason}"]


def _without(reply: Reply, names: list[str]) -> Reply:
    """Return the reply without the list items that mention any of ``names``."""
    try:
        found = orjson.loads(reply.content)
    except orjson.JSONDecodeError:
        return reply
    return replace(reply, content=orjson.dumps(_cut(found, names))) if _mentions(found, names) else reply


def _cut(value: JSON, names: list[str]) -> JSON:
    if isinstance(value, dict):
        kept = {key: _cut(item, names) for key, item in value.items()}
        mentioned = any(isinstance(item, str) and item in names for item in value.values())
        return {} if mentioned else kept
    if isinstance(value, list):
        return [_cut(item, names) for item in value if not _mentions(item, names)]
    return value


def _mentions(item: Any, names: list[str]) -> bool:
    text = orjson.dumps(item).decode()
    return any(name in text for name in names)
