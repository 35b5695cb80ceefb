"""What the scheduler knows of a lane and of an account while it runs."""

from __future__ import annotations

from collections import deque

from revetl.contract import Call, Http
from revetl.send.adapt import Adapt
from revetl.send.batches import BatchEnding
from revetl.send.credentials import Credentials
from revetl.send.exchange import Exchange, Flight
from revetl.send.intake import FeedState
from revetl.send.limits import Limiter, rate
from revetl.send.origin import resolve
from revetl.send.parts import Part
from revetl.send.ports import Lane, LaneReport, Tally, Trouble, Usage
from revetl.send.scrub import scrub


class Account:
    """What lanes with the same account share: its limits and its calls in flight."""

    def __init__(self, used: Usage) -> None:
        """Start with what earlier runs used of its quotas (here: monotonic times)."""
        self.limiter = Limiter((), used)
        self.adapt = Adapt(1)
        self.in_flight = 0
        self.lanes: deque[LaneState] = deque()
        self.wake: float | None = None  # when its limits let the next call go; None: nobody waits for that
        self.failing = 0  # calls in a row without a good answer
        self.given_up = 0  # exchanges in a row, without a good answer between

    def join(self, state: LaneState) -> None:
        """Take a lane in; of limits that disagree the strictest holds."""
        self.lanes.append(state)
        self.limiter.tighten(state.lane.destination.limits(state.lane.settings))

    def share(self, calls: int) -> None:
        """Allow at most ``calls`` in flight, whatever the lanes ask for."""
        limits = self.limiter.limits
        asked = [state.lane.max_in_flight for state in self.lanes]
        asked += [limit.allowance for limit in limits if limit.kind == "concurrency"]
        self.adapt.bound(min(calls, *asked), rate(limits))


class LaneState:
    """One lane: what is ready to leave, what is under way, what feeds it."""

    def __init__(self, lane: Lane, account: Account) -> None:
        """Start with nothing to do."""
        self.lane = lane
        self.account = account
        self.credentials = Credentials(lane.destination, lane.settings)
        self.renewal: Exchange | None = None
        self.urgent: deque[Flight] = deque()  # token calls
        self.again: deque[Flight] = deque()  # repeats go before new calls
        self.ready: deque[Flight] = deque()
        self.open: dict[int, Exchange] = {}
        self.parts: deque[Part] = deque()  # halves of refused batches
        self.feeds: deque[FeedState] = deque()
        self.tallies: dict[str, Tally] = {}
        self.stopped: Trouble | None = None
        self.notes: list[str] = []
        self.calls = 0
        self.repeats = 0
        self.halvings = 0

    @property
    def room(self) -> int:
        """Return how many exchanges may be open: waiting ones must not pile up, nor keep others from leaving.

        While nothing gets through, those that are open try it: none is added.
        """
        window = self.account.adapt.window
        return 1 if self.account.failing > 2 * window else 2 * window + 4

    @property
    def busy(self) -> bool:
        """Return whether there is anything left to do."""
        return bool(self.open) or (self.stopped is None and bool(self.feeds or self.parts))

    def holds_up(self, feed: FeedState) -> bool:
        """Return whether a feed still has to wait for others of the lane to be through."""
        if not feed.feed.after:
            return False
        working = {other.feed.sync for other in self.feeds} | {part.batch.sync for part in self.parts}
        working |= {e.ending.part.batch.sync for e in self.open.values() if isinstance(e.ending, BatchEnding)}
        return bool(feed.feed.after & working)

    def head(self) -> Flight | None:
        """Return the flight that leaves next, still in its queue; while a token is fetched, only calls for it."""
        for queue in (self.urgent, self.again, self.ready):
            while queue and queue[0].dropped:
                queue.popleft()
            if queue:
                return queue[0]
            if queue is self.urgent and self.renewal is not None:
                return None
        return None

    def pop(self) -> None:
        """Take the flight that :meth:`head` shows from its queue."""
        (self.urgent or self.again or self.ready).popleft()

    def dress(self, flight: Flight) -> Call:
        """Return the flight's call as it leaves: with credentials, origin and full path.

        Raises:
            NotAllowed: its address cannot be read.
        """
        flight.generation = self.credentials.generation
        if not isinstance(flight.call, Http):
            return flight.call
        return resolve(self.credentials.dress(flight.call), self.lane, self.credentials.base)

    def tally(self, sync: str) -> Tally:
        """Return the counts of a sync."""
        return self.tallies.setdefault(sync, Tally())

    def scrub(self, text: str) -> str:
        """Return ``text`` without any secret of this lane."""
        return scrub(text, self.credentials.secrets)

    def note(self, text: str) -> None:
        """Keep something that a person must read, once."""
        if text not in self.notes and len(self.notes) < 100:
            self.notes.append(text)

    def requeue(self, flight: Flight) -> None:
        """Let a flight leave again, before new ones."""
        (self.urgent if flight.exchange is self.renewal else self.again).append(flight)

    def report(self, usage: Usage) -> LaneReport:
        """Return what happened."""
        return LaneReport(
            self.lane.name,
            self.calls,
            self.repeats,
            self.halvings,
            self.stopped,
            self.tallies,
            usage,
            tuple(self.notes),
        )
