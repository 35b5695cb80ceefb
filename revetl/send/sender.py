"""The coordinator: the one thread that steps exchanges, writes the journal, and keeps the wire busy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from revetl.send.asks import raise_trouble
from revetl.send.clerk import Clerk, Crash
from revetl.send.intake import FeedState, Intake
from revetl.send.landing import Landing
from revetl.send.lanes import Account, LaneState
from revetl.send.order import Order
from revetl.send.ports import Feed, Journal, Lane, LaneReport, Trouble, Usage
from revetl.send.retry import Policy
from revetl.send.running import Running
from revetl.send.scheduler import Scheduler
from revetl.send.wire import Completion, Wire
from revetl.types import EMPTY, Event

T = TypeVar("T")


def _nothing(_: Any) -> None:
    """Do nothing with it."""


class Sender:
    """Sends. One thread uses it; the wire's threads only perform calls."""

    def __init__(  # noqa: PLR0913  each is one seam
        self,
        wire: Wire,
        journal: Journal,
        *,
        random: Random,
        deadline: float | None = None,
        stop: Callable[[], str | None] = lambda: None,
        on_event: Callable[[Event], None] = _nothing,
        crash: Crash = _nothing,
        usage: Mapping[str, Usage] = EMPTY,
        policy: Policy = Policy(),  # noqa: B008  frozen
    ) -> None:
        """Join the parts.

        Args:
            wire: performs the calls, and is the clock.
            journal: takes outcomes, jobs and marks.
            random: jitter.
            deadline: on the wire's monotonic clock; nothing leaves after it.
            stop: names the signal that asked to stop, once there was one.
            on_event: takes beats, and the outcomes of each batch in numbers.
            crash: called at the points where the fault tests end the process.
            usage: what earlier runs used of each account's quotas.
            policy: how patient to be.
        """
        self._wire = wire
        self._crash = crash
        self._deadline = deadline
        self._stop = stop
        self._policy = policy
        self._usage = usage
        self._offset = wire.now() - wire.monotonic()
        order = Order()
        self._clerk = Clerk(journal, order, crash, on_event, policy.flush)
        self._running = Running(Intake(order, self._clerk), self._offset)
        landing = Landing(self._running, policy, random, deadline)
        self._scheduler = Scheduler(self._running, landing, self._clerk, queues=wire.queues)
        self._cut_at: float | None = None
        self._stops = 0  # after which nothing is queued any more that was before
        self._kept = wire.monotonic()  # when what was used of quotas was last made durable

    def deliver(self, feeds: Sequence[Feed]) -> Mapping[str, LaneReport]:
        """Send everything that the feeds hold; return a report per lane, by its name.

        Every change pulled from a feed has got exactly one outcome, durably. What a stopped lane's feeds still hold was
        not pulled: it waits.

        Raises:
            StateError: what the journal raised; nothing leaves after that.
        """
        states = [self._state(feed.lane) for feed in feeds]
        self._share()
        for state, feed in zip(states, feeds, strict=True):
            state.feeds.append(FeedState(feed))
        self._drive(lambda: not self._running.busy)
        self._clerk.finish()
        return {state.lane.name: state.report(self._used(state.account)) for state in states}

    def call(self, lane: Lane, exchange: Generator[Any, Any, T]) -> T:
        """Run one exchange that is not about rows (account, discover, prepare, read_back); return its result.

        It goes through the same limits, repeats and credentials as everything else.

        Raises:
            TryLater: the destination is down, out of reach or out of allowance, or the run was stopped.
            DestinationError: it refuses the credentials or the call, or its answer cannot be read.
            RevetlError: what the exchange itself raised.
        """
        state = self._state(lane)
        self._share()
        halted = self._running.halted or state.stopped
        if halted is not None:
            exchange.close()
            raise_trouble(halted, lane.name)
        ask = self._running.ask(state, exchange, self._wire.monotonic())
        self._drive(lambda: ask.done)
        result: T = ask.result(lane.name)
        return result

    def usage(self) -> Mapping[str, Usage]:
        """Return what was used of each account's quotas, for the next run; times are UTC epoch seconds."""
        return {name: self._used(account) for name, account in self._running.accounts.items()}

    # --- the loop ---

    def _drive(self, done: Callable[[], bool]) -> None:
        while True:
            self._depart()
            self._flush_if_due(self._turn())
            self._keep_usage(self._turn())
            if done():
                return
            found = self._scheduler.arrive(self._collect(), self._turn())
            if found and not found[0].plain:
                self._hold()  # of what went wrong the wire sees the status alone
            for arrival in found:
                self._crash("after_reply")
                if arrival.plain:
                    self._depart()  # what is ready leaves before the reply is read
                self._scheduler.land(arrival, self._turn())

    def _depart(self) -> None:
        now = self._turn()
        self._check_stop(now)
        if self._stops < self._running.stops:
            self._stops = self._running.stops
            self._hold()
        for departure in self._scheduler.due(now):
            self._crash("before_call")
            if departure.behind is None:
                self._wire.submit(departure.ticket, departure.lane, departure.call)
            else:
                self._wire.queue(departure.ticket, departure.lane, departure.call, departure.behind)
            self._crash("after_call")

    def _hold(self) -> None:
        """Let nothing leave that is queued."""
        self._scheduler.arrive(self._wire.recall(), self._turn())

    def _collect(self) -> list[Completion]:
        """Return completions; while there are none, make the calls that will follow them."""
        while True:
            found = self._wire.collect(0.0)
            if found:
                return found
            if not self._scheduler.prepare(self._turn()):
                return self._wire.collect(self._pause(self._turn()))

    def _turn(self) -> float:
        now = self._clerk.now = self._wire.monotonic()
        return now

    def _pause(self, now: float) -> float:
        """Return for how long there is nothing to do but wait for completions."""
        wake, flush = self._scheduler.wake_at(), self._clerk.flush_at()
        if wake is None and not self._scheduler.in_flight:
            raise RuntimeError("nothing is in flight, nothing is due, and there is work left")
        times = [at for at in (wake, flush) if at is not None]
        times += [at for at in (self._deadline, self._cut_at) if at is not None and at > now]
        return max(0.0, min([now + self._policy.poll, *times]) - now)

    def _flush_if_due(self, now: float) -> None:
        due = self._clerk.flush_at()
        if due is not None and due <= now:
            self._clerk.flush()
            self._clerk.took(self._wire.monotonic() - now)

    def _keep_usage(self, now: float) -> None:
        if now < self._kept + self._policy.keep:
            return
        self._kept, used = now, self.usage()
        if any(any(limits.values()) for limits in used.values()):
            self._clerk.used(used)

    def _check_stop(self, now: float) -> None:
        if self._cut_at is not None:
            if now >= self._cut_at and self._running.halted is not None:
                self._scheduler.cut(self._running.halted)
            return
        signal = self._stop()
        if signal is not None:
            self._running.halt(Trouble("RVT-611", f"the run was stopped by {signal}", later=True))
        elif self._deadline is not None and now >= self._deadline:
            self._running.halt(Trouble("RVT-610", "the run's deadline has passed", later=True))
        else:
            return
        self._cut_at = now + self._policy.grace

    # --- lanes ---

    def _state(self, lane: Lane) -> LaneState:
        state = self._running.lanes.get(lane.name)
        if state is None:
            account = self._running.accounts.get(lane.account)
            if account is None:
                account = self._running.accounts[lane.account] = Account(self._known(lane.account))
            state = self._running.lanes[lane.name] = LaneState(lane, account)
            account.join(state)
        return state

    def _share(self) -> None:
        """Divide the calls in flight among accounts, so that a slow one never takes those of another."""
        accounts = self._running.accounts
        for account in accounts.values():
            account.share(max(4, self._policy.pool // len(accounts)))

    def _known(self, account: str) -> Usage:
        return _shifted(self._usage.get(account, EMPTY), -self._offset)

    def _used(self, account: Account) -> Usage:
        return _shifted(account.limiter.usage(self._wire.monotonic()), self._offset)


def _shifted(usage: Usage, seconds: float) -> Usage:
    return {name: tuple((at + seconds, units) for at, units in used) for name, used in usage.items()}
