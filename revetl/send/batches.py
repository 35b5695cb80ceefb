"""What becomes of a batch's exchange: outcomes to the journal, a refused batch into halves, the rest accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revetl.contract import BatchRejected, Reply
from revetl.send.books import Books
from revetl.send.clerk import Clerk
from revetl.send.order import tokens_of
from revetl.send.parts import LANE_EXTRA, LANE_SHARE, Part
from revetl.send.ports import Trouble
from revetl.types import Change, Outcome, Proof, Status

if TYPE_CHECKING:
    from revetl.send.lanes import LaneState


class BatchEnding:
    """Accounts for one batch."""

    def __init__(self, part: Part, state: LaneState, clerk: Clerk, proof: Proof) -> None:
        """Open the books; less than ``proof`` delivers nothing."""
        self.part = part
        self.halves: list[Part] = []
        self._state = state
        self._clerk = clerk
        self._tally = state.tally(part.batch.sync)
        self._marked = False
        self._lost = part.lost
        self._job = part.job
        self._books = Books(part.batch, proof, state.scrub, state.lane.destination.request_id)

    def settled(self, outcomes: Iterable[Outcome], reply: Reply | None) -> None:
        """Take outcomes before the end."""
        self._clerk.settle(self._tally, self._accept(outcomes, reply))

    def job(self, job: str) -> None:
        """Make a job's id durable."""
        self._clerk.job(self.part.batch, job)
        self._job = job

    def called(self) -> None:
        """Count a call of the sync."""
        self._tally.calls += 1

    def uncalled(self) -> None:
        """Count one call less: it did not leave."""
        self._tally.calls -= 1

    def lost(self) -> None:
        """Remember that an attempt may still land: what is delivered from now on is not beyond doubt."""
        self._lost = True

    def before_once(self) -> None:
        """Make durable, once a batch, that a call leaves which must not be repeated."""
        if not self._marked:
            self._clerk.started(self.part.batch)
            self._marked = True

    def returned(self, value: Any, reply: Reply | None) -> None:
        """Take the outcomes, or halve."""
        if isinstance(value, BatchRejected):
            self._rejected(value, reply)
            return
        self._clerk.settle(self._tally, self._accept(value, reply))
        if self._books.left:
            self._loud(f"RVT-616 {self.part.batch.sync}: {len(self._books.left)} changes were left without an outcome")
            self._close(Status.UNKNOWN, "RVT-616", "the destination's module left it without an outcome", reply)

    def failed(self, trouble: Trouble, reply: Reply | None, *, doubt: bool, refused: bool) -> None:
        """Account for what the exchange leaves open."""
        code, reason = trouble.code, trouble.reason
        status = Status.UNKNOWN if doubt else Status.WAITING
        if code == "RVT-618":
            self._loud(f"RVT-618 {self.part.batch.sync}: {reason}")
            status = Status.UNKNOWN if reply is not None else status
        elif refused and len(self.part.batch.changes) == 1:
            status = Status.REJECTED
        elif self._job is not None and trouble.later:
            code, reason = "RVT-617", f"the job still runs there ({trouble.reason}); the next run goes on with it"
        self._close(status, code, reason, reply)

    def _accept(self, value: Any, reply: Reply | None) -> list[Outcome]:
        found = self._books.accept(value, reply)
        return [_doubted(outcome) for outcome in found] if self._lost else found

    def _rejected(self, why: BatchRejected, reply: Reply | None) -> None:
        left = list(self._books.left.values())
        if len(left) == 1:
            self._close(Status.REJECTED, self._state.scrub(why.code), why.reason, reply)
        elif left and self._may_halve():
            self._halve(left)
        else:
            status = Status.UNKNOWN if self._lost else Status.WAITING
            self._close(status, "RVT-614", f"the batch was refused ({why.code}: {why.reason})", reply)

    def _may_halve(self) -> bool:
        state, budget = self._state, self.part.budget
        return budget.left >= 2 and 2 * (state.halvings + 1) <= LANE_EXTRA + LANE_SHARE * state.calls

    def _halve(self, left: list[Change]) -> None:
        self.part.budget.left -= 2
        self._state.halvings += 1
        middle = (len(left) + 1) // 2
        for half in (left[:middle], left[middle:]):
            batch = replace(self.part.batch, changes=tuple(half))
            self.halves.append(replace(self.part, batch=batch, tokens=tokens_of(half), job=None, lost=self._lost))
        self._books.left.clear()

    def _close(self, status: Status, code: str, reason: str, reply: Reply | None) -> None:
        self._clerk.settle(self._tally, self._books.close(status, code, reason, reply))

    def _loud(self, text: str) -> None:
        self._state.note(self._state.scrub(text))


def _doubted(outcome: Outcome) -> Outcome:
    """Return an outcome as it is after a lost attempt: that one may still land, whatever the last reply said."""
    if outcome.status is Status.REJECTED:
        return replace(outcome, status=Status.UNKNOWN)
    return replace(outcome, repeated=True)
