"""A record's identity changes: give it the new one, so that nothing stays behind under the old one."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from revetl.contract import Exchange
from revetl.destinations.pipedrive import api, endings, finding, records, values
from revetl.types import JSON, Batch, Change, Outcome


def rename(batch: Batch) -> Exchange:
    """Look for both identities, then rename; where the new one is taken, our old record goes or we are refused."""
    if not batch.changes:
        return []
    both = [i for c in batch.changes for i in (c.match, *(() if c.remote_id else (_before(c),)))]
    hits, refused = yield from finding.search(batch, both)
    away = {c.seq: refused[k] for c in batch.changes for k in _keys(c) if k in refused}
    yield from api.settle(api.refuse(away[c.seq], c) for c in batch.changes if c.seq in away)
    moves = [c for c in batch.changes if c.seq not in away]
    old = {c.seq: c.remote_id or next(iter(hits.get(values.normal(_before(c)), ())), "") for c in moves}
    holders = {c.seq: [one for one in hits.get(values.normal(c.match), ()) if one != old[c.seq]] for c in moves}
    yield from api.settle(_moved_already(c, holders[c.seq]) for c in moves if not old[c.seq])
    taken = [c for c in moves if old[c.seq] and _is_taken(c, old[c.seq], hits, holders[c.seq])]
    yield from api.settle(_refused(c) for c in taken if not c.created)
    yield from _hand_over(batch, [c for c in taken if c.created], old, holders)
    done = {c.seq for c in taken}
    renames = [c for c in moves if old[c.seq] and c.seq not in done]
    gone = yield from _renamed(batch, renames, old)
    return [_moved_already(c, holders[c.seq]) for c in gone]


def _before(change: Change) -> str:
    return change.before_match or change.match


def _keys(change: Change) -> tuple[str, ...]:
    return values.normal(change.match), values.normal(_before(change))


def _is_taken(change: Change, old: str, hits: finding.Hits, others: list[str]) -> bool:
    """Return whether somebody else holds the new identity: unless our record holds it already, as after a repeat."""
    return bool(others) and old not in hits.get(values.normal(change.match), ())


def _renamed(batch: Batch, changes: list[Change], old: Mapping[int, str]) -> Generator[Any, Any, list[Change]]:
    """Rename, and settle; return those who are not there. Whose id is gone is looked for under the old identity."""

    def body(change: Change, record: Mapping[str, JSON] | None) -> dict[str, JSON]:
        return values.identity(batch, change.match, record or {}, change.before_match)

    gone = yield from records.write(batch, changes, old, body, reads=True)
    if not gone:
        return []
    hits, _ = yield from finding.search(batch, [_before(c) for c in gone])
    anew = {c.seq: [one for one in hits.get(values.normal(_before(c)), ()) if one != old[c.seq]] for c in gone}
    ids = {seq: found[0] for seq, found in anew.items() if found}
    lost = yield from records.write(batch, [c for c in gone if c.seq in ids], ids, body, reads=True)
    return [c for c in gone if c.seq not in ids] + lost


def _hand_over(batch: Batch, ours: list[Change], old: Mapping[int, str], holders: Mapping[int, list[str]]) -> Exchange:
    for change in ours:
        reply = yield api.deletion(batch.object, old[change.seq])
        ended = endings.deleted(reply, change)
        if ended.proof is not None:
            ended = Outcome.delivered(change, remote_id=holders[change.seq][0], created=False)
        yield from api.settle([ended])
    return []


def _moved_already(change: Change, holders: list[str]) -> Outcome:
    """Nothing stands under the old identity; who stands under the new one is not ours."""
    return Outcome.delivered(change, remote_id=next(iter(holders), None), created=False if holders else None)


def _refused(change: Change) -> Outcome:
    reason = "another record holds the new identity, and revetl did not create the old one: merge them there"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)
