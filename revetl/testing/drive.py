"""Run an exchange without a sender: hand each call to a function, feed the reply back, collect what comes out.

A real sender retries, halves, limits and waits; this one does none of it except halving (:func:`deliver`), so that a
test sees each call of an action exactly once, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from revetl.contract import (
    Action,
    BatchRejected,
    Call,
    Http,
    JobStarted,
    Pause,
    PutFile,
    Reply,
    Settled,
    Sql,
    UnreadableReply,
)
from revetl.types import Batch, Change, Outcome, Status

Handler = Callable[[Call], Reply]
Pausing = Callable[[float], None]


@dataclass(slots=True)
class Driven:
    """What an exchange did: its calls in order, its outcomes, and what it returned beside them."""

    calls: list[Call] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rejected: BatchRejected | None = None
    unreadable: UnreadableReply | None = None
    value: Any = None  # what a generator returns that is no action: account, discover, prepare, read_back
    jobs: list[str] = field(default_factory=list)
    side_by_side: int = 1  # the widest tuple of calls

    def of(self, change: Change) -> list[Outcome]:
        """Return the outcomes of one change: exactly one where all is well."""
        return [outcome for outcome in self.outcomes if outcome.change.seq == change.seq]

    def statuses(self) -> dict[int, Status]:
        """Return sequence number → status."""
        return {outcome.change.seq: outcome.status for outcome in self.outcomes}


def no_time(_: float) -> None:
    """Let no time pass."""


def drive(exchange: Generator[Any, Any, Any], handler: Handler, *, pause: Pausing = no_time) -> Driven:
    """Step ``exchange`` to its end. An unreadable reply ends it, as it does in the sender.

    ``pause`` is told of the seconds that must pass.
    """
    seen = Driven()
    sent: Any = None
    try:
        while True:
            sent = step(exchange.send(sent), handler, seen, pause)
    except StopIteration as end:
        seen.value = end.value
    except UnreadableReply as error:
        seen.unreadable = error
    if isinstance(seen.value, BatchRejected):
        seen.rejected = seen.value
    elif isinstance(seen.value, Sequence) and all(isinstance(item, Outcome) for item in seen.value):
        seen.outcomes.extend(seen.value)
    return seen


def step(yielded: Any, handler: Handler, seen: Driven, pause: Pausing = no_time) -> Any:
    """Do what an exchange yielded; return what it is to be sent."""
    match yielded:
        case Http() | PutFile() | Sql():
            seen.calls.append(yielded)
            return handler(yielded)
        case tuple():
            seen.side_by_side = max(seen.side_by_side, len(yielded))
            seen.calls.extend(yielded)
            return tuple(handler(call) for call in yielded)
        case Settled(outcomes):
            seen.outcomes.extend(outcomes)
        case JobStarted(job):
            seen.jobs.append(job)
        case Pause(seconds):
            pause(seconds)
        case _:
            raise TypeError(f"an exchange may not yield {type(yielded).__name__}")
    return None


def deliver(action: Action, batch: Batch, handler: Handler, *, pause: Pausing = no_time) -> Driven:
    """Run an action, halving what it refuses as a whole, until each change has its outcome or is left without one."""
    seen = drive(action.run(batch), handler, pause=pause)
    if seen.rejected is None:
        return seen
    settled = {outcome.change.seq for outcome in seen.outcomes}
    rest = [change for change in batch.changes if change.seq not in settled]
    if len(rest) == 1:
        why = seen.rejected
        seen.outcomes.append(Outcome.rejected(rest[0], code=why.code, reason=why.reason))
        return seen
    for half in (rest[: len(rest) // 2], rest[len(rest) // 2 :]):
        part = deliver(action, replace(batch, changes=half), handler, pause=pause)
        seen.calls += part.calls
        seen.outcomes += part.outcomes
        seen.unreadable = seen.unreadable or part.unreadable
    return seen
