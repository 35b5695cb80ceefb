"""Random histories over the real engine and state, beside a reference of the delivery rule that shares no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from revetl.contract import Action, Call, Reply
from revetl.send.wire import Failure
from revetl.types import OnLeave, Op
from tests.faults.vendor import SIM, act
from tests.trust.rows import ROUNDS
from tests.unit.engine.harness import Obedient, Ran, Rig, cohort, fields, plan
from tests.unit.engine.reference import Name, Record, Reference

KEYS = [f"k{n}" for n in range(8)]
GAPS = (60.0, 1_000.0, 1_000.0, 8 * 86_400.0)  # seconds between runs: a doubt's time, and the longest gap, pass or not
OPS = ("upsert", "join", "part", "leave")


class Fickle(Obedient):
    """A vendor that can be out of reach, too: then nothing is sent."""

    away = False

    def answer(self, call: Call) -> Reply | Failure:
        """Answer, unless it is away."""
        return Failure("RVT-600", "no connection", sent=False) if self.away else super().answer(call)


def changed(dice: Random, model: dict[str, Record]) -> dict[str, Record]:
    """Return the model some time later."""
    after = dict(model)
    for key in dice.sample(KEYS, dice.randint(0, 4)):
        if key in after and dice.random() < 0.3:
            del after[key]
            continue
        row = {"email": f"{key}@example.org", "a": dice.choice([None, "x", "y"]), "b": dice.choice([None, "1", "2"])}
        if dice.random() < 0.1:
            row["email"] = None
        after[key] = {name: value for name, value in row.items() if value is not None}
    return after or model


def build(rig: Rig, model: Mapping[str, Record], vip: set[str]) -> None:
    """Let dbt have built it."""
    rows = [(key, *(row.get(name) for name in ("email", "a", "b"))) for key, row in sorted(model.items())]
    rig.people(*rows, columns="id VARCHAR, email VARCHAR, a VARCHAR, b VARCHAR")
    rig.keys("vip", *sorted(vip))


def troubled(dice: Random, vendor: Fickle) -> None:
    """Say what the vendor refuses and loses of the next run."""
    vendor.refuse, vendor.lose, vendor.away = {}, set(), dice.random() < 0.15
    for name in (f"{op} {key}@example.org" for op in OPS for key in KEYS):
        fate = dice.random()
        if fate < 0.12:
            vendor.refuse[name] = "NO"
        elif fate < 0.3:
            vendor.lose.add(name)


def told(ran: Ran) -> tuple[dict[Name, tuple[str, Any]], dict[Name, str]]:
    """Return what a run meant to send, and what became of each change, local ones included."""
    rows = {(did.name.split()[0], did.op): did for did in ran.changes}
    calls = {name: did for name, did in rows.items() if did.local is None and did.code != "PREDECESSOR"}
    sent = {name: (did.cause, did.body if did.op == "upsert" else None) for name, did in calls.items()}
    return sent, {name: did.status for name, did in rows.items()}


def compare(rig: Rig, known: Reference) -> None:
    """Hold the state against the reference."""
    snap = {
        key: {name: value for name, value in zip(("email", "a", "b"), values, strict=True) if value is not None}
        for key, _, *values in rig.rows("SELECT k0, m, f0, f1, f2 FROM revetl_state.snap_1")
    }
    assert snap == known.snap
    assert {key for key, _ in rig.members()} == known.members
    doubts = rig.rows("SELECT key, op FROM revetl_state.pending ORDER BY ALL")
    expected = [(key, "upsert") for key in known.records] + [(key, "join") for key in known.memberships]
    assert doubts == sorted((f'["{key}"]', op) for key, op in expected)


@pytest.mark.parametrize("seed", range(ROUNDS.start * 2, ROUNDS.stop * 2))
def test_the_engine_does_what_the_rule_says(seed: int) -> None:
    """Each run sends what the rule demands, by key, operation, fields and cause; then state has what it demands."""
    dice, deletes = Random(seed), seed % 2 == 0
    rig = Rig(
        plan(
            fields=fields("email", "a", "b"),
            cohorts=(cohort("vip"),),
            on_leave=OnLeave.DELETE if deletes else OnLeave.KEEP,
            on_leave_scope="all",
        )
    )
    rig.destination = replace(SIM, actions={op: Action(act, max_records=1) for op in Op})
    rig.vendor = vendor = Fickle()
    known, model = Reference(deletes), dict[str, Record]()
    for _ in range(6):
        model = changed(dice, model or {KEYS[0]: {"email": f"{KEYS[0]}@example.org"}})
        vip = {key for key in KEYS if dice.random() < 0.5}
        build(rig, model, vip)
        troubled(dice, vendor)
        at = rig.clock.now()
        wanted = known.plan(model, vip, at)
        sent, status = told(rig.run())
        assert sent == {name: (one.cause, one.body) for name, one in wanted.items()}
        known.settle(model, wanted, status, at)
        known.refusals(model, status, at)
        compare(rig, known)
        rig.clock.advance(dice.choice(GAPS))
