"""Write people in batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import BatchRejected, Exchange, Reply, Settled, UnreadableReply
from revetl.destinations.customerio import api
from revetl.types import JSON, Batch, Change, Mode, OnLeave, Outcome, Proof

_BARRED = {Mode.INSERT: True, Mode.UPDATE: False}  # mode → who may not be written: those who are there, or not
Told = Callable[[Change], dict[str, JSON]]


def upsert(batch: Batch) -> Exchange:
    """Write people; look for them first where the mode, or a policy that deletes only our own, needs to know."""
    asked = [c for c in batch.changes if _asks(batch, c)]
    found = yield from api.find(c.match for c in asked)
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    there = {c.seq: c.match in found for c in asked}
    barred = [c for c in asked if there[c.seq] is _BARRED.get(batch.mode)]
    if barred:
        yield Settled(tuple(_refused(batch, c) for c in barred))
    turned_away = {c.seq for c in barred}
    allowed = [c for c in batch.changes if c.seq not in turned_away]
    result = yield from write(allowed, lambda change: identify(batch, change))
    return result if isinstance(result, BatchRejected) else [_owned(outcome, there) for outcome in result]


def _asks(batch: Batch, change: Change) -> bool:
    return batch.mode is not Mode.UPSERT or (batch.on_leave is OnLeave.DELETE and change.created is None)


def _refused(batch: Batch, change: Change) -> Outcome:
    if batch.mode is Mode.INSERT:
        return Outcome.rejected(change, code="exists", reason="there is such a person, and mode insert changes none")
    return not_there(change)


def not_there(change: Change) -> Outcome:
    """Return the refusal of a change of nobody."""
    return Outcome.rejected(change, code="notFound", reason="there is no such person in Customer.io")


def _owned(outcome: Outcome, there: dict[int, bool]) -> Outcome:
    """Return the outcome with whose person it is, where that was looked for and nothing was known before."""
    if outcome.change.created is not None or outcome.change.seq not in there:
        return outcome
    return replace(outcome, created=not there[outcome.change.seq])


def identify(batch: Batch, change: Change) -> dict[str, JSON]:
    """Return the operation that writes a person's attributes; unsubscribed is only ever set to true."""
    attributes = {name: value for name, value in change.fields.items() if name != batch.match_field}
    if change.consent is False:
        attributes["unsubscribed"] = True
    return {"identifiers": {"id": change.match}, "action": "identify", "attributes": attributes}


def write(changes: Sequence[Change], told: Told) -> Generator[Any, Any, BatchRejected | list[Outcome]]:
    """Send an operation for each change, and judge the answer."""
    if not changes:
        return []
    reply = yield api.track("/api/v2/batch", {"batch": [{"type": "person", **told(c)} for c in changes]})
    return judge(reply, changes)


def write_found(changes: Sequence[Change], told: Told, gone: Callable[[Change], Outcome]) -> Exchange:
    """Write to those people who are there; a write would make the others."""
    found = yield from api.find(c.match for c in changes)
    if isinstance(found, Reply):
        return api.refuse_all(found, changes)
    absent = [c for c in changes if c.match not in found]
    if absent:
        yield Settled(tuple(gone(c) for c in absent))
    return (yield from write([c for c in changes if c.match in found], told))


def ended(change: Change) -> Outcome:
    """Return the delivery of an ending where nobody is left."""
    return Outcome.delivered(change, proof=Proof.ROW)


def judge(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return an outcome each: 207 names by index whom it refuses, "all other requests are accepted"."""
    if not reply.ok:
        return api.refuse_all(reply, changes)
    errors = reply.document().get("errors") or []
    if not isinstance(errors, list) or not all(isinstance(one, dict) for one in errors):
        raise UnreadableReply(reply.status, "errors is not a list of objects")
    named = {one.get("batch_index"): one for one in errors}
    known = all(isinstance(place, int) and 0 <= place < len(changes) for place in named)
    return [_outcome(c, named.get(place), known=known) for place, c in enumerate(changes)]


def _outcome(change: Change, error: dict[str, JSON] | None, *, known: bool) -> Outcome:
    if error is not None:
        code = str(error.get("reason") or "invalid")
        reason = f"{error.get('field') or 'the person'}: {error.get('message') or code}"
        return Outcome.rejected(change, code=code, reason=reason.replace(change.match, "(the person)"))
    if not known:
        return Outcome.unknown(change, code="UNNAMED", reason="the reply has an error that names no row")
    return Outcome.delivered(change, proof=Proof.ACCEPTED)
