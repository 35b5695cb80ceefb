"""What follows from a call that came back: its exchange goes on, it is made again, or something ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from revetl.contract import Fault, PutFile, Reply
from revetl.send.exchange import Flight
from revetl.send.lanes import LaneState
from revetl.send.ports import Trouble
from revetl.send.retry import Policy, backoff, diagnose
from revetl.send.running import Running
from revetl.send.verdict import Do, Tries, Verdict, judge_failure, judge_reply
from revetl.send.wire import Completion, Failure
from revetl.types import Effect

_DOWN = frozenset({"RVT-600", "RVT-603", "RVT-604", "RVT-605"})
"""Codes that, again and again, mean that a destination is down."""

_VOID = Failure("RVT-605", "nothing came back")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A flight that came back, and what that means."""

    state: LaneState
    flight: Flight
    reply: Reply | None
    verdict: Verdict

    @property
    def plain(self) -> bool:
        """Return whether it is an answer for its exchange and nothing else."""
        return self.verdict.do is Do.FINAL


class Landing:
    """Decides about completions. ``now`` and ``deadline`` are monotonic seconds."""

    def __init__(self, running: Running, policy: Policy, random: Random, deadline: float | None) -> None:
        """Be as patient as ``policy`` says, and no longer than ``deadline``."""
        self._running = running
        self._policy = policy
        self._random = random
        self._deadline = deadline

    def arrive(self, state: LaneState, flight: Flight, completion: Completion, now: float) -> Arrival:
        """Take the completion of a flight that was under way: count it, and see what it means."""
        self._count(state, flight, completion, now)
        return Arrival(state, flight, completion.reply, self._judge(state, flight, completion))

    def land(self, arrival: Arrival, now: float) -> None:
        """Do what follows from an arrival; until then its exchange counts the call as in flight."""
        state, flight, verdict = arrival.state, arrival.flight, arrival.verdict
        exchange = flight.exchange
        exchange.in_flight -= 1
        if verdict.doubt and flight.call.effect is not Effect.READ:
            exchange.doubt = True
            if verdict.do is not Do.FINAL:
                exchange.ending.lost()
        if verdict.congested:
            state.account.adapt.congested(now)
        state.account.failing += 1
        if exchange.closing is not None:
            self._stops(state, verdict)
            self._running.abandon(state, exchange, exchange.closing)
        else:
            self._act(state, flight, verdict, arrival.reply, now)

    def _count(self, state: LaneState, flight: Flight, completion: Completion, now: float) -> None:
        account, reply = state.account, completion.reply
        account.in_flight -= 1
        if completion.failure is not None and not completion.failure.sent:
            account.limiter.refund(flight.cost)
        elif reply is not None:
            account.limiter.replied(flight.cost, now, reply.headers, reply.at)
            account.adapt.replied(now, completion.seconds)
        else:
            account.limiter.replied(flight.cost, now)

    def _judge(self, state: LaneState, flight: Flight, completion: Completion) -> Verdict:
        renewable = flight.authenticated and state.credentials.renewable
        reply, found = completion.reply, None
        if completion.failure is not None or reply is None:
            flight.failures += 1
            tries = Tries(flight.call.effect, flight.failures, flight.throttles, renewable)
            return judge_failure(completion.failure or _VOID, tries, self._policy)
        if not isinstance(flight.call, PutFile):
            found = state.lane.destination.diagnose(reply) or diagnose(reply)
        if found is not None:
            flight.throttles += found.fault in (Fault.THROTTLED, Fault.BUSY)
            flight.failures += found.fault is Fault.UNAVAILABLE
        tries = Tries(flight.call.effect, flight.failures, flight.throttles, renewable)
        return judge_reply(reply, found, tries, self._policy)

    def _act(self, state: LaneState, flight: Flight, verdict: Verdict, reply: Reply | None, now: float) -> None:
        exchange = flight.exchange
        stop = self._running.halted or state.stopped
        match verdict.do:
            case Do.AGAIN | Do.RENEW if stop is not None:
                self._running.abandon(state, exchange, stop)
            case Do.FINAL if reply is not None:
                state.account.failing = state.account.given_up = 0
                state.credentials.worked(flight.generation)
                if exchange.answer(flight, reply):
                    self._running.follow(state, exchange, exchange.advance(exchange.replies()), now)
            case Do.AGAIN:
                self._again(state, flight, verdict, now)
            case Do.RENEW:
                self._renew(state, flight, verdict)
            case _:
                self._stops(state, verdict)
                trouble = Trouble(verdict.code, state.scrub(verdict.reason), later=verdict.code in _DOWN)
                self._running.abandon(state, exchange, trouble)
                self._given_up(state, verdict)

    def _stops(self, state: LaneState, verdict: Verdict) -> None:
        reason = state.scrub(verdict.reason)
        if verdict.do is Do.STOP_ACCOUNT:
            self._running.stop_account(state.account, verdict.code, reason, verdict.until)
        elif verdict.do is Do.STOP_LANE:
            self._running.stop_lane(state, Trouble(verdict.code, reason))

    def _again(self, state: LaneState, flight: Flight, verdict: Verdict, now: float) -> None:
        """Make the call again: never sooner than the destination asks, never beyond what the run may wait."""
        asked = verdict.after or 0.0
        wait = asked or backoff(flight.failures + flight.throttles, self._random, self._policy)
        if asked > self._policy.patience or (self._deadline is not None and now + wait > self._deadline):
            self._too_long(state, flight, verdict, now, asked)
            return
        state.repeats += 1
        if verdict.pause and (asked or not state.account.limiter.paused(now)):
            state.account.limiter.pause(now + wait)
        if verdict.pause:
            state.requeue(flight)
        else:
            self._running.later(now + wait, state, flight)

    def _too_long(self, state: LaneState, flight: Flight, verdict: Verdict, now: float, asked: float) -> None:
        reason = state.scrub(verdict.reason)
        if asked:
            text = f"{reason}; the destination asks to wait {asked:.0f} s"
            self._running.stop_account(state.account, "RVT-621", text, now + asked + self._running.offset)
        trouble = state.stopped or Trouble(verdict.code, f"{reason}; no time is left to try again", later=True)
        self._running.abandon(state, flight.exchange, trouble)

    def _renew(self, state: LaneState, flight: Flight, verdict: Verdict) -> None:
        if not state.credentials.refused(flight.generation, renewed=flight.renewed):
            trouble = Trouble("RVT-601", state.scrub(f"{verdict.reason}, with a new token too"))
            self._running.stop_lane(state, trouble)  # and with it this exchange, which has a call that is not in flight
            return
        flight.renewed = True
        state.repeats += 1
        state.requeue(flight)

    def _given_up(self, state: LaneState, verdict: Verdict) -> None:
        """Take a destination as down when exchange after exchange is given up and no call gets through."""
        if verdict.code not in _DOWN:
            return
        account = state.account
        account.given_up += 1
        if account.given_up >= self._policy.down:
            self._running.stop_account(account, verdict.code, verdict.reason)
