"""Cases in which every call meets the same trouble: a destination that is down, closed to us, or out of patience."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from revetl.contract import Reply
from revetl.send.wire import Failure
from revetl.testing.conformance.carried import CarriedCases, Fault
from revetl.types import Op, Outcome, Status

_WRITES = [Op.UPSERT, Op.JOIN, Op.LEAVE]
_BUDGET = 60  # calls that one batch of three rows may make in vain
_PATIENCE = 7.0


def _always(status: int, body: bytes = b'{"message": "no"}', headers: Mapping[str, str] | None = None) -> Fault:
    return lambda _service, _call: Reply(status, body, headers or {})


class StoppedCases(CarriedCases):
    """Trouble that is nobody's fault rejects nobody: all wait, and go once it is over."""

    def stopped(self, op: Op, fault: Fault, *more: Status) -> Mapping[int, Outcome]:
        """Send into the trouble, then after it; return what became of each in the trouble: it waits, or ``more``."""
        service = self.service()
        work, rows = self.begin(service, op)
        found, calls = self.carry(work, service, None, fault)
        assert calls <= _BUDGET
        told = {seq: outcome.status for seq, outcome in found.items()}
        assert set(told.values()) <= {Status.WAITING, Status.UNKNOWN, *more}, found
        again, _ = self.carry(work, service, 0, None)
        assert {o.status for o in again.values()} == {Status.DELIVERED}, again
        self.hold(service, op, work.changes, rows, work)
        return found

    @pytest.mark.parametrize("op", _WRITES)
    def test_a_service_that_stays_down_rejects_nobody(self, op: Op) -> None:
        """503 without end: few tries, then all wait (or are in doubt)."""
        self.stopped(op, _always(503))

    @pytest.mark.parametrize("op", _WRITES)
    def test_without_connection_everything_waits(self, op: Op) -> None:
        """No byte left: nothing is in doubt."""
        found = self.stopped(op, lambda _service, _call: Failure("RVT-600", "no connection", sent=False))
        assert {outcome.status for outcome in found.values()} == {Status.WAITING}

    @pytest.mark.parametrize("op", _WRITES)
    def test_refused_credentials_reject_nobody(self, op: Op) -> None:
        """401 is about us, and no row's fault."""
        if not self.destination.hosts or "401" in self.lacks:
            self.not_applicable("401", "there are no credentials")
        self.stopped(op, _always(401))

    @pytest.mark.parametrize("op", _WRITES)
    def test_a_closed_door_loses_nobody(self, op: Op) -> None:
        """403, whether it is about a record or about all: nobody is delivered, all go once the door is open."""
        self.stopped(op, _always(403), Status.REJECTED)

    def test_a_busy_service_is_given_the_time_it_asks_for(self) -> None:
        """429 with Retry-After: nothing leaves before, or the destination is left alone in this run."""
        service = self.service()
        work, _ = self.begin(service, Op.UPSERT)
        found, _ = self.carry(work, service, 1, _always(429, b"{}", {"retry-after": str(int(_PATIENCE))}))
        told = {outcome.status for outcome in found.values()}
        assert told == {Status.WAITING} or self.clock.monotonic() >= _PATIENCE

    def test_a_refusal_that_repeats_a_secret_does_not_show_it(self) -> None:
        """A vendor may echo what it was sent: in what revetl keeps of a refusal no secret stands."""
        if not self.secrets:
            self.not_applicable("secrets", "there are no secrets")
        service = self.service()
        work, _ = self.begin(service, Op.UPSERT)
        held = [text for value in self.settings.values() if any(s in (text := str(value)) for s in self.secrets)]
        shout = f"bad key {' '.join(held)}"
        body = dict.fromkeys(("title", "detail", "message", "error", "msg", "errorMessage", "error_info"), shout)
        for status in (400, 403, 422):
            found, _ = self.carry(work, service, None, _always(status, orjson.dumps(body)))
            kept = "".join(f"{outcome.code} {outcome.reason}" for outcome in found.values())
            assert not [secret for secret in self.secrets if secret in kept]
