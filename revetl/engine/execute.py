"""The second half of a run: surveys staged, sent and accounted for, each sync on its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from revetl.contract import Action, Destination
from revetl.diff import changes as diff_changes
from revetl.engine import remote, shapes, staging
from revetl.engine.approving import whoami
from revetl.engine.feeds import SyncFeed
from revetl.engine.filling import guarded_fields, only_empty
from revetl.engine.implied import Implied
from revetl.engine.inspect import Inspection
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.survey import Survey
from revetl.errors import RevetlError
from revetl.send.ports import LaneReport
from revetl.send.sender import Sender
from revetl.state.habits import save_habit
from revetl.state.journal import Journal
from revetl.state.layout import StoredSync, load_sync, set_sync
from revetl.state.marks import save_marks
from revetl.state.outbox import Outbox
from revetl.types import JSON, Held, Progress, SyncPlan
from revetl.warehouse.connection import single_threaded

# Numbers of changes with which statements that stage and record some of them are left to the thread that makes them:
# each passes over all changes, so of more, other threads take a part; of fewer, it is not worth the setting.
ALONE = range(1_000, 500_000)


@dataclass
class Executed:
    """What sending came to: a report per lane, and the syncs that could not begin."""

    reports: Mapping[str, LaneReport] = field(default_factory=dict)
    errors: dict[str, RevetlError] = field(default_factory=dict)
    sent: list[Survey] = field(default_factory=list)
    still: list[Survey] = field(default_factory=list)  # nothing differs


def first_sync(plan: SyncPlan, first: tuple[str, ...]) -> Held | None:
    """Return the verdict that keeps a sync's first run from sending until somebody says how."""
    if plan.sandbox or plan.name in first or plan.destination in first or plan.type == "file":
        return None
    release = f"revetl adopt {plan.name} (take what is there as sent), or: revetl sync --first {plan.name}"
    return Held(
        plan.name, "first", "this sync has never run: nothing is sent until told how", stops=True, release=release
    )


def execute(
    session: Session,
    inspection: Inspection,
    lines: Mapping[str, Line],
    sender: Sender,
    journal: Journal,
    outbox: Outbox,
    on_progress: Callable[[Progress], None],
) -> Executed:
    """Stage and send what the surveys found; a sync that cannot begin holds up no other."""
    done = Executed()
    feeds: list[SyncFeed] = []
    for survey in inspection.surveys:
        name = survey.plan.name
        if survey.stopped is not None:
            continue
        if survey.span[1] < survey.span[0] and survey.shape.stored:
            done.still.append(survey)
            continue
        on_progress(Progress(name, "stage", 0, survey.preview.changes))
        try:
            feeds.append(_feed(session, survey, lines[name], sender, journal, outbox, {feed.sync for feed in feeds}))
        except RevetlError as error:
            done.errors[name] = error
            continue
        done.sent.append(survey)
    for survey in done.sent:
        on_progress(Progress(survey.plan.name, "send", 0, survey.preview.changes))
    changes = sum(survey.preview.changes for survey in done.sent)
    with single_threaded(session.store.con) if changes in ALONE else nullcontext():
        try:
            done.reports = sender.deliver(feeds)
        finally:
            outbox.rest()
    return done


def _feed(
    session: Session,
    survey: Survey,
    line: Line,
    sender: Sender,
    journal: Journal,
    outbox: Outbox,
    ahead: Collection[str],
) -> SyncFeed:
    store, plan, destination = session.store, survey.plan, survey.destination
    stored = load_sync(store, plan.name)
    shape = shapes.persist(store, plan, survey.shaped, stored, destination)
    stored = load_sync(store, plan.name)
    assert stored is not None  # noqa: S101 - persist made it
    prepared = {}
    if survey.preview.changes:
        remote.pin_account(store, plan, line, destination, sender, stored)
        prepared = remote.prepare(store, plan, line, destination, sender, stored)
    refused = bool(store.one(f"SELECT 1 FROM {shape.temp('changes')} WHERE verdict IS NOT NULL LIMIT 1"))
    span = survey.span
    stage = staging.stage_of(plan, shape, destination, survey.spelt, outbox.run, session.mask, span, refused=refused)
    after = frozenset(link.target for link in plan.links).intersection(ahead)
    upsert = _looking_first(plan, line, destination, stored, prepared)
    done = f"SELECT seq FROM {shape.temp('changes')} WHERE implied AND verdict IS NULL AND seq IS NOT NULL"
    implied = Implied([row[0] for row in store.rows(done)])
    return SyncFeed(plan, line, outbox, journal, stage, prepared, survey.preview.counts, after, upsert, implied)


def _looking_first(
    plan: SyncPlan, line: Line, destination: Destination, stored: StoredSync, prepared: dict[str, JSON]
) -> Callable[[Action], Action]:
    """Return what makes UPSERT keep to fields that are empty there, where any field is written by that rule."""
    fields, read_back = guarded_fields(plan), destination.read_back
    if not fields or read_back is None:
        return lambda action: action
    context = remote.context_of(plan, line, stored, create=False)
    context = replace(context, fields=tuple(sorted(fields)), cohorts=(), prepared=prepared)
    return lambda action: only_empty(action, read_back, context)


