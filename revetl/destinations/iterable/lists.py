"""Cohorts as static lists. Iterable has no call that renames a list: a new label finds the list by its stored id."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Http, Reply, Settled, UnreadableReply
from revetl.destinations.iterable import answers, api
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Effect, Mode, Outcome, Proof

_STATIC = "Standard"  # listType; Dynamic follows a query, Suppression and Internal are Iterable's own


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find or create the list of each cohort; return ``{"cohorts": {model name: list id}}``.

    Raises:
        DestinationError: RVT-651, Iterable refuses a list; RVT-652, no list of that name is static.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    reply = yield Http("GET", "/api/lists", effect=Effect.READ, cost={"users": 1})
    known = _known(reply)
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        there = _find(known, context.ids.get(name), label)
        if there is None and context.create:
            there = yield from _create(label)
        if there is not None:
            found[name] = there
    return {"cohorts": found}


def _known(reply: Reply) -> list[dict[str, JSON]]:
    rows = _expect(reply, "its lists").get("lists")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableReply(reply.status, "lists is not a list of objects")
    return rows


def _expect(reply: Reply, what: str) -> dict[str, JSON]:
    if not reply.ok:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"Iterable refuses {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def _find(known: Sequence[dict[str, JSON]], stored: str | None, label: str) -> str | None:
    by_id = [row for row in known if str(row.get("id")) == stored]
    by_name = [row for row in known if row.get("name") == label]
    static = [row for row in by_id or by_name if row.get("listType") == _STATIC]
    if static:
        return str(min(int(row["id"]) for row in static))  # names may repeat: the oldest, always
    if by_id or by_name:
        what = f"the list {label!r} in Iterable is {(by_id or by_name)[0].get('listType')}: nobody can be put on it"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`")
    return None


def _create(label: str) -> Generator[Any, Any, str]:
    reply = yield api.post("/api/lists", {"name": label}, "lists", effect=Effect.ONCE)
    found = _expect(reply, f"the list {label!r}").get("listId")
    if not isinstance(found, int):
        raise UnreadableReply(reply.status, "the reply shows no listId")
    return str(found)


def join(batch: Batch) -> Exchange:
    """Put users on the list.

    In an email-based project, updateExistingUsersOnly is not heard, and an unknown address makes a user. Where the
    sync's mode says that none may be made, users are looked for first.
    """
    changes = batch.changes
    if changes and batch.mode is Mode.UPDATE:
        found = yield from api.find(batch.match_field, [c.match for c in changes])
        if isinstance(found, Reply):
            return api.refuse_all(found, changes)
        gone = [c for c in changes if api.normal(batch.match_field, c.match) not in found]
        if gone:
            yield Settled(tuple(answers.rejected(c, "notFound") for c in gone))
        changes = [c for c in changes if api.normal(batch.match_field, c.match) in found]
    if not changes:
        return []
    people = [_person(batch, c) for c in changes]
    body = {"listId": _list_id(batch), "subscribers": people, "updateExistingUsersOnly": True}
    reply = yield api.post("/api/lists/subscribe", body, "lists")
    return answers.judge(reply, batch, changes)


def part(batch: Batch) -> Exchange:
    """Take users off the list; never out of its channel, which would be an opt-out. Who is not there is done."""
    if not batch.changes:
        return []
    people = [_person(batch, c) for c in batch.changes]
    body = {"listId": _list_id(batch), "subscribers": people, "channelUnsubscribe": False}
    reply = yield api.post("/api/lists/unsubscribe", body, "lists")
    return answers.judge(reply, batch, batch.changes, _ended)


def _ended(change: Change, kind: str) -> Outcome:
    return Outcome.delivered(change, proof=Proof.ROW) if kind == "notFound" else answers.rejected(change, kind)


def _person(batch: Batch, change: Change) -> dict[str, JSON]:
    return {batch.match_field: change.match}


def _list_id(batch: Batch) -> int:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return int(batch.prepared["cohorts"][batch.cohort.name])
