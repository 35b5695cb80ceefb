"""Create and update contacts, one call each; one search finds 15 whose ids are not known.

Whom a search does not find may be there all the same, new or archived: Intercom then refuses the creation (409) and
names the contact, which is taken back from the archive and updated, if it is the one that is meant. Leads are never
refused so, hence a lead's creation is not repeated, and goes out alone: an answer that is lost takes no other along.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.intercom import api, companies, fields, find, links
from revetl.destinations.intercom.find import Contact
from revetl.types import JSON, Batch, Change, Effect, Mode, OnLeave, Outcome

_HELD_BY = re.compile(r"\bid=([0-9A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class _Conflict:
    """A creation that Intercom refused because of the contact ``id``."""

    change: Change
    id: str
    reply: Reply

    @property
    def archived(self) -> bool:
        return "archived" in api.refusal(self.reply)[1]

    def refused(self, code: str, more: str = "") -> Outcome:
        """Return the refusal that this comes to."""
        reason = " · ".join(part for part in (api.refusal(self.reply)[1], more) if part)
        return Outcome.rejected(self.change, code=code, reason=reason)


Steps = Generator[Any, Any, list[Change]]


def upsert(batch: Batch) -> Exchange:
    """Update what has an id; look the rest up, and what turns out to be gone, and update or create it."""
    if not batch.changes:
        return []
    if batch.object == "company":
        return (yield from companies.upsert(batch))
    rest = list(batch.changes)
    if batch.mode is not Mode.INSERT:
        known = [c for c in batch.changes if c.remote_id]
        gone = yield from _relink([c for c in known if links.alone(c)])
        gone += yield from update(batch, [(c, {"id": c.remote_id}) for c in known if not links.alone(c)])
        rest = [c for c in batch.changes if not c.remote_id] + gone
    if not rest:
        return []
    found = yield from find.look(batch, rest, leads=batch.mode is Mode.UPSERT)
    if isinstance(found, Reply):
        return find.refused(found, rest)
    yield from api.settle(find.ambiguous(batch, change) for change in found.several)
    there = [(c, found.contacts[c.seq]) for c in rest if c.seq in found.contacts]
    absent = [c for c in rest if c.seq not in found.contacts and c not in found.several]
    if batch.mode is Mode.INSERT:
        yield from api.settle(_exists(change) for change, _ in there)
    else:
        absent += yield from update(batch, there)
    if batch.mode is Mode.UPDATE:
        return [find.nobody(change) for change in absent]
    return (yield from _create(batch, absent))


def _exists(change: Change) -> Outcome:
    reason = "the contact is there already, and mode insert leaves it alone"
    return Outcome.rejected(change, code="CONTACT_EXISTS", reason=reason)


def _relink(changes: Sequence[Change]) -> Steps:
    """Change the company of contacts of which nothing else is to be written; return those whose contact is gone."""
    gone: list[Change] = []
    for group in api.chunks(changes):
        outcomes = yield from links.follow([Outcome.delivered(c, remote_id=c.remote_id) for c in group])
        missing = [outcome.change for outcome in outcomes if outcome.code == links.NOBODY]
        yield from api.settle(outcome for outcome in outcomes if outcome.change not in missing)
        gone += missing
    return gone


def update(batch: Batch, pairs: Sequence[tuple[Change, Contact]], *, revived: bool = False) -> Steps:
    """Write each change to its contact, and settle it; return the changes whose contact is gone.

    ``revived``: they came back from the archive, and count as made by us where the policy is to archive who leaves.
    """
    created = True if revived and batch.on_leave is OnLeave.ARCHIVE else None
    gone: list[Change] = []
    for group in api.chunks(pairs):
        replies: tuple[Reply, ...] = yield tuple(_put(batch, change, contact) for change, contact in group)
        outcomes = []
        for (change, contact), reply in zip(group, replies, strict=True):
            if reply.status == 404:
                gone.append(change)
            else:
                outcomes.append(_updated(change, str(contact["id"]), reply, created=created))
        yield from api.settle((yield from links.follow(outcomes)))
    return gone


def _put(batch: Batch, change: Change, contact: Contact) -> Http:
    role = {"role": "user"} if batch.object == "user" and contact.get("role") == "lead" else {}
    return api.contact_call("PUT", str(contact["id"]), body={**role, **_body(batch, change)})


def _body(batch: Batch, change: Change) -> dict[str, JSON]:
    return fields.body(batch.object, {**change.fields, batch.match_field: change.match})


def _updated(change: Change, contact: str, reply: Reply, *, created: bool | None) -> Outcome | None:
    if not reply.ok:
        return api.declined(change, reply)
    if api.shown_id(reply) != contact:
        return None
    if created is None and (change.created is None or (change.remote_id and change.remote_id != contact)):
        created = False  # somebody else's contact: it is never archived or deleted on leave
    return Outcome.delivered(change, remote_id=contact, created=created)


def _create(batch: Batch, changes: Sequence[Change]) -> Exchange:
    conflicts: list[_Conflict] = []
    for group in api.chunks(changes, 1 if batch.object == "lead" else api.SIDE_BY_SIDE):
        replies: tuple[Reply, ...] = yield tuple(_post(batch, change) for change in group)
        outcomes = []
        for change, reply in zip(group, replies, strict=True):
            held = _HELD_BY.search(api.refusal(reply)[1]) if reply.status == 409 else None
            if held is not None:
                conflicts.append(_Conflict(change, held[1], reply))
            else:
                outcomes.append(_created(change, reply))
        yield from api.settle((yield from links.follow(outcomes)))
    if batch.mode is Mode.INSERT:
        return [conflict.refused("CONTACT_EXISTS") for conflict in conflicts]
    return (yield from _resolve(batch, conflicts))


def _post(batch: Batch, change: Change) -> Http:
    withdrawn = {"unsubscribed_from_emails": True} if change.consent is False else {}
    body = {"role": batch.object, **_body(batch, change), **withdrawn}
    return api.call("POST", "/contacts", body, effect=Effect.ONCE if batch.object == "lead" else None)


def _created(change: Change, reply: Reply) -> Outcome | None:
    if not reply.ok:
        return api.declined(change, reply)
    contact = api.shown_id(reply)
    return Outcome.delivered(change, remote_id=contact, created=True) if contact else None


# --- a creation was refused: somebody is there -----------------------------------------------------------------------


def _resolve(batch: Batch, conflicts: Sequence[_Conflict]) -> Exchange:
    """Update those whom the refusals name and who are meant."""
    for group in api.chunks(conflicts):
        standing = yield from _unarchive(group)
        if not standing:
            continue
        replies: tuple[Reply, ...] = yield tuple(api.contact_call("GET", one.id) for one in standing)
        shown = [(one, api.shown(reply) if reply.ok else {}) for one, reply in zip(standing, replies, strict=True)]
        meant = [(one, contact) for one, contact in shown if contact and _is_meant(batch, one.change, contact)]
        gone = yield from update(batch, [(one.change, contact) for one, contact in meant if not one.archived])
        back_again = [(one.change, contact) for one, contact in meant if one.archived]
        gone += yield from update(batch, back_again, revived=True)
        done = {one.change.seq for one, _ in meant if one.change not in gone}
        others = [one for one in standing if one.change.seq not in done]
        back = tuple(api.contact_call("POST", one.id, "/archive") for one in others if one.archived)
        if back:
            yield back
        yield from api.settle(one.refused("CONFLICT", f"it has another {batch.match_field}") for one in others)
    return []


def _unarchive(conflicts: Sequence[_Conflict]) -> Generator[Any, Any, list[_Conflict]]:
    """Take the archived ones back; return those who stand there then."""
    archived = [one for one in conflicts if one.archived]
    standing = [one for one in conflicts if not one.archived]
    if not archived:
        return standing
    replies: tuple[Reply, ...] = yield tuple(api.contact_call("POST", one.id, "/unarchive") for one in archived)
    outcomes = []
    for one, reply in zip(archived, replies, strict=True):
        if reply.ok:
            standing.append(one)
        elif reply.status in (400, 404):
            more = f"{api.refusal(reply)[1]}: who was deleted blocks the identity for some days"
            outcomes.append(one.refused("DELETED_THERE", more))
        else:
            outcomes.append(api.declined(one.change, reply))
    yield from api.settle(outcomes)
    return standing


def _is_meant(batch: Batch, change: Change, contact: Contact) -> bool:
    """Return whether a contact that blocks a creation is the one to update.

    It has the same identity; or it has no external id yet and the e-mail address that we send, as users have who were
    made by hand or by a file.
    """
    theirs = contact.get(batch.match_field)
    if theirs:
        return find.normal(batch.match_field, theirs) == find.normal(batch.match_field, change.match)
    ours = change.fields.get("email")
    return bool(ours) and find.normal("email", ours) == find.normal("email", contact.get("email"))
