"""``write: if_empty``: a batch is looked at there before it is written, and what stands there already is left alone."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from revetl.contract import Action, BatchRejected, Context, Exchange, ReadBack, Settled
from revetl.types import Batch, Change, Outcome, RemoteRecord, SyncPlan, Write

_NOTHING: tuple[object, ...] = (None, "", [], {})


def guarded_fields(plan: SyncPlan) -> frozenset[str]:
    """Return the fields of a sync that are written only while nothing stands there."""
    rules = {field.field: field.write for field in plan.fields} | {c.field: c.write for c in plan.constants}
    return frozenset(name for name, write in rules.items() if write is Write.IF_EMPTY)


def only_empty(action: Action, read_back: ReadBack, context: Context) -> Action:
    """Return the UPSERT ``action`` with ``context.fields`` left out of each record that has a value there."""

    def run(batch: Batch) -> Exchange:
        return _run(action, read_back, context, batch)

    return replace(action, run=run)


def _run(action: Action, read_back: ReadBack, context: Context, batch: Batch) -> Exchange:
    guarded = frozenset(context.fields)
    asked = [change for change in batch.changes if not guarded.isdisjoint(change.fields)]
    there = yield from _there(read_back, context, [change.identity for change in asked])
    kept = {c.seq: names for c in asked if (names := _filled(c, guarded, there.get(c.identity)))}
    given = {change.seq: change for change in batch.changes}
    slim = [_without(change, kept.get(change.seq, ())) for change in batch.changes]
    done = [c for c in slim if c.seq in kept and not c.fields and not c.links]
    if done:  # everything stands there already: there is nothing to write
        ids = {c.seq: there[c.identity].remote_id for c in done}
        yield Settled(tuple(replace(_same(given[c.seq], ids[c.seq]), kept=kept[c.seq]) for c in done))
    left = {c.seq for c in slim} - {c.seq for c in done}
    if not left:
        return []
    steps = action.run(replace(batch, changes=tuple(c for c in slim if c.seq in left)))
    return (yield from _mapped(steps, given, kept))


def _there(
    read_back: ReadBack, context: Context, identities: list[str]
) -> Generator[Any, Any, Mapping[str, RemoteRecord]]:
    found: dict[str, RemoteRecord] = {}
    for start in range(0, len(identities), read_back.max_records):
        records = yield from read_back.run(context, identities[start : start + read_back.max_records])
        found |= {record.identity: record for record in records}
    return found


def _filled(change: Change, guarded: frozenset[str], record: RemoteRecord | None) -> tuple[str, ...]:
    if record is None:
        return ()
    names = (name for name in change.fields if name in guarded)
    return tuple(name for name in names if record.fields.get(name) not in _NOTHING)


def _without(change: Change, names: tuple[str, ...]) -> Change:
    if not names:
        return change
    left = {name: value for name, value in change.fields.items() if name not in names}
    return replace(change, body=json.dumps(left, ensure_ascii=False, separators=(",", ":")).encode())


def _same(change: Change, remote_id: str | None) -> Outcome:
    """Return the delivery of a record that needed nothing; one that we did not know is somebody else's."""
    return Outcome.delivered(change, remote_id=remote_id, created=False if change.created is None else None)


def _mapped(steps: Exchange, given: Mapping[int, Change], kept: Mapping[int, tuple[str, ...]]) -> Exchange:
    """Run an exchange over the slimmer changes; its outcomes are those of the changes as they were."""

    def original(outcomes: Iterable[Outcome]) -> list[Outcome]:
        return [replace(o, change=given[o.change.seq], kept=kept.get(o.change.seq, ())) for o in outcomes]

    sent: Any = None
    try:
        while True:
            step = steps.send(sent)
            sent = yield Settled(tuple(original(step.outcomes))) if isinstance(step, Settled) else step
    except StopIteration as end:
        return end.value if isinstance(end.value, BatchRejected) else original(end.value)
    finally:
        steps.close()
