"""From outcomes to results: counted in the closed run, written where orchestrators look for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson

from revetl import __version__
from revetl.engine.execute import Executed
from revetl.engine.inspect import Inspection
from revetl.engine.session import Session
from revetl.engine.survey import Survey
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError
from revetl.mapping.flows import flows
from revetl.send.ports import LaneReport
from revetl.state.files import replace_file
from revetl.state.store import Store
from revetl.types import Held, Problem, RunResult, SyncResult
from revetl.types.results import SIGNALS

SCHEMA_VERSION = 1
PRECEDENCE = (2, 3, 4, 1, 0)  # of several exit codes, the first of these that occurs


def outcomes(store: Store) -> Mapping[str, Mapping[str, int]]:
    """Return sync → status → number of changes of the run that was just closed; local ones left nothing."""
    found: dict[str, dict[str, int]] = {}
    for sync, status, count in store.rows("SELECT sync, status, count(*) FROM final WHERE local IS NULL GROUP BY ALL"):
        found.setdefault(sync, {})[status] = count
    if not any("rejected" in counts for counts in found.values()):
        return found
    for sync, count in store.rows(
        "SELECT f.sync, count(*) FROM final f JOIN revetl_state.rejected r ON r.sync = f.sync AND r.key = f.key "
        "AND r.op = f.op AND r.cohort IS NOT DISTINCT FROM f.cohort "
        "WHERE f.status = 'rejected' AND r.attempts = 1 GROUP BY ALL"
    ):
        found.setdefault(sync, {})["newly_rejected"] = count
    return found


def sync_results(
    inspection: Inspection, done: Executed, counted: Mapping[str, Mapping[str, int]], staged: Mapping[str, int]
) -> tuple[SyncResult, ...]:
    """Return a result per sync; what was surveyed and never staged is waiting."""
    found = [_sent(survey, done, counted, staged, inspection.notes) for survey in inspection.surveys]
    found += [SyncResult(name, held=(held,), exit_code=3) for name, held in inspection.stopped.items()]
    found += [_failed(name, error) for name, error in inspection.errors.items()]
    return tuple(sorted(found, key=lambda result: result.sync))


def _failed(name: str, error: RevetlError) -> SyncResult:
    return SyncResult(name, error=str(error), exit_code=1 if error.exit_code == 2 else error.exit_code)


def _sent(
    survey: Survey,
    done: Executed,
    counted: Mapping[str, Mapping[str, int]],
    staged: Mapping[str, int],
    notes: Mapping[str, tuple[str, ...]],
) -> SyncResult:
    name = survey.plan.name
    error = done.errors.get(name)
    if error is not None:
        return _failed(name, error)
    if survey.stopped is not None:
        return SyncResult(name, rows=survey.preview.rows, held=survey.preview.held, exit_code=3)
    counts = counted.get(name, {})
    report = done.reports.get(survey.plan.destination)
    local = survey.span[1] - survey.span[0] + 1 - staged.get(name, 0)
    waiting = counts.get("waiting", 0) + max(local, 0) + survey.trimmed
    tally = report.syncs.get(name) if report else None
    result = SyncResult(
        sync=name, rows=survey.preview.rows, delivered=counts.get("delivered", 0), rejected=counts.get("rejected", 0),
        newly_rejected=counts.get("newly_rejected", 0), unknown=counts.get("unknown", 0), waiting=waiting,
        unmatched=survey.preview.unmatched, calls=tally.calls if tally else 0, counts=survey.preview.counts,
        held=survey.preview.held, error=str(report.stopped) if report and report.stopped else None,
        notes=(*notes.get(name, ()), *survey.preview.notes, *(report.notes if report else ())),
        sandbox=survey.plan.sandbox,
    )  # fmt: skip
    return _with_code(result, report)


def _with_code(result: SyncResult, report: LaneReport | None) -> SyncResult:
    code = 0
    if result.newly_rejected or result.waiting or result.unknown:
        code = 1
    if report is not None and report.stopped is not None:
        code = 4 if report.stopped.later else 2
    if result.held:
        code = 3
    return replace(result, exit_code=code)


def exit_code(
    results: tuple[SyncResult, ...], *, strict: bool, fatal: bool = False, interrupted: str | None = None
) -> int:
    """Return the process's exit code: that of the signal which ended the run; 2 only where nothing at all could run."""
    if interrupted is not None and interrupted in SIGNALS:
        return SIGNALS[interrupted]
    codes = {result.exit_code for result in results}
    if fatal:
        codes.add(2)
    if results and all(result.error and result.exit_code == 1 for result in results):
        codes.add(2)
    if strict and any(result.rejected for result in results):
        codes.add(1)
    return next((code for code in PRECEDENCE if code in codes), 0)


def document(result: RunResult) -> dict[str, Any]:
    """Return what revetl_results.json holds."""
    return {"schema_version": SCHEMA_VERSION, "revetl_version": __version__, **asdict(result)}


def write_results(workspace: Workspace, result: RunResult) -> None:
    """Write target/revetl_results.json and target/revetl_flows.json, each atomically."""
    directory = workspace.target_dir
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / "revetl_results.json", orjson.dumps(document(result), option=orjson.OPT_INDENT_2))
    workspace.write_flows()


def flows_digest(workspace: Workspace) -> str:
    """Return the hash of the resolved mapping of this run."""
    text = orjson.dumps(flows(workspace.resolved.syncs), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def record(session: Session, result: RunResult) -> None:
    """Write what others read of a run: in state, in dbt's target directory and beside the state."""
    store, held = session.store, tuple(h for s in result.syncs for h in s.held)
    summary = orjson.dumps(document(replace(result, problems=()))).decode()
    store.con.execute(
        "UPDATE revetl_state.runs SET exit_code = ?, summary = ? WHERE run = ?",
        [result.exit_code, summary, result.run],
    )
    for h in held:
        store.con.execute(
            "INSERT INTO revetl_state.held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [result.run, h.sync, h.guard, h.cohort, h.found, h.allowed, h.total, h.hash, h.reason, result.finished_at],
        )
    write_results(session.workspace, result)
    write_status(session.workspace, result.run, "closed", result.finished_at, held)


def warned(session: Session, result: RunResult, problems: tuple[Problem, ...]) -> RunResult:
    """Return the result with what went wrong after it was recorded, written anew where anything did."""
    if not problems:
        return result
    more = replace(result, problems=(*result.problems, *problems))
    write_results(session.workspace, more)
    return more


def write_status(workspace: Workspace, run: str, phase: str, at: datetime, held: tuple[Held, ...] = ()) -> None:
    """Write status.json beside the state: what others may read while this run holds the database."""
    text = orjson.dumps({"schema_version": 1, "run": run, "phase": phase, "at": at, "held": [asdict(h) for h in held]})
    replace_file(workspace.state_dir / "status.json", text)
