"""The first half of every run: all syncs surveyed, the models read once and let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from revetl.diff import changes, delta
from revetl.diff.shape import Shape
from revetl.engine import gate, inside, keyed, named, recent, shapes, survey
from revetl.engine.keyed import Asked
from revetl.engine.linking import targets_first
from revetl.engine.recent import Recent
from revetl.engine.session import Session
from revetl.engine.shapes import Shaped
from revetl.engine.stopping import Stop, breaking_off, go_on, never, stopped
from revetl.engine.survey import Request, Survey
from revetl.errors import ConfigError, RevetlError
from revetl.state.layout import StoredSync, load_sync, next_id, rename_sync
from revetl.state.marks import Marks
from revetl.state.trouble import is_broken
from revetl.types import Held, Progress, RemoteField, SyncPlan, SyncPreview
from revetl.warehouse.connection import QueryError, first_line
from revetl.warehouse.source import Tables

# What is known of a destination's fields; the shape is given where there are changes, so that asking is worth a call.
Remote = Callable[[SyncPlan, Shape | None], Mapping[str, RemoteField]]


@dataclass
class Inspection:
    """What was found: surveys of syncs that can be judged, verdicts and errors of those that cannot."""

    surveys: list[Survey] = field(default_factory=list)
    stopped: dict[str, Held] = field(default_factory=dict)
    errors: dict[str, RevetlError] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def previews(self) -> tuple[SyncPreview, ...]:
        """Return what each sync would do, stopped ones with their verdict, others with why they cannot run."""
        found = [replace(s.preview, notes=(*s.preview.notes, *self.notes.get(s.plan.name, ()))) for s in self.surveys]
        found += [SyncPreview(name, 0, 0, held=(held,)) for name, held in self.stopped.items()]
        found += [SyncPreview(name, 0, 0, error=str(error)) for name, error in self.errors.items()]
        return tuple(sorted(found, key=lambda preview: preview.sync))


@dataclass(frozen=True)
class _Read:
    plan: SyncPlan
    shaped: Shaped
    rows: int
    marks: Marks | None = None


@dataclass(frozen=True)
class _Reading:
    """What is there to read: the relations, the keys that syncs ask for (all, of one that is not named), and why."""

    tables: Tables
    asked: Mapping[str, Asked] = field(default_factory=dict)
    recent: Mapping[str, Recent] = field(default_factory=dict)


def inspect(
    session: Session,
    plans: tuple[SyncPlan, ...],
    remote: Remote,
    on_progress: Callable[[Progress], None],
    stop: Stop = never,
) -> Inspection:
    """Read the models of every sync, let go of the warehouse, then judge what differs."""
    found = Inspection()
    reads = _read_all(session, plans, found, on_progress, stop)
    options = session.workspace.options
    request = Request(
        session.store, session.approvals, session.clock(), options.retry, options.limit, options.keys, options.approve,
        session.keys,
    )  # fmt: skip
    first = session.store.last_seq() + 1
    linked = {link.target for plan in plans for link in plan.links}
    session.store.con.execute("CREATE OR REPLACE TEMP TABLE coming (sync VARCHAR, key VARCHAR)")
    with breaking_off(session.store.con, stop):
        for read in reads:
            name = read.plan.name
            on_progress(Progress(name, "diff"))
            destination = session.workspace.registry[read.plan.type]
            try:
                go_on(name, stop)
                differs = bool(session.store.one(delta.differ(read.shaped.shape)))
                fields = remote(read.plan, read.shaped.shape if differs else None)
                judge = survey.judge if differs else survey.unchanged
                done = judge(read.plan, destination, read.shaped, request, fields, first, read.rows)
                done = replace(done, marks=read.marks)
                if name in linked and done.stopped is None:
                    session.store.con.execute(changes.coming(done.shape))
            except RevetlError as error:
                found.errors[name] = error
            except QueryError as error:
                found.errors[name] = stopped(name, stop) or _query_error(read.plan, error)
            else:
                first = max(first, done.span[1] + 1)
                found.surveys.append(done)
    return found


def _read_all(
    session: Session,
    plans: tuple[SyncPlan, ...],
    found: Inspection,
    on_progress: Callable[[Progress], None],
    stop: Stop,
) -> list[_Read]:
    assert session.source is not None  # noqa: S101 - only commands with a warehouse come here
    plans = targets_first(plans)
    reads = []
    try:
        reading = _open(session, plans)
        with breaking_off(session.store.con, stop):
            for number, plan in enumerate(plans):
                on_progress(Progress(plan.name, "read"))
                try:
                    go_on(plan.name, stop)
                    read = _read_one(session, plan, reading, number, found)
                except RevetlError as error:
                    found.errors[plan.name] = error
                except QueryError as error:
                    found.errors[plan.name] = stopped(plan.name, stop) or _query_error(plan, error)
                else:
                    reads += [read] if read else []
    finally:
        session.source.release(session.store.con)
    return reads


def _open(session: Session, plans: tuple[SyncPlan, ...]) -> _Reading:
    """Make readable what the syncs need: everything, or the keys that are named, or those that may have changed."""
    assert session.source is not None  # noqa: S101 - only commands with a warehouse come here
    needs = shapes.needs(plans, dated=session.workspace.config.incremental is not None)
    recents: Mapping[str, Recent] = {}
    if session.workspace.options.partial:
        asked = named.ask(session, plans, list(needs))
    else:
        recents = inside.look(session, plans) or recent.look(session, plans)
        asked = {name: one.asked for name, one in recents.items() if one.asked is not None}
    pairs = [(plan, asked[plan.name]) for plan in plans if plan.name in asked]
    only = keyed.only(pairs, [plan for plan in plans if plan.name not in asked])
    return _Reading(session.source.tables(session.store.con, list(needs), needs, only), asked, recents)


def _read_one(session: Session, plan: SyncPlan, reading: _Reading, number: int, found: Inspection) -> _Read | None:
    tables, asked = reading.tables, reading.asked.get(plan.name)
    error = shapes.missing(plan, tables)
    if error is not None:
        raise error
    store, workspace = session.store, session.workspace
    stored = load_sync(store, plan.name)
    if stored is None and plan.was and load_sync(store, plan.was):
        rename_sync(store, plan.was, plan.name)
        stored = load_sync(store, plan.name)
    last = stored.manifest_at if stored else None
    held, notes = gate.gate(plan, workspace.project, workspace.results, session.clock(), last)
    read = reading.recent.get(plan.name)
    found.notes[plan.name] = (*notes, *(asked.notes if asked else ()), *recent.notes(plan, tables, read))
    held = None if held and session.approvals.allows(plan.name, held.guard, None, 0) else held
    if held is None:
        destination = workspace.registry[plan.type]
        clear = workspace.options.clear
        shaped = shapes.shape_of(plan, stored, tables, destination, next_id(store) + number, clear, asked)
        held = _pinned(session, plan, shaped, stored)
    if held is None:
        if shaped.retyped and stored:
            shaped = _accept_types(session, plan, shaped, stored, tables, asked)
        counted = asked.counted if asked else None
        inside.bring_linked(session, shaped)
        named.bring_standing(session, plan, shaped, number)
        rows = survey.read(plan, shaped, store, counted=counted)
        if not isinstance(rows, int) and rows.guard == "min_rows":
            few = session.approvals.allows(plan.name, "min_rows", None, 0)
            rows = survey.read(plan, shaped, store, few=True, counted=counted) if few else rows
        alike = survey.similar(plan, shaped.shape, store) if isinstance(rows, int) else None
        if alike is not None and not session.approvals.allows(plan.name, alike.guard, None, alike.found):
            rows = alike
        if isinstance(rows, int):
            marks = recent.marks_of(session, plan, tables, None if session.spelling else read)
            return _Read(plan, shaped, rows, marks)
        held = rows
    found.stopped[plan.name] = held
    return None


def _accept_types(
    session: Session, plan: SyncPlan, shaped: Shaped, stored: StoredSync, tables: Tables, asked: Asked | None
) -> Shaped:
    destination = session.workspace.registry[plan.type]
    shapes.persist(session.store, plan, shaped, stored, destination)
    return shapes.shape_of(plan, load_sync(session.store, plan.name), tables, destination, stored.id, asked=asked)


def _pinned(session: Session, plan: SyncPlan, shaped: Shaped, stored: StoredSync | None) -> Held | None:
    """Return the verdict where relations moved or types changed since the sync's last run."""
    elsewhere = shapes.moved(shaped, stored)
    if elsewhere and not session.workspace.options.rebase_relations:
        verdict = survey.stop(plan, "relations", elsewhere)
        return replace(verdict, release=f"revetl sync -s {plan.name} --rebase-relations")
    held = _rekeyed(plan, shaped, stored)
    if held is not None:
        return held
    if shaped.retyped and not session.approvals.allows(plan.name, "types", None, len(shaped.retyped)):
        listed = ", ".join(f"{c.column} from {c.before} to {c.after}" for c in shaped.retyped)
        return survey.stop(plan, "types", f"mapped columns changed their type: {listed}", len(shaped.retyped))
    return None


def _rekeyed(plan: SyncPlan, shaped: Shaped, stored: StoredSync | None) -> Held | None:
    """Return the verdict where the key is another: every record would look new, and every known one gone."""
    was = stored.key_columns if stored else None
    if was is not None and [name.lower() for name in was] != [name.lower() for name in plan.base.key]:
        what = f"the key was {', '.join(was)} and is {', '.join(plan.base.key)} now: every record would look new"
        release = f"revetl rekey {plan.entity} --from {' --from '.join(was)}"
        return replace(survey.stop(plan, "key_column", what), release=f"{release} (both must be in the model)")
    keys = [change for change in shaped.retyped if change.key]
    if not keys:
        return None
    what = f"the key's type changed from {keys[0].before} to {keys[0].after}: every record would look new"
    release = f"revetl rekey {plan.entity}, or cast the key in the model to the type it had"
    return replace(survey.stop(plan, "key_type", what), release=release)


def _query_error(plan: SyncPlan, error: QueryError) -> ConfigError:
    if is_broken(error):
        raise error
    return ConfigError(
        "RVT-423",
        f"{plan.name}: its models cannot be compared: {first_line(error)}",
        kept="nothing of this sync was sent",
        hint="see the model's column types",
    )
