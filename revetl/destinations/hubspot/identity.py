"""A record's identity changes: rename it there, so that nothing stays behind under the old one."""

from __future__ import annotations

from dataclasses import dataclass

from revetl.contract import Exchange, Reply
from revetl.destinations.hubspot import api, records
from revetl.types import JSON, Batch, Change, Outcome, Proof


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
    both = dict.fromkeys(i for c in batch.changes for i in (c.before_match or c.match, c.match))
    reply = yield api.read_call(batch.object, batch.match_field, list(both))
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    places = [_place(batch, c, api.by_identity(reply, batch.match_field)) for c in batch.changes]
    done = [_moved_already(p) for p in places if not p.old]
    taken = [p for p in places if p.old and p.new not in ("", p.old)]
    done += [_refused(p.change) for p in taken if not p.change.created]
    ours = [p for p in taken if p.change.created]
    yield from api.settle(done)
    if ours:
        ended = yield api.object_call(batch.object, "batch/archive", {"inputs": [{"id": p.old} for p in ours]})
        yield from api.settle(_handed_over(ended, ours))
    renames = [p.change for p in places if p.old and p.new in ("", p.old)]
    if not renames:
        return []
    ids = {p.change.seq: p.old for p in places}
    result = yield from records.write(records.update_call(batch, renames, ids), renames)
    if isinstance(result, records.Answer):
        # Gone between the read and the write: nothing stands under the old identity.
        result = records.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return records.finish(result, renames)


def _place(batch: Batch, change: Change, found: dict[str, dict[str, JSON]]) -> _Places:
    before = change.before_match or change.match
    old, new = (found.get(api.normal(batch.match_field, i)) for i in (before, change.match))
    return _Places(change, str(old["id"]) if old else "", str(new["id"]) if new else "")


def _moved_already(place: _Places) -> Outcome:
    """Nothing stands under the old identity; what stands under the new one is ours if its id is the one we know."""
    stranger = place.new and place.new != place.change.remote_id
    return Outcome.delivered(place.change, remote_id=place.new or None, created=False if stranger else None)


def _refused(change: Change) -> Outcome:
    reason = "another record holds the new identity, and revetl did not create the old one: merge them there"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _handed_over(reply: Reply, ours: list[_Places]) -> list[Outcome]:
    if reply.ok:
        accepted = Proof.ACCEPTED
        return [Outcome.delivered(p.change, proof=accepted, remote_id=p.new, created=False) for p in ours]
    code, reason = api.refusal(reply)
    return [Outcome.waiting(p.change, code=code, reason=reason) for p in ours]
