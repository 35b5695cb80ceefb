"""The accounting of one batch: exactly one outcome per change, none better than its proof. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from revetl.contract import Reply
from revetl.types import Batch, Change, Outcome, Proof, Status

_STRENGTH = {Proof.ACCEPTED: 1, Proof.ACCOUNT: 2, Proof.ROW: 3, None: 0}


class ContractBroken(Exception):
    """A destination's module did what the contract rules out; nothing that it says of the batch can be believed."""


class Books:
    """What is still open of a batch, and how each outcome is checked before anybody else sees it."""

    def __init__(self, batch: Batch, proof: Proof, scrub: Callable[[str], str], request_id: str | None) -> None:
        """Expect ``proof`` at least; ``request_id`` is the header that names a request at the vendor."""
        self.left: dict[int, Change] = {change.seq: change for change in batch.changes}
        self._proof = proof
        self._scrub = scrub
        self._request_id = request_id

    def accept(self, outcomes: Iterable[Any], reply: Reply | None) -> list[Outcome]:
        """Return ``outcomes`` vetted, and close their changes.

        Raises:
            ContractBroken: something is no outcome, or belongs to a change that is not open here; nothing is closed.
        """
        try:
            named = list(outcomes)
        except TypeError:
            raise ContractBroken("what it returned holds no outcomes") from None
        seen: set[int] = set()
        for outcome in named:
            if not isinstance(outcome, Outcome):
                raise ContractBroken(f"it returned {type(outcome).__name__} as an outcome")
            change = outcome.change
            known = self.left.get(change.seq)
            if known is not change and known != change:
                raise ContractBroken("it returned an outcome for a change that was not open in the batch")
            seen.add(change.seq)
        if len(seen) < len(named):
            raise ContractBroken("it returned two outcomes for one change")
        for seq in seen:
            del self.left[seq]
        where = self._where(reply)
        return [self._vet(outcome, where) for outcome in named]

    def close(self, status: Status, code: str, reason: str, reply: Reply | None = None) -> list[Outcome]:
        """Return ``status`` for every change still open, and close them."""
        reason = self._scrub(reason)
        where = self._where(reply)
        found = [Outcome(change, status, code, reason, None, None, None, *where) for change in self.left.values()]
        self.left.clear()
        return found

    def _vet(self, outcome: Outcome, where: tuple[int | None, str | None]) -> Outcome:
        if outcome.status is Status.DELIVERED and _STRENGTH[outcome.proof] < _STRENGTH[self._proof]:
            outcome.status, outcome.code = Status.UNKNOWN, "RVT-615"
            outcome.reason = f"proven by {outcome.proof or 'nothing'}, {self._proof} is declared"
        if outcome.code or outcome.reason:
            outcome.code = self._scrub(outcome.code) if outcome.code else ""
            outcome.reason = self._scrub(outcome.reason) if outcome.reason else ""
        if outcome.http_status is None:
            outcome.http_status = where[0]
        if outcome.request_id is None:
            outcome.request_id = where[1]
        return outcome

    def _where(self, reply: Reply | None) -> tuple[int | None, str | None]:
        if reply is None:
            return None, None
        named = reply.headers.get(self._request_id.lower()) if self._request_id else None
        return reply.status, self._scrub(named) if named else None
