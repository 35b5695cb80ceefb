"""A record left the model, or a person is to be forgotten: clear the user's variables, or delete the user."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.sailthru import api, people
from revetl.types import JSON, Batch, Change, Erased, OnLeave, Outcome, Person


def leave(batch: Batch) -> Exchange:
    """End the users that are there; who is gone already is done."""
    if not batch.changes:
        return []
    yield from _WAYS[batch.on_leave](batch)
    return []


def _clear(batch: Batch) -> Generator[Any, Any, None]:
    """Empty the variables; keys stay, for they are who the user is."""
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if not _vars(c))
    rest = [c for c in batch.changes if _vars(c)]
    yield from people.write_found(batch, rest, lambda c: {"vars": _vars(c)}, people.ended)


def _vars(change: Change) -> dict[str, JSON]:
    return {name: value for name, value in change.fields.items() if name not in people.KEYS}


def _delete(batch: Batch) -> Generator[Any, Any, None]:
    for group in api.chunks(batch.changes):
        replies: tuple[Reply, ...] = yield tuple(_deletion(batch.match_field, c.match) for c in group)
        yield from api.settle(_deleted(c, reply) for c, reply in zip(group, replies, strict=True))


def _deletion(key: str, identity: str) -> Http:
    return api.call("DELETE", "user", {"id": identity, "key": key})


def _deleted(change: Change, reply: Reply) -> Outcome:
    if _is_gone(reply):
        return Outcome.delivered(change)
    if api.failed(reply):
        return api.refused(change, reply)
    return Outcome.unknown(change, code="UNREADABLE", reason="the reply does not say ok")


def _is_gone(reply: Reply) -> bool:
    """Return whether nobody is left: deleted now, or not there to begin with (404, or said in words)."""
    if api.failed(reply):
        return reply.status == 404 or api.nobody(reply)
    return reply.document().get("ok") is True


_WAYS = {OnLeave.CLEAR: _clear, OnLeave.DELETE: _delete}


def erase(context: Context, people_there: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete each person by sid, and by the key that revetl matched them by: either may have moved on without it."""
    done: list[Erased] = []
    for group in api.chunks(people_there):
        calls = [[(key, one) for key, one in _names(context, person)] for person in group]
        replies: tuple[Reply, ...] = yield tuple(_deletion(key, one) for names in calls for key, one in names)
        left = iter(replies)
        for person, names in zip(group, calls, strict=True):
            done.append(_erased(person, [next(left) for _ in names]))
    return done


def _names(context: Context, person: Person) -> list[tuple[str, str]]:
    names = [("sid", person.remote_id)] if person.remote_id else []
    return [*names, (context.match_field or "email", person.identity)]


def _erased(person: Person, replies: Sequence[Reply]) -> Erased:
    for reply in replies:
        if not _is_gone(reply):
            code, reason = api.refusal(reply, person.identity)
            return Erased(person.identity, "failed", code, reason)
    return Erased(person.identity, "absent" if all(api.failed(reply) for reply in replies) else "erased")
