"""Order per key and per identity: what may not be in flight together, and what must not follow a failure."""

from __future__ import annotations

from collections.abc import Iterable

from revetl.types import Change, Op, Outcome, Status

Tag = tuple[str, ...]

_RANK = {Op.IDENTITY: 0, Op.UPSERT: 1, Op.JOIN: 2, Op.PART: 2, Op.LEAVE: 3}
"""The order in which the operations of one key build on each other; equal ranks do not."""


class Order:
    """The tokens of batches in flight or waiting for a repeat, and the keys whose change did not go through."""

    def __init__(self) -> None:
        """Start with nothing in flight."""
        self._held: set[Tag] = set()
        self._failed: dict[tuple[str, str], int] = {}  # (sync, key) → lowest rank that was not delivered
        self._doubtful: dict[tuple[str, str], str] = {}  # (sync, identity) → key whose IDENTITY was not delivered

    def held(self, token: Tag) -> bool:
        """Return whether a batch holds ``token``."""
        return token in self._held

    def conflict(self, tokens: Iterable[Tag]) -> Tag | None:
        """Return a token that is held, if any."""
        held = self._held
        return next((token for token in tokens if token in held), None)

    def hold(self, tokens: Iterable[Tag]) -> None:
        """Hold tokens, which are free."""
        self._held.update(tokens)

    def release(self, tokens: Iterable[Tag]) -> None:
        """Let tokens go."""
        self._held.difference_update(tokens)

    def note(self, outcome: Outcome) -> None:
        """Remember an outcome that later operations of the key, or takers of its identity, must know of."""
        if outcome.status is Status.DELIVERED:
            return
        change = outcome.change
        at = (change.sync, change.key)
        self._failed[at] = min(self._failed.get(at, 9), _RANK[change.op])
        if change.op is Op.IDENTITY:
            self._doubtful[change.sync, change.identity] = change.key
            if change.before_identity is not None:
                self._doubtful[change.sync, change.before_identity] = change.key

    def blocked(self, change: Change) -> tuple[str, str] | None:
        """Return code and reason where ``change`` must not be sent in this run, None where it may."""
        failed = self._failed.get((change.sync, change.key))
        if failed is not None and failed < _RANK[change.op]:
            return "RVT-612", "an earlier operation of the same key did not go through"
        if self._doubtful.get((change.sync, change.identity), change.key) != change.key:
            return "RVT-613", "another record may still hold this identity: its change did not go through"
        return None


def tokens_of(changes: Iterable[Change]) -> list[Tag]:
    """Return the tokens of all changes."""
    return [token for change in changes for token in change.tokens]
