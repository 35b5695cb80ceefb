"""The exchanges under way: begun, stepped, made to wait, ended; lanes and accounts stopped. ``now`` is monotonic."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from typing import Any

from revetl.contract import Token
from revetl.send.asks import Ask
from revetl.send.batches import BatchEnding
from revetl.send.exchange import Ending, Exchange, Flight
from revetl.send.intake import Intake
from revetl.send.lanes import Account, LaneState
from revetl.send.ports import Trouble


class Running:
    """Every open exchange, and what it waits for."""

    def __init__(self, intake: Intake, offset: float) -> None:
        """Pull batches from ``intake``; ``offset`` is UTC epoch minus monotonic seconds."""
        self.lanes: dict[str, LaneState] = {}
        self.accounts: dict[str, Account] = {}
        self.offset = offset
        self.halted: Trouble | None = None
        self.stops = 0  # of lanes, and of all
        self._intake = intake
        self._timers: list[tuple[float, int, LaneState, Flight | Exchange]] = []
        self._numbers = 0

    @property
    def busy(self) -> bool:
        """Return whether anything is under way or left to pull."""
        if self.halted is not None:
            return any(state.open for state in self.lanes.values())
        return any(state.busy for state in self.lanes.values())

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._numbers += 1
        return self._numbers

    # --- time ---

    @property
    def next_timer(self) -> float | None:
        """Return when something goes on by itself."""
        return self._timers[0][0] if self._timers else None

    def later(self, at: float, state: LaneState, thing: Flight | Exchange) -> None:
        """Go on with a repeat or a pause at ``at``."""
        heapq.heappush(self._timers, (at, self.number(), state, thing))

    def ring(self, now: float) -> None:
        """Go on with all whose time has come."""
        for state, thing in self._rung(now):
            if isinstance(thing, Flight):
                state.requeue(thing)
            elif thing.number in state.open:
                self.follow(state, thing, thing.advance(), now)

    def _rung(self, now: float) -> Iterator[tuple[LaneState, Flight | Exchange]]:
        while self._timers and self._timers[0][0] <= now:
            yield heapq.heappop(self._timers)[2:]

    # --- exchanges ---

    def ask(self, state: LaneState, steps: Generator[Any, Any, Any], now: float) -> Ask:
        """Begin an exchange that is not about rows."""
        ask = Ask()
        exchange = self._open(state, steps, ask)
        self.follow(state, exchange, exchange.advance(), now)
        return ask

    def pull(self, state: LaneState, now: float) -> bool:
        """Begin the next batch of a lane; return whether there was one."""
        if self.halted is not None or state.stopped is not None:
            return False
        part = self._intake.pull(state)
        if part is None:
            return False
        part = self._intake.sift(part, state)
        started = self._intake.start(part, state) if part.batch.changes else Trouble("", "")
        if isinstance(started, Trouble):
            self._intake.refuse(part, state, started)
            return True
        exchange = self._open(state, *started, doubt=part.doubtful)
        exchange.tokens = part.tokens
        self.follow(state, exchange, exchange.advance(), now)
        return True

    def follow(self, state: LaneState, exchange: Exchange, step: list[Flight] | float | None, now: float) -> None:
        """Do what a stepped exchange needs next."""
        stop = self.halted or state.stopped
        if step is None:
            self._accept(state, exchange, now)
            self._close(state, exchange)
        elif stop is not None:
            self.abandon(state, exchange, stop)
        elif isinstance(step, list):
            (state.urgent if exchange is state.renewal else state.ready).extend(step)
        else:
            self.later(now + step, state, exchange)

    def abandon(self, state: LaneState, exchange: Exchange, trouble: Trouble) -> None:
        """End an exchange as soon as none of its calls is in flight: its tokens are held until then."""
        if exchange.number not in state.open:
            return
        exchange.closing = exchange.closing or trouble
        exchange.drop()
        if not exchange.in_flight:
            exchange.fail(exchange.closing)
            self._close(state, exchange)

    def _open(
        self, state: LaneState, steps: Generator[Any, Any, Any], ending: Ending, *, doubt: bool = False
    ) -> Exchange:
        exchange = Exchange(self.number(), steps, ending, doubt=doubt)
        state.open[exchange.number] = exchange
        return exchange

    def _close(self, state: LaneState, exchange: Exchange) -> None:
        del state.open[exchange.number]
        if exchange is state.renewal:
            self._renewed(state, exchange)
        elif isinstance(exchange.ending, BatchEnding):
            self._intake.ended(exchange.ending, exchange.tokens, state)
            stop = self.halted or state.stopped
            if stop is not None:
                self._intake.discard(state, stop)

    # --- stops ---

    def stop_lane(self, state: LaneState, trouble: Trouble) -> None:
        """Let nothing more leave on a lane; what is wholly in flight may still come to its end."""
        if state.stopped is None:
            state.stopped = trouble
            self._quiet(state, trouble)

    def stop_account(self, account: Account, code: str, reason: str, until: float | None = None) -> None:
        """Let nothing more leave on any lane of an account; it takes calls again at ``until`` (UTC epoch)."""
        for state in list(account.lanes):
            self.stop_lane(state, Trouble(code, state.scrub(reason), later=True, until=until))

    def halt(self, trouble: Trouble) -> None:
        """Let nothing more leave at all."""
        if self.halted is None:
            self.halted = trouble
            for state in self.lanes.values():
                self._quiet(state, trouble)

    def _quiet(self, state: LaneState, trouble: Trouble) -> None:
        self.stops += 1
        for exchange in list(state.open.values()):
            if exchange.waits:
                self.abandon(state, exchange, trouble)
        self._intake.discard(state, trouble)

    # --- tokens ---

    def renew(self, state: LaneState, now: float) -> None:
        """Begin to get a token; the lane's other calls wait for it."""
        auth = state.lane.destination.auth
        if auth is not None and auth.token is not None and state.renewal is None:
            state.renewal = exchange = self._open(state, auth.token(state.lane.settings), Ask())
            self.follow(state, exchange, exchange.advance(), now)

    def _accept(self, state: LaneState, exchange: Exchange, now: float) -> None:
        """Keep the token that came of an exchange for one."""
        ask = exchange.ending
        if exchange is state.renewal and isinstance(ask, Ask) and isinstance(ask.value, Token):
            state.credentials.accept(ask.value, now)

    def _renewed(self, state: LaneState, exchange: Exchange) -> None:
        state.renewal, ask = None, exchange.ending
        if not isinstance(ask, Ask) or isinstance(ask.value, Token):
            return
        trouble = ask.trouble or Trouble("RVT-618", "no token came of the exchange for one")
        code = "RVT-619" if trouble.code == "RVT-606" else trouble.code
        stop = Trouble(code, f"no access token: {trouble.reason}", trouble.later, trouble.until, trouble.error)
        self.stop_lane(state, stop)
