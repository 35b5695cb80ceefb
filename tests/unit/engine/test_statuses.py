"""``status`` tells how a target stands: backlog, held, orphans, open runs, lag."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import orjson

from revetl.engine.statuses import status
from revetl.types import Held, SyncResult
from tests.unit.engine.shopping import BUILT, mapped, plan, shop
from tests.unit.state.written import HUB, MAIL, Sent


def summary(*results: SyncResult) -> str:
    """Return what a run leaves behind of its results."""
    return orjson.dumps({"syncs": [asdict(result) for result in results]}).decode()


def test_never_run(tmp_path: Path) -> None:
    """Before the first run there is a status, and it says so."""
    workspace, _ = shop(tmp_path)
    found = status(mapped(workspace, plan(HUB)))
    assert (found.runs, found.held, found.open_runs, found.lag) == ((), (), (), None)
    assert [(s.sync, s.mapped) for s in found.syncs] == [(HUB, True), (MAIL, False)]


def test_backlog_held_and_lag(tmp_path: Path) -> None:
    """Counts come from state, what is held from the last run of each sync, lag from the build that a run read."""
    workspace, state = shop(tmp_path, plan(MAIL), plan(HUB, object="contacts"))
    verdict = Held(MAIL, "max_leave", "9 of 10 would leave", stops=False, found=9, release="revetl approve …")
    state.run(
        "dbt-now",
        Sent('["c1"]', body={"LTV_BAND": "low"}, band="low"), Sent('["c2"]', status="unknown"),
        summary=summary(SyncResult(MAIL, waiting=2, held=(verdict,), exit_code=3), SyncResult(HUB)),
    )  # fmt: skip
    state.change(lambda s: s.con.execute("UPDATE revetl_state.runs SET dbt_invocation = 'dbt-now', exit_code = 1"))
    closed = state.now
    state.run("r2", Sent('["c1"]', sync=HUB, body={"LTV_BAND": "low"}, band="low"), summary=summary(SyncResult(HUB)))
    found = status(workspace)
    assert [run.run for run in found.runs] == ["r2", "dbt-now"]
    assert found.held == (verdict,)
    assert found.lag == (closed - BUILT).total_seconds()
    mail = next(s for s in found.syncs if s.sync == MAIL)
    assert mail.backlog is not None
    assert (mail.backlog.records, mail.backlog.pending, mail.waiting, mail.last_run) == (1, 1, 2, "dbt-now")
    assert not found.clean


def test_orphans_and_open_runs(tmp_path: Path) -> None:
    """What is mapped no more is listed by kind; a killed run is named with what it staged."""
    workspace, state = shop(tmp_path, plan(MAIL), plan(HUB, object="contacts"))
    state.run("r1", Sent('["c1"]', body={"LTV_BAND": "low"}, band="low"), Sent('["c1"]', op="join", cohort="vip"))
    with state.store() as store:
        state.stage(store, "r2", [Sent('["c3"]', status=None)])
    kept = plan(MAIL)
    found = status(mapped(workspace, plan(MAIL, fields=kept.fields[:1], cohorts=())))
    assert [(o.sync, o.kind, o.name) for o in found.orphans] == [
        (HUB, "sync", HUB), (MAIL, "cohort", "vip"), (MAIL, "field", "LTV_BAND"),
    ]  # fmt: skip
    assert [(r.run, r.staged, r.pid) for r in found.open_runs] == [("r2", 1, None)]
    assert found.open_runs[0].started_at - state.now < timedelta(0) or found.open_runs[0].started_at == state.now
