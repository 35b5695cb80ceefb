"""People erased for good (https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/gdpr)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Erase, Reply
from revetl.destinations.hubspot import api
from revetl.types import Erased, Person

_WHAT = (
    "Deletes a contact and its content for good, as GDPR asks, within 30 days. A company is no person: it is archived, "
    "and can be restored for 90 days."
)


def _run(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Erase by record id alone: by an address that nobody has, HubSpot would block the address."""
    ids: dict[str, list[str]] = {p.identity: [p.remote_id] if p.remote_id else [] for p in people}
    for at in range(0, len(people), api.BATCH):
        some = people[at : at + api.BATCH]
        reply: Reply = yield api.read_call(context.object, context.match_field, [p.identity for p in some])
        if not reply.ok:
            return [Erased(p.identity, "failed", *api.refusal(reply)) for p in people]
        there = api.by_identity(reply, context.match_field)
        for person in some:
            record = str((there.get(api.normal(context.match_field, person.identity)) or {}).get("id") or "")
            ids[person.identity] += [record] if record and record not in ids[person.identity] else []
    records = [(person, record) for person in people for record in ids[person.identity]]
    said: dict[str, list[Erased]] = {}
    for at in range(0, len(records), api.SIDE_BY_SIDE):
        group = records[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(_call(context, record) for _, record in group)
        for (person, _), answered in zip(group, replies, strict=True):
            said.setdefault(person.identity, []).append(_erased(context, person, answered))
    return [_worst(person, said.get(person.identity, [])) for person in people]


def _call(context: Context, record: str) -> Any:
    if context.object == "contacts":
        return api.object_call(context.object, "gdpr-delete", {"objectId": record})
    return api.object_call(context.object, "batch/archive", {"inputs": [{"id": record}]})


def _erased(context: Context, person: Person, reply: Reply) -> Erased:
    if reply.status == 204:
        return Erased(person.identity, "erased" if context.object == "contacts" else "archived")
    if reply.status == 404:
        return Erased(person.identity, "absent")
    return Erased(person.identity, "failed", *api.refusal(reply))


def _worst(person: Person, said: Sequence[Erased]) -> Erased:
    """Return what to say of a person who may have had two records: the one known from before, and today's."""
    for status in ("failed", "archived", "erased"):
        for one in said:
            if one.status == status:
                return one
    return Erased(person.identity, "absent")


ERASE = Erase(_run, max_records=api.BATCH, what=_WHAT)
