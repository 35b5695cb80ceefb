"""The flow, on one page: manifest → mapping → warehouse → diff → guards → send → record.

``plan`` and ``sync`` are the same flow; ``plan`` stops before anything is staged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any

from revetl.diff.shape import Shape
from revetl.engine import execute as executing
from revetl.engine import remote, results
from revetl.engine.adopting import Adopted, adopt
from revetl.engine.ages import lags
from revetl.engine.alerting import tell
from revetl.engine.approving import strange
from revetl.engine.backfill import trim
from revetl.engine.debugging import PATIENCE, Silent
from revetl.engine.durations import timed
from revetl.engine.execute import Executed, first_sync
from revetl.engine.fitting import Ask, PlanFields
from revetl.engine.inspect import Inspection, Remote, inspect
from revetl.engine.lanes import Line, guarded, line_of
from revetl.engine.leftovers import orphaned
from revetl.engine.networking import wire_of
from revetl.engine.rehearsal import origins
from revetl.engine.resuming import resume_jobs
from revetl.engine.session import Clock, Session, new_run, open_session, utc_now
from revetl.engine.stopping import Stop, never
from revetl.engine.telling import report
from revetl.engine.workspace import Options, Plan, Workspace, git_commit, load
from revetl.errors import RevetlError, UsageError
from revetl.heap import rarely_collected
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run, note_models, staged_rows
from revetl.state.usage import read_usage, write_usage
from revetl.types import Event, Finished, Guarded, Held, Problem, RemoteField, RunResult, SyncPlan, SyncPreview

__all__ = ["Options", "Plan", "plan", "sync"]

READ_BACK_ROWS = 10_000  # a plan reads no more than that back by itself
Watch = Callable[[Event], None]
Asked = Options | str | PathLike[str]


def _quiet(_: Event) -> None:
    """Show nothing."""


def _options(asked: Asked | Plan) -> Options:
    """Return what is asked for; a path alone is a project's directory."""
    if isinstance(asked, Plan):
        return asked.options
    return asked if isinstance(asked, Options) else Options(project_dir=Path(asked))


def plan(project: Asked = "", *, on_event: Watch = _quiet, clock: Clock = utc_now, wire: Wire | None = None) -> Plan:
    """Return what a run would do; nothing is sent and nothing is staged.

    State keeps two things of it: what destinations said of their fields, for a day, and what guards would hold, so that
    it can be approved by its hash.

    Args:
        project: the project's directory, or :class:`Options` with it and whatever else is asked for.
        on_event: is told, on the calling thread, how far it is (:class:`Progress`).
        clock: gives the time of day, aware, in UTC; for tests.
        wire: performs the calls; for tests.

    Raises:
        RevetlError: the project, the state or the warehouse cannot be used; ``code`` and ``exit_code`` say why and
            what to do about it.
    """
    options = _options(project)
    workspace = load(options)
    plans = workspace.syncs
    with open_session(workspace, clock=clock) as session:
        with ExitStack() as stack:
            fields = PlanFields(session, None if options.offline else _questions(workspace, stack, wire))
            found = inspect(session, plans, fields, on_event)
        found.notes |= {name: (*found.notes.get(name, ()), *notes) for name, notes in fields.notes.items()}
        for name, held in _unasked(found, options.first).items():
            found.notes[name] = (*found.notes.get(name, ()), f"nothing is sent until told how: {held.release}")
        previews = timed(workspace, found.previews(), read_usage(session.store), clock().timestamp())
        problems = (*workspace.resolved.problems, *orphaned(workspace, session.store))
    if not options.offline:
        previews = _met(workspace, previews, on_event, clock, wire)
    return Plan(workspace.target, plans, previews, problems, options)


def _questions(workspace: Workspace, stack: ExitStack, wire: Wire | None) -> Ask:
    """Return what runs an exchange of reads; the wire is made when there is the first one."""
    made: list[Sender] = []

    def ask(lane: Lane, work: Any) -> Any:
        if not made:
            line = wire or stack.enter_context(closing(wire_of(workspace)))
            made.append(Sender(line, Silent(), random=Random(), deadline=line.monotonic() + PATIENCE))  # noqa: S311
        return made[0].call(lane, work)

    return ask


