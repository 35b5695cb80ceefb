"""Write users in batches of 75."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import BatchRejected, Exchange, Http, Reply, Settled, UnreadableReply
from revetl.destinations.braze import api
from revetl.types import JSON, Batch, Change, Mode, OnLeave, Outcome, Proof

_BARRED = {Mode.INSERT: True, Mode.UPDATE: False}  # mode → who may not be written: those who are there, or not
Attributes = Callable[[Change], dict[str, JSON]]


def upsert(batch: Batch) -> Exchange:
    """Write users; look for them first where the mode, or a policy that deletes only our own, needs to know."""
    unfit = [c for c in batch.changes if any(_has_null(value) for value in c.fields.values())]
    if unfit:
        yield Settled(tuple(_voided(c) for c in unfit))
    changes = [c for c in batch.changes if c.seq not in {one.seq for one in unfit}]
    asked = [c for c in changes if _asks(batch, c)]
    found = yield from api.find(c.match for c in asked)
    if isinstance(found, Reply):
        return api.refuse_all(found, changes)
    there = {c.seq: c.match in found for c in asked}
    barred = [c for c in asked if there[c.seq] is _BARRED.get(batch.mode)]
    if barred:
        yield Settled(tuple(_refused(batch, c) for c in barred))
    turned_away = {c.seq for c in barred}
    allowed = [c for c in changes if c.seq not in turned_away]
    result = yield from track(batch, allowed, _attributes(batch), make=batch.mode is not Mode.UPDATE)
    return result if isinstance(result, BatchRejected) else [_owned(outcome, there) for outcome in result]


def _attributes(batch: Batch) -> Attributes:
    def told(change: Change) -> dict[str, JSON]:
        fields = {name: value for name, value in change.fields.items() if name != batch.match_field}
        return {**fields, "email_subscribe": "unsubscribed"} if change.consent is False else fields

    return told


def _has_null(value: JSON, *, inside: bool = False) -> bool:
    if isinstance(value, Mapping):
        return any(_has_null(item, inside=True) for item in value.values())
    if isinstance(value, list):
        return any(_has_null(item, inside=True) for item in value)
    return inside and value is None


def _voided(change: Change) -> Outcome:
    reason = "a null inside an object or a list makes Braze drop all of it: leave it out in the model"
    return Outcome.rejected(change, code="NESTED_NULL", reason=reason)


def _asks(batch: Batch, change: Change) -> bool:
    return batch.mode is not Mode.UPSERT or (batch.on_leave is OnLeave.DELETE and change.created is None)


def _refused(batch: Batch, change: Change) -> Outcome:
    if batch.mode is Mode.INSERT:
        return Outcome.rejected(change, code="exists", reason="there is such a user, and mode insert changes none")
    return not_there(change)


def not_there(change: Change) -> Outcome:
    """Return the refusal of a change of nobody."""
    return Outcome.rejected(change, code="notFound", reason="there is no such user in Braze")


def _owned(outcome: Outcome, there: dict[int, bool]) -> Outcome:
    """Return the outcome with whose user it is, where that was looked for and nothing was known before."""
    if outcome.change.created is not None or outcome.change.seq not in there:
        return outcome
    return replace(outcome, created=not there[outcome.change.seq])


def track(
    batch: Batch, changes: Sequence[Change], told: Attributes, *, make: bool
) -> Generator[Any, Any, BatchRejected | list[Outcome]]:
    """Write attributes of users, and judge the answer; ``make``: whoever is not there comes into being."""
    if not changes:
        return []
    reply = yield _call(batch, changes, told, make=make)
    return judge(reply, changes)


def _call(batch: Batch, changes: Sequence[Change], told: Attributes, *, make: bool) -> Http:
    how = {} if make else {"_update_existing_only": True}
    rows = [{batch.match_field: c.match, **how, **told(c)} for c in changes]
    return api.post("/users/track", {"attributes": rows}, "track")


def judge(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return an outcome each: errors name rows by index, the rest is proven by a count that leaves nobody out."""
    if not reply.ok:
        return api.refuse_all(reply, changes)
    if _queued(reply):
        return [
            Outcome.unknown(c, code="QUEUED", reason="Braze is under maintenance and took it for later")
            for c in changes
        ]
    shown = api.document(reply)
    count, errors = shown.get("attributes_processed", 0), shown.get("errors") or []
    if not isinstance(count, int) or isinstance(count, bool) or not isinstance(errors, list):
        raise UnreadableReply(reply.status, "the reply shows no count")
    named = {place: text for place, text in map(_named, errors) if place is not None and 0 <= place < len(changes)}
    proven = count + len(named) == len(changes) and len(named) == len(errors)
    return [_outcome(c, named.get(place), proven=proven) for place, c in enumerate(changes)]


def _queued(reply: Reply) -> bool:
    found = reply.json()
    return reply.status == 202 and isinstance(found, dict) and found.get("message") == "queued"


def _named(error: JSON) -> tuple[int | None, str]:
    """Return which row an error is about, and what it says."""
    if not isinstance(error, dict) or error.get("input_array") != "attributes":
        return None, ""
    place = error.get("index")
    ours = isinstance(place, int) and not isinstance(place, bool)
    return (place if ours else None), str(error.get("type") or "refused")


def _outcome(change: Change, error: str | None, *, proven: bool) -> Outcome:
    if error is not None:
        return Outcome.rejected(change, code="INVALID", reason=error.replace(change.match, "(the user)"))
    if not proven:
        return Outcome.unknown(change, code="COUNTS", reason="the count in the reply leaves some users out")
    return Outcome.delivered(change, proof=Proof.ACCOUNT)
