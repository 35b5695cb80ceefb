"""Contacts by external id or e-mail address: one search for 15 of them.

The index lags behind writes by up to minutes (https://developers.intercom.com, "Contact Creation Delay"), and knows
neither archived nor merged contacts: what a search does not find may still refuse its creation.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from revetl.contract import BatchRejected, Http, Reply, UnreadableReply
from revetl.destinations.intercom import api
from revetl.types import JSON, Batch, Change, Effect, Outcome

FILTERS = 15  # of one OR group: "max 15 filters for each AND or OR group"
_PAGE = 150  # the most that a page may hold

Contact = dict[str, JSON]


@dataclass(slots=True)
class Found:
    """Who stands there for the changes that were looked up: a contact, nobody (absent from both), or several."""

    contacts: dict[int, Contact] = field(default_factory=dict)  # by the change's number
    several: list[Change] = field(default_factory=list)

    def id(self, change: Change) -> str:
        """Return the id of the contact that was found, empty for nobody."""
        return str(self.contacts[change.seq]["id"]) if change.seq in self.contacts else ""


def normal(match_field: str, value: JSON) -> str:
    """Return an identity as Intercom compares it."""
    return str(value).strip().lower() if match_field == "email" else str(value)


def search(match_field: str, values: Iterable[str]) -> Generator[Any, Any, dict[str, list[Contact]] | Reply]:
    """Return identity → the contacts that have it; or the reply that refuses a search."""
    found: dict[str, list[Contact]] = {}
    parts = api.chunks(list(dict.fromkeys(values)), FILTERS)
    for group in api.chunks(parts):
        open_ = [(part, "") for part in group]
        while open_:
            replies: tuple[Reply, ...] = yield tuple(_search(match_field, part, after) for part, after in open_)
            following = []
            for (part, _), reply in zip(open_, replies, strict=True):
                if not reply.ok:
                    return reply
                for contact in _contacts(reply):
                    found.setdefault(normal(match_field, contact.get(match_field)), []).append(contact)
                if after := _next(reply):
                    following.append((part, after))
            open_ = following
    return found


def _search(match_field: str, values: Sequence[str], after: str) -> Http:
    filters = [{"field": match_field, "operator": "=", "value": value} for value in values]
    paging = {"per_page": _PAGE, **({"starting_after": after} if after else {})}
    body = {"query": {"operator": "OR", "value": filters}, "pagination": paging}
    return api.call("POST", "/contacts/search", body, effect=Effect.READ)


def _contacts(reply: Reply) -> list[Contact]:
    found = api.rows(reply, reply.document())
    if not all(isinstance(row.get("id"), str) for row in found):
        raise UnreadableReply(reply.status, "a contact has no id")
    return found


def _next(reply: Reply) -> str:
    pages = reply.document().get("pages")
    following = pages.get("next") if isinstance(pages, dict) else None
    return str(following.get("starting_after") or "") if isinstance(following, dict) else ""


def look(
    batch: Batch, changes: Sequence[Change], *, before: bool = False, leads: bool = False
) -> Generator[Any, Any, Found | Reply]:
    """Look the changes up by their identity (``before``: by the one they had until now).

    ``leads`` lets a single lead stand for a person who is to be a user.
    """
    places = {c.seq: normal(batch.match_field, (before and c.before_match) or c.match) for c in changes}
    people = yield from search(batch.match_field, places.values())
    if isinstance(people, Reply):
        return people
    found = Found()
    for change in changes:
        there = people.get(places[change.seq], [])
        users = [contact for contact in there if contact.get("role") == "user"]
        usable = users or (there if leads or batch.object == "lead" else [])
        if len(usable) == 1:
            found.contacts[change.seq] = usable[0]
        elif len(usable) > 1 and (users or batch.object == "lead"):
            found.several.append(change)  # of several leads no one is the user to be: they stay, and a user is made
    return found


def ids_of(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, tuple[dict[int, str], Found] | Reply]:
    """Return the id of each change's contact, known or looked up (empty for nobody), and what was looked up."""
    unknown = [change for change in changes if not change.remote_id]
    found: Found | Reply = Found()
    if unknown:
        found = yield from look(batch, unknown)
    if isinstance(found, Reply):
        return found
    return {c.seq: c.remote_id or found.id(c) for c in changes}, found


def refused(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refused search makes of its changes: nothing was written."""
    code, reason = api.refusal(reply)
    if reply.status in (400, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def ambiguous(batch: Batch, change: Change) -> Outcome:
    """Return the refusal of a change whose identity several contacts share."""
    reason = f"several contacts there have this {batch.match_field}: merge or delete all but one in Intercom"
    return Outcome.rejected(change, code="SEVERAL_CONTACTS", reason=reason)


def nobody(change: Change) -> Outcome:
    """Return the refusal of a change that needs a contact where there is none."""
    return Outcome.rejected(change, code="CONTACT_MISSING", reason="there is no such contact in Intercom")
