"""Cases in which revetl's own sender carries the calls, and one answer on the way goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from revetl.contract import Call, Reply
from revetl.send.ports import Lane, Usage, Work
from revetl.send.sender import Sender
from revetl.send.wire import Failure
from revetl.testing.clock import FakeClock
from revetl.testing.conformance.records import RecordCases
from revetl.testing.drive import Handler
from revetl.testing.wire import VirtualWire
from revetl.types import Batch, Change, OnLeave, Op, Outcome, Status

Fault = Any  # (service, call) → what comes back
_HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
_CARRIED = [Op.UPSERT, Op.JOIN, Op.PART, Op.LEAVE]
_MOST_CALLS = 12  # places at which one exchange is disturbed


def _before(status: int, body: bytes = b"", **headers: str) -> Fault:
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda _service, _call: Reply(status, body, told)


def _after(status: int, body: bytes = b"") -> Fault:
    def fault(service: Handler, call: Call) -> Reply:
        service(call)
        return Reply(status, body)

    return fault


def _lost(service: Handler, call: Call) -> Failure:
    service(call)
    return Failure("RVT-605", "the answer was lost", timeout=True)


def _truncated(service: Handler, call: Call) -> Reply:
    reply = service(call)
    return replace(reply, content=reply.content[: len(reply.content) // 2]) if reply.ok else reply


FAULTS: dict[str, Fault] = {
    "429, nothing applied": _before(429, b"{}", retry_after="1"),
    "503, nothing applied": _before(503),
    "500, but applied": _after(500, b"{}"),
    "an HTML error page, but applied": _after(502, _HTML),
    "HTML with 200, but applied": _after(200, _HTML),
    "a truncated answer": _truncated,
    "a lost answer": _lost,
    "no connection": lambda _service, _call: Failure("RVT-600", "no connection", sent=False),
}


@dataclass
class _Memory:
    """A journal in memory."""

    outcomes: list[Outcome] = field(default_factory=list)

    def started(self, batch: Batch) -> None:
        """Record nothing."""

    def job(self, batch: Batch, job: str) -> None:
        """Record nothing."""

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes."""
        self.outcomes.extend(outcomes)

    def flush(self) -> None:
        """Have nothing to write."""

    def used(self, usage: Mapping[str, Usage]) -> None:
        """Record nothing."""

    def call(self, lane: Lane, call: Call, status: int | None, seconds: float) -> None:
        """Count nothing."""


@dataclass
class _Feed:
    """One batch."""

    lane: Lane
    works: list[Work]
    sync: str = "test.customer"
    after: frozenset[str] = frozenset()

    def next(self) -> Work | None:
        """Return the next batch."""
        return self.works.pop(0) if self.works else None

    def refresh(self, work: Work) -> Work:
        """Have learnt nothing."""
        return work


