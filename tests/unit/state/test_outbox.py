"""The outbox and the journal: what is staged, what is given out, and what is written of what became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from revetl.state.outbox import (
    Outbox,
    Stage,
    begin_run,
    learnt_ids,
    leave_running,
    moved_in_place,
    note_models,
    open_jobs,
    open_runs,
    staged_rows,
)  # fmt: skip
from revetl.state.schema import STATE
from revetl.types import Cause, Change, Link, Op
from tests.unit.state.looked import State, state
from tests.unit.state.written import MAIL, NOON

__all__ = ["state"]


def seqs(changes: Sequence[Change]) -> list[int]:
    """Return the numbers of changes."""
    return [change.seq for change in changes]


# --- what is given out ------------------------------------------------------------------------------------------------


def test_a_change_is_read_as_it_was_staged(state: State) -> None:
    """All that the destination may need of it, bytes as bytes, links with what they replace."""
    links = {"company": {"id": "1", "before": None}, "owner": {"id": None, "before": "7", "doubts": ["8", "9"]}}
    state.put(
        4, '["k"]', m="A@x", i="a@x", cohort="vip", op="identity", cause="mapping", bm="B@x", bi="b@x",
        remote_id="id-4", created=True, body='{"é": 1}', links=json.dumps(links), consent=False,
    )  # fmt: skip
    state.put(5, m="m", i="i", consent=None)
    first, second = Outbox(state, "r1").read(4, 5)
    assert first == Change(
        4, MAIL, '["k"]', Op.IDENTITY, "A@x", "a@x", "vip", Cause.MAPPING, "B@x", "b@x", "id-4", True,
        '{"é": 1}'.encode(), {"company": Link("1"), "owner": Link(None, "7", ("8", "9"))}, False,
    )  # fmt: skip
    assert second == Change(5, MAIL, "a", Op.UPSERT, "m", "i")
    assert (first.fields, second.fields) == ({"é": 1}, {})


def test_only_what_is_for_the_destination_is_read(state: State) -> None:
    """Of this run and range, in order, however many there are; nothing local, nothing that has no body."""
    for seq in (5, 3, 4, 2, 6, 1):
        state.put(seq)
    state.put(3, run="r2")
    state.put(7, local="implied")
    state.put(8, body=None)
    state.put(9, local="quiet", body=None)
    outbox = Outbox(state, "r1")
    assert seqs(outbox.read(2, 9)) == [2, 3, 4, 5, 6]
    assert seqs(outbox.read(2, 5)) == [2, 3, 4, 5]
    assert seqs(outbox.read(10, 20)) == []
    state.con.execute(
        f"INSERT INTO {STATE}.outbox SELECT o.* REPLACE (10 + t.n AS seq) "
        f"FROM {STATE}.outbox o, range(1203) t(n) WHERE seq = 1"
    )
    assert seqs(outbox.read(10, 9_999)) == list(range(10, 1213))


def test_what_has_no_outcome_yet_is_unsettled(state: State) -> None:
    """Acknowledgements stand for ranges, ends included, refusals for one change; those of other runs for nothing."""
    for seq in range(1, 10):
        state.put(seq)
    state.add("acks", "r1", 3, 4, "delivered", NOON, 200, None)
    state.add("acks", "r2", 1, 9, "delivered", NOON, 200, None)
    state.add("exceptions", "r1", 6, "rejected", "X", "no", NOON, 400, None)
    state.add("exceptions", "r2", 7, "rejected", "X", "no", NOON, 400, None)
    assert seqs(Outbox(state, "r1").unsettled(2, 8)) == [2, 5, 7, 8]


def stage(lo: int, hi: int, **more: Any) -> Stage:
    """Return how changes of these numbers are staged."""
    chosen = "FROM made WHERE seq BETWEEN {lo} AND {hi}"
    into = f"INSERT INTO {STATE}.outbox (run, seq, sync, key, op, cause, body, m, i)"
    return Stage(
        MAIL, lo, hi, "CREATE OR REPLACE TEMP TABLE made AS SELECT i AS seq FROM range({lo}, {hi} + 1) t(i)",
        "DROP TABLE made",
        f"{into} SELECT 'r1', seq, '{MAIL}', 'k' || seq, 'upsert', 'data', '{{{{}}}}', 'm', 'i' {chosen}",
        f"INSERT INTO {STATE}.kept SELECT 'r1', seq, 'after' {chosen}", **more,
    )  # fmt: skip


@pytest.mark.parametrize("threads", [0, 1])
def test_chunks_follow_one_another(state: State, threads: int) -> None:
    """Each is durable with its head before it is given out; the last one ends, and only then is the help dropped."""
    verdict = f"INSERT INTO {STATE}.exceptions (run, seq) SELECT 'r1', seq FROM made WHERE seq = {{lo}}"
    with ThreadPoolExecutor(1) as worker:
        outbox = Outbox(state, "r1", 2, worker if threads else None)
        flow = outbox.changes(stage(11, 15, verdicts=verdict))
        assert state.points == []
        taken = [next(flow, None) for _ in range(7)]
        outbox.rest()
    assert [None if one is None else one.seq for one in taken] == [11, 12, 13, 14, 15, None, None]
    assert state.points == ["before_intent", "after_intent", "after_head"] * 3
    assert state.rows(f"SELECT seq FROM {STATE}.outbox ORDER BY seq") == [(n,) for n in range(11, 16)]
    assert state.rows(f"SELECT seq FROM {STATE}.kept ORDER BY seq") == [(n,) for n in range(11, 16)]
    assert state.rows(f"SELECT seq FROM {STATE}.exceptions ORDER BY seq") == [(11,), (13,), (15,)]
    assert state.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'made'") == []
    assert state.head is not None
    assert (state.head.run, state.head.seq, state.last_seq()) == ("r1", 15, 15)
    assert list(outbox.changes(stage(3, 2))) == []


def test_numbers_do_not_fall_back(state: State) -> None:
    """A chunk below the last number leaves it; the head goes with each chunk; without verdicts there are none."""
    state.set_meta("seq", "40")
    outbox = Outbox(state, "r1", 3)
    assert outbox.stage(stage(1, 5), 1) == 3
    assert (state.last_seq(), state.head.seq if state.head else None) == (40, 40)
    assert state.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'made'") == [(1,)]
    assert outbox.stage(stage(1, 50), 43) == 45
    assert state.last_seq() == 45


def test_what_is_to_come_is_cancelled_or_waited_for() -> None:
    """What has begun is done; what has not is not; what is done at once is done."""
    began: list[int] = []
    state = State()

    def work(number: int) -> tuple[int, list[Change]]:
        began.append(number)
        return number, []

    with ThreadPoolExecutor(1) as worker:
        outbox = Outbox(state, "r1", worker=worker)
        gate = worker.submit(lambda: None)
        gate.result()
        coming = [outbox.later(partial(work, n)) for n in range(3)]
        outbox.rest()
        assert all(one.done() for one in coming)
        assert began == list(range(len(began)))
        assert len([one for one in coming if one.cancelled()]) == 3 - len(began)
    assert Outbox(state, "r1").later(lambda: work(9)).result() == (9, [])
    assert began[-1] == 9
    Outbox(state, "r1").rest()


# --- runs -------------------------------------------------------------------------------------------------------------


def test_runs_that_never_closed(state: State) -> None:
    """Oldest first, with what they were made from; closed ones are not among them."""
    begin_run(state, "r0", {"git_commit": "abc", "dbt_invocation": "dbt", "flows_hash": "f"})
    begin_run(state, "r9", {})
    state.con.execute(f"UPDATE {STATE}.runs SET closed_at = started_at WHERE run = 'r9'")
    state.con.execute(f"UPDATE {STATE}.runs SET started_at = started_at - INTERVAL 1 DAY WHERE run = 'r0'")
    assert open_runs(state) == ["r0", "r1"]
    facts = "SELECT git_commit, dbt_invocation, flows_hash, closed_at, exit_code, file, summary, started_at"
    assert state.rows(f"{facts} FROM {STATE}.runs WHERE run = 'r0'") == [
        ("abc", "dbt", "f", None, None, None, None, NOON + timedelta(minutes=2) - timedelta(days=1))
    ]
    assert state.rows(f"{facts} FROM {STATE}.runs WHERE run = 'r1'")[0][:3] == (None, None, None)
    note_models(state, "r1", [("s", "model.a", None, "sum"), ("s", "model.b", "2", "other")])
    assert state.rows(f"SELECT * FROM {STATE}.run_models ORDER BY model") == [
        ("r1", "s", "model.a", None, "sum"), ("r1", "s", "model.b", "2", "other"),
    ]  # fmt: skip


def test_staged_changes_are_counted_by_sync(state: State) -> None:
    """Those of this run."""
    for seq, sync, run in ((1, "a", "r1"), (2, "b", "r1"), (3, "b", "r1"), (4, "b", "r2")):
        state.put(seq, run=run, sync=sync)
    assert staged_rows(state, "r1") == {"a": 1, "b": 2}


def test_ids_that_this_run_learnt(state: State) -> None:
    """The last of each key that has changes there, of this run and sync; none where there is none."""
    for seq, key, more in (
        (1, "a", {}),
        (2, "a", {}),
        (3, "b", {}),
        (4, "c", {"sync": "other"}),
        (5, "d", {"run": "r2"}),
        (6, "e", {}),
        (7, "a", {}),
        (8, "b", {}),
    ):
        state.put(seq, key, **more)
        if seq < 6:
            state.add("remote_new", more.get("run", "r1"), seq, f"id-{seq}", seq == 2)
    state.add("remote_new", "r2", 3, "of another run", True)
    assert learnt_ids(state, "r1", MAIL, 4, 7) == {"a": ("id-2", True), "e": None}
    assert learnt_ids(state, "r1", MAIL, 8, 8) == {"b": ("id-3", False)}
    state.con.execute(f"DELETE FROM {STATE}.remote_new WHERE seq = 2")
    assert learnt_ids(state, "r1", MAIL, 7, 8) == {"a": ("id-1", False), "b": ("id-3", False)}


def test_who_moved_in_place(state: State) -> None:
    """An identity whose answer names the id that was there before, made by nobody else, and nothing against it."""
    cases: dict[str, tuple[dict[str, Any], str, bool | None]] = {
        "moved": ({}, "id", None), "made": ({}, "id", True), "found": ({}, "id", False), "other": ({}, "new", None),
        "upsert": ({"op": "upsert"}, "id", None), "of another": ({"sync": "x"}, "id", None),
        "refused": ({}, "id", None), "earlier": ({"run": "r0"}, "id", None), "not asked for": ({}, "id", None),
    }  # fmt: skip
    for seq, (key, (more, remote, created)) in enumerate(cases.items()):
        state.put(seq, key, **{"op": "identity", "remote_id": "id", **more})
        state.add("remote_new", more.get("run", "r1"), seq, remote, created)
    state.add("remote_new", "r0", 0, "id", False)
    refused = list(cases).index("refused")
    state.add("exceptions", "r1", refused, "delivered", "REPEATED", "", NOON, 200, None)
    state.add("exceptions", "r9", 0, "delivered", "REPEATED", "", NOON, 200, None)
    state.add("exceptions", "r1", 99, "delivered", "REPEATED", "", NOON, 200, None)
    assert sorted(moved_in_place(state, "r1", MAIL, [key for key in cases if key != "not asked for"])) == [
        "made",
        "moved",
    ]


def test_jobs_of_runs_that_are_open(state: State) -> None:
    """Oldest first; those of closed runs have ended."""
    begin_run(state, "r2", {})
    for run, job, minutes in (("r1", "late", 5), ("r2", "closed", 1), ("r1", "early", 2)):
        state.add("jobs", run, MAIL, 1, 9, job, NOON + timedelta(minutes=minutes))
    state.con.execute(f"UPDATE {STATE}.runs SET closed_at = started_at WHERE run = 'r2'")
    assert [(job.run, job.sync, job.lo, job.hi, job.job) for job in open_jobs(state)] == [
        ("r1", MAIL, 1, 9, "early"), ("r1", MAIL, 1, 9, "late"),
    ]  # fmt: skip


def test_changes_whose_job_runs_outlive_the_run(state: State) -> None:
    """They go into a run of their own, with the job that carries them; everything else of the run stays."""
    state.con.execute(f"UPDATE {STATE}.runs SET git_commit = 'c', dbt_invocation = 'd', flows_hash = 'f'")
    for seq in range(1, 7):
        state.put(seq)
    state.put(3, run="r0")
    for job, lo, hi in (("mine", 3, 4), ("ended", 1, 2), ("other", 5, 6)):
        state.add("jobs", "r1", MAIL, lo, hi, job, NOON)
    state.add("jobs", "r0", MAIL, 3, 4, "of another run", NOON)
    state.add("exceptions", "r1", 4, "unknown", "RVT-617", "still runs", NOON, None, None)
    state.add("exceptions", "r1", 2, "rejected", "NO", "", NOON, 400, None)
    state.add("exceptions", "r0", 3, "unknown", "RVT-617", "", NOON, None, None)
    leave_running(state, "r1")
    assert state.rows(f"SELECT run, seq FROM {STATE}.outbox ORDER BY ALL") == [
        ("r0", 3), ("r1", 1), ("r1", 2), ("r1", 3), ("r1", 5), ("r1", 6), ("r1.jobs", 4),
    ]  # fmt: skip
    assert state.rows(f"SELECT run, job FROM {STATE}.jobs ORDER BY ALL") == [
        ("r0", "of another run"), ("r1", "ended"), ("r1", "other"), ("r1.jobs", "mine"),
    ]  # fmt: skip
    assert state.rows(f"SELECT run, seq FROM {STATE}.exceptions ORDER BY ALL") == [("r0", 3), ("r1", 2)]
    assert open_runs(state) == ["r1", "r1.jobs"]
    assert state.rows(f"SELECT * EXCLUDE (run) FROM {STATE}.runs WHERE run = 'r1'") == state.rows(
        f"SELECT * EXCLUDE (run) FROM {STATE}.runs WHERE run = 'r1.jobs'"
    )
    before = state.rows(f"SELECT run FROM {STATE}.runs")
    leave_running(state, "r1")
    assert state.rows(f"SELECT run FROM {STATE}.runs") == before
