"""People are erased: every contact that a person has there, by id and by identity."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

from revetl.contract import Context, Erase, Http, Reply
from revetl.destinations.intercom import api, companies, find
from revetl.types import Erased, Person

_GRAVITY = ("failed", "archived", "erased", "absent")
Refused = Mapping[str, Reply]  # identity → the reply that refuses to show who has it


def erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete contacts, archive a company; who is not there is *absent*.

    A search sees neither the archived nor who is minutes old: those go by their remote ids.
    """
    look_up = _companies if context.object == "company" else partial(_contacts, context.match_field)
    known, refused = yield from look_up(people)
    told = {who: [_failed(who, reply)] for who, reply in refused.items()}
    for group in api.chunks([(who, record) for who, records in known.items() for record in records]):
        replies: tuple[Reply, ...] = yield tuple(_deletion(context, record) for _, record in group)
        for (who, record), reply in zip(group, replies, strict=True):
            told.setdefault(who, []).append(_erased(context, who, record, reply))
    return [_gravest(person.identity, told.get(person.identity, [])) for person in people]


def _contacts(match_field: str, people: Sequence[Person]) -> Generator[Any, Any, tuple[dict[str, list[str]], Refused]]:
    known = {person.identity: [person.remote_id] if person.remote_id else [] for person in people}
    found = yield from find.search(match_field, known)
    if isinstance(found, Reply):
        return {}, dict.fromkeys(known, found)
    for who, records in known.items():
        contacts = found.get(find.normal(match_field, who), [])
        records += [str(contact["id"]) for contact in contacts if contact["id"] not in records]
    return known, {}


def _companies(people: Sequence[Person]) -> Generator[Any, Any, tuple[dict[str, list[str]], Refused]]:
    known = {person.identity: [person.remote_id] for person in people if person.remote_id}
    refused: dict[str, Reply] = {}
    for group in api.chunks([person.identity for person in people if not person.remote_id]):
        replies: tuple[Reply, ...] = yield tuple(companies.by_company_id(identity) for identity in group)
        for who, reply in zip(group, replies, strict=True):
            there = companies.found_id(reply)
            if there is None:
                refused[who] = reply
            elif there:
                known[who] = [there]
    return known, refused


def _deletion(context: Context, record: str) -> Http:
    return companies.delete(record) if context.object == "company" else api.contact_call("DELETE", record)


def _erased(context: Context, who: str, record: str, reply: Reply) -> Erased:
    if reply.status == 404:
        return Erased(who, "absent")
    if reply.ok and api.shown_id(reply) == record:
        return Erased(who, "archived" if context.object == "company" else "erased")
    return _failed(who, reply)


def _failed(who: str, reply: Reply) -> Erased:
    code, reason = api.refusal(reply)
    return Erased(who, "failed", code, reason)


def _gravest(who: str, told: Sequence[Erased]) -> Erased:
    """Return one word for all contacts of a person: a failure of one is a failure."""
    return min(told, key=lambda one: _GRAVITY.index(one.status), default=Erased(who, "absent"))


ERASE = Erase(
    erase,
    max_records=150,
    what="Intercom deletes contacts for good, with their conversations; a company it can only archive.",
)
