"""Status, rejections and the ledger → rich."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from revetl.cli.render import RUN_ID, held, hint, note, row, table, title
from revetl.cli.words import clean, many, span, spark
from revetl.engine.leftovers import full_name
from revetl.engine.records import Found, Verified
from revetl.engine.rejections import Rejections
from revetl.engine.statuses import OpenRun, Status, SyncStatus
from revetl.engine.times import moment


def status(found: Status) -> Iterator[RenderableType]:
    """Yield how a target stands."""
    yield title(f"target {found.target}")
    yield from [note(found.notice)] if found.notice else []
    yield from _syncs(found)
    yield from (_open_run(run) for run in found.open_runs)
    for one in found.erasures:
        where = ", ".join(map(clean, one.syncs))
        yield Text(f"forgotten {one.id}, since {moment(one.since)}, and not yet erased in {where}")
        yield hint("revetl forget --resume")
    for verdict in found.held:
        yield Text(clean(verdict.sync), style="bold")
        yield from held(verdict)
    if found.orphans:
        yield title("no longer mapped, what stands there stays:")
        for orphan in found.orphans:
            yield Text(f"  {orphan.kind} {clean(full_name(orphan))}")
        yield hint(f"revetl retire {full_name(found.orphans[0])} --keep")
    yield from _runs(found)
    yield Text(_age(found))


def _syncs(found: Status) -> Iterator[RenderableType]:
    for one in found.syncs:
        code = "" if one.last_exit is None else f", exit {one.last_exit}"
        last = f"last run {moment(one.last_at)}{code}" if one.last_at else "no finished run yet"
        yield Text.assemble((clean(one.sync), "bold"), "" if one.mapped else " (not mapped)", f": {last}")
        yield from (Text(f"  {line}") for line in _todo(one))
        for cohort, sizes in sorted(one.cohorts.items()):
            yield Text(f"  cohort {clean(cohort)}: {many(sizes[-1], 'member')}  {spark(sizes)}".rstrip())
        if one.lag:
            half, most = span(one.lag.p50), span(one.lag.p95)
            yield Text(f"  from build to acknowledgement: {half} for half of the changes, {most} for 95 of 100")
        if one.stale and one.age is not None:
            style = "red" if one.stale == "error" else "yellow"
            yield Text(f"  stale ({one.stale}): {span(one.age)} since the build of its models", style=style)
        if one.error:
            yield Text(f"  {clean(one.error)}", style="red")


def _todo(one: SyncStatus) -> Iterator[str]:
    """Yield what is acknowledged, and what of the sync is left to do."""
    if one.backlog is None:
        yield "nothing was ever sent"
        return
    known = one.backlog
    yield f"acknowledged: {many(known.records, 'record')}, {many(known.members, 'membership')}"
    if known.links_waiting:
        yield f"{many(known.links_waiting, 'link')} waiting for a record that is not there yet"
    if known.pending:
        yield f"in doubt: {many(known.pending, 'change')}, since {moment(known.pending_since)}; runs send them again"
    if known.rejected:
        yield f"rejected: {many(known.rejected, 'change')}, next try {moment(known.next_retry)}; see revetl errors"
    if one.waiting:
        yield f"waiting: {many(one.waiting, 'change')}; the next run sends them"
    if known.unmatched:
        yield f"unmatched: {many(known.unmatched, 'record')} without a match value"


def _open_run(run: OpenRun) -> RenderableType:
    if run.pid is None:
        what = f"never closed; the next run settles its {many(run.staged, 'change')}"
    else:
        what = f"is at work (pid {run.pid}{', ' + run.phase if run.phase else ''})"
    return Text.assemble(("run ", "bold"), f"{clean(run.run)} of {moment(run.started_at)} {what}")


def _runs(found: Status) -> Iterator[RenderableType]:
    if not found.runs:
        return
    made = table("last runs", "started", "ended", "exit", "git commit", right=("exit",))
    for run in found.runs:
        code = "" if run.exit_code is None else str(run.exit_code)
        ended = moment(run.closed_at) if run.closed_at else "open"
        row(made, run.run[:RUN_ID], moment(run.started_at), ended, code, (run.git_commit or "")[:12])
    yield made


def _age(found: Status) -> str:
    built = f"models built {moment(found.built_at)}"
    return f"{built}, synced {span(found.lag)} later" if found.lag is not None else f"{built}, not synced since"


def rejections(found: Rejections) -> Iterator[RenderableType]:
    """Yield refused rows with reason and remedy."""
    yield from [note(found.notice)] if found.notice else []
    if not found.listed:
        yield Text("nothing is rejected")
        return
    for one in found.listed:
        change = one.change
        about = f"{change.op} {change.cohort}" if change.cohort else change.op
        yield Text.assemble((f"{clean(change.sync)} {clean(change.key)}", "bold"), f" {clean(about)}")
        yield Text(f"  {clean(change.code)}: {clean(change.reason)}")
        since, again = moment(change.since), moment(change.next_at)
        yield Text(f"  since {since}, {many(change.attempts, 'try', 'tries')}, again at {again}", style="dim")
    for code, remedy in dict.fromkeys((one.change.code, one.remedy) for one in found.listed):
        yield Text.assemble((f"{clean(code)}: ", "bold"), clean(remedy))
    if found.total > len(found.listed):
        yield note(f"{found.total - len(found.listed):,} more: --limit {found.total}")


def flows(found: Found) -> Iterator[RenderableType]:
    """Yield flows, newest first."""
    yield from [note(found.notice)] if found.notice else []
    if not found.flows:
        yield Text("nothing that left passes these filters")
        return
    for flow in found.flows:
        change = f"{flow.op} {flow.cohort or ', '.join(flow.values or {})} ({flow.cause})"
        outcome = ": ".join(part for part in (flow.outcome, flow.code) if part)
        run = f"run {flow.run[:RUN_ID]}{', open' if flow.open else ''}"
        head = f"{moment(flow.time)}  {clean(flow.sync)} {clean(flow.key)} {clean(change)}: {clean(outcome)}"
        yield Text.assemble(head, (f"  {clean(run)}", "dim"))


def verified(found: Verified) -> Iterator[RenderableType]:
    """Yield whether the ledger is as it was written."""
    yield from [note(found.notice)] if found.notice else []
    if not found.faults:
        yield Text(f"the ledger is whole: {many(found.links, 'entry', 'entries')}, each file as it was written")
    for fault in found.faults:
        yield Text(clean(fault), style="red")
