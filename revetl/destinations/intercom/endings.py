"""Records leave: cleared, archived (which a return takes back), or deleted for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.intercom import api, companies, fields, find
from revetl.types import Batch, Change, OnLeave, Outcome


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    clears = batch.on_leave is OnLeave.CLEAR
    ends = [change for change in batch.changes if change.fields or not clears]
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if clears and not c.fields)
    if not ends:
        return []
    if batch.object == "company":
        return (yield from companies.clear(ends) if clears else _companies(ends))
    result = yield from find.ids_of(batch, ends)
    if isinstance(result, Reply):
        return find.refused(result, ends)
    ids, found = result
    yield from api.settle(find.ambiguous(batch, change) for change in found.several)
    yield from api.settle(Outcome.delivered(c) for c in ends if not ids[c.seq] and c not in found.several)
    there = [(c, ids[c.seq]) for c in ends if ids[c.seq]]
    return (yield from end(there, _call(batch)))


def _call(batch: Batch) -> Callable[[Change, str], Http]:
    match batch.on_leave:
        case OnLeave.CLEAR:
            return lambda change, contact: api.contact_call(
                "PUT", contact, body=fields.body(batch.object, change.fields)
            )
        case OnLeave.DELETE:
            return lambda _, contact: api.contact_call("DELETE", contact)
        case _:
            return lambda _, contact: api.contact_call("POST", contact, "/archive")


def end(there: Sequence[tuple[Change, str]], call: Callable[[Change, str], Http]) -> Exchange:
    """Make the call for each record, and settle what it proves."""
    for group in api.chunks(there):
        replies: tuple[Reply, ...] = yield tuple(call(change, record) for change, record in group)
        yield from api.settle(_ended(c, record, reply) for (c, record), reply in zip(group, replies, strict=True))
    return []


def _ended(change: Change, record: str, reply: Reply) -> Outcome | None:
    if reply.status == 404:
        return Outcome.delivered(change)
    if not reply.ok:
        return api.declined(change, reply)
    return Outcome.delivered(change) if api.shown_id(reply) == record else None


def _companies(changes: Sequence[Change]) -> Exchange:
    there = yield from companies.places([change for change in changes if not change.remote_id])
    ids = {c.seq: c.remote_id or there.get(c.seq) for c in changes}
    yield from api.settle(Outcome.delivered(c) for c in changes if ids[c.seq] == "")
    known = [(c, str(ids[c.seq])) for c in changes if ids[c.seq]]
    return (yield from end(known, lambda _, company: companies.delete(company)))
