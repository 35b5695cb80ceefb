"""Create and update records, one a call; those whose id is not known are searched for first.

Pipedrive has no key of its own to upsert by, and allows any number of records with one address: of several the oldest
is taken. An id that is gone, because the record was deleted or merged into another one, is found anew by the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from revetl.contract import Exchange, Reply, UnreadableReply
from revetl.destinations.pipedrive import api, finding, values
from revetl.types import JSON, Batch, Change, Effect, Mode, Outcome

GONE = (404, 410)

Body = Callable[[Change, Mapping[str, JSON] | None], dict[str, JSON]]  # change, record as it stands → what is written


def upsert(batch: Batch) -> Exchange:
    """Update who is known or found; create the others."""
    if not batch.changes:
        return []
    ids = {c.seq: c.remote_id for c in batch.changes if c.remote_id}
    found = yield from finding.find(batch, [c for c in batch.changes if not c.remote_id])
    yield from api.settle(found.refused)
    away = {outcome.change.seq for outcome in found.refused}
    ids |= found.ids
    there = [c for c in batch.changes if c.seq in ids]
    new = [c for c in batch.changes if c.seq not in ids and c.seq not in away]
    if batch.mode is Mode.INSERT:
        yield from api.settle(_exists(c, ids[c.seq]) for c in there)
    else:
        new += yield from updated(batch, there, ids, lambda c, record: values.body(batch, c, record))
    if batch.mode is Mode.UPDATE:
        return [absent(c) for c in new]
    for change in new:
        yield from api.settle([(yield from _create(batch, change))])
    return []


def updated(
    batch: Batch, changes: Sequence[Change], ids: Mapping[int, str], body: Body, *, reads: bool | None = None
) -> Generator[Any, Any, list[Change]]:
    """Write known records, and settle them; return those who are not there any more, under any id.

    ``reads``: whether what is written depends on what stands there; None: as each change's fields ask.
    """
    gone = yield from write(batch, changes, ids, body, reads=reads)
    if not gone:
        return []
    found = yield from finding.find(batch, gone, but=[ids[c.seq] for c in gone])
    yield from api.settle(found.refused)
    away = {outcome.change.seq for outcome in found.refused}
    again = [c for c in gone if c.seq in found.ids]
    lost = yield from write(batch, again, found.ids, body, reads=reads)
    return [c for c in gone if c.seq not in found.ids and c.seq not in away] + lost


def write(
    batch: Batch, changes: Sequence[Change], ids: Mapping[int, str], body: Body, *, reads: bool | None
) -> Generator[Any, Any, list[Change]]:
    """Write records once, and settle those who are there; return the others."""
    there: dict[str, dict[str, JSON]] = {}
    seen = [c for c in changes if (_depends(batch, c) if reads is None else reads)]
    if seen:
        shown = yield from finding.read(batch.object, [ids[c.seq] for c in seen], {})
        if isinstance(shown, Reply):
            yield from api.settle(api.refuse(shown, c) for c in changes)
            return []
        there = shown
    gone = [c for c in seen if ids[c.seq] not in there]
    missing = {c.seq for c in gone}
    outcomes, bodies = _bodies([c for c in changes if c.seq not in missing], ids, there, body)
    yield from api.settle(outcomes)
    writes = list(bodies.values())
    for at in range(0, len(writes), api.SIDE_BY_SIDE):
        some = writes[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.change_of(batch.object, ids[c.seq], told) for c, told in some)
        judged = [(c, _judge(reply, c, ids[c.seq])) for (c, _), reply in zip(some, replies, strict=True)]
        yield from api.settle(outcome for _, outcome in judged if outcome is not None)
        gone += [c for c, outcome in judged if outcome is None]
    return gone


def _depends(batch: Batch, change: Change) -> bool:
    """Return whether a change keeps some of what stands there, or has nothing to write that would prove it there."""
    empty = not change.links and not any(name != batch.match_field for name in change.fields)
    return empty or values.lists_of(batch, change)


def _bodies(
    changes: Sequence[Change], ids: Mapping[int, str], there: Mapping[str, dict[str, JSON]], body: Body
) -> tuple[list[Outcome], dict[int, tuple[Change, dict[str, JSON]]]]:
    """Return what is decided without a call, and what must be written."""
    outcomes: list[Outcome] = []
    bodies: dict[int, tuple[Change, dict[str, JSON]]] = {}
    for change in changes:
        record = there.get(ids[change.seq])
        try:
            told = body(change, record)
        except values.Unfit as unfit:
            outcomes.append(Outcome.rejected(change, code="VALUE_UNFIT", reason=str(unfit)))
            continue
        if told:
            bodies[change.seq] = change, told
        else:  # it was read, and is as wished
            outcomes.append(written(change, ids[change.seq]))
    return outcomes, bodies


def _judge(reply: Reply, change: Change, record_id: str) -> Outcome | None:
    """Return what became of an update, None where there is no such record (any more)."""
    if reply.status in GONE:
        return None
    if not reply.ok:
        return api.refuse(reply, change)
    record = api.record(reply)
    if record.get("is_deleted") is True:
        return None
    if str(record["id"]) != record_id:
        raise UnreadableReply(reply.status, "the answer names another record than the one sent")
    return written(change, record_id)


def written(change: Change, record_id: str) -> Outcome:
    """Return the delivery to a record that stood there before; if it is somebody else's, it is never deleted."""
    strange = change.created is None or (change.remote_id and change.remote_id != record_id)
    return Outcome.delivered(change, remote_id=record_id, created=False if strange else None)


def _create(batch: Batch, change: Change) -> Generator[Any, Any, Outcome]:
    try:
        told = values.body(batch, change, creates=True)
    except values.Unfit as unfit:
        return Outcome.rejected(change, code="VALUE_UNFIT", reason=str(unfit))
    reply: Reply = yield api.write("POST", f"/v2/{batch.object}", told, effect=Effect.ONCE)
    if not reply.ok:
        return api.refuse(reply, change)
    return Outcome.delivered(change, remote_id=str(api.record(reply)["id"]), created=True)


def absent(change: Change) -> Outcome:
    """Return the refusal of a change whose record is not there and must not be made."""
    return Outcome.rejected(change, code="NOT_FOUND", reason="no such record, and none is created here")


def _exists(change: Change, record_id: str) -> Outcome:
    reason = "there is such a record, and mode insert changes none"
    return Outcome.rejected(change, code="EXISTS", reason=reason, remote_id=record_id)
