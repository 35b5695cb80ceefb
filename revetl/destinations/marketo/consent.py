"""Consent withdrawn: Marketo's own field ``unsubscribed`` is set. Nothing here ever takes it back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.marketo import api, find, leads
from revetl.types import JSON, Batch, Change, Outcome

UNSUBSCRIBE = "unsubscribe"
_MARK = {leads.CONSENT_FIELD: True}


def withdraw(batch: Batch) -> Exchange:
    """Mark people by id where it is known, and by identity where it is not, or gone."""
    known = leads.cached(batch.changes)
    rest = [change for change in batch.changes if change.seq not in known]
    if known:
        there = [change for change in batch.changes if change.seq in known]
        result = yield from leads.write(leads.Way(batch, known, _MARK, match=False), there)
        if isinstance(result, tuple):
            return api.refuse_all(result, batch.changes)
        yield from api.settle(result.done)
        rest += result.gone
    if not rest:
        return []
    result = yield from leads.write(leads.Way(batch, only=_MARK), rest)
    if isinstance(result, tuple) or not result.several:
        return leads.finish(result, rest)
    yield from api.settle(result.done)
    return (yield from _everybody(batch, result.several))


def _everybody(batch: Batch, changes: Sequence[Change]) -> Exchange:
    """Mark all who share an identity: who said no is not to be written to under any of the records."""
    found = yield from find.look_up(batch, changes)
    if isinstance(found, tuple):
        return api.refuse_all(found, changes)
    ids = list(dict.fromkeys(one for some in found.values() for one in some))
    refusals: dict[int, api.Refused] = {}
    for at in range(0, len(ids), api.BATCH):
        refused = yield from _mark(ids[at : at + api.BATCH], refusals)
        if refused is not None:
            return api.refuse_all(refused, changes)
    return [_outcome(change, found[change.seq], refusals) for change in changes]


def _mark(ids: Sequence[int], refusals: dict[int, api.Refused]) -> Generator[Any, Any, api.Refused | None]:
    """Mark people by id; add those who were skipped to ``refusals``. Returns why the call was refused, if it was."""
    rows: list[dict[str, JSON]] = [{"id": one, **_MARK} for one in ids]
    reply: Reply = yield api.send("POST", api.LEADS, {"action": "updateOnly", "lookupField": "id", "input": rows})
    refused = api.refusal(reply)
    if refused is None:
        for one, row in zip(ids, api.results(reply, len(ids)), strict=True):
            skipped = api.skipped(row, one, "updated", reply)
            if skipped is not None:
                refusals[one] = skipped
    return refused


def _outcome(change: Change, ids: Sequence[int], refusals: dict[int, api.Refused]) -> Outcome:
    if not ids:
        return leads.absent(change)
    failed = [refusals[one] for one in ids if one in refusals and refusals[one][0] != api.NOT_FOUND]
    if failed:
        return Outcome.rejected(change, code=failed[0][0], reason=failed[0][1])
    return Outcome.delivered(change)
