"""People erased for good (https://mailchimp.com/developer/marketing/api/list-members/delete-list-member/)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Erase, Reply
from revetl.destinations.mailchimp import api
from revetl.types import Erased, Person

_WHAT = (
    "Deletes the member and all that the audience knows of them, for good: the address can never be imported or "
    "written there again; only the person can sign up anew."
)


def _run(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    found: list[Erased] = []
    for at in range(0, len(people), api.SIDE_BY_SIDE):
        some = people[at : at + api.SIDE_BY_SIDE]
        calls = (api.member_call(context.settings, "POST", p.identity, then="/actions/delete-permanent") for p in some)
        replies: tuple[Reply, ...] = yield tuple(calls)
        found += [_erased(person, reply) for person, reply in zip(some, replies, strict=True)]
    return found


def _erased(person: Person, reply: Reply) -> Erased:
    if reply.status == 204:
        return Erased(person.identity, "erased")
    if reply.status == 404:
        return Erased(person.identity, "absent")
    return Erased(person.identity, "failed", *api.refusal(reply))


ERASE = Erase(_run, max_records=500, what=_WHAT)
