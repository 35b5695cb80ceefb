"""Write users in batches of 1,000."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import BatchRejected, Exchange, Http, Reply, Settled
from revetl.destinations.iterable import answers, api
from revetl.types import JSON, Batch, Change, Mode, OnLeave, Outcome

_BARRED = {Mode.INSERT: True, Mode.UPDATE: False}  # mode → who may not be written: those who are there, or not


def upsert(batch: Batch) -> Exchange:
    """Write users; look for them first where the mode, or a policy that deletes only our own, needs to know."""
    if not batch.changes:
        return []
    found = yield from api.find(batch.match_field, [c.match for c in batch.changes if _asks(batch, c)])
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    there = {c.seq: api.normal(batch.match_field, c.match) in found for c in batch.changes if _asks(batch, c)}
    barred = [c for c in batch.changes if there.get(c.seq) is _BARRED.get(batch.mode)] if batch.mode in _BARRED else []
    if barred:
        yield Settled(tuple(_refused(batch, c) for c in barred))
    turned_away = {c.seq for c in barred}
    allowed = [c for c in batch.changes if c.seq not in turned_away]
    if not allowed:
        return []
    reply = yield write_call(batch, allowed)
    result = answers.judge(reply, batch, allowed)
    return result if isinstance(result, BatchRejected) else [_owned(outcome, there) for outcome in result]


def _asks(batch: Batch, change: Change) -> bool:
    return batch.mode is not Mode.UPSERT or (batch.on_leave is OnLeave.DELETE and change.created is None)


def _refused(batch: Batch, change: Change) -> Outcome:
    if batch.mode is Mode.INSERT:
        return Outcome.rejected(change, code="exists", reason="there is such a user, and mode insert changes none")
    return Outcome.rejected(change, code="notFound", reason="there is no such user, and mode update creates none")


def _owned(outcome: Outcome, there: dict[int, bool]) -> Outcome:
    """Return the outcome with whose user it is, where that was looked for and nothing was known before."""
    if outcome.change.created is not None or outcome.change.seq not in there:
        return outcome
    return replace(outcome, created=not there[outcome.change.seq])


def write_call(batch: Batch, changes: Sequence[Change]) -> Http:
    """Return the bulk update of ``changes``."""
    users = [user(batch, c) for c in changes]
    return api.post("/api/users/bulkUpdate", {"users": users, "createNewFields": batch.settings.create_fields}, "bulk")


def user(batch: Batch, change: Change) -> dict[str, JSON]:
    """Return one user. Nested objects replace what stands there, which is the default; hence no mergeNestedObjects."""
    fields = {name: value for name, value in change.fields.items() if name != batch.match_field}
    told: dict[str, JSON] = {batch.match_field: change.match, "dataFields": fields}
    return told if batch.match_field == "email" else {**told, "preferUserId": True}


def update_found(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, BatchRejected | list[Outcome]]:
    """Write to those users who are there; a bulk call on its own would make the others."""
    found = yield from api.find(batch.match_field, [c.match for c in changes])
    if isinstance(found, Reply):
        return api.refuse_all(found, changes)
    there = [c for c in changes if api.normal(batch.match_field, c.match) in found]
    gone = [Outcome.delivered(c) for c in changes if api.normal(batch.match_field, c.match) not in found]
    if gone:
        yield Settled(tuple(gone))
    if not there:
        return []
    reply = yield write_call(batch, there)
    return answers.judge(reply, batch, there)
