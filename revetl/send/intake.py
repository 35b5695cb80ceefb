"""How batches enter: pulled one at a time from feeds, in order, and without the changes that must wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revetl.contract import Exchange
from revetl.send.batches import BatchEnding
from revetl.send.clerk import Clerk
from revetl.send.order import Order, Tokens, tokens_of
from revetl.send.parts import Budget, Part
from revetl.send.ports import Feed, Trouble, Work
from revetl.types import Outcome, Status

if TYPE_CHECKING:
    from revetl.send.lanes import LaneState


class FeedState:
    """A feed, and the batch of it that has to wait for a token: nothing overtakes that."""

    def __init__(self, feed: Feed) -> None:
        """Start at the feed's beginning."""
        self.feed = feed
        self.finished = False
        self.head: Work | None = None
        self._tokens: Tokens | None = None  # of ``head``

    def take(self, order: Order) -> Part | None:
        """Return the next batch, holding its tokens, or None where there is none or it has to wait."""
        work = self.head if self.head is not None else self.feed.next()
        if work is None:
            self.finished = True
            return None
        tokens = self._tokens or tokens_of(work.batch.changes)
        if not order.free(tokens):
            self.head, self._tokens = work, tokens
            return None
        if self.head is not None:
            work = self.feed.refresh(work)
            self.head = self._tokens = None
        order.hold(tokens)
        return Part(work.batch, tokens, Budget.of(len(work.batch.changes)), work.job, action=work.action)


class Intake:
    """Takes batches in, in order."""

    def __init__(self, order: Order, clerk: Clerk) -> None:
        """Keep to ``order``; what must not be sent goes to ``clerk`` at once."""
        self._order = order
        self._clerk = clerk

    def pull(self, state: LaneState) -> Part | None:
        """Return the next batch that may start on a lane: halves first, then its feeds in turn."""
        if len(state.open) >= state.room:
            return None
        if state.parts:
            return state.parts.popleft()
        for _ in range(len(state.feeds)):
            feed = state.feeds[0]
            if state.holds_up(feed):
                state.feeds.rotate(-1)
                continue
            part = feed.take(self._order)
            if feed.finished:
                state.feeds.popleft()
                continue
            state.feeds.rotate(-1)
            if part is not None:
                return part
        return None

    def sift(self, part: Part, state: LaneState) -> Part:
        """Return ``part`` without the changes that must not follow a failure; those are *waiting*."""
        if part.job is not None or self._order.unbroken:
            return part
        verdicts = [(change, self._order.blocked(change)) for change in part.batch.changes]
        if not any(why for _, why in verdicts):
            return part
        waiting = [Outcome.waiting(change, code=why[0], reason=why[1]) for change, why in verdicts if why]
        self._clerk.settle(state.tally(part.batch.sync), waiting)
        kept = tuple(change for change, why in verdicts if why is None)
        return replace(part, batch=replace(part.batch, changes=kept))

    def start(self, part: Part, state: LaneState) -> tuple[Exchange, BatchEnding] | Trouble:
        """Return the exchange of a batch, or why there is none."""
        action = part.action or state.lane.destination.actions.get(part.batch.op)
        if action is None:
            return Trouble("RVT-618", f"the destination has no {part.batch.op} action")
        ending = BatchEnding(part, state, self._clerk, action.proof)
        if part.job is None:
            return _lazily(action.run, part.batch), ending
        if action.resume is None:
            return Trouble("RVT-618", "the destination cannot go on with a job that it started")
        return _lazily(action.resume, part.job, part.batch), ending

    def refuse(self, part: Part, state: LaneState, trouble: Trouble) -> None:
        """Settle a batch that is not sent: *waiting*, or *unknown* where something of it was before."""
        status = Status.UNKNOWN if part.doubtful else Status.WAITING
        reason = state.scrub(trouble.reason)
        outcomes = [Outcome(change, status, trouble.code, reason) for change in part.batch.changes]
        self._clerk.settle(state.tally(part.batch.sync), outcomes)
        self._order.release(part.tokens)

    def ended(self, ending: BatchEnding, tokens: Tokens, state: LaneState) -> None:
        """Let the tokens of a batch go, but for those that its halves keep."""
        self._order.release(tokens)
        for part in ending.halves:
            self._order.hold(part.tokens)
            state.parts.append(part)

    def discard(self, state: LaneState, trouble: Trouble) -> None:
        """Settle what was taken in and will not be sent."""
        while state.parts:
            self.refuse(state.parts.popleft(), state, trouble)
        for feed in state.feeds:
            if feed.head is not None:
                self.refuse(Part(feed.head.batch, Tokens(), Budget(0), feed.head.job), state, trouble)
                feed.head = None


def _lazily(run: Callable[..., Exchange], *args: Any) -> Exchange:
    """Run an action such that what it raises before its first call is raised by its first step, too."""
    return (yield from run(*args))
