"""A kill at any point of a run: nothing left unrecorded, nothing lost, and the next run ends where it should."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from revetl.state import ledger
from revetl.state.journal import Journal
from revetl.state.outbox import begin_run, open_runs
from revetl.state.usage import read_usage, write_usage
from revetl.types import OnLeave
from tests.unit.engine.harness import Crash, Rig, cohort, plan
from tests.unit.state.written import Written

MODEL = [(k, f"{k}@example.org", "x") for k in "abcdef"]
POINTS = (
    "before_intent", "after_intent", "after_head", "before_intent", "after_intent", "after_head", "before_ack",
    "after_ack", "before_ledger", "after_ledger", "after_apply", "after_close",
)  # fmt: skip


def ready(directory: Path | None) -> Rig:
    """Return a rig with a first run behind it and changes of every kind ahead."""
    rig = Rig(plan(on_leave=OnLeave.DELETE, cohorts=(cohort("gold"),)), directory)
    rig.people(*MODEL)
    rig.keys("gold", "a", "b")
    rig.run()
    rig.people(*[(k, mail, "y") for k, mail, _ in MODEL[1:]])
    rig.keys("gold", "b", "c")
    return rig


def end(rig: Rig) -> tuple[Any, ...]:
    """Return what state and vendor hold."""
    return rig.snapshot(), rig.members(), rig.vendor.people, rig.vendor.tags


def points(rig: Rig) -> list[str]:
    """Return the crash points that a whole run passes."""
    rig.run()
    return rig.points


@cache
def wanted() -> tuple[Any, ...]:
    """Return what a run without a kill comes to."""
    whole = ready(None)
    whole.run()
    return end(whole)


def test_every_point_is_known() -> None:
    """The kinds of crash points that these tests visit are those that a run has."""
    assert set(points(ready(None))) == set(POINTS)


@pytest.mark.parametrize("at", range(1, 14))
def test_killed_anywhere(at: int, tmp_path: Path) -> None:
    """Killed at any point, the next runs come to what a run without a kill comes to; the ledger's chain holds."""
    rig = ready(tmp_path / "state")
    try:
        rig.run(crash_at=at)
    except Crash:
        rig.kill()
    for _ in range(3):
        rig.later(hours=1)
        rig.run()
    assert end(rig) == wanted()
    assert rig.rows("SELECT count(*) FROM revetl_state.pending") == [0]
    store = rig.store()
    store.check_head()
    assert ledger.verify(store, store.head.chain if store.head else None) == []
    left = sum(1 for _ in (tmp_path / "state" / "ledger").glob("*.parquet"))
    assert left == rig.rows("SELECT count(*) FROM revetl_state.chain")[0]


@pytest.mark.parametrize("point", ["before_ledger", "after_ledger", "after_apply", "after_close"])
def test_close_repeated(point: str, tmp_path: Path) -> None:
    """A close that was killed is repeated at the next start; one ledger file and one chain entry come of it."""
    whole = ready(tmp_path / "whole")
    at = points(whole).index(point) + 1
    rig = ready(tmp_path / "killed")
    with pytest.raises(Crash):
        rig.run(crash_at=at)
    rig.kill()
    assert rig.run().calls == []
    assert end(rig) == end(whole)
    chain = "SELECT run, file FROM revetl_state.chain ORDER BY n"
    assert rig.rows(chain) == whole.rows(chain)
    for table in ("outbox", "acks", "exceptions", "remote_new"):
        assert rig.rows(f"SELECT count(*) FROM revetl_state.{table}") == [0]


def test_intent_is_durable_before_the_wire(tmp_path: Path) -> None:
    """Killed right after the intents: nothing left, yet each change is in the file with its bytes, to be resolved."""
    rig = ready(tmp_path / "state")
    seen = len(rig.vendor.seen)
    with pytest.raises(Crash, match="after_intent"):
        rig.run(crash_at=2)
    assert len(rig.vendor.seen) == seen
    rig.kill()
    store = rig.store()
    rows = store.rows("SELECT key, op, body FROM revetl_state.outbox WHERE local IS NULL ORDER BY seq")
    assert rows
    assert all(json.loads(body) == {"a": "y"} for _, op, body in rows if op == "upsert")
    assert store.last_seq() == store.one("SELECT max(seq) FROM revetl_state.outbox")


def test_killed_is_pending(tmp_path: Path) -> None:
    """What left and was never acknowledged is unknown: its keys stay in doubt, and are sent again in full."""
    rig = ready(tmp_path / "state")
    at = points(ready(None)).index("before_ack") + 1
    with pytest.raises(Crash):
        rig.run(crash_at=at)
    rig.kill()
    rig.session(rig.store()).close_killed()
    assert rig.rows("SELECT count(*) > 0 FROM revetl_state.pending") == [True]
    assert rig.rows("SELECT exit_code FROM revetl_state.runs WHERE run = 'run-002'") == [137]
    done = rig.run()
    assert {"email": "b@example.org", "a": "y"} in [did.body for did in done.changes]


def test_seq_is_never_given_twice() -> None:
    """Numbers of changes grow over runs."""
    rig = ready(None)
    first = rig.rows("SELECT value FROM revetl_state.meta WHERE name = 'seq'")
    assert min(did.seq for did in rig.run().changes) == int(first[0]) + 1


def test_what_was_used_of_quotas_outlasts_a_kill(tmp_path: Path) -> None:
    """A run that dies has used up its part of a day's quota: it is durable before the run is closed."""
    state, used = Written(tmp_path / "dev"), {"shop/1": {"day": ((1.0, 5), (2.0, 6))}}
    with state.store() as store:
        write_usage(store, {"shop/1": {"day": ((1.0, 5),)}, "other/2": {"day": ((1.0, 9),)}})
        begin_run(store, "r1", {})
        Journal(store, "r1").used(used)
    with state.store() as store:
        assert open_runs(store) == ["r1"]
        assert read_usage(store) == {**used, "other/2": {"day": ((1.0, 9),)}}
