"""One allowance of an account, counted: a sliding window, a quota or a number of calls at once."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping

from revetl.contract import Limit

SLACK = 1 / 2000
"""Share of a window by which a slot is freed late: room for coalescing entries and for clock rates that differ."""


class Meter:
    """Counts the units of one :class:`Limit`. All times are seconds on one monotonic clock.

    A call holds its units from :meth:`take` to :meth:`replied`, and for one window after that. The server counted it
    somewhere between the two, so no window of its clock can hold more than the allowance.
    """

    def __init__(self, limit: Limit, used: tuple[tuple[float, int], ...] = ()) -> None:
        """Count from ``used``: (time of the reply, units), oldest first."""
        self.limit = limit
        self.in_flight = 0
        self._window = limit.seconds * (1 + SLACK) if limit.kind != "concurrency" else 0.0
        self._grain = limit.seconds * SLACK
        self._replied: deque[tuple[float, int]] = deque(used)
        self._held = sum(units for _, units in used)
        self._opened = 0.0  # when the newest entry was begun: entries a grain apart are one
        self._foreign = 0  # units that the server counts and we do not: another user of the account
        self._foreign_until = 0.0

    def units(self, cost: Mapping[str, int]) -> int:
        """Return what a call of ``cost`` takes: never more than the allowance, so that it can go at all."""
        return min(cost.get(self.limit.name, self.limit.default_cost), self.limit.allowance)

    def ready_at(self, units: int, now: float) -> float | None:
        """Return when ``units`` are free: ``now``, a later time, or None where that depends on replies to come."""
        missing = units - self._room(now)
        if missing <= 0:
            return now
        for at, freed in self._freed():
            missing -= freed
            if missing <= 0:
                return max(at, now)
        return None

    def take(self, units: int) -> None:
        """Hold units for a call that leaves now."""
        self.in_flight += units

    def refund(self, units: int) -> None:
        """Free the units of a call that provably did not leave."""
        self.in_flight -= units

    def replied(self, units: int, now: float) -> None:
        """Let the units of a call that came back run out one window from now."""
        self.in_flight -= units
        if not units or not self._window:
            return
        self._held += units
        if self._replied and now - self._opened < self._grain:
            self._replied[-1] = (now, self._replied[-1][1] + units)
        else:
            self._replied.append((now, units))
            self._opened = now

    def observe(self, headers: Mapping[str, str], now: float, at: float) -> None:
        """Believe the server where it has less left than our own count says. ``at``: UTC epoch of the reply."""
        remaining = _number(headers.get(self.limit.remaining_header or ""))
        if self.limit.usage_header:
            remaining = _unused(headers.get(self.limit.usage_header, ""))
        if remaining is None:
            return
        known = self.limit.allowance - self.in_flight - self._count(now)
        self._foreign = max(0, known - int(max(0.0, remaining)))
        self._foreign_until = now + self._reset(headers, at)

    def used(self, now: float) -> tuple[tuple[float, int], ...]:
        """Return (time of the reply, units) of all that still counts."""
        self._count(now)
        return tuple(self._replied)

    def _reset(self, headers: Mapping[str, str], at: float) -> float:
        seconds = _number(headers.get(self.limit.reset_header or ""))
        if seconds is not None and self.limit.reset_is == "epoch":
            seconds -= at
        if seconds is None or not 0 <= seconds <= 2 * self.limit.seconds:
            return self.limit.seconds
        return seconds

    def _room(self, now: float) -> int:
        foreign = self._foreign if now < self._foreign_until else 0
        return self.limit.allowance - self.in_flight - self._count(now) - foreign

    def _count(self, now: float) -> int:
        replied = self._replied
        while replied and replied[0][0] + self._window <= now:
            self._held -= replied.popleft()[1]
        return self._held

    def _freed(self) -> Iterator[tuple[float, int]]:
        """Yield what becomes free and when, earliest first."""
        foreign = (self._foreign_until, self._foreign) if self._foreign else None
        for reply, units in self._replied:
            at = reply + self._window
            if foreign is not None and foreign[0] <= at:
                yield foreign
                foreign = None
            yield at, units
        if foreign is not None:
            yield foreign


def _unused(text: str) -> float | None:
    """Return what ``18/5000`` leaves: 4982; None where no such pair stands in the text."""
    pair = re.search(r"(\d+)/(\d+)", text)
    return float(max(0, int(pair[2]) - int(pair[1]))) if pair else None


def _number(text: str | None) -> float | None:
    """Return a header's number, None where it is absent or none."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None
