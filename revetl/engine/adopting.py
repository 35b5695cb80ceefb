"""``adopt``: take what stands at the destination as acknowledged, and send nothing.

What equals the model becomes the snapshot. What differs becomes a null there, so that the next plan shows it as
something to send; what a person typed into a field that the model leaves null stays unknown to revetl and safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from revetl.contract import Destination
from revetl.diff.changes import MATCHED
from revetl.diff.shape import STATE, Shape
from revetl.engine import remote, shapes
from revetl.engine.comparing import Asking, Ours, body_sql, pages, read_models
from revetl.engine.forgotten import leave_out
from revetl.engine.lanes import Line, line_of
from revetl.engine.networking import wire_of
from revetl.engine.rehearsal import origins
from revetl.engine.session import Clock, Session, new_run, open_session, utc_now
from revetl.engine.shapes import Shaped
from revetl.engine.workspace import Options, load
from revetl.errors import RevetlError, UsageError
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.state import optouts
from revetl.state.journal import insert_rows
from revetl.state.layout import load_sync, set_sync
from revetl.state.marks import forget_marks
from revetl.types import JSON, Held, Progress, RemoteRecord, SyncPlan


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found for one sync: records by how they compare, memberships taken over, people opted out there."""

    sync: str
    rows: int = 0  # desired records with a match value
    same: int = 0
    differing: int = 0
    missing: int = 0
    memberships: int = 0
    opted_out: int = 0
    fields: Mapping[str, int] | None = None  # field → records in which it differs
    error: str | None = None


def adopt(
    options: Options,
    names: Sequence[str],
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    clock: Clock = utc_now,
    wire: Wire | None = None,
    keep: bool = True,
) -> tuple[Adopted, ...]:
    """Read back the syncs ``names`` and make what is there their snapshot; ``keep=False`` only compares.

    Raises:
        UsageError: RVT-890 a name is no sync of the target.
        RevetlError: the project, the state or the warehouse cannot be used; a sync's own trouble is in its result.
    """
    workspace = load(replace(options, select=(), exclude=()))
    plans = {p.name: p for p in workspace.resolved.syncs}
    unknown = [name for name in names if name not in plans]
    if unknown:
        raise UsageError("RVT-890", f"{', '.join(unknown)}: no such sync for this target", hint="revetl ls")
    wanted = _linked_first([plans[name] for name in names])
    with ExitStack() as stack:
        session = stack.enter_context(open_session(workspace, clock=clock, anew=True))
        places = stack.enter_context(origins(workspace, wanted))
        line = wire or wire_of(workspace)
        stack.callback(line.close)
        sender = stack.enter_context(remote.asking(session.store, line, "adopt", new_run(clock())))
        found = []
        for number, p in enumerate(wanted):
            on_progress(Progress(p.name, "read"))
            try:
                own = line_of(workspace, p, workspace.registry[p.type], places.get(p.type) if p.sandbox else None)
                found.append(_adopt(session, p, own, sender, number, keep=keep))
            except RevetlError as error:
                found.append(Adopted(p.name, error=str(error)))
        if keep:
            session.show_opt_outs()
            session.settled("adopt")
    return tuple(sorted(found, key=lambda one: names.index(one.sync)))


def _linked_first(plans: Sequence[SyncPlan]) -> tuple[SyncPlan, ...]:
    """Return syncs so that those that others link to come first: a link is compared by the other record's id."""
    chosen, found = {plan.name: plan for plan in plans}, dict[str, SyncPlan]()

    def add(plan: SyncPlan, above: frozenset[str]) -> None:
        for link in plan.links:
            if link.target in chosen and link.target not in above:
                add(chosen[link.target], above | {plan.name})
        found.setdefault(plan.name, plan)

    for plan in plans:
        add(plan, frozenset({plan.name}))
    return tuple(found.values())


def _adopt(session: Session, plan: SyncPlan, line: Line, sender: Sender, number: int, *, keep: bool) -> Adopted:
    destination, store = session.workspace.registry[plan.type], session.store
    if destination.read_back is None:
        raise UsageError(
            "RVT-891", f"{plan.name}: {destination.title} cannot be read back", hint=f"revetl sync --first {plan.name}"
        )
    stored = load_sync(store, plan.name)
    if keep and stored is not None and store.one(f"SELECT count(*) FROM {STATE}.snap_{stored.id}"):
        raise UsageError(
            "RVT-892", f"{plan.name} has been synced before: there is a snapshot already", hint="revetl plan"
        )
    shaped, held = read_models(session, plan, None, number)
    if isinstance(held, Held):
        raise UsageError("RVT-893", f"{plan.name}: {held.reason}", hint=held.release)
    shape = shaped.shape
    leave_out(store, plan.entity, shape, session.keys, "delta")
    asking = Asking(session, plan, shape, stored, line, sender)
    comparison = Comparison(plan, shape, asking)
    source = (
        f"FROM {shape.temp('delta')} x WHERE x.wanted AND {MATCHED} AND x.i NOT IN "
        f"(SELECT i FROM {shape.temp('collide')})"
    )
    for ours in pages(store, shape, source, body_sql(shape.slots, asking.spelt), asking.size):
        comparison.take(ours, asking.read(list(ours)))
    if keep:
        _keep(session, plan, shaped, destination, comparison, line, sender)
    return comparison.result()


