"""Cohorts as tags, one person or company a call; and the withdrawal of a subscription, which joins alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.intercom import api, find
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Outcome

UNSUBSCRIBE = "unsubscribe"


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create the tag of each cohort; return ``{"cohorts": {model name: tag id}}``.

    Raises:
        DestinationError: RVT-651, Intercom refuses a tag.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    known: dict[str, str] = yield from _tags()
    by_label = {name.lower(): tag for tag, name in known.items()}
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        tag = context.ids.get(name)
        if tag not in known:
            tag = by_label.get(label.lower())
        if tag is None and not context.create:
            continue
        if tag is None:
            tag = yield from _write(label, {"name": label})
        elif known[tag] != label and context.create:
            yield from _write(label, {"id": tag, "name": label})
        found[name] = tag
    return {"cohorts": found}


def _tags() -> Generator[Any, Reply, dict[str, str]]:
    reply = yield api.call("GET", "/tags")
    if not reply.ok:
        raise _refused(reply, "Intercom does not show its tags", "give the token the permission to read tags")
    return {str(row.get("id")): str(row.get("name")) for row in api.rows(reply, reply.document())}


def _write(label: str, body: JSON) -> Generator[Any, Reply, str]:
    reply = yield api.call("POST", "/tags", body)
    if not reply.ok:
        raise _refused(reply, f"Intercom refuses the tag {label!r}", "give the cohort another `label`")
    return str(reply.document()["id"])


def _refused(reply: Reply, what: str, hint: str) -> DestinationError:
    code, reason = api.refusal(reply)
    return DestinationError("RVT-651", f"{what}: {code}, {reason}", hint=hint)


@dataclass(frozen=True, slots=True)
class _Move:
    """One way in or out: the call for a contact, and what the answer to it must show."""

    call: Callable[[str], Http]
    shows: Callable[[str], str]  # the contact's id → the id that the reply shows
    joins: bool

    def judge(self, change: Change, contact: str, reply: Reply) -> Outcome | None:
        """Return what a reply makes of a change; None where it proves nothing."""
        if not self.joins and reply.status == 404:
            return Outcome.delivered(change)
        if not reply.ok:
            return api.declined(change, reply)
        shown = api.shown_id(reply) == self.shows(contact)
        return Outcome.delivered(change, remote_id=contact) if shown else None


def join(batch: Batch) -> Exchange:
    """Tag people or companies, or withdraw people's subscription."""
    if not batch.changes:
        return []
    if batch.cohort is not None and batch.cohort.style == UNSUBSCRIBE:
        body = {"unsubscribed_from_emails": True}
        move = _Move(lambda contact: api.contact_call("PUT", contact, body=body), lambda contact: contact, joins=True)
        return (yield from _move(batch, move))
    if batch.object == "company":
        return (yield from _companies(batch, joins=True))
    tag = _tag(batch)
    move = _Move(lambda contact: api.contact_call("POST", contact, "/tags", {"id": tag}), lambda _: tag, joins=True)
    return (yield from _move(batch, move))


def part(batch: Batch) -> Exchange:
    """Take the tag off; nobody who is gone, or never wore it, stands in the way."""
    if not batch.changes:
        return []
    if batch.object == "company":
        return (yield from _companies(batch, joins=False))
    tag = _tag(batch)
    move = _Move(lambda contact: api.contact_call("DELETE", contact, "/tags", below=tag), lambda _: tag, joins=False)
    return (yield from _move(batch, move))


def _tag(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["cohorts"][batch.cohort.name])


def _move(batch: Batch, move: _Move) -> Exchange:
    """Move people by their ids; those whose id is gone (merged into another contact) are looked up once more."""
    known = [(c, c.remote_id) for c in batch.changes if c.remote_id]
    gone = yield from _write_each(move, known, again=True)
    rest = [c for c in batch.changes if not c.remote_id] + gone
    if not rest:
        return []
    found = yield from find.look(batch, rest)
    if isinstance(found, Reply):
        return find.refused(found, rest)
    yield from api.settle(find.ambiguous(batch, change) for change in found.several)
    there = [(c, found.id(c)) for c in rest if c.seq in found.contacts]
    yield from _write_each(move, there, again=False)
    absent = [c for c in rest if c.seq not in found.contacts and c not in found.several]
    return [find.nobody(c) if move.joins else Outcome.delivered(c) for c in absent]


def _write_each(move: _Move, pairs: Sequence[tuple[Change, str]], *, again: bool) -> Generator[Any, Any, list[Change]]:
    gone: list[Change] = []
    for group in api.chunks(pairs):
        replies: tuple[Reply, ...] = yield tuple(move.call(contact) for _, contact in group)
        outcomes = []
        for (change, contact), reply in zip(group, replies, strict=True):
            # "User Not Found"; a tag that is not there, or not worn, is a "Resource".
            if again and reply.status == 404 and "resource" not in api.refusal(reply)[1].lower():
                gone.append(change)
            else:
                outcomes.append(move.judge(change, contact, reply))
        yield from api.settle(outcomes)
    return gone


def _companies(batch: Batch, *, joins: bool) -> Exchange:
    """Tag or untag companies by our own id, which never changes, and by the tag's name, which is read first."""
    tag = _tag(batch)
    read = yield api.call("GET", f"/tags/{api.segment(tag)}", template="/tags/{tag_id}")
    name = api.shown(read).get("name")
    if not read.ok:
        gone = not joins and read.status == 404
        return [Outcome.delivered(c) if gone else api.declined(c, read) for c in batch.changes]
    untag = {} if joins else {"untag": True}
    for group in api.chunks(batch.changes if isinstance(name, str) else []):
        bodies = [{"name": name, "companies": [{"company_id": change.match, **untag}]} for change in group]
        replies: tuple[Reply, ...] = yield tuple(api.call("POST", "/tags", body) for body in bodies)
        yield from api.settle(_company(c, tag, reply, joins=joins) for c, reply in zip(group, replies, strict=True))
    return []


def _company(change: Change, tag: str, reply: Reply, *, joins: bool) -> Outcome | None:
    if not joins and reply.status == 404:
        return Outcome.delivered(change)
    if not reply.ok:
        return api.declined(change, reply)
    return Outcome.delivered(change) if api.shown_id(reply) == tag else None
