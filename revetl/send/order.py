"""Order per key and per identity: what may not be in flight together, and what must not follow a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from revetl.types import Change, Op, Outcome

Tag = tuple[str, str]

_RANK = {Op.IDENTITY: 0, Op.UPSERT: 1, Op.JOIN: 2, Op.PART: 2, Op.LEAVE: 3}
"""The order in which the operations of one key build on each other; equal ranks do not."""


@dataclass(slots=True)
class Tokens:
    """What no two batches of one sync in flight may share: keys, and each identity that is touched."""

    sync: str = ""
    keys: set[str] = field(default_factory=set)
    identities: set[str] = field(default_factory=set)

    def meets(self, other: Tokens) -> bool:
        """Return whether anything stands in both."""
        return not (self.keys.isdisjoint(other.keys) and self.identities.isdisjoint(other.identities))


class Order:
    """The tokens of batches in flight or waiting for a repeat, and the keys whose change did not go through."""

    def __init__(self) -> None:
        """Start with nothing in flight."""
        self._held: dict[str, Tokens] = {}
        self._failed: dict[Tag, int] = {}  # (sync, key) → lowest rank that was not delivered
        self._doubtful: dict[Tag, str] = {}  # (sync, identity) → key whose IDENTITY was not delivered

    @property
    def unbroken(self) -> bool:
        """Return whether everything so far was delivered: then nothing is blocked."""
        return not self._failed

    def free(self, tokens: Tokens) -> bool:
        """Return whether no batch holds any of ``tokens``."""
        held = self._held.get(tokens.sync)
        return held is None or not held.meets(tokens)

    def hold(self, tokens: Tokens) -> None:
        """Hold tokens, which are free."""
        held = self._held.setdefault(tokens.sync, Tokens(tokens.sync))
        held.keys |= tokens.keys
        held.identities |= tokens.identities

    def release(self, tokens: Tokens) -> None:
        """Let tokens go."""
        held = self._held.get(tokens.sync)
        if held is not None:
            held.keys -= tokens.keys
            held.identities -= tokens.identities

    def note(self, outcome: Outcome) -> None:
        """Remember a change that was not delivered, for later ones of its key and takers of its identity."""
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


def tokens_of(changes: Sequence[Change]) -> Tokens:
    """Return the tokens of the changes of one batch."""
    identities = {change.identity for change in changes}
    identities.update(change.before_identity for change in changes if change.before_identity is not None)
    return Tokens(changes[0].sync, {change.key for change in changes}, identities)
