"""A contact's identity changes: rename it there, so that nothing stays behind under the old one."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.intercom import api, find
from revetl.types import Batch, Change, Outcome

_HELD_BY = re.compile(r"^A contact\b.*\bid=([0-9A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class _Place:
    """What stands under the old and under the new identity: contact ids, empty for nothing."""

    change: Change
    old: str
    new: str


def rename(batch: Batch) -> Exchange:
    """Rename each contact; where another one holds the new identity, ours goes or the change is refused."""
    if not batch.changes:
        return []
    if batch.object == "company":
        return [_fixed(change) for change in batch.changes]
    new = yield from find.look(batch, batch.changes)
    if isinstance(new, Reply):
        return find.refused(new, batch.changes)
    unknown = [change for change in batch.changes if not change.remote_id]
    old: find.Found | Reply = find.Found()
    if unknown:
        old = yield from find.look(batch, unknown, before=True)
    if isinstance(old, Reply):
        return find.refused(old, batch.changes)
    several = [*new.several, *old.several]
    yield from api.settle(find.ambiguous(batch, c) for c in batch.changes if c in several)
    places = [_Place(c, c.remote_id or old.id(c), new.id(c)) for c in batch.changes if c not in several]
    yield from api.settle(_moved_already(p) for p in places if not p.old)
    free = [p for p in places if p.old and p.new in ("", p.old)]
    taken = [p for p in places if p.old and p.new not in ("", p.old)]
    taken += yield from _rename(batch, free)
    return (yield from _hand_over(taken))


def _fixed(change: Change) -> Outcome:
    reason = "Intercom fixes a company_id for ever: make the record anew under another key, and archive this one there"
    return Outcome.rejected(change, code="IDENTITY_FIXED", reason=reason)


def _moved_already(place: _Place) -> Outcome:
    """Nothing stands under the old identity; what stands under the new one is ours if its id is the one we know."""
    stranger = place.new and place.new != place.change.remote_id
    return Outcome.delivered(place.change, remote_id=place.new or None, created=False if stranger else None)


def _rename(batch: Batch, places: Sequence[_Place]) -> Generator[Any, Any, list[_Place]]:
    """Give contacts their new identity; return those of whom Intercom says that another one holds it."""
    taken: list[_Place] = []
    for group in api.chunks(places):
        bodies = [{batch.match_field: place.change.match} for place in group]
        replies: tuple[Reply, ...] = yield tuple(
            api.contact_call("PUT", place.old, body=body) for place, body in zip(group, bodies, strict=True)
        )
        outcomes = []
        for place, reply in zip(group, replies, strict=True):
            held = _HELD_BY.search(api.refusal(reply)[1]) if reply.status == 409 else None
            if held is not None:
                taken.append(_Place(place.change, place.old, held[1]))
            else:
                outcomes.append(_renamed(place, reply))
        yield from api.settle(outcomes)
    return taken


def _renamed(place: _Place, reply: Reply) -> Outcome | None:
    if reply.status == 404:
        return _moved_already(place)  # gone between the search and the write, or merged
    if not reply.ok:
        return api.declined(place.change, reply)
    return Outcome.delivered(place.change, remote_id=place.old) if api.shown_id(reply) == place.old else None


def _hand_over(taken: Sequence[_Place]) -> Exchange:
    """Archive the contacts that we made; whoever holds the new identity stands."""
    yield from api.settle(_refused(p.change) for p in taken if not p.change.created)
    for group in api.chunks([p for p in taken if p.change.created]):
        replies: tuple[Reply, ...] = yield tuple(api.contact_call("POST", p.old, "/archive") for p in group)
        yield from api.settle(_handed_over(p, reply) for p, reply in zip(group, replies, strict=True))
    return []


def _refused(change: Change) -> Outcome:
    reason = "another contact holds the new identity, and revetl did not create the old one: settle it in Intercom"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _handed_over(place: _Place, reply: Reply) -> Outcome | None:
    if reply.ok and api.shown_id(reply) != place.old:
        return None
    if reply.ok or reply.status == 404:
        return Outcome.delivered(place.change, remote_id=place.new, created=False)
    return api.declined(place.change, reply)
