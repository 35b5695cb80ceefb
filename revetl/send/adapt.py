"""How many calls to have in flight: enough to use the allowance at the observed latency, no more than helps.

Little's law gives the upper end (rate x latency). Below it the number is found by trying: doubled round by round
while throughput follows, then raised by a quarter now and then, taken back where nothing was gained, and halved when
the destination says it is too much. A *round* is as many replies as calls may be in flight.
"""

from __future__ import annotations

import math

START = 16  # half as many cost 1 % of a sync of ten seconds at 100 ms a call; who takes fewer at once declares it
RAMP = 2.0  # growth of a round while ramping up
PROBE = 1.25  # growth when probing from a plateau
GAIN = 0.3  # share of the growth that must show in the throughput for it to count as rising
HOLD = 4  # rounds between probes, doubled with each one in vain
MAX_HOLD = 64
HEADROOM = 2.0  # over Little's law, for latencies that vary
FLOOR = 8  # what Little's law never caps below: an allowance may be spent in bursts


class Adapt:
    """The number of calls in flight for one account. Pure: times are arguments, in monotonic seconds."""

    def __init__(self, ceiling: int, rate: float | None = None) -> None:
        """Never allow more than ``ceiling``; ``rate`` is what the limits allow per second, if they say so."""
        self._size = float(START)
        self.bound(ceiling, rate)
        self._latency = 0.0
        self._growth = RAMP
        self._before: tuple[float, float] | None = None  # size and throughput that the last growth started from
        self._hold = 0  # rounds to wait before the next probe
        self._patience = HOLD
        self._cut_at = -math.inf
        self._round(0.0)

    def bound(self, ceiling: int, rate: float | None) -> None:
        """Set the bounds anew; what was found by trying stays."""
        self._ceiling = max(1, ceiling)
        self._rate = rate

    @property
    def window(self) -> int:
        """Return how many calls may be in flight."""
        size = min(int(self._size), self._ceiling)
        if self._rate is not None and self._latency:
            size = min(size, max(FLOOR, math.ceil(self._rate * self._latency * HEADROOM) + 1))
        return max(1, size)

    def filled(self) -> None:
        """Note that there was more to send than the window let through."""
        self._filled = True

    def sent(self, now: float, in_flight: int) -> None:
        """Note a departure while ``in_flight`` others are out; after idleness the round begins anew."""
        if not in_flight:
            self._round(now)

    def replied(self, now: float, seconds: float) -> None:
        """Note a reply that took ``seconds`` and, at the end of a round, decide anew."""
        self._latency = seconds if not self._latency else 0.8 * self._latency + 0.2 * seconds
        self._count += 1
        if self._count >= self.window:
            if self._filled:
                self._decide(self._count / max(now - self._since, 1e-9))
            self._round(now)

    def congested(self, now: float) -> None:
        """Halve after BUSY, a throttle or a timeout; once for all calls that were in flight together."""
        if now - self._cut_at < self._latency:
            return
        self._cut_at = now
        self._size = max(1.0, self._size / 2)
        self._plateau()
        self._round(now)

    def _decide(self, throughput: float) -> None:
        if self._hold > 0:
            self._hold -= 1
            return
        if self._before is not None:
            size, reached = self._before
            if throughput < reached * (1 + GAIN * (self._size / size - 1)):
                self._size = size
                self._plateau()
                return
            self._patience = HOLD
        self._before = (self._size, throughput)
        self._size = max(self._size, min(float(self._ceiling), max(self._size + 1, self._size * self._growth)))

    def _plateau(self) -> None:
        """Stay here for a while, then try a little more."""
        self._growth, self._before = PROBE, None
        self._hold, self._patience = self._patience, min(MAX_HOLD, self._patience * 2)

    def _round(self, now: float) -> None:
        self._since, self._count, self._filled = now, 0, False
