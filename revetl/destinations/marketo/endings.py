"""A person left the model: clear the fields, or delete the record. And: erase a person altogether.

Marketo's deletion is for good; somebody who comes back is a new record.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.marketo import api, find, leads
from revetl.types import Batch, Change, Erased, OnLeave, Outcome, Person


def deletion(ids: Sequence[int]) -> Http:
    """Return the deletion of up to 300 people."""
    return api.send("POST", "/rest/v1/leads/delete.json", {"input": [{"id": one} for one in ids]})


def leave(batch: Batch) -> Exchange:
    """End the records that are there; what is gone already is done."""
    if batch.on_leave is OnLeave.KEEP or not batch.changes:
        return [Outcome.delivered(change) for change in batch.changes]
    found = yield from find.find_ids(batch, batch.changes)
    if isinstance(found, tuple):
        return api.refuse_all(found, batch.changes)
    clears = batch.on_leave is OnLeave.CLEAR
    yield from api.settle(find.doubled(c, found[c.seq]) for c in batch.changes if len(found[c.seq]) > 1)
    there = [c for c in batch.changes if len(found[c.seq]) == 1 and (c.fields or not clears)]
    ends = {c.seq for c in there}
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c.seq not in ends and len(found[c.seq]) < 2)
    if not there:
        return []
    ids = {c.seq: found[c.seq][0] for c in there}
    if not clears:
        ended = yield from delete(there, ids)
        return api.refuse_all(ended, there) if isinstance(ended, tuple) else ended
    result = yield from leads.write(leads.Way(batch, ids, match=False), there)
    if isinstance(result, leads.Answer):
        result = leads.Answer(result.done + [Outcome.delivered(c) for c in result.gone])
    return leads.finish(result, there)


def delete(changes: Sequence[Change], ids: Mapping[int, int]) -> Generator[Any, Any, list[Outcome] | api.Refused]:
    """Delete the people under ``ids``; return what became of each, or the refusal of them all."""
    reply: Reply = yield deletion([ids[c.seq] for c in changes])
    refused = api.refusal(reply)
    if refused is not None:
        return refused
    rows = api.results(reply, len(changes))
    found = zip(changes, rows, strict=True)
    return [_deleted(change, api.skipped(row, ids[change.seq], "deleted", reply)) for change, row in found]


def _deleted(change: Change, skipped: api.Refused | None) -> Outcome:
    if skipped is None or skipped[0] == api.NOT_FOUND:  # not there: what was wished
        return Outcome.delivered(change)
    return Outcome.rejected(change, code=skipped[0], reason=skipped[1])


def erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete everybody who stands under these identities, doubles too, and whoever has the id we know."""
    rows = yield from find.people(context.match_field, (person.identity for person in people))
    if isinstance(rows, tuple):
        return [Erased(person.identity, "failed", *rows) for person in people]
    found = find.by_identity(context.match_field, rows)
    ids = {p.identity: _all_of(p, found) for p in people}
    every = list(dict.fromkeys(one for some in ids.values() for one in some))
    ended: dict[int, api.Refused | None] = {}
    for at in range(0, len(every), api.BATCH):
        part = every[at : at + api.BATCH]
        reply: Reply = yield deletion(part)
        refused = api.refusal(reply)
        if refused is not None:
            ended.update(dict.fromkeys(part, refused))
            continue
        answers = zip(part, api.results(reply, len(part)), strict=True)
        ended.update({one: api.skipped(row, one, "deleted", reply) for one, row in answers})
    return [_erased(p.identity, [ended[one] for one in ids[p.identity]]) for p in people]


def _all_of(person: Person, found: find.Found) -> list[int]:
    known = api.number(person.remote_id)
    others = found.get(api.normal(person.identity), [])
    return list(dict.fromkeys(others if known is None else [known, *others]))


def _erased(identity: str, ended: Sequence[api.Refused | None]) -> Erased:
    failed = [one for one in ended if one is not None and one[0] != api.NOT_FOUND]
    if failed:
        return Erased(identity, "failed", *failed[0])
    return Erased(identity, "erased" if None in ended else "absent")
