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


HELD = Failure("", "it was held back", sent=False)
"""What becomes of a call that was queued and not begun: nothing, and nothing is wrong with it."""


def is_success(result: Reply | Failure | None) -> bool:
    """Return whether what is queued may follow a call with this result."""
    return isinstance(result, Reply) and result.ok


@dataclass(frozen=True, slots=True)
class Completion:
    """What became of the call submitted under ``ticket``: exactly one of ``reply`` and ``failure`` is set."""

    ticket: int
    reply: Reply | None = None
    failure: Failure | None = None
    seconds: float = 0.0  # from the moment the call was taken up


class Wire(Protocol):
    """Performs calls, many at once. Only one thread submits and collects."""

    queues: bool = False
    """Whether it takes calls before their turn; one that does not has no use for :meth:`queue` and :meth:`recall`."""

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Start ``call``, which carries its credentials and its full origin and path."""

    def queue(self, ticket: int, lane: Lane, call: Call, most: int) -> None:
        """Start ``call`` as soon as fewer than ``most`` of its account are under way, after those queued before it.

        If one comes back meanwhile that is no success, all that are queued for the account are ``HELD``.
        """
        del most
        self.submit(ticket, lane, call)

    def recall(self) -> list[Completion]:
        """Return all that are queued as ``HELD``: none of them will be started."""
        return []

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
