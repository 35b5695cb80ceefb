"""A record left the model: clear it, or delete it.

Archive and delete are the same call: Salesforce moves the record into the recycle bin, from where a person can take it
back, and ends it for good after 15 days.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.salesforce import api, records, soql
from revetl.types import Batch, Change, OnLeave, Outcome


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    if not batch.changes:
        return []
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    clears = batch.on_leave is OnLeave.CLEAR
    there = [c for c in batch.changes if ids[c.seq] and (c.fields or not clears)]
    ends = {c.seq for c in there}
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c.seq not in ends)
    if not there:
        return []
    if not clears:
        ended = yield from delete(there, ids)
        return api.refuse_all(ended, there) if isinstance(ended, Reply) else ended
    result = yield from records.write(records.by_id(batch, ids, match=False), there)
    if isinstance(result, records.Answer):
        result = records.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return records.finish(result, there)


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
