"""Cohorts as manual segments, and consent as the attribute unsubscribed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Reply, Settled, UnreadableReply
from revetl.destinations.customerio import api, people
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Effect, Mode, Outcome, Proof

_OUT: dict[str, JSON] = {"unsubscribed": True}


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find or create the segment of each cohort; return ``{"cohorts": {model name: segment id}}``.

    There is no call that renames a segment: a new label goes on with the one that is known by id.

    Raises:
        DestinationError: RVT-651, Customer.io refuses a segment; RVT-652, the segment of that name is data-driven.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    reply = yield api.app("GET", "/v1/segments")
    rows = api.expect(reply, "to show its segments").get("segments")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableReply(reply.status, "segments is not a list of objects")
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        there = _match(rows, context.ids.get(name), label)
        if there is None and context.create:
            there = yield from _create(label)
        if there is not None:
            found[name] = there
    return {"cohorts": found}


def _match(rows: Sequence[dict[str, JSON]], stored: str | None, label: str) -> str | None:
    chosen = [row for row in rows if str(row.get("id")) == stored] or [row for row in rows if row.get("name") == label]
    manual = [int(row["id"]) for row in chosen if row.get("type") == "manual"]
    if chosen and not manual:
        what = f"the segment {label!r} in Customer.io is data-driven: nobody can be put into it"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`")
    return str(min(manual)) if manual else None  # names may repeat: the oldest, always


def _create(label: str) -> Generator[Any, Any, str]:
    reply = yield api.app("POST", "/v1/segments", {"segment": {"name": label}}, effect=Effect.ONCE)
    made = api.expect(reply, f"the segment {label!r}").get("segment")
    if not isinstance(made, dict) or not isinstance(made.get("id"), int):
        raise UnreadableReply(reply.status, "the reply shows no segment id")
    return str(made["id"])


def join(batch: Batch) -> Exchange:
    """Put people into the segment, or unsubscribe them. Unknown ids become people: ``update`` looks for them first."""
    if batch.cohort is not None and batch.cohort.style == "unsubscribe":
        return (yield from people.write_found(batch.changes, _unsubscribed, people.ended))
    changes = list(batch.changes)
    if changes and batch.mode is Mode.UPDATE:
        found = yield from api.find(c.match for c in changes)
        if isinstance(found, Reply):
            return api.refuse_all(found, changes)
        gone = [c for c in changes if c.match not in found]
        if gone:
            yield Settled(tuple(people.not_there(c) for c in gone))
        changes = [c for c in changes if c.match in found]
    return (yield from _move(batch, changes, "add_customers"))


def _unsubscribed(change: Change) -> dict[str, JSON]:
    return {"identifiers": {"id": change.match}, "action": "identify", "attributes": _OUT}


def part(batch: Batch) -> Exchange:
    """Take people out of the segment; who is not there, or not in it, is done."""
    return (yield from _move(batch, batch.changes, "remove_customers"))


def _move(batch: Batch, changes: Sequence[Change], how: str) -> Exchange:
    if not changes:
        return []
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    path = f"/api/v1/segments/{batch.prepared['cohorts'][batch.cohort.name]}/{how}"
    template = f"/api/v1/segments/{{segment_id}}/{how}"
    reply = yield api.track(path, {"ids": [c.match for c in changes]}, query=(("id_type", "id"),), template=template)
    if not reply.ok:
        return api.refuse_all(reply, changes)
    reply.document()
    return [Outcome.delivered(c, proof=Proof.ACCEPTED) for c in changes]
