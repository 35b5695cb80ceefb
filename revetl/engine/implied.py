"""A record that goes whole after its new identity need not go where the identity's own reply proves that it stands.

Where partial writes are impossible, whoever is renamed is sent in full: another record may have held the new identity.
Where the rename was answered with the id that the record had before, it is the same record, with all that was
delivered to it: nothing is left to write.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from revetl.contract import Action, Exchange, Settled
from revetl.state.journal import IMPLIED
from revetl.state.outbox import moved_in_place
from revetl.state.store import Store
from revetl.types import Batch, Outcome


class Implied:
    """The UPSERTs of one sync and run that may turn out to be done, and those that have."""

    def __init__(self, seqs: Collection[int] = ()) -> None:
        """Take the numbers of UPSERTs that carry nothing new but the identity."""
        self._seqs = frozenset(seqs)
        self._done: set[int] = set()

    def learn(self, store: Store, run: str, batch: Batch) -> None:
        """Note whose rename is acknowledged by now, under the id that the record had."""
        asked = {change.key: change.seq for change in batch.changes if change.seq in self._seqs}
        if asked:
            self._done.update(asked[key] for key in moved_in_place(store, run, batch.sync, list(asked)))

    def sparing(self, action: Action) -> Action:
        """Return the action, which settles without a call what is done."""
        return replace(action, run=lambda batch: self._run(action, batch)) if self._seqs else action

    def _run(self, action: Action, batch: Batch) -> Exchange:
        done = [change for change in batch.changes if change.seq in self._done]
        if done:
            yield Settled(
                tuple(replace(Outcome.delivered(change, proof=action.proof), code=IMPLIED) for change in done)
            )
        rest = tuple(change for change in batch.changes if change.seq not in self._done)
        return (yield from action.run(replace(batch, changes=rest))) if rest else []
