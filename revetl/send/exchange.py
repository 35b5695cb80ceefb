"""One generator on its way: its calls, its replies, and whether anything of it may have been applied."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from revetl.contract import Call, Http, JobStarted, Pause, PutFile, Reply, Settled, Sql, UnreadableReply
from revetl.errors import RevetlError, TryLater
from revetl.send.books import ContractBroken
from revetl.send.order import Tokens
from revetl.send.ports import Trouble
from revetl.types import Outcome

MODULE_FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RuntimeError)
"""What a mistake in a destination's module raises when a reply is not what its author expected."""
NAMED_REFUSALS = frozenset({400, 404, 422})
"""Statuses that refuse the one record of a call, whatever their body says."""


class Ending(Protocol):
    """Who an exchange is for: what becomes of what it yields and returns."""

    def settled(self, outcomes: Iterable[Outcome], reply: Reply | None, /) -> None:
        """Take outcomes before the end."""

    def job(self, job: str, /) -> None:
        """Make a job's id durable."""

    def called(self) -> None:
        """Count a call that leaves."""

    def uncalled(self) -> None:
        """Count a call that was held back as none."""

    def lost(self) -> None:
        """Learn that an attempt was lost which may still land, after the repeat that now follows."""

    def before_once(self) -> None:
        """Make durable that a call leaves which must not be repeated."""

    def returned(self, value: Any, reply: Reply | None, /) -> None:
        """Take the exchange's result."""

    def failed(self, trouble: Trouble, reply: Reply | None, /, *, doubt: bool, refused: bool) -> None:
        """Account for an exchange without a result. ``doubt``: something of it may have been applied; ``refused``:
        the last reply refused what it was sent.
        """


@dataclass(slots=True, eq=False)
class Flight:
    """One call of an exchange, through all its repeats."""

    exchange: Exchange
    slot: int
    call: Call
    failures: int = 0
    throttles: int = 0
    generation: int = 0  # of the token it went out with
    renewed: bool = False  # it was repeated with a new token before
    dropped: bool = False

    @property
    def cost(self) -> Mapping[str, int]:
        """Return what the call takes of the limits."""
        return self.call.cost

    @property
    def authenticated(self) -> bool:
        """Return whether the call carries credentials."""
        return isinstance(self.call, Http) and self.call.authenticated


class Exchange:
    """A generator, stepped by the coordinator alone."""

    def __init__(self, number: int, steps: Generator[Any, Any, Any], ending: Ending, *, doubt: bool = False) -> None:
        """Run ``steps`` for ``ending``; ``doubt`` where an earlier run may have applied something."""
        self.number = number
        self.ending = ending
        self.doubt = doubt
        self.in_flight = 0
        self.tokens = Tokens()
        self.closing: Trouble | None = None
        self._steps = steps
        self._flights: list[Flight] = []
        self._replies: list[Reply | None] = []
        self._missing = 0
        self._single = True
        self._last: Reply | None = None

    @property
    def waits(self) -> bool:
        """Return whether it can only go on by leaving again or by time passing, not by replies to come alone."""
        return not self._missing or self.in_flight < self._missing

    def advance(self, value: Any = None) -> list[Flight] | float | None:
        """Step until calls must leave, seconds must pass, or (None) the exchange is over."""
        while True:
            try:
                item = self._steps.send(value)
            except StopIteration as stop:
                self._returned(stop.value)
                return None
            except UnreadableReply as error:
                self._fail(Trouble("RVT-606", str(error)), refused=error.status in NAMED_REFUSALS)
                return None
            except RevetlError as error:
                self._fail(Trouble(error.code, error.what, isinstance(error, TryLater), error=error))
                return None
            except MODULE_FAULTS as error:
                self._fail(Trouble("RVT-618", f"{type(error).__name__} in {_place(error)}"))
                return None
            try:
                step = self._take(item)
            except ContractBroken as broken:
                self.fail(Trouble("RVT-618", str(broken)))
                return None
            if step is not None:
                return step
            value = () if item == () else None

    def answer(self, flight: Flight, reply: Reply) -> bool:
        """Keep the final reply of a flight; return whether the exchange can be stepped with :meth:`replies`."""
        self._replies[flight.slot] = self._last = reply
        self._missing -= 1
        if not self._missing and not self._single:
            self._last = self._replies[-1]
        return not self._missing

    def replies(self) -> Any:
        """Return what the generator is to be sent."""
        return self._replies[0] if self._single else tuple(self._replies)

    def drop(self) -> None:
        """Let no further call of it leave."""
        for flight in self._flights:
            flight.dropped = True

    def fail(self, trouble: Trouble) -> None:
        """Close the generator and account for what it leaves."""
        try:
            self._steps.close()
        except (RuntimeError, RevetlError, UnreadableReply, *MODULE_FAULTS):
            trouble = Trouble(trouble.code, f"{trouble.reason}; its module failed while closing", trouble.later)
        self._fail(trouble)

    def _take(self, item: Any) -> list[Flight] | float | None:
        match item:
            case Settled(outcomes=outcomes):
                self.ending.settled(outcomes, self._last)
            case JobStarted(id=job):
                self.ending.job(job)
            case Pause(seconds=seconds):
                self._missing = 0
                return max(0.0, float(seconds))
            case Http() | PutFile() | Sql():
                return self._leave((item,), single=True)
            case tuple() if all(isinstance(call, Http | PutFile | Sql) for call in item):
                return self._leave(item, single=False) if item else None
            case _:
                raise ContractBroken(f"it yielded {type(item).__name__}")
        return None

    def _leave(self, calls: tuple[Call, ...], *, single: bool) -> list[Flight]:
        self._flights = [Flight(self, slot, call) for slot, call in enumerate(calls)]
        self._replies = [None] * len(calls)
        self._missing, self._single = len(calls), single
        return self._flights

    def _returned(self, value: Any) -> None:
        self._flights = []  # which hold the exchange: all of it is dropped with its last use, not at some collection
        try:
            self.ending.returned(value, self._last)
        except ContractBroken as broken:
            self._fail(Trouble("RVT-618", str(broken)))

    def _fail(self, trouble: Trouble, *, refused: bool = False) -> None:
        self._flights = []
        self.ending.failed(trouble, self._last, doubt=self.doubt, refused=refused)


def _place(error: BaseException) -> str:
    """Return where an error was raised, without the values that its own text may carry."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "its module"
