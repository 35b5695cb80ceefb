"""A wire without a network: virtual time, one thread, the same order for the same seed."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace

from revetl.contract import Call, Reply
from revetl.send.ports import Lane
from revetl.send.wire import HELD, Completion, Failure, is_success
from revetl.testing.clock import FakeClock

Result = Reply | Failure
Handler = Callable[[Lane, Call, float], tuple[float, Result | Callable[[], Result]]]
"""(lane, call, UTC epoch seconds of its departure) → (latency in seconds, what comes back or, then, finds that out)."""


class VirtualWire:
    """Asks ``handler`` at departure and delivers in the order of virtual time, then of departure."""

    def __init__(self, clock: FakeClock, handler: Handler, *, queues: bool = False) -> None:
        """Move ``clock`` forth while waiting."""
        self.queues = queues
        self._clock = clock
        self._handler = handler
        self._queue: list[tuple[float, int, int, float, Result | Callable[[], Result]]] = []
        self._flying: dict[int, Lane] = {}
        self._waiting: defaultdict[str, deque[tuple[int, Lane, Call]]] = defaultdict(deque)
        self._most: dict[str, int] = {}
        self._held: list[Completion] = []
        self._count = 0
        self.peak = 0  # most calls in flight at once

    @property
    def in_flight(self) -> int:
        """Return the number of calls under way."""
        return len(self._flying)

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Let ``handler`` decide when the answer comes and what it is."""
        self._count += 1
        latency, result = self._handler(lane, call, self._clock.now())
        at = self._clock.monotonic() + latency
        heapq.heappush(self._queue, (at, self._count, ticket, latency, result))
        self._flying[ticket] = lane
        self.peak = max(self.peak, self.in_flight)

    def queue(self, ticket: int, lane: Lane, call: Call, most: int) -> None:
        """Keep a call until one of its account comes back, or may be under way with the others."""
        self._most[lane.account] = most
        self._waiting[lane.account].append((ticket, lane, call))
        self._fill(lane.account, most)

    def recall(self) -> list[Completion]:
        """Take back what is queued."""
        for account in self._waiting:
            self._hold(account)
        held, self._held = self._held, []
        return held

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
        held, self._held = self._held, []
        return found + held

    def now(self) -> float:
        """Return the clock's UTC epoch seconds."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the clock's monotonic seconds."""
        return self._clock.monotonic()

    def close(self) -> None:
        """Forget what is in flight."""
        self._queue.clear()
        self._flying.clear()
        self._waiting.clear()

    def under_way(self) -> list[Callable[[], Result]]:
        """Return what would have found out the answers that never came: the process ended first."""
        return [result for *_, result in sorted(self._queue, key=lambda one: one[:2]) if callable(result)]

    def _hold(self, account: str) -> None:
        self._held += [Completion(ticket, failure=HELD) for ticket, _, _ in self._waiting[account]]
        self._waiting[account].clear()

    def _follow(self, account: str, result: Result) -> None:
        """Let the next call go that is queued, or none of them."""
        if is_success(result):
            self._fill(account, self._most.get(account, 0))
        else:
            self._hold(account)

    def _fill(self, account: str, most: int) -> None:
        while self._waiting[account] and sum(lane.account == account for lane in self._flying.values()) < most:
            self.submit(*self._waiting[account].popleft())

    def _complete(self, ticket: int, latency: float, result: Result | Callable[[], Result]) -> Completion:
        account = self._flying.pop(ticket).account
        if callable(result):
            result = result()
        self._follow(account, result)
        if isinstance(result, Reply):
            return Completion(ticket, reply=replace(result, at=self._clock.now()), seconds=latency)
        return Completion(ticket, failure=result, seconds=latency)
