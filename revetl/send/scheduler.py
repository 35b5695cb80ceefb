"""Which call may leave now, and what follows from one that came back. Pure: no clock, no thread, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from revetl.contract import Call
from revetl.send.clerk import Clerk
from revetl.send.exchange import Flight
from revetl.send.landing import Arrival, Landing
from revetl.send.lanes import Account, LaneState
from revetl.send.origin import NotAllowed
from revetl.send.ports import Lane, Trouble
from revetl.send.running import Running
from revetl.send.wire import HELD, Completion
from revetl.types import Effect


@dataclass(frozen=True, slots=True)
class Departure:
    """A call that leaves, dressed and addressed: now, or once fewer than ``behind`` are under way."""

    ticket: int
    lane: Lane
    call: Call
    behind: int | None = None


class Scheduler:
    """Owns what is in flight. ``now`` is monotonic seconds everywhere."""

    def __init__(self, running: Running, landing: Landing, clerk: Clerk, *, queues: bool = False) -> None:
        """Step the exchanges of ``running``; the wire ``queues`` what is called before its turn."""
        self._running = running
        self._landing = landing
        self._clerk = clerk
        self._queues = queues
        self._out: dict[int, tuple[LaneState, Flight]] = {}

    @property
    def in_flight(self) -> int:
        """Return the number of calls under way."""
        return len(self._out)

    def wake_at(self) -> float | None:
        """Return when something becomes due by itself, None where only completions can make it so."""
        times = [account.wake for account in self._running.accounts.values() if account.wake is not None]
        timer = self._running.next_timer
        return min(times if timer is None else [*times, timer], default=None)

    def due(self, now: float) -> Iterator[Departure]:
        """Yield every call that may leave now; each is under way from the moment it is yielded."""
        self._running.ring(now)
        for account in self._running.accounts.values():
            yield from self._due(account, now)

    def prepare(self, now: float) -> bool:
        """Begin one batch before its turn, so that it leaves at once when a call comes back; return whether one was."""
        for account in self._running.accounts.values():
            ahead = max(1, account.adapt.window // 4)
            for state in account.lanes:
                if len(state.ready) < ahead and self._running.pull(state, now):
                    return True
        return False

    def arrive(self, completions: Iterable[Completion], now: float) -> list[Arrival]:
        """Take completions that came together: what they say of limits holds before anything else leaves.

        Return them to be landed in this order: first what is no plain answer, for it may stop or slow the account.
        """
        arrivals = []
        for completion in completions:
            out = self._out.pop(completion.ticket, None)
            if out is not None and completion.failure is HELD:
                self._take_back(*out)
            elif out is not None:
                arrivals.append(self._arrive(*out, completion, now))
        return sorted(arrivals, key=lambda arrival: arrival.plain)

    def land(self, arrival: Arrival, now: float) -> None:
        """Let what has arrived have its effect."""
        self._landing.land(arrival, now)

    def cut(self, trouble: Trouble) -> None:
        """Stop waiting for calls in flight: nobody knows what became of them."""
        flying, self._out = list(self._out.values()), {}
        for state, flight in flying:
            state.account.in_flight -= 1
            flight.exchange.in_flight -= 1
            flight.exchange.doubt |= flight.call.effect is not Effect.READ
        for state, flight in flying:
            self._running.abandon(state, flight.exchange, trouble)

    def _arrive(self, state: LaneState, flight: Flight, completion: Completion, now: float) -> Arrival:
        status = completion.reply.status if completion.reply is not None else None
        self._clerk.call(state.lane, flight.call, status, completion.seconds)
        return self._landing.arrive(state, flight, completion, now)

    def _take_back(self, state: LaneState, flight: Flight) -> None:
        """Let a call leave at its turn that was queued and never begun."""
        account, exchange = state.account, flight.exchange
        account.in_flight -= 1
        exchange.in_flight -= 1
        account.limiter.refund(flight.cost)
        state.calls -= 1
        exchange.ending.uncalled()
        stop = exchange.closing or self._running.halted or state.stopped
        if stop is not None:
            self._running.abandon(state, exchange, stop)
        else:
            state.requeue(flight)

    def _due(self, account: Account, now: float) -> Iterator[Departure]:
        account.wake = None
        yield from self._leaving(account, now)
        if account.in_flight >= account.adapt.window:
            account.adapt.filled()

    def _ahead(self, account: Account) -> int:
        """Return how many calls are queued behind those in flight: none where what a reply says counts in a limit."""
        return account.adapt.window if self._queues and not account.limiter.limits else 0

    def _leaving(self, account: Account, now: float) -> Iterator[Departure]:
        most = account.adapt.window
        room = most + self._ahead(account)
        while account.in_flight < room:
            found = self._next(account, now)
            if found is None:
                return
            state, flight = found
            if self._spent(account, flight, now):
                continue
            at = account.limiter.ready_at(flight.cost, now)
            if at is None or at > now:
                account.wake = at
                return
            behind = None if account.in_flight < most else most
            if behind is not None and flight.call.effect is Effect.ONCE:
                return  # it counts as begun, for good, from here on
            departure = self._launch(state, flight, now, behind)
            if departure is not None:
                yield departure

    def _spent(self, account: Account, flight: Flight, now: float) -> bool:
        """Stop the account where a quota has no room for the call."""
        spent = account.limiter.spent(flight.cost, now)
        if spent is None:
            return False
        until = None if spent.until is None else spent.until + self._running.offset
        reason = f"the quota {spent.limit.name} ({spent.limit.allowance}) is spent"
        self._running.stop_account(account, "RVT-602", reason, until)
        return True

    def _next(self, account: Account, now: float) -> tuple[LaneState, Flight] | None:
        """Return the flight whose turn it is, still in its queue: lanes take turns."""
        for _ in range(len(account.lanes)):
            state = account.lanes[0]
            account.lanes.rotate(-1)
            flight = self._head(state, now)
            if flight is not None:
                return state, flight
        return None

    def _head(self, state: LaneState, now: float) -> Flight | None:
        while True:
            flight = state.head()
            if flight is None:
                if not self._running.pull(state, now):
                    return None
            elif not flight.authenticated or not state.credentials.missing(now):
                return flight
            elif state.renewal is not None:
                return None
            else:
                self._running.renew(state, now)

    def _launch(self, state: LaneState, flight: Flight, now: float, behind: int | None) -> Departure | None:
        state.pop()
        try:
            call = state.dress(flight)
        except NotAllowed as refused:
            trouble = Trouble("RVT-609", f"{flight.call.label}: {refused}")
            self._running.stop_lane(state, trouble)
            self._running.abandon(state, flight.exchange, trouble)
            return None
        account, ticket = state.account, self._running.number()
        account.adapt.sent(now, account.in_flight)
        account.limiter.take(flight.cost)
        account.in_flight += 1
        flight.exchange.in_flight += 1
        flight.exchange.ending.called()
        state.calls += 1
        if flight.call.effect is Effect.ONCE:
            flight.exchange.ending.before_once()
        self._out[ticket] = state, flight
        return Departure(ticket, state.lane, call, behind)
