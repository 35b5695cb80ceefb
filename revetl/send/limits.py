"""The limits of one account together: when a call of a given cost may leave. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from revetl.contract import Limit
from revetl.send.meter import Meter

Cost = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Spent:
    """A quota with nothing left, and when (same clock as ``now``) the call could go; None: nobody can say."""

    limit: Limit
    until: float | None


class Limiter:
    """All limits of an account; every call counts in all of them, with its cost (default: the limit's own).

    Times are seconds on one monotonic clock, exact counts are integers.
    """

    def __init__(
        self, limits: Iterable[Limit], used: Mapping[str, tuple[tuple[float, int], ...]] | None = None
    ) -> None:
        """Start with ``used``: limit name → (time of the reply, units), as earlier runs left it."""
        self._used = used or {}
        self._meters: list[Meter] = []
        self._quotas: list[Meter] = []
        self._others: list[Meter] = []
        self._paused_until = 0.0
        self.tighten(limits)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits that are kept."""
        return tuple(meter.limit for meter in self._meters)

    def tighten(self, limits: Iterable[Limit]) -> None:
        """Keep these limits, too; of two by one name the smaller allowance holds."""
        for limit in limits:
            meter = next((meter for meter in self._meters if meter.limit.name == limit.name), None)
            if meter is None:
                meter = Meter(limit, tuple(self._used.get(limit.name, ())))
                self._meters.append(meter)
                (self._quotas if limit.kind == "quota" else self._others).append(meter)
            elif limit.allowance < meter.limit.allowance:
                meter.limit = limit

    def ready_at(self, cost: Cost, now: float) -> float | None:
        """Return when a call may leave: ``now`` or a later time; None: not before some call in flight comes back.

        Quotas are not waited for: ask :meth:`spent`.
        """
        ready = max(now, self._paused_until)
        for meter in self._others:
            at = meter.ready_at(meter.units(cost), now)
            if at is None:
                return None
            ready = max(ready, at)
        return ready

    def spent(self, cost: Cost, now: float) -> Spent | None:
        """Return the quota that has no room for a call, None where all have."""
        for meter in self._quotas:
            at = meter.ready_at(meter.units(cost), now)
            if at is None or at > now:
                return Spent(meter.limit, at)
        return None

    def take(self, cost: Cost) -> None:
        """Count a call that leaves now."""
        for meter in self._meters:
            meter.take(meter.units(cost))

    def replied(self, cost: Cost, now: float, headers: Mapping[str, str] | None = None, at: float = 0.0) -> None:
        """Note that a call came back, or was given up; ``at`` is the reply's own time, in UTC epoch seconds."""
        for meter in self._meters:
            meter.replied(meter.units(cost), now)
            if headers and (meter.limit.remaining_header or meter.limit.usage_header):
                meter.observe(headers, now, at)

    def refund(self, cost: Cost) -> None:
        """Forget a call that provably did not leave."""
        for meter in self._meters:
            meter.refund(meter.units(cost))

    def pause(self, until: float) -> None:
        """Let nothing leave before ``until``: the server asked for it."""
        self._paused_until = max(self._paused_until, until)

    def paused(self, now: float) -> bool:
        """Return whether a pause holds."""
        return now < self._paused_until

    def usage(self, now: float) -> dict[str, tuple[tuple[float, int], ...]]:
        """Return what still counts in each quota, to be given to the next run's limiter."""
        return {meter.limit.name: meter.used(now) for meter in self._quotas}


def rate(limits: Iterable[Limit]) -> float | None:
    """Return the calls per second that the windows allow in the long run, None without a window for every call."""
    rates = [
        limit.allowance / (limit.seconds * limit.default_cost)
        for limit in limits
        if limit.kind == "window" and limit.seconds > 0 and limit.default_cost
    ]
    return min(rates) if rates else None
