"""Users: found by identity, written one by one, by sid where nobody may come into being."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from revetl.contract import Reply, UnreadableReply
from revetl.destinations.sailthru import api
from revetl.types import JSON, Batch, Change, Outcome

User = dict[str, JSON]
Users = dict[str, User]
KEYS = ("email", "extid", "sms")  # what identifies a user; everything else is a variable
_SHOWN = {"keys": 1, "vars": 1, "lists": 1, "optout_email": 1}


def find(match_field: str, identities: Iterable[str]) -> Generator[Any, Any, Users | Reply]:
    """Return normal identity → user of those who are there; or the reply that refuses the reading."""
    found: Users = {}
    wanted = list(dict.fromkeys(api.normal(match_field, identity) for identity in identities))
    for group in api.chunks(wanted):
        asks = tuple(api.get("user", {"id": one, "key": match_field, "fields": _SHOWN}) for one in group)
        replies: tuple[Reply, ...] = yield asks
        for identity, reply in zip(group, replies, strict=True):
            if not api.failed(reply):
                found[identity] = _user(reply)
            elif not (api.nobody(reply) or api.malformed(reply)):
                return reply
    return found


def _user(reply: Reply) -> User:
    """Return the user shown; what has nothing in it comes as null, or as an empty list."""
    shown = reply.document()
    keys = shown.get("keys")
    if not isinstance(keys, dict) or not isinstance(keys.get("sid"), str):
        raise UnreadableReply(reply.status, "the reply shows no user")
    return {
        "sid": keys["sid"],
        "keys": keys,
        "vars": part(shown, "vars"),
        "lists": part(shown, "lists"),
        "optout_email": shown.get("optout_email"),
    }


def part(shown: dict[str, JSON], name: str) -> dict[str, JSON]:
    """Return an object inside another one, an empty one where there is none."""
    found = shown.get(name)
    return found if isinstance(found, dict) else {}


def write(
    calls: Sequence[tuple[Change, dict[str, JSON]]], known: Callable[[Outcome], Outcome] = lambda outcome: outcome
) -> Generator[Any, Any, list[tuple[Change, Reply]]]:
    """Post users side by side, settle those who were written or refused; return who is said not to exist.

    ``known`` adds to an outcome what is known beside the reply.
    """
    gone: list[tuple[Change, Reply]] = []
    for group in api.chunks(calls):
        asks = tuple(api.call("POST", "user", {**told, "fields": {"keys": 1}}) for _, told in group)
        replies: tuple[Reply, ...] = yield asks
        pairs = [(change, reply) for (change, _), reply in zip(group, replies, strict=True)]
        missing = {id(reply) for _, reply in pairs if api.failed(reply) and api.nobody(reply)}
        gone += [(change, reply) for change, reply in pairs if id(reply) in missing]
        yield from api.settle(known(_written(change, reply)) for change, reply in pairs if id(reply) not in missing)
    return gone


def _written(change: Change, reply: Reply) -> Outcome:
    """Return what a reply makes of a change: it must say ok, and name the user by sid."""
    if api.failed(reply):
        return api.refused(change, reply)
    try:
        said = reply.document()
    except UnreadableReply as odd:
        return Outcome.unknown(change, code="UNREADABLE", reason=str(odd))
    sid = part(said, "keys").get("sid")
    if said.get("ok") is not True or not isinstance(sid, str):
        return Outcome.unknown(change, code="UNREADABLE", reason="the reply does not say ok, or names no user")
    return Outcome.delivered(change, remote_id=sid)


Told = Callable[[Change], dict[str, JSON]]
Gone = Callable[[Change], Outcome]


def write_found(batch: Batch, changes: Sequence[Change], told: Told, gone: Gone) -> Generator[Any, Any, None]:
    """Write to users who are there, by sid: by any other key, whoever is not there would come into being.

    A sid that is not known (any more) is looked up; who is nowhere to be found is settled by ``gone``.
    """
    known = [(c, {"id": c.remote_id, "key": "sid", **told(c)}) for c in changes if c.remote_id]
    lost = yield from write(known)
    unknown = [c for c in changes if not c.remote_id] + [change for change, _ in lost]
    if not unknown:
        return
    users = yield from find(batch.match_field, [c.match for c in unknown])
    if isinstance(users, Reply):
        yield from api.settle(waits(c, users) for c in unknown)
        return
    there = {c.seq: users.get(api.normal(batch.match_field, c.match)) for c in unknown}
    yield from api.settle(gone(c) for c in unknown if there[c.seq] is None)
    again = [(c, {"id": user["sid"], "key": "sid", **told(c)}) for c in unknown if (user := there[c.seq]) is not None]
    vanished = yield from write(again)
    yield from api.settle(gone(change) for change, _ in vanished)


def waits(change: Change, reply: Reply) -> Outcome:
    """Return a change that was not sent, because what it needs to know could not be read."""
    code, reason = api.refusal(reply, change.match)
    return Outcome.waiting(change, code=code, reason=reason)


def not_there(change: Change) -> Outcome:
    """Return the refusal of a change of nobody."""
    return Outcome.rejected(change, code="notFound", reason="there is no such user in Sailthru")


def ended(change: Change) -> Outcome:
    """Return the delivery of an ending where nobody is left."""
    return Outcome.delivered(change)
