"""A record's identity changes: give it the new external id, so that nothing stays behind under the old one."""

from __future__ import annotations

from dataclasses import dataclass

from revetl.contract import Exchange, Reply
from revetl.destinations.salesforce import api, endings, records, soql
from revetl.types import Batch, Change, Outcome


@dataclass(frozen=True, slots=True)
class _Places:
    """What stands under the old and under the new identity: record ids, empty for nothing."""

    change: Change
    old: str
    new: str


def rename(batch: Batch) -> Exchange:
    """Read both identities, then rename; where the new one is taken, the old record goes or the change is refused."""
    if not batch.changes:
        return []
    found = yield from soql.find(batch, (i for c in batch.changes for i in (c.before_match or c.match, c.match)))
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    places = [_place(c, found) for c in batch.changes]
    taken = [p for p in places if p.old and p.new not in ("", p.old)]
    yield from api.settle(_moved_already(p) for p in places if not p.old)
    yield from api.settle(_refused(p.change) for p in taken if not p.change.created)
    ours = {p.change.seq: p for p in taken if p.change.created}
    if ours:
        ended = yield from endings.delete([p.change for p in ours.values()], {s: p.old for s, p in ours.items()})
        if isinstance(ended, Reply):
            return api.refuse_all(ended, [p.change for p in places if p.old and (p not in taken or p.change.created)])
        yield from api.settle(_handed_over(outcome, ours[outcome.change.seq]) for outcome in ended)
    renames = [p.change for p in places if p.old and p.new in ("", p.old)]
    if not renames:
        return []
    result = yield from records.write(records.by_id(batch, {p.change.seq: p.old for p in places}), renames)
    if isinstance(result, records.Answer):
        # Gone between the read and the write: nothing stands under the old identity.
        result = records.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return records.finish(result, renames)


def _place(change: Change, found: dict[str, str]) -> _Places:
    old, new = (found.get(api.normal(i), "") for i in (change.before_match or change.match, change.match))
    return _Places(change, old, new)


def _moved_already(place: _Places) -> Outcome:
    """Nothing stands under the old identity; what stands under the new one is ours if its id is the one we know."""
    stranger = place.new and place.new != place.change.remote_id
    return Outcome.delivered(place.change, remote_id=place.new or None, created=False if stranger else None)


def _refused(change: Change) -> Outcome:
    reason = "another record holds the new identity, and revetl did not create the old one: merge them there"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _handed_over(ended: Outcome, place: _Places) -> Outcome:
    """Return the deletion of our old record as the change's outcome: whoever holds the new identity stands."""
    if ended.proof is None:
        return ended
    return Outcome.delivered(place.change, remote_id=place.new, created=False)