def _met(
    workspace: Workspace, previews: Sequence[SyncPreview], on_event: Watch, clock: Clock, wire: Wire | None
) -> tuple[SyncPreview, ...]:
    """Return previews, of first syncs with what they would meet there: create, same, overwrite; nothing is written."""
    reads = {p.name for p in workspace.resolved.syncs if workspace.registry[p.type].read_back is not None}
    first = {preview.sync: preview.rows for preview in previews if preview.first and preview.changes}
    names = tuple(name for name, rows in first.items() if name in reads and rows <= READ_BACK_ROWS)
    found: Mapping[str, Adopted] = {}
    if names:
        compared = adopt(workspace.options, names, on_progress=on_event, clock=clock, wire=wire, keep=False)
        found = {one.sync: one for one in compared}

    def told(preview: SyncPreview) -> SyncPreview:
        name = preview.sync
        if name not in first or name not in reads:
            return preview
        if name not in found:
            note = f"{preview.rows} rows: compare with `revetl adopt --dry-run {name}`"
        elif found[name].error:
            note = f"it could not be read back: {found[name].error}"
        else:
            one = found[name]
            return replace(preview, remote={"create": one.missing, "same": one.same, "overwrite": one.differing})
        return replace(preview, notes=(*preview.notes, note))

    return tuple(told(preview) for preview in previews)


def sync(
    project: Asked | Plan = "",
    *,
    on_event: Watch = _quiet,
    stop: Stop = never,
    clock: Clock = utc_now,
    wire: Wire | None = None,
) -> RunResult:
    """Make every selected destination agree with its models; return what became of each change.

    The models are read when it runs: it sends what is true then, and all guards look at it, also where a plan was made
    before. A run that is ended in any way, by an exception of ``on_event`` too, is continued by the next one.

    Args:
        project: a plan, or what :func:`plan` takes.
        on_event: is told, on the calling thread, how far it is (:class:`Progress`), what a guard holds
            (:class:`Guarded`), what was answered (:class:`Delivery`) and the end (:class:`Finished`).
        stop: is asked between calls; a word (``SIGTERM``, "a person") ends the run in order, and stands in its result.
        clock: gives the time of day, aware, in UTC; for tests.
        wire: performs the calls; for tests.

    Raises:
        RevetlError: the project, the state or the warehouse cannot be used. What concerns one sync is in its result.
    """
    result = _run(_options(project), on_event, stop, clock, wire)
    on_event(Finished(result))
    return result


def _run(options: Options, on_event: Watch, stop: Stop, clock: Clock, wire: Wire | None) -> RunResult:
    workspace = load(options)
    plans = workspace.syncs
    _known(options.first, workspace)
    started, run = clock(), new_run(clock())
    with ExitStack() as stack:
        stack.enter_context(rarely_collected())
        session = stack.enter_context(open_session(workspace, clock=clock))
        places = stack.enter_context(origins(workspace, plans))
        journal = Journal(session.store, run)
        worker = stack.enter_context(ThreadPoolExecutor(1)) if session.store.parallel else None
        outbox = Outbox(session.store, run, worker=worker)
        line = wire or wire_of(workspace)
        stack.callback(line.close)
        line, stop = guarded(line, stop, session.lease)
        lines, errors = _lines(workspace, plans, places)

        def sender_for(book: Journal) -> Sender:
            jitter = Random(run)  # noqa: S311 - no secret
            limit = _deadline(workspace, line)
            usage = read_usage(session.store)
            return Sender(line, book, random=jitter, deadline=limit, stop=stop, on_event=on_event, usage=usage)

        said = strange(session.approvals, options.approve)
        resume_jobs(session, {p.name: p for p in plans}, lines, sender_for)
        sender = sender_for(journal)
        facts = _facts(workspace)
        begin_run(session.store, run, facts)
        note_models(session.store, run, _models(workspace, plans))
        plans = tuple(p for p in plans if p.name in lines)
        found = inspect(session, plans, _asked(session, lines, sender), on_event, stop)
        found.errors.update(errors)
        held = _unasked(found, options.first)
        found.surveys = [executing.without(s, held[s.plan.name]) if s.plan.name in held else s for s in found.surveys]
        share, used, now = workspace.config.send.backfill_share, read_usage(session.store), clock().timestamp()
        _announce(found, on_event)
        found.surveys = [trim(s, lines[s.plan.name], session.store, used, share, now) for s in found.surveys]
        done = executing.execute(session, found, lines, sender, journal, outbox, on_event)
        write_usage(session.store, sender.usage())
        return _close(session, found, done, run, started, stop(), facts, said)