class CarriedCases(RecordCases):
    """One answer goes wrong, at each call in turn: nothing is told that is not so, and a second run ends it."""

    def carry(self, work: Batch, service: Handler, at: int | None, fault: Fault) -> tuple[dict[int, Outcome], int]:
        """Send a batch with revetl's sender; call ``at`` (None: each) meets ``fault``. Return outcomes and calls."""
        # the stand-in's handler puts credentials and base path on, as it does in all cases
        parts = urlsplit(self.destination.base_url(self.configured))
        root = f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.path
        bare = replace(self.destination, auth=None, base_url=lambda _: root)
        lane = Lane("test", bare, self.configured, "test")
        seen: list[Call] = []

        def answer(_: Lane, call: Call, __: float) -> tuple[float, Reply | Failure]:
            seen.append(call)
            return 0.05, fault(service, call) if at in (len(seen), None) else service(call)

        journal = _Memory()
        self.clock = FakeClock()
        sender = Sender(VirtualWire(self.clock, answer), journal, random=Random(1))  # noqa: S311 - jitter
        sender.deliver([_Feed(lane, [Work(work)])])
        found = {outcome.change.seq: outcome for outcome in journal.outcomes}
        assert len(found) == len(journal.outcomes) == len(work.changes), "one outcome each"
        return found, len(seen)

    def step(self, op: Op, rows: Sequence[Change], prepared: dict[str, Any]) -> Batch:
        """Return the batch that does ``op`` to records that were made before."""
        changes = list(rows) if op is Op.UPSERT else [replace(row, op=op, body=b"{}") for row in rows]
        return self.batch(changes, op, prepared=prepared)

    def begin(self, service: Handler, op: Op) -> tuple[Batch, list[Change]]:
        """Return a batch of three rows of ``op``, and the records it is about."""
        self.needs(op)
        if op in (Op.JOIN, Op.PART) and not self.thing.cohorts:
            self.not_applicable("cohorts")
        fields = self.fields(service)
        prepared = self.prepared(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in (1, 2, 3)]
        if op is not Op.UPSERT:
            rows = self.delivers(service, rows)
        if op is Op.PART:
            self.delivers(service, [replace(row, op=Op.JOIN, body=b"{}") for row in rows], prepared=prepared)
        return self.step(op, rows, prepared), rows

    @pytest.mark.parametrize("name", ["429, nothing applied", "503, nothing applied"])
    @pytest.mark.parametrize("op", _CARRIED)
    def test_a_busy_answer_costs_nothing(self, op: Op, name: str) -> None:
        """Asked to come later, the sender comes later."""
        self.disturbed(op, FAULTS[name])

    @pytest.mark.parametrize("name", ["500, but applied", "an HTML error page, but applied"])
    @pytest.mark.parametrize("op", _CARRIED)
    def test_an_error_after_the_deed_costs_nothing(self, op: Op, name: str) -> None:
        """An error says nothing of what was done before it."""
        self.disturbed(op, FAULTS[name])

    @pytest.mark.parametrize("op", _CARRIED)
    def test_a_page_in_place_of_an_answer_costs_nothing(self, op: Op) -> None:
        """A proxy's HTML with status 200 proves nothing."""
        self.disturbed(op, FAULTS["HTML with 200, but applied"])

    @pytest.mark.parametrize("op", _CARRIED)
    def test_a_truncated_answer_costs_nothing(self, op: Op) -> None:
        """Half an answer proves nothing."""
        self.disturbed(op, FAULTS["a truncated answer"])

    @pytest.mark.parametrize("op", _CARRIED)
    def test_a_lost_answer_costs_nothing(self, op: Op) -> None:
        """The deed was done, and nobody heard of it."""
        self.disturbed(op, FAULTS["a lost answer"])

    @pytest.mark.parametrize("op", _CARRIED)
    def test_a_moment_without_connection_costs_nothing(self, op: Op) -> None:
        """Nothing left, so it goes again at once."""
        self.disturbed(op, FAULTS["no connection"])

    def disturbed(self, op: Op, fault: Fault) -> None:
        """Tell no delivery that does not stand there; what was not delivered is, by sending it again."""
        for at in range(1, _MOST_CALLS):
            service = self.service()
            work, rows = self.begin(service, op)
            found, calls = self.carry(work, service, at, fault)
            told = [c for c in work.changes if found[c.seq].status is Status.DELIVERED]
            self.hold(service, op, told, rows, work)
            rest = [c for c in work.changes if c not in told]
            assert not [o for o in found.values() if o.status is Status.REJECTED], f"call {at}: {found}"
            if rest:
                again, _ = self.carry(replace(work, changes=rest), service, 0, None)
                assert {o.status for o in again.values()} == {Status.DELIVERED}, f"call {at}: {again}"
            self.hold(service, op, work.changes, rows, work)
            if at >= calls:
                return

    def hold(self, service: Handler, op: Op, told: Sequence[Change], rows: Sequence[Change], work: Batch) -> None:
        """Hold what was said to be delivered to what stands there."""
        if self.destination.read_back is None:
            return
        fields = self.fields(service)
        context: dict[str, Any] = {"cohorts": (("vip", "High Value"),), "prepared": work.prepared}
        there = self.read(service, *(row.match for row in rows), fields=fields, **context)
        for change in told:
            record = there.get(change.identity)
            if op is Op.LEAVE:
                assert record is None or work.on_leave is OnLeave.CLEAR
                continue
            assert record is not None, f"{change.match} was told delivered and is not there"
            if op is Op.UPSERT:
                self.stands(service, fields, change)
            else:
                assert ("High Value" in record.cohorts) is (op is Op.JOIN)
