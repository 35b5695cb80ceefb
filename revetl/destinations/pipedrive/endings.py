"""A record left the model: clear it, or delete it; a person is erased.

A deleted record can be restored in Pipedrive for 30 days; then it is gone for good.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Reply
from revetl.destinations.pipedrive import api, cohorts, fields, finding, records, values
from revetl.errors import DestinationError
from revetl.types import Batch, Change, Erased, OnLeave, Outcome, Person

_BY_CODE = frozenset({"name", *fields.ALIASES})  # identities that need no look at the fields


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    ids, lost = yield from cohorts.known(batch)
    yield from api.settle(Outcome.delivered(c) for c in lost)
    there = [c for c in batch.changes if c.seq in ids]
    if batch.on_leave is not OnLeave.CLEAR:
        yield from delete(batch.object, [(c, ids[c.seq]) for c in there])
        return []
    yield from api.settle(Outcome.delivered(c) for c in there if not (c.fields or c.links))
    wide = [c for c in there if c.fields or c.links]
    gone = yield from records.updated(batch, wide, ids, lambda c, record: values.cleared(batch, c, record))
    return [Outcome.delivered(c) for c in gone]


def delete(kind: str, ends: Sequence[tuple[Change, str]]) -> Generator[Any, Any, None]:
    """Delete records and settle their changes."""
    for at in range(0, len(ends), api.SIDE_BY_SIDE):
        some = ends[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.deletion(kind, record_id) for _, record_id in some)
        yield from api.settle(deleted(reply, c) for reply, (c, _) in zip(replies, some, strict=True))


def deleted(reply: Reply, change: Change) -> Outcome:
    """Return what became of a deletion; who is gone already is done."""
    if reply.status in records.GONE:
        return Outcome.delivered(change)
    if not reply.ok:
        return api.refuse(reply, change)
    api.record(reply)
    return Outcome.delivered(change)


def erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete every record that stands under a person's identity, and the one that revetl knew."""
    place = None
    if people and context.match_field not in _BY_CODE:
        try:
            rows = yield from fields.rows(context)
        except DestinationError as error:
            return [Erased(person.identity, "failed", error.code, error.what) for person in people]
        place = fields.place({"fields": fields.places(rows, context)}, context.match_field)
    hits, refused = yield from finding.search_by(
        context.object, place, context.match_field, [person.identity for person in people]
    )
    done = []
    for person in people:
        key = values.normal(person.identity)
        if key in refused:
            done.append(_failed(person, refused[key]))
            continue
        ids = list(dict.fromkeys([*hits.get(key, ()), *([person.remote_id] if person.remote_id else ())]))
        done.append((yield from _erase(context, person, ids)))
    return done


def _erase(context: Context, person: Person, ids: Sequence[str]) -> Generator[Any, Any, Erased]:
    status = "absent"
    for record_id in ids:
        reply: Reply = yield api.deletion(context.object, record_id)
        if reply.status in records.GONE:
            continue
        if not reply.ok:
            return _failed(person, reply)
        api.record(reply)
        status = "archived"
    return Erased(person.identity, status)


def _failed(person: Person, reply: Reply) -> Erased:
    code, reason = api.refusal(reply)
    return Erased(person.identity, "failed", code, reason)