def _announce(found: Inspection, on_event: Watch) -> None:
    """Tell what is held before anything is sent."""
    verdicts = [held for survey in found.surveys for held in survey.preview.held]
    for held in (*verdicts, *found.stopped.values()):
        on_event(Guarded(held))


def _known(first: Sequence[str], workspace: Workspace) -> None:
    """Refuse a ``--first`` that names nothing: the run would hold what was meant to go."""
    names = {name for p in workspace.resolved.syncs for name in (p.name, p.destination)}
    skipped = workspace.resolved.skipped  # of another target: nothing goes there, which is said elsewhere
    wrong = [name for name in first if name not in names and name.partition(".")[0] not in skipped]
    if wrong:
        raise UsageError(
            "RVT-110", f"--first {wrong[0]}: no such sync or destination for this target", hint="revetl ls"
        )


def _deadline(workspace: Workspace, wire: Wire) -> float | None:
    seconds = workspace.options.deadline or workspace.config.send.deadline
    return None if seconds is None else wire.monotonic() + seconds


def _asked(session: Session, lines: dict[str, Line], sender: Sender) -> Remote:
    """Return how a destination's fields are known: remembered for a day, asked for once there is something to send."""
    now, registry = session.clock().timestamp(), session.workspace.registry

    def ask(p: SyncPlan, shape: Shape | None) -> Mapping[str, RemoteField]:
        known = remote.remembered_fields(session.store, p, now)
        if known is None and shape is not None:
            parts = (session.store, p, shape, lines[p.name], registry[p.type], sender, now)
            known = remote.discover(*parts, create=session.workspace.options.create_fields)
        return known or {}

    return ask


def _lines(
    workspace: Workspace, plans: tuple[SyncPlan, ...], places: Mapping[str, str]
) -> tuple[dict[str, Line], dict[str, RevetlError]]:
    lines: dict[str, Line] = {}
    errors: dict[str, RevetlError] = {}
    for p in plans:
        try:
            lines[p.name] = line_of(workspace, p, workspace.registry[p.type], places.get(p.type) if p.sandbox else None)
        except RevetlError as error:
            errors[p.name] = error
    return lines, errors


def _unasked(found: Inspection, first: Sequence[str]) -> dict[str, Held]:
    """Return of each first sync of a real account that nobody asked for the verdict that keeps it from sending."""
    new = {s.plan.name: first_sync(s.plan, tuple(first)) for s in found.surveys if s.preview.first}
    return {name: held for name, held in new.items() if held is not None}


def _facts(workspace: Workspace) -> dict[str, str | None]:
    return {
        "git_commit": git_commit(workspace.options.project_dir),
        "dbt_invocation": workspace.project.invocation_id,
        "flows_hash": results.flows_digest(workspace),
    }


def _models(workspace: Workspace, plans: Sequence[SyncPlan]) -> list[tuple[str, str, str | None, str]]:
    """Return of which version each model is that a sync reads, in order to tell it later."""
    nodes = workspace.project.nodes
    read = [(p.name, nodes[ref.unique_id]) for p in plans for ref in p.models if ref.unique_id in nodes]
    return list(dict.fromkeys((sync, node.name, node.version, node.checksum) for sync, node in read))


def _close(
    session: Session,
    found: Inspection,
    done: Executed,
    run: str,
    started: datetime,
    interrupted: str | None,
    facts: Mapping[str, str | None],
    said: tuple[Problem, ...] = (),
) -> RunResult:
    workspace, options = session.workspace, session.workspace.options
    staged = staged_rows(session.store, run)
    close_run(session.store, run, session.closing())
    counted = results.outcomes(session.store)
    waited = lags(session.store, workspace, workspace.resolved.syncs)
    executing.settle(session, done, run, canary=bool(options.limit or options.keys))
    session.show_opt_outs()
    per_sync = results.sync_results(found, done, counted, staged)
    per_sync = tuple(replace(one, lag=waited.get(one.sync)) for one in per_sync)
    fatal = workspace.resolved.fatal or bool(workspace.resolved.broken)
    result = RunResult(
        run=run, target=workspace.target, started_at=started, finished_at=session.clock(), syncs=per_sync,
        exit_code=results.exit_code(per_sync, strict=options.strict, fatal=fatal, interrupted=interrupted),
        problems=(*workspace.resolved.problems, *said), dbt_invocation=facts["dbt_invocation"],
        git_commit=facts["git_commit"], interrupted=interrupted,
    )  # fmt: skip
    results.record(session, result)
    return results.warned(session, result, (*tell(session, result), *report(workspace, result)))
