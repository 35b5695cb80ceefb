"""A record left the model: clear it, or delete it.

Archive and delete are the same call: Salesforce moves the record into the recycle bin, from where a person can take it
back, and ends it for good after 15 days.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.salesforce import api, read, records, soql
from revetl.types import JSON, Batch, Change, OnLeave, Outcome


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    if not batch.changes:
        return []
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    if batch.on_leave is OnLeave.CLEAR:
        return (yield from _clear(batch, ids))
    there = [c for c in batch.changes if ids[c.seq]]
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if not ids[c.seq])
    if not there:
        return []
    ended = yield from delete(there, ids)
    return api.refuse_all(ended, there) if isinstance(ended, Reply) else ended


def _clear(batch: Batch, ids: dict[int, str]) -> Exchange:
    """Empty what can be emptied: a checkbox is unchecked, and what no record can be without stays."""
    told = [c for c in batch.changes if ids[c.seq] and (c.fields or c.links)]
    blanks: dict[str, JSON] = {}
    if told:
        reply: Reply = yield read.describe(batch.object)
        if not reply.ok:
            return api.refuse_all(reply, batch.changes)
        blanks = _blanks(reply)
    way = records.by_id(batch, ids, blanks=blanks)
    there = [c for c in told if way.values(c)]
    writes = {c.seq for c in there}
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c.seq not in writes)
    if not there:
        return []
    result = yield from records.write(way, there)
    if isinstance(result, records.Answer):
        result = records.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return records.finish(result, there)


def _blanks(reply: Reply) -> dict[str, JSON]:
    """Return field → what empties it, of the fields that can be emptied."""
    rows = [row for row in reply.document().get("fields") or () if row.get("updateable") is True]
    boxes: dict[str, JSON] = {str(row["name"]): False for row in rows if row.get("type") == "boolean"}
    return {str(row["name"]): None for row in rows if row.get("nillable") is True} | boxes


def delete(changes: Sequence[Change], ids: dict[int, str]) -> Generator[Any, Any, list[Outcome] | Reply]:
    """Delete the records under ``ids``; return what became of each, or the reply that refuses them all."""
    reply: Reply = yield api.deletion(ids[c.seq] for c in changes)
    if reply.status != 200:
        return reply
    rows = api.results(reply, len(changes))
    return [_deleted(change, row) for change, row in zip(changes, rows, strict=True)]


def _deleted(change: Change, row: dict[str, Any]) -> Outcome:
    if row["success"]:
        return Outcome.delivered(change)
    code, reason = api.error(row)
    if code in records.GONE:
        return Outcome.delivered(change)  # deleted already: what was wished
    if code == records.LOCKED:
        return Outcome.waiting(change, code=code, reason=reason)
    return Outcome.rejected(change, code=code, reason=reason)
