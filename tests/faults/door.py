"""The vendor's door: every call comes through it, some are lost on either way, and what came is noted."""

from __future__ import annotations

import json
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from revetl.contract import Call, Http, Reply
from revetl.send.wire import Failure
from tests.faults.vendor import Vendor
from tests.faults.weather import DAY, WINDOW, Weather

Result = Reply | Failure
Answer = tuple[float, Result | Callable[[], Result]]
LOST = Failure("RVT-605", "the answer was lost")
TRIES = 16  # of one change in one run: repeats of a call that fails or is turned away, and halves of its batch


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Door:
    """What reaches the vendor, by real time, which no jump of anybody's clock changes."""

    vendor: Vendor
    random: Random
    lates: bool = True  # whether a request may arrive long after its sender gave up
    weather: Weather = field(default_factory=Weather)
    requests: list[tuple[str, int]] = field(default_factory=list)  # (run, seq) of every change that came
    sent: list[str] = field(default_factory=list)  # the address that each of them was about
    arrivals: list[float] = field(default_factory=list)  # of this run's calls, sorted
    day: list[float] = field(default_factory=list)  # of all calls
    tries: Counter[tuple[str, int]] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)  # identity → until when a call about it is under way
    token: int = 1
    forgotten: set[str] = field(default_factory=set)  # addresses that must never come again

    def knock(self, run: str, call: Call, now: float, known: Callable[[int], bool]) -> Answer:
        """Take a call that leaves at ``now``; ``known``: whether a change's intent is durable.

        Raises:
            Broken: it should not have left.
        """
        assert isinstance(call, Http)
        self.vendor.land(now)
        if call.path == "/token":
            latency = 0.05
            self._arrived(now, latency)
            return latency, Reply(200, json.dumps({"token": str(self.token)}).encode())
        rows = json.loads(call.content or b"[]")
        self._check(run, call, rows, known)
        latency, result = self._answer(call, rows, now)
        if not isinstance(result, Failure) or result.sent:
            self._arrived(now, latency if latency < 1.0 else 0.05)
        self._alone(rows, now, latency)
        return latency, result

    def begin(self, weather: Weather) -> None:
        """Open for one run."""
        self.weather = weather
        self.arrivals.clear()
        self.busy.clear()

    def end(self, run: str) -> None:
        """Look at what came in a run.

        Raises:
            Broken: more came in a second, or in a day, than is allowed.
        """
        if not self.weather.free:
            self._within(self.arrivals, WINDOW, 1.0)
        if self.weather.quota is not None:
            self._within([at for at in self.day if at > self.day[-1] - 2 * DAY], self.weather.quota, DAY)
        most = max((count for (of, _), count in self.tries.items() if of == run), default=0)
        if most > TRIES:
            raise Broken(f"a change was sent {most} times in {run}")

    @staticmethod
    def _within(times: list[float], allowance: int, seconds: float) -> None:
        for first, last in zip(times, times[allowance:], strict=False):
            if last - first < seconds - 1e-6:
                raise Broken(f"{allowance + 1} calls came within {last - first:.3f} s, {allowance} may in {seconds} s")

    def _arrived(self, now: float, latency: float) -> None:
        at = now + latency * self.random.random()
        insort(self.arrivals, at)
        insort(self.day, at)

    def _check(self, run: str, call: Http, rows: Iterable[dict[str, Any]], known: Callable[[int], bool]) -> None:
        if b"secret" in (call.content or b""):
            raise Broken("an unmapped column left")
        for row in rows:
            self.requests.append((run, row["seq"]))
            self.sent.append(row["email"])
            self.tries[run, row["seq"]] += 1
            if not known(row["seq"]):
                raise Broken(f"change {row['seq']} of {run} left without an intent")
            if self.forgotten and call.path != "/person/leave" and row["email"] in self.forgotten:
                raise Broken(f"{row['email']} is forgotten and was sent in {run}")

    def _alone(self, rows: Iterable[dict[str, Any]], now: float, latency: float) -> None:
        """Look whether another call about the same identity is under way."""
        mine = {identity for row in rows for identity in (row["email"], row["old"]) if identity is not None}
        for identity in mine:
            if self.busy.get(identity, 0.0) > now + 1e-6:
                raise Broken(f"two calls about {identity} were under way at once")
            self.busy[identity] = now + latency

    def _answer(self, call: Http, rows: list[dict[str, Any]], now: float) -> Answer:
        if dict(call.headers).get("authorization") != f"Bearer {self.token}":
            return 0.05, Reply(401, b"{}")
        if self.weather.down:
            return 0.05, Reply(503, b"")
        refused = None
        if self.weather.faults and self.random.random() < 0.08:
            refused = self.random.choice(rows)["email"]
        latency = self.random.choice([0.05, 0.05, 0.1, 0.3]) if self.weather.faults else 0.05
        if not self.weather.faults or self.random.random() < 0.6:
            if self.random.random() < 0.5:
                return latency, self._apply(call, refused)
            return latency, lambda: self._apply(call, refused)  # whatever else arrives meanwhile comes before it
        return self._fault(call, now, latency, refused)

    def _apply(self, call: Http, refused: str | None = None) -> Reply:
        self.vendor.refused = refused
        return self.vendor.apply(call)

    def _fault(self, call: Http, now: float, latency: float, refused: str | None) -> Answer:  # noqa: PLR0911 - a die
        dice = self.random.random()
        if dice < 0.2:
            self._apply(call, refused)
            return latency, LOST
        if dice < 0.33:
            return latency, Failure("RVT-605", "never arrived, and nobody can know")
        if dice < 0.4:
            return latency, Failure("RVT-600", "no connection", sent=False)
        if dice < 0.47:
            self.token += 1
            return latency, Reply(401, b"{}")
        if dice < 0.6:
            if not self.lates:
                return 30.0, Failure("RVT-604", "timed out", timeout=True)
            delay = self.random.uniform(1.0, 800.0)
            self.vendor.late.append((now + delay, lambda: _ignore(self._apply(call, refused))))
            return 30.0, Failure("RVT-604", "timed out", timeout=True)
        if dice < 0.7:
            return latency, Reply(429, b"{}", {"retry-after": "2"})
        if dice < 0.8:
            self._apply(call, refused)
            return latency, Reply(500, b"oops")
        if dice < 0.9:
            return latency, Reply(503, b"")
        self._apply(call, refused)
        return latency, Reply(200, b'[{"seq": ')


def _ignore(_: object) -> None:
    """Take it and do nothing."""
