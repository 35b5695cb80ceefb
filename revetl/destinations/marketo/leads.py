"""Create and update people, 300 a call; each row is answered by its position.

Who is known is updated by id, so that nobody is doubled whose address was changed there. An id that is not there any
more (deleted, or merged into another) is forgotten: the row goes again by its identity.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from revetl.contract import BatchRejected, Exchange, Http, Reply, UnreadableReply
from revetl.destinations.marketo import api, find
from revetl.types import JSON, Batch, Change, Mode, Outcome

CONSENT_FIELD = "unsubscribed"
OVERHEAD = 120  # bytes a row may take beside its body: id, consent, the names around them
_ACTIONS = {Mode.UPSERT: "createOrUpdate", Mode.UPDATE: "updateOnly", Mode.INSERT: "createOnly"}


@dataclass(slots=True)
class Answer:
    """What a write said: outcomes, those whose id is gone, and those whose identity several people share."""

    done: list[Outcome] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)
    several: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to write rows: below the identity, or (``ids``) below the id."""

    batch: Batch
    ids: Mapping[int, int] | None = None
    only: Mapping[str, JSON] | None = None  # these values in place of the change's own
    match: bool = True  # False: without the identity, below an id
    action: str = "updateOnly"

    def call(self, changes: Sequence[Change]) -> Http:
        """Return the call that writes these changes."""
        lookup = self.batch.match_field if self.ids is None else "id"
        body: dict[str, JSON] = {"action": self.action, "lookupField": lookup}
        if self.action != "updateOnly" and self.batch.settings.partition:
            body["partitionName"] = self.batch.settings.partition
        return api.send("POST", api.LEADS, {**body, "input": [self._row(change) for change in changes]})

    def _row(self, change: Change) -> dict[str, JSON]:
        own = values(self.batch, change) if self.only is None else {**self.only}
        if self.match:
            own[self.batch.match_field] = change.match
        return own if self.ids is None else {**own, "id": self.ids[change.seq]}


def values(batch: Batch, change: Change) -> dict[str, JSON]:
    """Return the values of a row without its identity; who said no arrives opted out."""
    own = {name: value for name, value in change.fields.items() if name != batch.match_field}
    return {**own, CONSENT_FIELD: True} if change.consent is False else own


def cached(changes: Sequence[Change]) -> dict[int, int]:
    """Return sequence number → id of those whose id is known."""
    ids = {change.seq: api.number(change.remote_id) for change in changes}
    return {seq: one for seq, one in ids.items() if one is not None}


def upsert(batch: Batch) -> Exchange:
    """Update what has an id by id; write the rest, and what turns out to be gone, by identity."""
    changes = [c for c in batch.changes if spellable(batch, c)]
    yield from api.settle(foreign(c) for c in batch.changes if not spellable(batch, c))
    known = {} if batch.mode is Mode.INSERT else cached(changes)
    answer = Answer()
    if known:
        result = yield from write(Way(batch, known), [c for c in changes if c.seq in known])
        if isinstance(result, tuple):
            return api.refuse_all(result, changes)
        answer = result
    rest = [c for c in changes if c.seq not in known] + answer.gone
    if not rest:
        return answer.done
    yield from api.settle(answer.done)
    return (yield from _by_identity(batch, rest))


def _by_identity(batch: Batch, changes: Sequence[Change]) -> Exchange:
    result = yield from write(Way(batch, action=_ACTIONS[batch.mode]), changes)
    if isinstance(result, tuple) or not result.several:
        return finish(result, changes)
    yield from api.settle(result.done)
    return (yield from _one_of_several(batch, result.several))


def _one_of_several(batch: Batch, changes: Sequence[Change]) -> Exchange:
    """Look at whom Marketo found: those who stand alone by now are updated by id, the others are named."""
    found = yield from find.find(batch.match_field, (c.match for c in changes))
    if isinstance(found, tuple):
        return api.refuse_all(found, changes)
    ids = {c.seq: found.get(api.normal(c.match), []) for c in changes}
    alone = [c for c in changes if len(ids[c.seq]) == 1]
    yield from api.settle(find.doubled(c, ids[c.seq]) for c in changes if len(ids[c.seq]) != 1)
    if not alone:
        return []
    return finish((yield from write(Way(batch, {c.seq: ids[c.seq][0] for c in alone}), alone)), alone)


def spellable(batch: Batch, change: Change) -> bool:
    """Return whether Marketo keeps the address: it takes ASCII alone."""
    address = change.match if batch.match_field == "email" else change.fields.get("email")
    return not isinstance(address, str) or address.isascii()


def foreign(change: Change) -> Outcome:
    """Refuse an address that Marketo would not keep."""
    return Outcome.rejected(change, code="EMAIL_NOT_ASCII", reason="Marketo takes e-mail addresses of ASCII alone")


def finish(result: Answer | api.Refused, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what the last call makes of its changes; what earlier calls proved is settled before it."""
    if isinstance(result, tuple):
        return api.refuse_all(result, changes)
    return [*result.done, *(absent(change) for change in result.gone)]


def absent(change: Change) -> Outcome:
    """Refuse a change of somebody who is not there."""
    return Outcome.rejected(change, code=api.NOT_FOUND, reason="no such person, and none is created here")


def write(way: Way, changes: Sequence[Change]) -> Generator[Http, Reply, Answer | api.Refused]:
    """Make one call; return its answer by row, or the refusal of the whole."""
    reply = yield way.call(changes)
    refused = api.refusal(reply)
    if refused is not None:
        return refused
    answer = Answer()
    for change, row in zip(changes, api.results(reply, len(changes)), strict=True):
        if row["status"] != "skipped":
            answer.done.append(_written(way, change, row, reply))
            continue
        code, reason = api.reason(row)
        if code == api.NOT_FOUND and way.ids is not None:
            answer.gone.append(change)
        elif code == api.SEVERAL and way.ids is None:
            answer.several.append(change)
        else:
            answer.done.append(Outcome.rejected(change, code=code, reason=reason))
    return answer


def _written(way: Way, change: Change, row: dict[str, JSON], reply: Reply) -> Outcome:
    if row["status"] not in ("created", "updated"):
        raise UnreadableReply(reply.status, f"a row is {row['status']}")
    if way.ids is not None and row["id"] != way.ids[change.seq]:
        raise UnreadableReply(reply.status, "a result names another person than the one sent")
    record = str(row["id"])
    created: bool | None = None
    if row["status"] == "created":
        created = True
    elif change.created is None or (change.remote_id and change.remote_id != record):
        created = False  # somebody else's record: it is never deleted on leave
    return Outcome.delivered(change, remote_id=record, created=created)
