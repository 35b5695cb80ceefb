"""Memberships of new records leave with the ids that the records got in the same run, which are looked up rarely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from revetl.contract import Action, Exchange
from revetl.engine import feeds
from revetl.state.outbox import Learnt, Outbox, learnt_ids
from revetl.types import Batch, Op
from tests.faults.vendor import SIM
from tests.unit.engine import harness
from tests.unit.engine.harness import Rig, cohort, plan

MANY = 60
BATCHES = MANY // 3


def test_ids_are_looked_up_for_many_batches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each membership knows its record, whose id came in a batch before; once all came, one look serves the rest."""
    made = Rig(plan(cohorts=(cohort("vip"),)))
    known: dict[str, tuple[str | None, bool | None]] = {}
    looks: list[tuple[int, int]] = []

    def act(batch: Batch) -> Exchange:
        if batch.op is Op.JOIN:
            known.update({change.match: (change.remote_id, change.created) for change in batch.changes})
        return (yield from SIM.actions[batch.op].run(batch))

    def counted(store: Any, run: str, sync: str, lo: int, hi: int) -> Mapping[str, Learnt | None]:
        looks.append((lo, hi))
        return learnt_ids(store, run, sync, lo, hi)

    monkeypatch.setattr(feeds, "learnt_ids", counted)
    monkeypatch.setattr(harness, "Outbox", lambda store, run, _: Outbox(store, run, 2 * MANY))
    made.destination = replace(SIM, actions={op: Action(act, max_records=3) for op in Op})
    made.people(*[(f"k{n:02}", f"p{n:02}@example.org", "x") for n in range(MANY)])
    made.keys("vip", *[f"k{n:02}" for n in range(MANY)])
    done = made.run()
    assert [op for op, _ in done.calls] == ["upsert"] * MANY + ["join"] * MANY
    assert known == {address: (number, True) for address, number in made.vendor.ids.items()}
    assert len(known) == MANY
    assert 1 < len(looks) < BATCHES // 2
    assert {hi - lo for lo, hi in looks} == {2, feeds.AHEAD - 1}
    assert made.run().changes == []


def test_ids_that_come_late_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memberships bring ids themselves, who comes later is asked for again."""
    made = Rig(plan(cohorts=(cohort("gold"), cohort("vip"))))
    known: list[tuple[str, str | None]] = []

    def act(batch: Batch) -> Exchange:
        known.extend((f"{change.match} {change.cohort}", change.remote_id) for change in batch.changes)
        told = yield from SIM.actions[batch.op].run(batch)
        assert isinstance(told, list)
        moved = [replace(one, remote_id=f"moved-{one.change.match}") for one in told]
        return moved if batch.op is Op.JOIN else told

    monkeypatch.setattr(harness, "Outbox", lambda store, run, _: Outbox(store, run, 100))
    made.destination = replace(SIM, actions={op: Action(act, max_records=3) for op in Op})
    made.people(*[(f"k{n}", f"p{n}@example.org", "x") for n in range(9)])
    for name in ("gold", "vip"):
        made.keys(name, *[f"k{n}" for n in range(9)])
    made.run()
    last = {what: remote for what, remote in known if what.endswith("vip")}
    assert last == {f"p{n}@example.org vip": f"moved-p{n}@example.org" for n in range(9)}
