"""What a run does, taken apart: how long each part took, and a wire that costs nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

import duckdb
import pytest

from revetl import run
from revetl.contract import Call, Http, Reply
from revetl.engine import execute
from revetl.engine.workspace import Options
from revetl.send.ports import Lane
from revetl.send.threads import ThreadWire
from revetl.send.wire import Completion, Wire
from revetl.state.outbox import Outbox
from revetl.types import RunResult, SyncResult
from tests.bench.shop import Shop, scan

REPEATS = 5


class InstantWire(Wire):
    """Answers every call with ``{}`` at once: what remains is our own work."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        """Start without calls."""
        self.calls = 0
        self._done: list[Completion] = []

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Answer."""
        self.calls += 1
        self._done.append(Completion(ticket, reply=Reply(200, b"{}", {}, time.time()), seconds=0.001))

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return the answers."""
        found, self._done = self._done, []
        return found

    def close(self) -> None:
        """Do nothing."""


class Recording:
    """The real wire, and the calls that left on it, in order."""

    def __init__(self) -> None:
        """Start without calls."""
        self.calls: list[Call] = []
        self._wire = ThreadWire()
        self.now, self.monotonic = self._wire.now, self._wire.monotonic
        self.queues, self.recall = self._wire.queues, self._wire.recall
        self.collect, self.close = self._wire.collect, self._wire.close

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Keep the call and let it leave."""
        self.calls.append(call)
        self._wire.submit(ticket, lane, call)

    def queue(self, ticket: int, lane: Lane, call: Call, most: int) -> None:
        """Keep the call and let it leave when it can."""
        self.calls.append(call)
        self._wire.queue(ticket, lane, call, most)

    def requests(self) -> list[Http]:
        """Return the calls that carry records."""
        return [call for call in self.calls if isinstance(call, Http) and call.method == "POST"]


class Watch:
    """Seconds by part of a run: ``diff``, ``stage``, ``read``, ``send`` (all of staging and sending), ``apply``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between the flow and its parts."""
        self.seconds: dict[str, float] = defaultdict(float)
        for owner, name, part in (
            (run, "inspect", "diff"),
            (Outbox, "stage", "stage"),
            (Outbox, "read", "read"),
            (execute, "execute", "send"),
            (execute, "settle", "apply"),
            (run, "close_run", "apply"),
        ):
            monkeypatch.setattr(owner, name, self._timed(getattr(owner, name), part))

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began

        return timed

    @property
    def local(self) -> float:
        """Return diff, outbox and apply: what a run costs without its calls."""
        return sum(self.seconds[part] for part in ("diff", "stage", "read", "apply"))


def synced(options: Options, **more: Any) -> SyncResult:
    """Run a sync that must work; return the result of its one sync."""
    done: RunResult = run.sync(options, **more)
    result = done.syncs[0]
    assert (result.error, result.held, done.exit_code) == (None, (), 0), result
    return result


def scan_seconds(shop: Shop) -> float:
    """Return the yardstick for this project, here and now."""
    con = duckdb.connect()
    con.execute(f"ATTACH '{shop.warehouse}' AS source (READ_ONLY)")
    con.execute(f"ATTACH '{shop.state}' AS state (READ_ONLY)")
    try:
        return median(seconds(lambda: con.execute(scan(shop)).fetchall()) for _ in range(REPEATS))
    finally:
        con.close()


def seconds(function: Callable[[], object]) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
