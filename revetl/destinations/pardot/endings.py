"""A prospect left the model: empty its fields, or put it into the recycle bin; a person is erased."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Reply
from revetl.destinations.pardot import api, finding, imports, prospects
from revetl.types import Batch, Change, Erased, OnLeave, Outcome, Person


def leave(batch: Batch) -> Exchange:
    """End the prospects that are there; what is gone already is done."""
    if batch.on_leave is not OnLeave.CLEAR:
        ids = yield from known(batch.changes)
        if isinstance(ids, Reply):
            return [api.refuse(ids, change) for change in batch.changes]
        yield from api.settle(Outcome.delivered(c) for c in batch.changes if not ids[c.seq])
        yield from delete([(c, ids[c.seq]) for c in batch.changes if ids[c.seq]])
        return []
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if not c.fields)
    wide = [c for c in batch.changes if c.fields]
    lost = yield from prospects.updated([c for c in wide if c.remote_id], lambda c: imports.told(batch, c))
    yield from imports.by_address(batch, [c for c in wide if not c.remote_id])
    return [Outcome.delivered(change) for change in lost]


def known(changes: Sequence[Change]) -> Generator[Any, Any, dict[int, str] | Reply]:
    """Return sequence number → id of the prospect, empty where nobody is there; or the reply that refuses."""
    found = yield from finding.find(c.match for c in changes if not c.remote_id)
    if isinstance(found, Reply):
        return found
    ids = {address: str(rows[0]["id"]) for address, rows in found.items()}
    return {c.seq: c.remote_id or ids.get(finding.normal(c.match), "") for c in changes}


def delete(ends: Sequence[tuple[Change, str]]) -> Generator[Any, Any, None]:
    """Delete prospects and settle their changes."""
    for at in range(0, len(ends), api.SIDE_BY_SIDE):
        some = ends[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.one("DELETE", "prospects", number, None) for _, number in some)
        yield from api.settle(deleted(reply, change) for reply, (change, _) in zip(replies, some, strict=True))


def deleted(reply: Reply, change: Change) -> Outcome:
    """Return what became of a deletion, which is answered with 204 and nothing else; who is gone is done."""
    if reply.status == 204 or api.gone(reply):
        return Outcome.delivered(change)
    if reply.ok:
        return Outcome.unknown(change, code=str(reply.status), reason="the answer does not say that it was deleted")
    return api.refuse(reply, change)


def erase(_: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete every prospect of a person's address, and the one that revetl knew."""
    found = yield from finding.find(person.identity for person in people)
    if isinstance(found, Reply):
        code, reason = api.refusal(found)
        return [Erased(person.identity, "failed", code, reason) for person in people]
    done = []
    for person in people:
        rows = found.get(finding.normal(person.identity), [])
        ids = dict.fromkeys([*(str(row["id"]) for row in rows), *([person.remote_id] if person.remote_id else ())])
        done.append((yield from _erase(person, list(ids))))
    return done


def _erase(person: Person, ids: Sequence[str]) -> Generator[Any, Any, Erased]:
    status = "absent"
    for number in ids:
        reply: Reply = yield api.one("DELETE", "prospects", number, None)
        if reply.status == 204:
            status = "archived"
        elif not api.gone(reply):
            code, reason = api.refusal(reply)
            return Erased(person.identity, "failed", code, reason)
    return Erased(person.identity, status)
