"""A record left the model, or a person is to be forgotten: clear the user's attributes, or delete the user."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Reply, Settled
from revetl.destinations.braze import api, users
from revetl.types import JSON, Batch, Change, Erased, OnLeave, Outcome, Person, Proof


def leave(batch: Batch) -> Exchange:
    """End users; who is not there is left out by Braze, and done."""
    if batch.on_leave is OnLeave.CLEAR:
        return (yield from _clear(batch))
    yield from delete(batch.changes, "external_ids", lambda change: change.match)
    return []


def _clear(batch: Batch) -> Exchange:
    def told(change: Change) -> dict[str, JSON]:
        return {name: value for name, value in change.fields.items() if name != batch.match_field}

    empty = [c for c in batch.changes if not told(c)]
    if empty:
        yield Settled(tuple(Outcome.delivered(c, proof=Proof.ACCEPTED) for c in empty))
    return (yield from users.track(batch, [c for c in batch.changes if told(c)], told, make=False))


def delete(
    changes: Sequence[Change], kind: str, name: Callable[[Change], str], *, created: bool | None = None
) -> Generator[Any, Any, None]:
    """Delete users, and settle the changes; deletions are queued there."""
    for group in api.chunks(changes):
        reply = yield api.post("/users/delete", {kind: [name(c) for c in group]}, "delete")
        yield Settled(tuple(_deleted(c, reply, created) for c in group))


def _deleted(change: Change, reply: Reply, created: bool | None) -> Outcome:  # noqa: FBT001
    if reply.ok:
        if not isinstance(api.document(reply).get("deleted"), int):
            return Outcome.unknown(change, code="UNREADABLE", reason="the reply shows no count")
        return Outcome.delivered(change, proof=Proof.ACCEPTED, created=created)
    code, reason = api.refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def erase(_: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Look for each person, then delete those who are there."""
    found = yield from api.find(person.identity for person in people)
    if isinstance(found, Reply):
        code, reason = api.refusal(found)
        return [Erased(person.identity, "failed", code, reason) for person in people]
    done = [Erased(person.identity, "absent") for person in people if person.identity not in found]
    for group in api.chunks([person for person in people if person.identity in found]):
        reply = yield api.post("/users/delete", {"external_ids": [person.identity for person in group]}, "delete")
        done += [_erased(person, reply) for person in group]
    return done


def _erased(person: Person, reply: Reply) -> Erased:
    if reply.ok and isinstance(api.document(reply).get("deleted"), int):
        return Erased(person.identity, "erased")
    code, reason = api.refusal(reply)
    return Erased(person.identity, "failed", code, reason)
