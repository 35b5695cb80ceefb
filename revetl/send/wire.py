"""The wire: where calls leave and completions come back. Threads in production, a virtual clock in simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from revetl.contract import Call, Reply
from revetl.send.ports import Lane


@dataclass(frozen=True, slots=True)
class Failure:
    """A call without a usable answer.

    ``sent`` False means: provably no byte of the request left (name resolution, connection, TLS, policy).
    ``what`` is safe to show: host, path template and the kind of failure, never a query or a body.
    """

    code: str  # RVT-nnn
    what: str
    sent: bool = True
    timeout: bool = False
    again: bool = True  # a repeat may fare better
    fatal: bool = False  # no call of this lane would fare better


@dataclass(frozen=True, slots=True)
class Completion:
    """What became of the call submitted under ``ticket``: exactly one of ``reply`` and ``failure`` is set."""

    ticket: int
    reply: Reply | None = None
    failure: Failure | None = None
    seconds: float = 0.0  # from the moment the call was taken up


class Wire(Protocol):
    """Performs calls, many at once. Only one thread submits and collects."""

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Start ``call``, which carries its credentials and its full origin and path."""

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return what has completed, waiting up to ``timeout`` seconds (None: as long as it takes) for the first."""

    def now(self) -> float:
        """Return the time of day in UTC epoch seconds."""

    def monotonic(self) -> float:
        """Return seconds on a clock that nobody sets."""

    def close(self) -> None:
        """Let go of connections and threads; calls in flight are abandoned."""


class Before(Wire):
    """A wire before another one: a call goes on to that, or is answered here."""

    def __init__(self, wire: Wire) -> None:
        """Stand before ``wire``."""
        self._wire = wire
        self._answered: list[Completion] = []

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Let a call go on."""
        self._wire.submit(ticket, lane, call)

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return what was answered here, else what the other wire returns."""
        answered, self._answered = self._answered, []
        return answered or self._wire.collect(timeout)

    def now(self) -> float:
        """Return UTC epoch seconds."""
        return self._wire.now()

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return self._wire.monotonic()

    def close(self) -> None:
        """End what the wire has of its own."""
        self._wire.close()
