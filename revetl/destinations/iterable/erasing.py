"""People forgotten (POST /api/users/forget)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Erase, Reply
from revetl.destinations.iterable import api
from revetl.types import Erased, Person

_WHAT = (
    "Forgets the user: the profile and its events are deleted, and the project takes no data of that identity any more "
    "until the erasure is revoked there (users/unforget)."
)


def _run(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    found: list[Erased] = []
    for group in api.chunks(people):
        calls = (
            api.post("/api/users/forget", {context.match_field: p.identity}, "forget", "forget a day") for p in group
        )
        replies: tuple[Reply, ...] = yield tuple(calls)
        found += [_erased(person, reply) for person, reply in zip(group, replies, strict=True)]
    return found


def _erased(person: Person, reply: Reply) -> Erased:
    if reply.ok:
        api.succeeded(reply)  # the same for a user who is not there: the identity is barred either way
        return Erased(person.identity, "erased")
    code, reason = api.refusal(reply)
    return Erased(person.identity, "absent" if code in api.GONE else "failed", code, reason)


ERASE = Erase(_run, max_records=100, what=_WHAT)
