"""Rate limits as the services count them."""

from __future__ import annotations

from collections import deque


class SlidingWindow:
    """At most ``most`` events within any ``seconds``; refused events are not counted."""

    def __init__(self, most: int, seconds: float) -> None:
        """Make an empty window."""
        self.most = most
        self.seconds = seconds
        self._events: deque[float] = deque()

    def used(self, at: float) -> int:
        """Return how many events lie within the window that ends at ``at`` (monotonic seconds)."""
        while self._events and self._events[0] <= at - self.seconds:
            self._events.popleft()
        return len(self._events)

    def full(self, at: float) -> bool:
        """Return whether one more event at ``at`` would be too many."""
        return self.used(at) >= self.most

    def add(self, at: float) -> None:
        """Count an event."""
        self._events.append(at)

    def remaining(self, at: float) -> int:
        """Return how many events still fit."""
        return max(self.most - self.used(at), 0)


class Quota:
    """At most ``most`` events a UTC day."""

    def __init__(self, most: int) -> None:
        """Make an unused quota."""
        self.most = most
        self._day = -1
        self._used = 0

    def remaining(self, now: float) -> int:
        """Return what is left of the day that holds ``now`` (epoch seconds)."""
        if int(now // 86_400) != self._day:
            self._day, self._used = int(now // 86_400), 0
        return max(self.most - self._used, 0)

    def add(self, now: float, units: int = 1) -> None:
        """Count an event, of so many units."""
        self.remaining(now)
        self._used += units

    def spend(self, now: float) -> None:
        """Leave nothing of the day."""
        self.add(now, self.remaining(now))
