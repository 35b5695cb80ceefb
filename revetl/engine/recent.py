"""Incremental reads: which keys of a sync may differ from its snapshot, by ``updated_at`` and a look at the keys alone.

A sync whose marks say up to when everything is settled is asked two questions: which rows are newer (the first pass,
keys and ``updated_at`` only), and what the keys found that way hold now, in all of its models (the second pass, a
partial read as ``--keys`` makes one). Whatever is not beyond doubt reads everything: a plan that changed, a model
without ``updated_at``, a whole read that is too long ago, too many keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from revetl.config import IncrementalConfig
from revetl.diff import desired
from revetl.diff import recent as sql
from revetl.diff.shape import Pointer, Shape, Slot
from revetl.engine.keyed import Asked
from revetl.engine.session import Session
from revetl.engine.shapes import missing, names_of
from revetl.state.layout import StoredSync, load_sync
from revetl.state.marks import Marks, load_marks
from revetl.state.trouble import is_broken
from revetl.types import ModelRef, Relation, SyncPlan
from revetl.warehouse.connection import QueryError
from revetl.warehouse.source import INSTANTS, Only, Since, Tables

MANY = 100_000  # keys: beyond, reading all is less work than asking for each
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recent:
    """What one sync reads: ``asked`` keys, or everything (None) and why; ``at``: the marks that this will allow."""

    asked: Asked | None = None
    why: str = ""
    at: Mapping[str, int] | None = None


def micros(moment: datetime) -> int:
    """Return a moment in microseconds since 1970 (UTC)."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def version(plan: SyncPlan) -> str:
    """Return the digest of everything that a sync's plan says: where any of it changed, all is read."""
    return hashlib.sha256(repr(plan).encode("utf-8", "surrogatepass")).hexdigest()


def dated(plan: SyncPlan) -> tuple[ModelRef, ...]:
    """Return the models of a sync that say when a row changed."""
    return tuple(ref for ref in plan.models if ref.updated_at)


def undated(plan: SyncPlan) -> str | None:
    """Return a model that carries values and does not say when they changed, None where all do."""
    carrying = {plan.base.unique_id, *(part.model for part in plan.mapped)}
    carrying |= {plan.consent.model} if plan.consent else set()
    carrying |= {cohort.ref.unique_id for cohort in plan.cohorts if cohort.fields}
    return next((ref.model for ref in plan.models if ref.unique_id in carrying and not ref.updated_at), None)


def look(session: Session, plans: Sequence[SyncPlan]) -> Mapping[str, Recent]:
    """Return what each sync reads in this run; nothing where reads are not incremental."""
    settings = session.workspace.config.incremental
    if settings is None:
        return {}
    found = {plan.name: Recent(why=_why_whole(session, plan, settings)) for plan in plans}
    plans = [plan for plan in plans if not found[plan.name].why]
    if not plans:
        return found
    assert session.source is not None  # noqa: S101 - only commands with a warehouse come here
    refs = [(plan, ref) for plan in plans for ref in plan.models]
    needs: dict[Relation, frozenset[str]] = {}
    for _, ref in refs:
        columns = {*ref.key, *filter(None, (ref.updated_at, ref.valid_to))}
        needs[ref.relation] = needs.get(ref.relation, frozenset()) | columns
    tables = session.source.tables(session.store.con, list(needs), needs, _newer(session, plans, settings))
    for number, plan in enumerate(plans):
        found[plan.name] = _asked(session, plan, tables, number, settings)
    return found


def _why_whole(session: Session, plan: SyncPlan, settings: IncrementalConfig) -> str:
    """Return why a sync must read all, as far as that is known before anything is read."""
    store, wire = session.store, session.workspace.registry[plan.type].wire.version
    stored, marks, lacking = load_sync(store, plan.name), load_marks(store, plan.name), undated(plan)
    if lacking is not None:
        return f"{lacking} has no updated_at"
    if stored is None or marks is None:
        return "nothing is settled yet"
    if marks.version != version(plan) or stored.wire_version != wire or session.workspace.options.clear:
        return "what is mapped, or how, has changed"
    if any(field.fresh and not field.orphan for field in (*stored.fields, *stored.memberships)):
        return "a backfill is not done"
    if session.clock() - marks.whole_at >= timedelta(seconds=settings.full_every):
        return "the last time is too long ago"
    return ""


def _since(mark: int, settings: IncrementalConfig) -> int:
    return mark - round(settings.look_back * 1_000_000)


def _by_keys(plan: SyncPlan, settings: IncrementalConfig) -> bool:
    """Return whether the first pass reads every key: who is gone shows in nothing else."""
    return settings.leaves == "keys" or len(dated(plan)) < len(plan.models)


