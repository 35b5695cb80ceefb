"""A record left the model: clear it, archive it (restorable there), or delete it for good."""

from __future__ import annotations

from revetl.contract import Exchange, Reply, Settled
from revetl.destinations.hubspot import api, links, records
from revetl.types import Batch, Change, OnLeave, Outcome, Proof


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    if not batch.changes:
        return []
    found = yield from api.find_ids(batch, batch.changes)
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    ids = {c.seq: c.remote_id or found.get(api.normal(batch.match_field, c.match), "") for c in batch.changes}
    there = [c for c in batch.changes if ids[c.seq] and not _nothing_to_clear(batch, c)]
    settled = {c.seq for c in there}
    yield from api.settle([Outcome.delivered(c) for c in batch.changes if c.seq not in settled])
    if there:
        return (yield from _WAYS[batch.on_leave](batch, there, ids))
    return []


def _nothing_to_clear(batch: Batch, change: Change) -> bool:
    return batch.on_leave is OnLeave.CLEAR and not change.fields and not change.links


def _archive(batch: Batch, there: list[Change], ids: dict[int, str]) -> Exchange:
    reply = yield api.object_call(batch.object, "batch/archive", {"inputs": [{"id": ids[c.seq]} for c in there]})
    if reply.ok:
        # 204 without a body is all that HubSpot says of an archive.
        return [Outcome.delivered(c, proof=Proof.ACCEPTED) for c in there]
    return api.refuse_all(reply, there)


def _clear(batch: Batch, there: list[Change], ids: dict[int, str]) -> Exchange:
    refused = yield from links.end(there, ids)
    if refused is not None:
        return api.refuse_all(refused, there)
    inputs = [{"id": ids[c.seq], "objectWriteTraceId": str(c.seq), "properties": c.fields} for c in there]
    result = yield from records.write(api.object_call(batch.object, "batch/update", {"inputs": inputs}), there)
    if isinstance(result, records.Answer):
        result = records.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return records.finish(result, there)


def _delete(batch: Batch, there: list[Change], ids: dict[int, str]) -> Exchange:
    """Delete for good, one call a person, and by id alone: by an address that nobody has, HubSpot blocks the address.

    Source: https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/gdpr
    """
    for at in range(0, len(there), api.SIDE_BY_SIDE):
        group = there[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(
            api.object_call(batch.object, "gdpr-delete", {"objectId": ids[c.seq]}) for c in group
        )
        yield Settled(tuple(_deleted(c, reply) for c, reply in zip(group, replies, strict=True)))
    return []


def _deleted(change: Change, reply: Reply) -> Outcome:
    if reply.ok:
        return Outcome.delivered(change, proof=Proof.ACCEPTED)
    if reply.status == 404:
        return Outcome.delivered(change)
    code, reason = api.refusal(reply)
    if reply.status in (400, 409, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


_WAYS = {OnLeave.CLEAR: _clear, OnLeave.ARCHIVE: _archive, OnLeave.DELETE: _delete}