def settle(session: Session, done: Executed, run: str, *, canary: bool) -> None:
    """After the run's close: what is settled now about whole syncs, not about single changes; one commit."""
    with session.store.transaction():
        _settle(session, done, run, canary=canary)


def _settle(session: Session, done: Executed, run: str, *, canary: bool) -> None:
    store, made = session.store, session.workspace.project.generated_at
    for survey in done.sent:
        plan, shape = survey.plan, survey.shape
        name = plan.name.replace("'", "''")
        left, seen = store.rows(
            "SELECT count(*) FILTER (WHERE op = 'upsert' AND status NOT IN ('delivered', 'local', 'rejected')), "
            f"count(*) FROM final WHERE sync = '{name}'"
        )[0]
        left += survey.span[1] - survey.span[0] + 1 - seen  # never staged, or with a job that still runs
        complete = (
            not canary
            and not survey.preview.held
            and not left
            and not survey.trimmed
            and survey.plan.name not in done.errors
        )
        shapes.settle(store, shape, survey.destination, survey.preview.rows, complete=complete)
        set_sync(store, shape.id, manifest_at=made, key_columns=list(plan.base.key))
        if 2 * left <= survey.span[1] - survey.span[0] + 1:  # else the next run counts the same changes again
            _remember(session, survey, done, run, canary=canary)
        if not canary:
            _tidy(session, survey, name)
    for survey in done.still:
        set_sync(store, survey.shape.id, manifest_at=made, key_columns=list(survey.plan.base.key))
        _remember(session, survey, done, run, canary=canary)
        if not canary:
            _tidy(session, survey, survey.plan.name.replace("'", "''"))
    for survey in [] if canary else [*done.sent, *done.still]:
        if survey.marks is not None and survey.plan.name not in done.errors and _settled(session, survey):
            save_marks(store, survey.plan.name, survey.marks)
    session.approvals.close(run, whoami(), keep=canary)


def _remember(session: Session, survey: Survey, done: Executed, run: str, *, canary: bool) -> None:
    """Keep how much changed, to tell what is unusual; what a guard held must not become the rule."""
    name = survey.plan.name
    if survey.counts is not None and not canary and not survey.preview.held and name not in done.errors:
        save_habit(session.store, name, run, survey.counts, whole=survey.shape.whole)


def _settled(session: Session, survey: Survey) -> bool:
    """Return whether nothing that the run read is left over: each change delivered, or kept by state as rejected."""
    name = survey.plan.name
    seen, open_ = session.store.rows(
        "SELECT count(*), count(*) FILTER (WHERE status NOT IN ('delivered', 'local', 'rejected') AND key NOT IN "
        "(SELECT key FROM revetl_state.rejected WHERE sync = ?)) FROM final WHERE sync = ?",
        [name, name],
    )[0]
    running = session.store.one("SELECT count(*) FROM revetl_state.outbox WHERE sync = ?", [name])
    missed = survey.span[1] - survey.span[0] + 1 - seen
    return not (survey.preview.held or survey.trimmed or open_ or running or missed)


def _tidy(session: Session, survey: Survey, name: str) -> None:
    """Forget rejections that no change stands behind any more, and list who has no match value."""
    shape, store = survey.shape, session.store
    if store.one("SELECT count(*) FROM revetl_state.rejected WHERE sync = ?", [survey.plan.name]):
        store.con.execute(
            f"DELETE FROM revetl_state.rejected AS r WHERE r.sync = '{name}' AND NOT EXISTS (SELECT 1 FROM "
            f"{shape.temp('changes')} c WHERE c.key = r.key AND c.op = r.op "
            "AND c.cohort IS NOT DISTINCT FROM r.cohort) "
            f"AND NOT EXISTS (SELECT 1 FROM {shape.temp('frozen')} z WHERE z.key = r.key)"
        )
    store.con.execute(f"DELETE FROM revetl_state.waiting_links WHERE sync = '{name}'")
    if shape.links:
        store.con.execute(
            f"INSERT INTO revetl_state.waiting_links SELECT '{name}', a.* FROM ({diff_changes.awaited(shape)}) a "
            "ANTI JOIN revetl_state.remote r ON r.sync = a.target AND r.key = a.awaits AND r.remote_id IS NOT NULL"
        )
    store.con.execute(f"DELETE FROM revetl_state.unmatched WHERE sync = '{name}'")
    store.con.execute(
        f"INSERT INTO revetl_state.unmatched SELECT '{name}', key FROM {shape.temp('delta')} x "
        "WHERE x.wanted AND (x.m IS NULL OR trim(x.m) = '')"
    )


def without(survey: Survey, held: Held) -> Survey:
    """Return the survey stopped by one more verdict."""
    return replace(survey, stopped=held, preview=replace(survey.preview, held=(*survey.preview.held, held)))