class Comparison:
    """Desired records against what was read back, identity by identity."""

    def __init__(self, plan: SyncPlan, shape: Shape, asking: Asking) -> None:
        """Begin with nothing read."""
        self.plan, self.shape, self._asking = plan, shape, asking
        self._labels = {cohort.label.lower(): cohort.name for cohort in plan.cohorts}
        self.kept: list[tuple[str, list[int], str | None]] = []  # (key, ordinals that are equal, remote id)
        self.members: list[tuple[str, str]] = []  # (key, cohort)
        self.differing: dict[str, int] = {}
        self.there: list[str] = []  # keys of all that were found
        self.opted_out: list[str] = []
        self._counts = {"rows": 0, "same": 0, "differing": 0}

    def take(self, ours: Mapping[str, Ours], there: Mapping[str, RemoteRecord]) -> None:
        """Compare a page of records with what stands there."""
        self._counts["rows"] += len(ours)
        for identity, record in there.items():
            if identity not in ours:
                continue
            key, values = ours[identity].key, ours[identity].values
            equal = [slot.ordinal for slot in self.shape.slots if self._equal(slot.field, values, record)]
            whole = len(equal) == len(self.shape.slots)
            self._counts["same" if whole else "differing"] += 1
            self.there.append(key)
            self.opted_out += [key] if record.opted_out else []
            self.kept.append((key, equal, record.remote_id))
            names = (self._labels.get(label.lower()) for label in record.cohorts)
            self.members += [(key, name) for name in names if name]

    def _equal(self, field: str, values: Mapping[str, JSON], record: RemoteRecord) -> bool:
        if field == self.plan.match_field or values.get(field) is None:
            return True  # a null of ours sends nothing: what a person typed there is theirs
        equal = self._asking.equal(field, values[field], record)
        if not equal:
            self.differing[field] = self.differing.get(field, 0) + 1
        return equal

    def result(self) -> Adopted:
        """Return the counts."""
        c = self._counts
        missing = c["rows"] - c["same"] - c["differing"]
        return Adopted(
            self.plan.name, c["rows"], c["same"], c["differing"], missing, len(self.members),
            len(self.opted_out),
            dict(sorted(self.differing.items())),
        )  # fmt: skip


def _keep(
    session: Session,
    plan: SyncPlan,
    shaped: Shaped,
    destination: Destination,
    comparison: Comparison,
    line: Line,
    sender: Sender,
) -> None:
    """Make what was found the snapshot, in one transaction; the account is pinned as by a first sync."""
    store = session.store
    shape = shapes.persist(store, plan, shaped, load_sync(store, plan.name), destination)
    stored = load_sync(store, plan.name)
    assert stored is not None  # noqa: S101 - persist made it
    remote.pin_account(store, plan, line, destination, sender, stored)
    store.con.execute("CREATE OR REPLACE TEMP TABLE adopted (key VARCHAR, same INTEGER[], remote_id VARCHAR)")
    store.con.execute("CREATE OR REPLACE TEMP TABLE adopted_in (key VARCHAR, cohort VARCHAR)")
    insert_rows(store, "temp.main.adopted", comparison.kept)
    insert_rows(store, "temp.main.adopted_in", comparison.members)
    ks = ", ".join(f"x.{k}" for k in shape.ks)
    values = ", ".join(f"CASE WHEN list_contains(a.same, {s.ordinal}) THEN x.f{s.ordinal} END" for s in shape.slots)
    with store.transaction():
        store.con.execute(
            f"INSERT INTO {shape.table('snap')} ({', '.join((*shape.ks, 'm', *shape.fs))}) "
            f"SELECT {ks}, x.m, {values} FROM {shape.temp('delta')} x JOIN adopted a ON a.key = x.key"
        )
        store.con.execute(
            f"INSERT INTO {shape.table('members')} ({', '.join(shape.ks)}, cohort) "
            f"SELECT {ks}, a.cohort FROM {shape.temp('delta')} x "
            "JOIN adopted_in a ON a.key = x.key"
        )
        store.con.execute(f"INSERT INTO {STATE}.remote SELECT ?, key, remote_id, false FROM adopted", [plan.name])
        optouts.found(store, plan.name, comparison.opted_out, comparison.there)
        forget_marks(store, plan.name)
        set_sync(store, shape.id, last_rows=comparison.result().rows)
