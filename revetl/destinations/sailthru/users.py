"""Write users one by one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.sailthru import api, people
from revetl.types import JSON, Batch, Change, Mode, OnLeave, Outcome

_BARRED = {Mode.INSERT: True, Mode.UPDATE: False}  # mode → who may not be written: those who are there, or not


@dataclass(frozen=True, slots=True)
class Seen:
    """Who may be written, and what stands there of those who were looked for (None: nobody)."""

    changes: list[Change]
    users: dict[int, people.User | None]

    def new(self, change: Change) -> bool | None:
        """Return whether nobody was there; None where that was not looked for, or is known from before."""
        if change.created is not None or change.seq not in self.users:
            return None
        return self.users[change.seq] is None

    def rank(self, change: Change) -> int:
        """Return how far the user is opted out, as far as is known."""
        user = self.users.get(change.seq)
        return api.RANK.get(user["optout_email"], 0) if user is not None else 0


def upsert(batch: Batch) -> Exchange:
    """Write users; look for them first where the mode, a policy or a partial opt-out needs to know."""
    seen = yield from admitted(batch)
    yield from write(batch, seen, seen.changes)
    return []


def admitted(batch: Batch) -> Generator[Any, Any, Seen]:
    """Settle whoever may not be written; return the others."""
    yield from api.settle(_key_stays(c) for c in batch.changes if _empties_a_key(c))
    rest = [c for c in batch.changes if not _empties_a_key(c)]
    asked = [c for c in rest if _asks(batch, c)]
    found = yield from people.find(batch.match_field, [c.match for c in asked])
    if isinstance(found, Reply):
        yield from api.settle(people.waits(c, found) for c in rest)
        return Seen([], {})
    users = {c.seq: found.get(api.normal(batch.match_field, c.match)) for c in asked}
    barred = {c.seq for c in asked if (users[c.seq] is not None) is _BARRED.get(batch.mode)}
    yield from api.settle(_refused(batch, c) for c in asked if c.seq in barred)
    return Seen([c for c in rest if c.seq not in barred], users)


def _asks(batch: Batch, change: Change) -> bool:
    whose = batch.on_leave is OnLeave.DELETE and change.created is None
    loosens = change.consent is False and batch.settings.opt_out is not api.OptOut.ALL
    return batch.mode is not Mode.UPSERT or whose or loosens


def _refused(batch: Batch, change: Change) -> Outcome:
    if batch.mode is Mode.INSERT:
        return Outcome.rejected(change, code="exists", reason="there is such a user, and mode insert changes none")
    return people.not_there(change)


def _empties_a_key(change: Change) -> bool:
    return any(change.fields.get(name, "") is None for name in people.KEYS)


def _key_stays(change: Change) -> Outcome:
    return Outcome.rejected(change, code="KEY_EMPTY", reason="a key (email, extid, sms) cannot be emptied in Sailthru")


def write(batch: Batch, seen: Seen, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Write users under their match value, and settle them with whose they are, where that was looked for."""
    gone = yield from people.write([(c, user(batch, c, seen)) for c in changes], lambda outcome: _owned(outcome, seen))
    yield from api.settle(api.refused(change, reply) for change, reply in gone)


def _owned(outcome: Outcome, seen: Seen) -> Outcome:
    new = seen.new(outcome.change)
    return outcome if new is None else replace(outcome, created=new)


def user(batch: Batch, change: Change, seen: Seen | None = None) -> dict[str, JSON]:
    """Return one user: keys apart from variables, and opted out where there is no consent, never the other way."""
    fields = {name: value for name, value in change.fields.items() if name != batch.match_field}
    keys = {name: fields.pop(name) for name in people.KEYS if name in fields}
    told: dict[str, JSON] = {"id": change.match, "key": batch.match_field}
    if keys:
        told |= {"keys": keys, "keysconflict": "error"}  # "merge" would join two people for good
    if fields:
        told["vars"] = fields
    level = batch.settings.opt_out
    if change.consent is False and (seen is None or seen.rank(change) < api.RANK[level]):
        told["optout_email"] = level.value
    return told
