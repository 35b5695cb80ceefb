"""Create and update records in batches of 100."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import orjson

from revetl.contract import BatchRejected, Exchange, Http, Reply
from revetl.destinations.hubspot import api
from revetl.types import JSON, Batch, Change, Mode, Outcome


@dataclass(slots=True)
class Answer:
    """What one batch call said: outcomes, and the changes whose record id is not there (any more)."""

    done: list[Outcome] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)


def upsert(batch: Batch) -> Exchange:
    """Update what has an id by id; upsert the rest, and what turns out to be gone, by identity."""
    if not batch.changes:
        return []
    if batch.mode is Mode.INSERT:
        return (yield from _create(batch))
    if batch.mode is Mode.UPDATE:
        return (yield from _update_found(batch))
    known = [c for c in batch.changes if c.remote_id]
    answer = Answer()
    if known:
        result = yield from write(update_call(batch, known), known)
        if isinstance(result, Reply):
            return api.refuse_all(result, batch.changes)
        answer = result
    rest = [c for c in batch.changes if not c.remote_id] + answer.gone
    if not rest:
        return answer.done
    yield from api.settle(answer.done)
    result = yield from write(_upsert_call(batch, rest), rest)
    return finish(result, rest)


def _create(batch: Batch) -> Exchange:
    inputs = [{"objectWriteTraceId": _trace(c), "properties": _properties(batch, c)} for c in batch.changes]
    call = api.object_call(batch.object, "batch/create", {"inputs": inputs})
    result = yield from write(call, batch.changes, creates=True)
    return finish(result, batch.changes)


def _update_found(batch: Batch) -> Exchange:
    found = yield from api.find_ids(batch, batch.changes)
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    ids = {c.seq: c.remote_id or found.get(api.normal(batch.match_field, c.match), "") for c in batch.changes}
    there = [c for c in batch.changes if ids[c.seq]]
    yield from api.settle([_absent(c) for c in batch.changes if not ids[c.seq]])
    if not there:
        return []
    result = yield from write(update_call(batch, there, ids), there)
    return finish(result, there)


def _absent(change: Change) -> Outcome:
    return Outcome.rejected(change, code="OBJECT_NOT_FOUND", reason="no such record, and mode update creates none")


def finish(result: Answer | Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what the last call makes of its changes; what earlier calls proved is settled before it."""
    if isinstance(result, Reply):
        return api.refuse_all(result, changes)
    return [*result.done, *(_absent(change) for change in result.gone)]


def _trace(change: Change) -> str:
    return str(change.seq)


def _properties(batch: Batch, change: Change) -> JSON:
    """Return the record with its identity: the body as it is where that has it, which no value's own text can mimic."""
    named = orjson.dumps(batch.match_field) + b":" + orjson.dumps(change.match)
    if change.body.startswith(named, 1) or b"," + named in change.body:
        return orjson.Fragment(change.body)
    return {**change.fields, batch.match_field: change.match}


def update_call(batch: Batch, changes: Sequence[Change], ids: dict[int, str] | None = None) -> Http:
    """Return the update by record id, which may carry any part of a record."""
    inputs = [
        {
            "id": ids[c.seq] if ids else c.remote_id,
            "objectWriteTraceId": _trace(c),
            "properties": _properties(batch, c),
        }
        for c in changes
    ]
    return api.object_call(batch.object, "batch/update", {"inputs": inputs})


def _upsert_call(batch: Batch, changes: Sequence[Change]) -> Http:
    inputs = [
        {
            "id": c.match,
            "idProperty": batch.match_field,
            "objectWriteTraceId": _trace(c),
            "properties": _properties(batch, c),
        }
        for c in changes
    ]
    return api.object_call(batch.object, "batch/upsert", {"inputs": inputs})


def write(call: Http, changes: Sequence[Change], *, creates: bool = False) -> Generator[Http, Reply, Answer | Reply]:
    """Make one batch call; return its answer by row, or the reply that refuses it as a whole."""
    reply = yield call
    if reply.status not in (200, 201, 207):
        return reply
    document = reply.document()
    results = api.rows(reply, document, "results")
    by_trace = {_trace(change): change for change in changes}
    answer = Answer()
    done, take = answer.done, by_trace.pop
    for row in results:
        change = take(str(row.get("objectWriteTraceId")), None)
        if change is not None:
            done.append(_written(change, row, creates=creates))
    for error in document.get("errors") or ():
        _refuse(error, by_trace, answer)
    return answer


def _written(change: Change, row: dict[str, JSON], *, creates: bool) -> Outcome:
    record = str(row.get("id"))
    created: bool | None = None
    if creates or row.get("new") is True:
        created = True
    elif change.created is None or (change.remote_id and change.remote_id != record):
        created = False  # somebody else's record: it is never archived or deleted on leave
    return Outcome.delivered(change, remote_id=record, created=created)


def _refuse(error: dict[str, JSON], by_trace: dict[str, Change], answer: Answer) -> None:
    """Find the inputs that an error names, by trace id or by record id, and say what it makes of them.

    An error that names none leaves its input unaccounted for, which the sender holds as unknown.
    """
    context = error.get("context") or {}
    named = _texts(context.get("objectWriteTraceId"))
    ids = _texts(context.get("ids")) | _texts(context.get("id"))
    named |= {trace for trace, change in by_trace.items() if change.remote_id in ids or change.match in ids}
    code = str(error.get("category") or error.get("status") or "ERROR")
    for trace in named & by_trace.keys():
        change = by_trace.pop(trace)
        if code == "OBJECT_NOT_FOUND":
            answer.gone.append(change)
        else:
            answer.done.append(Outcome.rejected(change, code=code, reason=str(error.get("message") or code)))


def _texts(value: JSON) -> set[str]:
    return {str(item) for item in value} if isinstance(value, list) else {str(value)} - {"None"}
