"""What the sender is given and what it gives back: lanes, feeds of work, the journal, reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from revetl.contract import Action, Call, Destination
from revetl.errors import RevetlError
from revetl.types import EMPTY, Batch, Outcome, Status

Usage = Mapping[str, tuple[tuple[float, int], ...]]
"""What was used of an account's quotas: limit name → ((UTC epoch seconds of the reply, units), …), oldest first."""


@dataclass(frozen=True, eq=False)
class Lane:
    """One destination of revetl.yml with the settings of the target: where calls of its syncs travel.

    ``origin`` (``http://127.0.0.1:8765``, loopback only) sends every call to a local stand-in instead. ``timeout`` is
    the total time of one call in seconds, byte caps hold before and after decompression.
    """

    name: str
    destination: Destination
    settings: Any
    account: str  # lanes with the same account share its limits
    origin: str | None = None
    max_in_flight: int = 64
    timeout: float = 120.0
    max_raw: int = 16 * 2**20
    max_decoded: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Work:
    """A batch to send, or, where ``job`` is set, the batch of a job to go on with (``Action.resume``).

    ``action``: how it is sent, where that is not simply what the destination declares for the batch's operation.
    """

    batch: Batch
    job: str | None = None
    action: Action | None = None


class Feed(Protocol):
    """The batches of one sync, in the order in which they must leave; one batch is made at a time."""

    @property
    def sync(self) -> str:
        """Return the sync's name."""

    @property
    def lane(self) -> Lane:
        """Return the lane it travels on."""

    @property
    def after(self) -> frozenset[str]:
        """Return the syncs of the lane that must be through before the first batch of this one is asked for."""

    def next(self) -> Work | None:
        """Return the next batch, or None once there is nothing more. Its intents are durable by then."""

    def refresh(self, work: Work) -> Work:
        """Return ``work`` with what was learnt since it was made (remote ids); it had to wait for its predecessors."""


class Journal(Protocol):
    """Where the sender records what it does. Methods named durable return only once the disk has it."""

    def started(self, batch: Batch) -> None:
        """Record, durably, that a call which must not be repeated is about to leave for ``batch``."""

    def job(self, batch: Batch, job: str) -> None:
        """Record, durably, that ``job`` (its id) exists at the destination for ``batch``."""

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of one sync; they need not be durable before :meth:`flush`."""

    def flush(self) -> None:
        """Make every outcome taken so far durable."""

    def used(self, usage: Mapping[str, Usage], /) -> None:
        """Record, durably, what was used of each account's quotas so far."""

    def call(self, lane: Lane, call: Call, status: int | None, seconds: float, /) -> None:
        """Count a call that came back with ``status`` (None: no answer) after ``seconds``."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something ended early. ``later``: the same command may work at another time (exit 4), else it cannot."""

    code: str
    reason: str
    later: bool = False
    until: float | None = None  # UTC epoch seconds: when the destination takes calls again, where it said so
    error: RevetlError | None = None  # what a destination's module raised, to be raised again as it is

    def __str__(self) -> str:
        """Return code and reason."""
        return f"{self.code} {self.reason}"


@dataclass(slots=True)
class Tally:
    """What was done for one sync; ``outcomes`` counts by status."""

    calls: int = 0
    outcomes: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))

    @property
    def done(self) -> int:
        """Return how many changes have an outcome."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What happened on a lane. ``stopped``: why its remaining changes wait; ``notes``: what a person must read."""

    lane: str
    calls: int = 0
    repeats: int = 0  # calls that were made again
    halvings: int = 0
    stopped: Trouble | None = None
    syncs: Mapping[str, Tally] = EMPTY
    usage: Usage = EMPTY
    notes: tuple[str, ...] = ()
