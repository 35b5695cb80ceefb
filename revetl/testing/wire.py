"""A wire without a network: virtual time, one thread, the same order for the same seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from revetl.contract import Call, Reply
from revetl.send.ports import Lane
from revetl.send.wire import Completion, Failure
from revetl.testing.clock import FakeClock

Result = Reply | Failure
Handler = Callable[[Lane, Call, float], tuple[float, Result | Callable[[], Result]]]
"""(lane, call, UTC epoch seconds of its departure) → (latency in seconds, what comes back or, then, finds that out)."""


class VirtualWire:
    """Asks ``handler`` at departure and delivers in the order of virtual time, then of departure."""

    def __init__(self, clock: FakeClock, handler: Handler) -> None:
        """Move ``clock`` forth while waiting."""
        self._clock = clock
        self._handler = handler
        self._queue: list[tuple[float, int, int, float, Result | Callable[[], Result]]] = []
        self._count = 0
        self.in_flight = 0
        self.peak = 0  # most calls in flight at once

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Let ``handler`` decide when the answer comes and what it is."""
        self._count += 1
        latency, result = self._handler(lane, call, self._clock.now())
        at = self._clock.monotonic() + latency
        heapq.heappush(self._queue, (at, self._count, ticket, latency, result))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def collect(self, timeout: float | None) -> list[Completion]:
        """Pass time until the next answer, or by ``timeout``; return all answers of that moment."""
        until = self._clock.monotonic() + timeout if timeout is not None else None
        if not self._queue or (until is not None and self._queue[0][0] > until):
            if until is None:
                raise RuntimeError("waiting for ever: nothing is in flight")
            self._clock.advance(until - self._clock.monotonic())
            return []
        self._clock.advance(max(0.0, self._queue[0][0] - self._clock.monotonic()))
        found = []
        while self._queue and self._queue[0][0] <= self._clock.monotonic():
            found.append(self._complete(*heapq.heappop(self._queue)[2:]))
        return found

    def now(self) -> float:
        """Return the clock's UTC epoch seconds."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the clock's monotonic seconds."""
        return self._clock.monotonic()

    def close(self) -> None:
        """Forget what is in flight."""
        self._queue.clear()
        self.in_flight = 0

    def under_way(self) -> list[Callable[[], Result]]:
        """Return what would have found out the answers that never came: the process ended first."""
        return [result for *_, result in sorted(self._queue, key=lambda one: one[:2]) if callable(result)]

    def _complete(self, ticket: int, latency: float, result: Result | Callable[[], Result]) -> Completion:
        self.in_flight -= 1
        if callable(result):
            result = result()
        if isinstance(result, Reply):
            return Completion(ticket, reply=replace(result, at=self._clock.now()), seconds=latency)
        return Completion(ticket, failure=result, seconds=latency)
