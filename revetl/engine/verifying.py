"""``verify``: what stands at the destinations beside what they acknowledged, and beside the models.

Drift is a difference between the snapshot and what stands there: a person changed it there, or an acknowledgement
proved less than it said. What the models have changed since is no drift; the next sync sends it anyway. Values that are
written on creation alone are the tool's own from then on, and fields that revetl left null are whoever's typed there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

from revetl.diff.shape import STATE, Shape
from revetl.engine import remote
from revetl.engine.comparing import Asking, Ours, body_sql, pages, read_models
from revetl.engine.lanes import Line, line_of
from revetl.engine.networking import wire_of
from revetl.engine.rehearsal import origins
from revetl.engine.session import Clock, Session, new_run, open_session, utc_now
from revetl.engine.workspace import Options, Workspace, load
from revetl.errors import RevetlError, UsageError
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.sqltext import quote_text
from revetl.state import optouts
from revetl.state.doubting import doubt_some
from revetl.state.layout import StoredSync, load_sync
from revetl.types import HIDDEN, JSON, Op, Progress, Proof, RemoteRecord, SyncPlan, Write

SAMPLES = 5


@dataclass(frozen=True, slots=True)
class DriftSample:
    """One difference: what revetl delivered, and what stands there; personal values are hidden."""

    key: str
    ours: JSON
    theirs: JSON


@dataclass(frozen=True, slots=True)
class Drift:
    """A field (or a cohort) that is not there as it was acknowledged, in so many records."""

    name: str
    rows: int
    samples: tuple[DriftSample, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """What one sync came to. ``note``: why it was not compared; ``proof``: how well its deliveries were proven."""

    sync: str
    proof: str = ""
    rows: int = 0  # records that were asked for
    same: int = 0
    drifted: int = 0  # there, with a field or a membership that is not as acknowledged
    missing: int = 0  # acknowledged, and not there
    unsent: int = 0  # of those asked for: the models have moved on, the next sync sends it
    in_doubt: int = 0  # left out: runs assert them anew anyway
    opted_out: tuple[str, ...] = ()  # keys of those who opted out there
    extra: int = 0  # memberships of these records that revetl did not make
    fields: tuple[Drift, ...] = ()
    cohorts: tuple[Drift, ...] = ()
    gone: tuple[str, ...] = ()  # keys of some that are missing
    repaired: int = 0  # records that the next sync asserts in full
    note: str | None = None
    error: str | None = None

    @property
    def drift(self) -> int:
        """Return how many records are not there as acknowledged."""
        return self.drifted + self.missing


@dataclass(frozen=True, slots=True)
class Wish:
    """What to verify: a random ``sample`` of each sync, or these ``keys``; ``repair`` what has drifted."""

    sample: int | None = None
    keys: Sequence[str] = ()
    repair: bool = False


def verify(
    options: Options,
    names: Sequence[str] = (),
    wish: Wish = Wish(),
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    clock: Clock = utc_now,
    wire: Wire | None = None,
) -> tuple[Verified, ...]:
    """Read syncs back (all that were synced before, unless named) and compare; least proven first.

    Raises:
        UsageError: RVT-890 a name is no sync of the target.
        RevetlError: the project, the state or the warehouse cannot be used; a sync's own trouble is in its result.
    """
    workspace = load(options)
    plans = {p.name: p for p in workspace.syncs}
    unknown = [name for name in names if name not in plans]
    if unknown:
        raise UsageError("RVT-890", f"{', '.join(unknown)}: no such sync for this target", hint="revetl ls")
    wanted = sorted((plans[name] for name in names or plans), key=lambda p: (-_weakness(workspace, p), p.name))
    with ExitStack() as stack:
        session = stack.enter_context(open_session(workspace, clock=clock))
        places = stack.enter_context(origins(workspace, wanted))
        line = wire or wire_of(workspace)
        stack.callback(line.close)
        seed = new_run(clock())
        sender = stack.enter_context(remote.asking(session.store, line, "verify", seed))
        found = []
        for p in wanted:
            on_progress(Progress(p.name, "read"))
            found.append(_one(session, p, places.get(p.type) if p.sandbox else None, sender, wish, seed))
        session.show_opt_outs()
        if any(one.repaired for one in found):
            session.settled("verify")
    return tuple(found)


def _weakness(workspace: Workspace, plan: SyncPlan) -> int:
    """Return how little a delivery of the sync proves: what was only accepted is looked at first."""
    proofs = (Proof.ROW, Proof.ACCOUNT, Proof.ACCEPTED)
    return proofs.index(_proof(workspace, plan))


def _proof(workspace: Workspace, plan: SyncPlan) -> Proof:
    action = workspace.registry[plan.type].actions[Op.UPSERT]
    weak = [a.proof for a in (action, action.bulk) if a is not None]
    return max(weak, key=(Proof.ROW, Proof.ACCOUNT, Proof.ACCEPTED).index)


def _one(session: Session, plan: SyncPlan, origin: str | None, sender: Sender, wish: Wish, seed: str) -> Verified:
    """Verify one sync; its trouble is its own."""
    destination, stored = session.workspace.registry[plan.type], load_sync(session.store, plan.name)
    empty = Verified(plan.name, _proof(session.workspace, plan).value)
    if destination.read_back is None:
        return replace(empty, note=f"{destination.title} cannot be read back")
    if stored is None:
        return replace(empty, note="it was never synced: there is nothing to compare with")
    try:
        line = line_of(session.workspace, plan, destination, origin)
        return _Verification(session, plan, stored, line, sender, wish).run(empty, seed)
    except RevetlError as error:
        return replace(empty, error=str(error))


@dataclass
class _Tally:
    """Differences of one field or cohort, with their first samples."""

    rows: int = 0
    samples: list[DriftSample] = field(default_factory=list)

    def add(self, sample: DriftSample) -> None:
        """Count one more."""
        self.rows += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(sample)


class _Verification:
    """One sync, compared record by record."""

    def __init__(
        self, session: Session, plan: SyncPlan, stored: StoredSync, line: Line, sender: Sender, wish: Wish
    ) -> None:
        self.session, self.plan, self.stored, self.wish = session, plan, stored, wish
        remote.pin_account(
            session.store, plan, line, session.workspace.registry[plan.type], sender, stored
        )  # another account would seem to have lost everybody
        shaped, _ = read_models(session, plan, stored, 0)  # a model that is stopped is compared all the same
        self.shape: Shape = shaped.shape
        self.asking = Asking(session, plan, self.shape, stored, line, sender)
        ours = {f.field for f in plan.fields if f.write is Write.ALWAYS}
        self.slots = [
            slot
            for slot in self.shape.slots
            if slot.stored and slot.ordinal != self.shape.match_slot and (slot.link or slot.field in ours)
        ]
        self.fields: dict[str, _Tally] = {}
        self.cohorts: dict[str, _Tally] = {}
        self.drifted: list[str] = []
        self.parted: list[tuple[str, str]] = []
        self.gone: list[str] = []
        self.there: list[str] = []
        self.opted_out: list[str] = []
        self.counts = dict.fromkeys(("rows", "same", "extra"), 0)

    def run(self, empty: Verified, seed: str) -> Verified:
        """Compare page by page; mark what drifted, where that was wished."""
        store, shape = self.session.store, self.shape
        body = body_sql(self.slots, self.asking.spelt)
        source, cohorts = self._source(seed)
        for ours in pages(store, shape, source, body, self.asking.size, cohorts):
            self._compare(ours, self.asking.read(list(ours)))
        unsent = store.one(
            f"SELECT count(*) FROM {shape.temp('ours')} o WHERE o.key IN (SELECT key FROM {shape.temp('delta')})"
        )
        doubt = store.one(f"SELECT count(DISTINCT key) FROM {STATE}.pending WHERE sync = ?", [self.plan.name])
        marked = self._repair() if self.wish.repair else 0
        optouts.found(store, self.plan.name, self.opted_out, self.there)
        drifted = len(set(self.drifted) | {key for key, _ in self.parted})
        return replace(
            empty, rows=self.counts["rows"], same=self.counts["same"], opted_out=tuple(self.opted_out),
            extra=self.counts["extra"], drifted=drifted, missing=len(self.gone), unsent=int(unsent),
            in_doubt=int(doubt), fields=_drifts(self.fields), cohorts=_drifts(self.cohorts),
            gone=tuple(self.gone[:SAMPLES]), repaired=marked,
        )  # fmt: skip

    def _source(self, seed: str) -> tuple[str, str]:
        """Return SQL of the records to ask for, and of the cohorts each was acknowledged in."""
        shape, name = self.shape, quote_text(self.plan.name)
        key, at = shape.key_text("x"), shape.normalised("x.m")
        where = ["trim(coalesce(x.m, '')) <> ''", f"{key} NOT IN (SELECT key FROM {STATE}.pending WHERE sync = {name})"]
        if self.wish.keys:
            texts = ", ".join(quote_text(text) for text in self.wish.keys)
            bare = " || ',' || ".join(f"CAST(x.{k} AS VARCHAR)" for k in shape.ks)
            where.append(f"({key} IN ({texts}) OR {bare} IN ({texts}) OR {at} IN ({texts}))")
        limit = ""
        if self.wish.sample is not None:
            limit = f" ORDER BY md5({key} || {quote_text(seed)}) LIMIT {int(self.wish.sample)}"
        ks = ", ".join(shape.ks)
        members = f"(SELECT {ks}, list(cohort) AS inside FROM {shape.table('members')} GROUP BY {ks})"
        join = f"LEFT JOIN {members} c ON {shape.same_key('x', 'c')}"
        return f"FROM {shape.table('snap')} x {join} WHERE {' AND '.join(where)}{limit}", "coalesce(c.inside, [])"

    def _compare(self, ours: Mapping[str, Ours], there: Mapping[str, RemoteRecord]) -> None:
        labels = {cohort.name: cohort.label for cohort in self.plan.cohorts}
        hidden = {slot.field for slot in self.slots if slot.pii}
        self.counts["rows"] += len(ours)
        for identity, own in ours.items():
            record = there.get(identity)
            if record is None:
                self.gone.append(own.key)
                continue
            self.there.append(own.key)
            self.opted_out += [own.key] if record.opted_out else []
            fields = [name for name, value in own.values.items() if not self.asking.equal(name, value, record)]
            for name in fields:
                sample = DriftSample(own.key, own.values[name], record.fields.get(name))
                sample = replace(sample, ours=HIDDEN, theirs=HIDDEN) if name in hidden else sample
                self.fields.setdefault(name, _Tally()).add(sample)
            inside = {label.lower() for label in record.cohorts}
            parted = [c for c in sorted(own.cohorts) if c in labels and labels[c].lower() not in inside]
            for cohort in parted:
                self.cohorts.setdefault(cohort, _Tally()).add(DriftSample(own.key, "member", "no member"))
            self.counts["extra"] += sum(
                label.lower() in inside for name, label in labels.items() if name not in own.cohorts
            )
            self.drifted += [own.key] if fields else []
            self.parted += [(own.key, cohort) for cohort in parted]
            self.counts["same"] += not fields and not parted

    def _repair(self) -> int:
        """Put what drifted in doubt, so that the next sync asserts it in full, under all its rules."""
        late = self.session.workspace.registry[self.plan.type].late_apply
        since = self.session.clock() - timedelta(seconds=late)  # nothing of it is on its way
        records = [*self.drifted, *self.gone]
        lost = set(self.gone)
        with self.session.store.transaction():
            doubt_some(self.session.store, self.stored, records, self.parted, lost, since)
        return len({*records, *(key for key, _ in self.parted)})


def _drifts(found: Mapping[str, _Tally]) -> tuple[Drift, ...]:
    return tuple(Drift(name, tally.rows, tuple(tally.samples)) for name, tally in sorted(found.items()))
