"""A person's identity changes: rename the record there, so that nothing stays behind under the old one."""

from __future__ import annotations

from dataclasses import dataclass

from revetl.contract import Exchange
from revetl.destinations.marketo import api, endings, find, leads
from revetl.types import Batch, Change, Outcome


@dataclass(frozen=True, slots=True)
class _Places:
    """What stands under the old and under the new identity: ids, None for nobody, the known one before others."""

    change: Change
    old: int | None
    new: int | None
    several: list[int]  # under the old identity, none of them known


def rename(batch: Batch) -> Exchange:
    """Read both identities, then rename; where the new one is taken, our old record goes or the change is refused.

    By id, Marketo would let two people have one address.
    """
    able = [c for c in batch.changes if leads.spellable(batch, c)]
    yield from api.settle(leads.foreign(c) for c in batch.changes if not leads.spellable(batch, c))
    found = yield from find.find(batch.match_field, (i for c in able for i in (c.before_match or c.match, c.match)))
    if isinstance(found, tuple):
        return api.refuse_all(found, able)
    places = [_place(c, found) for c in able]
    yield from api.settle(find.doubled(p.change, p.several) for p in places if p.several)
    yield from api.settle(_moved_already(p) for p in places if p.old is None and not p.several)
    there = [p for p in places if p.old is not None]
    taken = [p for p in there if p.new not in (None, p.old)]
    yield from api.settle(_refused(p.change) for p in taken if not p.change.created)
    ours = {p.change.seq: p for p in taken if p.change.created}
    left = [p for p in there if p not in taken]
    if ours:
        ended = yield from endings.delete([p.change for p in ours.values()], {s: p.old or 0 for s, p in ours.items()})
        if isinstance(ended, tuple):
            return api.refuse_all(ended, [p.change for p in (*ours.values(), *left)])
        yield from api.settle(_handed_over(outcome, ours[outcome.change.seq]) for outcome in ended)
    return (yield from _rename(batch, left))


def _rename(batch: Batch, left: list[_Places]) -> Exchange:
    if not left:
        return []
    changes = [p.change for p in left]
    result = yield from leads.write(leads.Way(batch, {p.change.seq: p.old or 0 for p in left}), changes)
    if isinstance(result, leads.Answer):
        # Gone before the write: nobody stands under the old identity.
        result = leads.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return leads.finish(result, changes)


def _place(change: Change, found: find.Found) -> _Places:
    known = api.number(change.remote_id)
    olds, news = (found.get(api.normal(i), []) for i in (change.before_match or change.match, change.match))
    new = known if known in news else (news[0] if news else None)
    if known in news:
        return _Places(change, known if known in olds else None, new, [])
    if known is not None:
        return _Places(change, known, new, [])  # whatever its address is by now
    return _Places(change, olds[0] if len(olds) == 1 else None, new, olds if len(olds) > 1 else [])


def _moved_already(place: _Places) -> Outcome:
    """Nobody stands under the old identity; who stands under the new one is ours if its id is the one we know."""
    record = None if place.new is None else str(place.new)
    stranger = record is not None and record != place.change.remote_id
    return Outcome.delivered(place.change, remote_id=record, created=False if stranger else None)


def _refused(change: Change) -> Outcome:
    reason = "another person holds the new identity, and revetl did not create the old one: merge them in Marketo"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _handed_over(ended: Outcome, place: _Places) -> Outcome:
    """Return the deletion of our old record as the change's outcome: whoever holds the new identity stands."""
    if ended.proof is None:
        return ended
    return Outcome.delivered(place.change, remote_id=str(place.new), created=False)
