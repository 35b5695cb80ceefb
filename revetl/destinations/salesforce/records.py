"""Create and update records, 200 a call; each row is answered by its position."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from revetl.contract import BatchRejected, Exchange, Http, Pause, Reply, UnreadableReply
from revetl.destinations.salesforce import api, read, soql
from revetl.types import JSON, Batch, Change, Effect, Mode, Outcome

# What a write says of a record that was deleted, merged into another one, or never was there.
GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})
LOCKED = "UNABLE_TO_LOCK_ROW"
_LOCK_WAITS = (1.0, 4.0)  # seconds before a locked row is sent again: locks are held for the length of one write


@dataclass(slots=True)
class Answer:
    """What a write said: outcomes, and the changes whose record id is not there (any more)."""

    done: list[Outcome] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to write rows: ``PATCH`` below an external id field or by id, or ``POST``."""

    batch: Batch
    method: str
    path: str = ""
    ids: dict[int, str] | None = None  # by record id
    creates: bool = False
    only: Mapping[str, JSON] | None = None  # these values in place of the change's own
    blanks: Mapping[str, JSON] | None = None  # field → what empties it: the record is cleared, its identity stays

    def call(self, changes: Sequence[Change]) -> Http:
        """Return the call that writes these changes."""
        effect = Effect.ONCE if self.creates else Effect.REPEATABLE
        rows = (self.row(change) for change in changes)
        return api.collection(self.method, self.path, self.batch.object, rows, effect=effect)

    def row(self, change: Change) -> dict[str, JSON]:
        """Return the record as the call carries it: with its links, and opted out where consent is withdrawn."""
        values = self.values(change)
        return values if self.ids is None else {"id": self.ids[change.seq], **values}

    def values(self, change: Change) -> dict[str, JSON]:
        """Return what is written of a change."""
        if self.only is not None:
            return dict(self.only)
        if self.blanks is not None:
            return {name: self.blanks[name] for name in (*change.fields, *change.links) if name in self.blanks}
        values = {**change.fields, self.batch.match_field: change.match}
        # A link that leads to nothing yet is no reason to empty what a person filled in there.
        values |= {name: link.id for name, link in change.links.items() if link.id or link.before}
        return values | ({read.OPT_OUT: True} if change.consent is False else {})

    def verdict(self, change: Change, row: Mapping[str, JSON]) -> Outcome | None:
        """Return what became of a row; None where its id is not there (any more)."""
        if row["success"]:
            return self._written(change, row)
        code, reason = api.error(row)
        if code == LOCKED:
            return Outcome.waiting(change, code=code, reason=reason)
        if code in GONE and self.ids is not None:
            return None
        return Outcome.rejected(change, code=code, reason=reason)

    def _written(self, change: Change, row: Mapping[str, JSON]) -> Outcome:
        record = str(row["id"])
        if self.ids is not None and record != self.ids[change.seq]:
            raise UnreadableReply(200, "a result names another record than the one sent")
        created: bool | None = None
        if self.creates or row.get("created") is True:
            created = True
        elif change.created is None or (change.remote_id and change.remote_id != record):
            created = False  # somebody else's record: it is never deleted on leave
        return Outcome.delivered(change, remote_id=record, created=created)


def by_parent(changes: Iterable[Change]) -> list[Change]:
    """Return the changes such that those of one account are neighbours: writes of its people lock the account."""
    return sorted(changes, key=_parents)


def _parents(change: Change) -> list[str]:
    return sorted(link.id or "" for link in change.links.values()) or [str(change.fields.get("AccountId") or "")]


def upsert(batch: Batch) -> Exchange:
    """Update what has an id by id; upsert the rest, and what turns out to be gone, by external id."""
    if not batch.changes:
        return []
    if batch.mode is Mode.INSERT:
        return finish((yield from write(Way(batch, "POST", creates=True), batch.changes)), batch.changes)
    if batch.mode is Mode.UPDATE:
        return (yield from _update_found(batch))
    known = [c for c in batch.changes if c.remote_id]
    answer = Answer()
    if known:
        result = yield from write(by_id(batch, api.known_ids(known, {})), known)
        if isinstance(result, Reply):
            return api.refuse_all(result, batch.changes)
        answer = result
    rest = [c for c in batch.changes if not c.remote_id] + answer.gone
    if not rest:
        return answer.done
    yield from api.settle(answer.done)
    return finish((yield from write(by_external_id(batch), rest)), rest)


def by_id(batch: Batch, ids: dict[int, str], *, blanks: Mapping[str, JSON] | None = None) -> Way:
    """Return the update by record id; with ``blanks`` it empties the fields."""
    return Way(batch, "PATCH", ids=ids, blanks=blanks)


def by_external_id(batch: Batch) -> Way:
    """Return the upsert by external id."""
    return Way(batch, "PATCH", f"/{batch.object}/{quote(batch.match_field, safe='')}")


def _update_found(batch: Batch) -> Exchange:
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    there = [c for c in batch.changes if ids[c.seq]]
    yield from api.settle(absent(c) for c in batch.changes if not ids[c.seq])
    if not there:
        return []
    return finish((yield from write(by_id(batch, ids), there)), there)


def absent(change: Change) -> Outcome:
    """Return the refusal of an update of nobody."""
    return Outcome.rejected(change, code="NOT_FOUND", reason="no such record, and none is created here")


def finish(result: Answer | Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what the last call makes of its changes; what earlier calls proved is settled before it."""
    if isinstance(result, Reply):
        return api.refuse_all(result, changes)
    return [*result.done, *(absent(change) for change in result.gone)]


def write(way: Way, changes: Sequence[Change]) -> Generator[Any, Any, Answer | Reply]:
    """Write rows; those that another write held locked come again, and wait for a later run if they stay so.

    Returns the answer by row, or the reply that refuses the first call as a whole.
    """
    answer = Answer()
    left = by_parent(changes)
    for wait in (*_LOCK_WAITS, None):
        reply: Reply = yield way.call(left)
        if reply.status != 200:
            if len(left) == len(changes):
                return reply
            code, reason = api.refusal(reply)
            answer.done += [Outcome.waiting(c, code=code, reason=reason) for c in left]
            return answer
        left = _judge(way, reply, left, answer, last=wait is None)
        if wait is None or not left:
            return answer
        yield from api.settle(answer.done)
        answer.done = []
        yield Pause(wait)
    return answer


def _judge(way: Way, reply: Reply, changes: Sequence[Change], answer: Answer, *, last: bool) -> list[Change]:
    """Add to ``answer`` what became of each row; return those that were locked and may come again."""
    locked: list[Change] = []
    for change, row in zip(changes, api.results(reply, len(changes)), strict=True):
        if not last and not row["success"] and api.error(row)[0] == LOCKED:
            locked.append(change)
        elif (outcome := way.verdict(change, row)) is None:
            answer.gone.append(change)
        else:
            answer.done.append(outcome)
    return locked
