"""Between the scheduler and the journal: outcomes are counted, remembered for their successors, and flushed in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from revetl.contract import Call
from revetl.send.order import Order
from revetl.send.ports import Journal, Lane, Tally, Usage
from revetl.types import Batch, Delivery, Event, Outcome, Progress, Status

LONGEST = 0.2
"""Seconds that an outcome may stay unflushed, however slow the disk is."""

BEAT = 0.1
"""Seconds between two beats of progress for one sync."""

Crash = Callable[[str], None]


class Clerk:
    """The only one who writes into the journal. Times are monotonic seconds."""

    def __init__(
        self, journal: Journal, order: Order, crash: Crash, tell: Callable[[Event], None], delay: float
    ) -> None:
        """Flush at most ``delay`` seconds after an outcome came."""
        self.now = 0.0  # set by the coordinator at each of its turns
        self._journal = journal
        self._order = order
        self._crash = crash
        self._tell = tell
        self._delay = delay
        self._since: float | None = None  # of the oldest outcome that is not flushed
        self._slow = 0.0
        self._beats: dict[str, float] = {}
        self._tallies: dict[str, Tally] = {}

    def settle(self, tally: Tally, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of one sync."""
        if not outcomes:
            return
        self._crash("before_settle")
        self._journal.settle(outcomes)
        self._crash("after_settle")
        counts = Counter(outcome.status for outcome in outcomes)
        for status, count in counts.items():
            tally.outcomes[status] += count
        for outcome in outcomes:
            if outcome.status is not Status.DELIVERED:
                self._order.note(outcome)
        if self._since is None:
            self._since = self.now
        sync = outcomes[0].change.sync
        self._tallies[sync] = tally
        self._tell(Delivery(sync, **{status.value: count for status, count in counts.items()}))
        self._beat(sync, tally.done)

    def flush_at(self) -> float | None:
        """Return when the next flush is due, None where there is nothing to flush."""
        return None if self._since is None else self._since + max(self._delay, self._slow)

    def flush(self) -> None:
        """Make all outcomes durable."""
        if self._since is None:
            return
        self._crash("before_flush")
        self._journal.flush()
        self._since = None
        self._crash("after_flush")

    def took(self, seconds: float) -> None:
        """Learn how long a flush took: where the disk is slow, they come less often, and take a tenth of the time."""
        self._slow = min(LONGEST, 10 * seconds)

    def finish(self) -> None:
        """Flush, and say where each sync stands at last."""
        self.flush()
        for sync, tally in self._tallies.items():
            self._tell(Progress(sync, "send", tally.done))

    def used(self, usage: Mapping[str, Usage]) -> None:
        """Record what was used of quotas."""
        self._journal.used(usage)

    def started(self, batch: Batch) -> None:
        """Record that a call leaves which must not be repeated."""
        self._crash("before_started")
        self._journal.started(batch)
        self._crash("after_started")

    def job(self, batch: Batch, job: str) -> None:
        """Record a job."""
        self._crash("before_job")
        self._journal.job(batch, job)
        self._crash("after_job")

    def call(self, lane: Lane, call: Call, status: int | None, seconds: float) -> None:
        """Count a call."""
        self._journal.call(lane, call, status, seconds)

    def _beat(self, sync: str, done: int) -> None:
        if self.now - self._beats.get(sync, -BEAT) >= BEAT:
            self._beats[sync] = self.now
            self._tell(Progress(sync, "send", done))