def _newer(session: Session, plans: Sequence[SyncPlan], settings: IncrementalConfig) -> Only:
    """Return the relations of which newer rows are enough; those that any sync needs every key of are not in it."""
    found: dict[Relation, Since | None] = {}
    for plan in plans:
        marks = load_marks(session.store, plan.name)
        for ref in plan.models:
            mine = None
            if not _by_keys(plan, settings) and marks and ref.updated_at:
                mine = Since(ref.updated_at, _since(marks.at.get(ref.unique_id, 0), settings))
            other = found.get(ref.relation, mine)
            if mine is not None and other is not None and mine.column == other.column:
                found[ref.relation] = Since(mine.column, min(mine.micros, other.micros))
            else:
                found[ref.relation] = None
    return {relation: part for relation, part in found.items() if part is not None}


def _asked(session: Session, plan: SyncPlan, tables: Tables, number: int, settings: IncrementalConfig) -> Recent:
    """Return the keys that may differ, or why all must be read."""
    store, stored, marks = session.store, load_sync(session.store, plan.name), load_marks(session.store, plan.name)
    assert stored is not None and marks is not None  # noqa: S101, PT018 - see _why_whole
    if missing(plan, tables) is not None:
        return Recent(why="a model cannot be read")
    strange = _strange(plan, tables)
    if strange:
        return Recent(why=strange)
    shape, names = _known(plan, stored), names_of(plan, tables)
    every = _by_keys(plan, settings)
    since = {ref.unique_id: _since(marks.at.get(ref.unique_id, 0), settings) for ref in dated(plan)}
    table = f"temp.main.asked_{number}"
    try:
        rows, nulls = store.rows(desired.health(plan.base, names[plan.base.unique_id]))[0]
        if nulls or (every and rows < max(plan.guards.min_rows, 1)):
            return Recent(why="the base model looks broken")
        store.run_all(sql.statements(plan, names, shape, since, table, by_keys=every))
        count = int(store.one(f"SELECT count(*) FROM {table}"))
        if count > MANY:
            return Recent(why=f"{count:,} keys may have changed")
        keys = store.rows(f"SELECT {', '.join(f'CAST({k} AS VARCHAR)' for k in shape.ks)} FROM {table}")
        at = dict(_advanced(session, plan, names, marks.at))
    except QueryError as error:
        if is_broken(error):
            raise
        return Recent(why="its keys cannot be compared")  # which the whole read tells in full
    return Recent(Asked(table, stored.keys, frozenset(tuple(row) for row in keys), settled=True), at=at)


def _strange(plan: SyncPlan, tables: Tables) -> str:
    """Return what is wrong with a column that should say when rows changed, if anything is."""
    for ref in dated(plan):
        columns = {name.lower(): kind for name, kind in tables.found[ref.relation].columns.items()}
        kind = columns.get(str(ref.updated_at).lower())
        if kind not in INSTANTS:
            return f"{ref.updated_at} of {ref.model} is {'gone' if kind is None else f'of the type {kind}'}"
    return ""


def _known(plan: SyncPlan, stored: StoredSync) -> Shape:
    """Return the shape of what state knows of a sync whose plan has not changed since."""
    slots = tuple(
        Slot(f.ordinal, f.field, f.property, f.model, f.type, link=Pointer(f.link, (), ()) if f.link else None)
        for f in stored.fields
        if not f.orphan
    )
    cohorts = tuple(cohort.name for cohort in plan.cohorts)
    return Shape(stored.id, plan.name, stored.keys, slots, None, stored.normalise, cohorts=cohorts)


def notes(plan: SyncPlan, tables: Tables, recent: Recent | None) -> tuple[str, ...]:
    """Return what to say of how a sync was read, where reads are incremental."""
    if recent is None:
        return ()
    if recent.asked is not None:
        return (f"{len(recent.asked.keys):,} keys were read",)
    return (f"all rows were read: {(undated(plan) is None and _strange(plan, tables)) or recent.why}",)


def marks_of(session: Session, plan: SyncPlan, tables: Tables, recent: Recent | None) -> Marks | None:
    """Return the marks that hold once a sync has settled what it read; None where it will read all again."""
    settings = session.workspace.config.incremental
    if settings is None or recent is None or undated(plan) or _strange(plan, tables):
        return None
    if recent.asked is not None and recent.at is not None:
        before = load_marks(session.store, plan.name)
        assert before is not None  # noqa: S101 - there are no keys to ask for without marks
        return Marks(version(plan), before.whole_at, recent.at)
    return Marks(version(plan), session.clock(), dict(_advanced(session, plan, names_of(plan, tables), {})))


def _advanced(
    session: Session, plan: SyncPlan, names: Mapping[str, str], before: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """Yield each model's new mark: its newest row, but no later than some time ago by our own clock.

    A row from a clock that is ahead must not hide what is written after it by clocks that are right.
    """
    settings = session.workspace.config.incremental
    assert settings is not None  # noqa: S101 - nothing else asks
    latest = micros(session.clock() - timedelta(seconds=settings.clock_skew))
    for ref in dated(plan):
        newest = session.store.one(sql.newest(ref, names[ref.unique_id]))
        old = before.get(ref.unique_id, 0)
        yield ref.unique_id, max(old, min(newest if newest is not None else old, latest))
