"""``status``: the last runs, what is still to do, what is held, rejected, orphaned, and how old all of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from revetl.engine.ages import built_at, verdict
from revetl.engine.glimpse import glimpse
from revetl.engine.leftovers import leftovers
from revetl.engine.session import Clock, utc_now
from revetl.engine.sizes import glance
from revetl.engine.workspace import Workspace
from revetl.mapping.orphans import Orphan
from revetl.state.backlog import Backlog, RunRow, backlog, held, last_results, recent_runs
from revetl.state.erasing import Unfinished, unfinished
from revetl.state.schema import STATE
from revetl.state.views import View
from revetl.types import EMPTY, Held, Lag, SyncPlan


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """One sync: what is acknowledged, what is left to do, and what its last run came to. Seconds for ``lag``."""

    sync: str
    backlog: Backlog | None = None  # None: it never sent anything
    last_run: str | None = None
    last_at: datetime | None = None
    last_exit: int | None = None
    error: str | None = None
    waiting: int = 0
    lag: Lag | None = None  # of the last run: from the build of its models to what was acknowledged then
    age: float | None = None  # seconds: that, or since a build of which something is still to be sent
    stale: str | None = None  # warn or error: the age is beyond ``freshness``
    mapped: bool = True  # False: configuration names it no more
    cohorts: Mapping[str, tuple[int, ...]] = EMPTY  # members over time, oldest first; the last is the size now


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not closed. ``pid`` None: no process holds the state, it was killed; the next run settles it."""

    run: str
    started_at: datetime
    staged: int  # changes in its outbox
    pid: int | None = None
    phase: str = ""


@dataclass(frozen=True)
class Status:
    """How a target stands."""

    target: str
    runs: tuple[RunRow, ...]  # newest first
    syncs: tuple[SyncStatus, ...]
    held: tuple[Held, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    open_runs: tuple[OpenRun, ...] = ()
    erasures: tuple[Unfinished, ...] = ()  # people who are to be forgotten, and are not yet everywhere
    built_at: datetime | None = None  # of the manifest that lies there now
    lag: float | None = None  # seconds from that build to the end of the first run that read it; None: no run yet
    notice: str = ""

    @property
    def clean(self) -> bool:
        """Return whether nothing is left to do or to decide."""
        todo = any(b.pending or b.rejected for s in self.syncs if (b := s.backlog) is not None)
        return not (
            todo
            or self.held
            or self.orphans
            or self.open_runs
            or self.erasures
            or any(s.waiting or s.error for s in self.syncs)
        )


def status(workspace: Workspace, runs: int = 5, clock: Clock = utc_now) -> Status:
    """Return how the target stands, also while a run works on it; nothing is changed and no lock is taken."""
    with glimpse(workspace) as seen:
        view = seen.view
        return Status(
            target=workspace.target,
            runs=tuple(replace(run, summary=None) for run in recent_runs(view, runs)),
            syncs=_syncs(workspace, view, clock()),
            held=held(view),
            orphans=leftovers(workspace, view) if view.readable else (),
            open_runs=_open_runs(view),
            erasures=unfinished(view) if view.readable else (),
            built_at=workspace.project.generated_at,
            lag=_lag(workspace, view),
            notice=view.notice,
        )


def _syncs(workspace: Workspace, view: View, now: datetime) -> tuple[SyncStatus, ...]:
    """Return every sync that is mapped or known to state, by name; a selection leaves out the others."""
    mapped = {plan.name: plan for plan in workspace.resolved.syncs}
    known = {found.sync: found for found in backlog(view)}
    chosen = {plan.name for plan in workspace.syncs} if mapped else set()
    results = last_results(view)
    names = chosen if workspace.options.select or workspace.options.exclude else {*mapped, *known}
    found, sizes = [], glance(view)
    for name in sorted(names):
        cohorts = {cohort: over for (sync, cohort), over in sizes.items() if sync == name}
        entry = SyncStatus(name, known.get(name), mapped=name in mapped, cohorts=cohorts)
        if name in results:
            run, result = results[name]
            entry = replace(
                entry, last_run=run.run, last_at=run.closed_at, last_exit=result.get("exit_code"),
                error=result.get("error"), waiting=int(result.get("waiting") or 0),
                lag=Lag(**result["lag"]) if result.get("lag") else None,
            )  # fmt: skip
        if name in mapped and entry.backlog is not None:
            entry = _aged(workspace, mapped[name], entry, results[name][1] if name in results else {}, now)
        found.append(entry)
    return tuple(found)


def _aged(
    workspace: Workspace, plan: SyncPlan, entry: SyncStatus, result: Mapping[str, Any], now: datetime
) -> SyncStatus:
    built = built_at(workspace, plan)
    left = entry.last_at is None or entry.last_at < built or any(result.get(k) for k in ("held", "error", "unknown"))
    settled = entry.lag.p95 if entry.lag else None
    age = max(0.0, (now - built).total_seconds()) if left or entry.waiting else settled
    return replace(entry, age=age, stale=verdict(plan.freshness, age))


def _open_runs(view: View) -> tuple[OpenRun, ...]:
    if not view.readable:
        return ()
    rows = view.rows(
        f"SELECT r.run, r.started_at, count(o.seq) FROM {STATE}.runs r LEFT JOIN {STATE}.outbox o ON o.run = r.run "
        "WHERE r.closed_at IS NULL GROUP BY ALL ORDER BY r.started_at"
    )
    phase = str(view.status.get("phase") or "")
    return tuple(
        OpenRun(run, at, staged, view.pid, phase if view.status.get("run") == run else "") for run, at, staged in rows
    )


def _lag(workspace: Workspace, view: View) -> float | None:
    if not view.readable:
        return None
    closed = view.one(
        f"SELECT min(closed_at) FROM {STATE}.runs WHERE dbt_invocation = ? AND exit_code IN (0, 1)",
        [workspace.project.invocation_id],
    )
    return None if closed is None else max((closed - workspace.project.generated_at).total_seconds(), 0.0)
