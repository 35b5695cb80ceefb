"""Records leave: cleared, archived (which a return takes back), or deleted for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.intercom import api, companies, fields, find, links
from revetl.types import Batch, Change, OnLeave, Outcome


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    clears = batch.on_leave is OnLeave.CLEAR
    ends = [change for change in batch.changes if change.fields or change.links or not clears]
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c not in ends)
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
    if clears:
        return (yield from _clear(batch, there))
    if batch.on_leave is OnLeave.DELETE:
        return (yield from end(there, lambda _, contact: api.contact_call("DELETE", contact)))
    return (yield from end(there, lambda _, contact: api.contact_call("POST", contact, "/archive")))


def _clear(batch: Batch, there: Sequence[tuple[Change, str]]) -> Exchange:
    """Empty the fields of contacts, then detach the companies that revetl attached."""
    for group in api.chunks(there):
        outcomes: list[Outcome | None] = [
            Outcome.delivered(c, remote_id=contact) for c, contact in group if not c.fields
        ]
        wide = [(c, contact) for c, contact in group if c.fields]
        if wide:
            replies: tuple[Reply, ...] = yield tuple(
                api.contact_call("PUT", contact, body=fields.body(batch.object, c.fields)) for c, contact in wide
            )
            gone = {c.seq for (c, _), reply in zip(wide, replies, strict=True) if reply.status == 404}
            outcomes += [
                _ended(c, at, reply) for (c, at), reply in zip(wide, replies, strict=True) if c.seq not in gone
            ]
            yield from api.settle(Outcome.delivered(c) for c, _ in wide if c.seq in gone)
        told = yield from links.follow(outcomes)
        yield from api.settle(Outcome.delivered(one.change) if one.code == links.NOBODY else one for one in told)
    return []


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
    return Outcome.delivered(change, remote_id=record) if api.shown_id(reply) == record else None


def _companies(changes: Sequence[Change]) -> Exchange:
    there = yield from companies.places([change for change in changes if not change.remote_id])
    ids = {c.seq: c.remote_id or there.get(c.seq) for c in changes}
    yield from api.settle(Outcome.delivered(c) for c in changes if ids[c.seq] == "")
    known = [(c, str(ids[c.seq])) for c in changes if ids[c.seq]]
    return (yield from end(known, lambda _, company: companies.delete(company)))
