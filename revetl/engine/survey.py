"""What a run would do to one sync: the diff made, judged by the guards, counted and sampled. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from revetl.contract import Destination
from revetl.diff import changes, delta, desired, guard, likeness, meeting, stirring, verdicts
from revetl.diff.shape import Shape, Slot
from revetl.diff.stirring import Stir
from revetl.encode import Encoding
from revetl.engine import staging, usual
from revetl.engine.counting import calls
from revetl.engine.forgotten import leave_out
from revetl.engine.keyed import Counted
from revetl.engine.keyring import Keyring
from revetl.engine.shapes import Shaped
from revetl.sqltext import quote_text
from revetl.state.approvals import Approvals
from revetl.state.marks import Marks
from revetl.state.store import Store
from revetl.types import HIDDEN, Cause, Count, Held, Op, RemoteField, Sample, SyncPlan, SyncPreview

SAMPLES = 5
APPROVABLE = frozenset({"min_rows", "types", "similar_keys"})  # a key that is broken cannot be approved


@dataclass(frozen=True)
class Survey:
    """One sync, ready to be shown or staged."""

    plan: SyncPlan
    destination: Destination
    shaped: Shaped
    preview: SyncPreview
    spelt: Mapping[int, Encoding]
    span: tuple[int, int]  # sequence numbers of its changes, local ones included; empty where hi < lo
    stopped: Held | None = None
    trimmed: int = 0  # changes of a backfill that wait for the next run
    marks: Marks | None = None  # that hold once everything in it is settled
    counts: Mapping[str, int] | None = None  # of each kind of change, to be remembered; None: a part was asked for

    @property
    def shape(self) -> Shape:
        """Return the sync's shape."""
        return self.shaped.shape


@dataclass(frozen=True)
class Request:
    """What a survey needs to know beside the sync itself."""

    store: Store
    approvals: Approvals
    now: datetime
    retry: bool = False
    limit: int | None = None
    keys: Sequence[str] = ()
    hashes: Sequence[str] = ()  # ``--approve``
    ring: Keyring | None = None  # by which people who are forgotten are known


def read(
    plan: SyncPlan,
    shaped: Shaped,
    store: Store,
    *,
    few: bool = False,
    counted: Counted | None = None,
    detailed: bool = False,
) -> int | Held:
    """Run the diff while the models are attached.

    Return the number of desired records, or the verdict that stops the sync, if its model or its key is broken.
    ``few``: somebody approved that the model has fewer rows than ``min_rows``. ``counted``: what the warehouse counted
    of all rows, where it found who differs. ``detailed``: make ``delta`` and what goes with it even where nothing does.
    """
    health = desired.health(plan.base, shaped.names[plan.base.unique_id])
    rows, nulls = (counted.rows, counted.nulls) if counted else store.rows(health)[0]
    if rows < max(plan.guards.min_rows, 1) and not few and shaped.shape.whole:
        what = "is empty" if rows == 0 else f"has {rows} rows, fewer than min_rows ({plan.guards.min_rows})"
        return stop(plan, "min_rows", f"{plan.base.model} {what}", rows)
    if nulls:
        return stop(plan, "key", f"{nulls} rows of {plan.base.model} have a null in their key", nulls)
    if counted and counted.twice:
        return _twice(plan, *counted.twice)
    shape = shaped.shape
    doubt = bool(store.one("SELECT count(*) FROM revetl_state.pending WHERE sync = ?", [plan.name]))
    store.run_all(
        delta.differences(
            shape,
            desired.desired(plan, shaped.names, shape),
            desired.members(plan, shaped.names, shape),
            desired.everybody(plan, shaped.names, shape) if shape.consent is not None else "",
            doubt=doubt,
        )
    )
    if detailed or store.one(delta.differ(shape)):
        store.run_all(meeting.pairs(shape))
        store.run_all(delta.details(shape, Stir(doubt, *store.rows(stirring.asked(shape))[0])))
    else:
        store.run_all([delta.none(shape)])
    wanted = int(store.one(delta.count(shape)))
    found = _duplicates(plan, shaped, store, wanted) or _double_members(plan, shape, store)
    return found or (counted.wanted if counted else wanted)


def similar(plan: SyncPlan, shape: Shape, store: Store) -> Held | None:
    """Return a verdict where a new key looks like another: one entity would be sent twice, or leave and come anew."""
    if plan.guards.similar_keys == "allow" or not likeness.textual(shape) or not store.one(likeness.any_new(shape)):
        return None
    if not store.one(likeness.suspected(shape)):
        return None
    count, some = store.rows(likeness.alike(shape))[0]
    if not count:
        return None
    what = f"{count} keys of {plan.base.model} differ from another by case, blanks or Unicode form alone"
    found = stop(plan, "similar_keys", f"{what}, such as {some[0]} and {some[1]}", count)
    return replace(found, sample=tuple(some), release=f"{found.release}, or for good: guards: {{similar_keys: allow}}")


def _double_members(plan: SyncPlan, shape: Shape, store: Store) -> Held | None:
    """Return a verdict where a cohort says two things of one member."""
    if not shape.memberships:
        return None
    twice = f"SELECT cohort FROM {shape.temp('mwish')} GROUP BY {', '.join(shape.ks)}, cohort HAVING count(*) > 1"
    for cohort, members in store.rows(f"SELECT cohort, count(*) FROM ({twice}) GROUP BY cohort ORDER BY cohort"):
        return stop(
            plan, "key", f"{members} members of {cohort} stand there more than once, with other values", members
        )
    return None


def _duplicates(plan: SyncPlan, shaped: Shaped, store: Store, wanted: int) -> Held | None:
    """Return a verdict where a key stands twice: cheaply suspected from counts, then asked model by model."""
    shape = shaped.shape
    known = store.one(f"SELECT count(*) FROM {shape.table('snap')} z{shape.within('z')}") if shape.stored else 0
    news, gone, twice = store.rows(
        f"SELECT count(*) FILTER (WHERE wanted AND NOT known), count(*) FILTER (WHERE known AND NOT wanted), "
        f"count(*) - (SELECT count(*) FROM (SELECT DISTINCT {', '.join(shape.ks)} FROM {shape.temp('changed')})) "
        f"FROM {shape.temp('changed')}"
    )[0]
    if wanted - news == known - gone and not twice:
        return None
    for ref in (plan.base, *plan.joined):
        _, nulls, extra = store.rows(desired.key_health(ref, shaped.names[ref.unique_id]))[0]
        if extra - max(nulls - 1, 0) > 0:
            return _twice(plan, ref.model, extra)
    return stop(plan, "key", f"the key of {plan.base.model} is not unique", 0)


def _twice(plan: SyncPlan, model: str, extra: int) -> Held:
    return stop(plan, "key", f"{extra} rows of {model} repeat the key of another row", extra)


def stop(plan: SyncPlan, name: str, reason: str, found: int = 0) -> Held:
    """Return the verdict of a guard that stops a whole sync."""
    release = "mend the model and run dbt build"
    if name in APPROVABLE:
        release = f'{release}, or: revetl approve {plan.name} --guard {name} --for 24h --reason "…"'
    return Held(plan.name, name, reason, stops=True, found=found, release=release)


def judge(
    plan: SyncPlan,
    destination: Destination,
    shaped: Shaped,
    request: Request,
    remote: Mapping[str, RemoteField],
    first: int,
    rows: int,
) -> Survey:
    """Turn the differences into changes numbered from ``first``: verdicts, guards, canary, order."""
    store, shape = request.store, shaped.shape
    spelt = staging.encodings(plan, shape, destination, remote)
    moves, members = store.rows(stirring.judged(shape))[0]
    if request.ring:  # to whom nothing is handed over: they never come
        for table in ("holders", *(["takes"] if members else [])):
            leave_out(store, plan.entity, shape, request.ring, table)
    store.run_all(changes.statements(plan, shape, moves=moves, members=members))
    gone = leave_out(store, plan.entity, shape, request.ring, "changes") if request.ring else 0
    now = quote_text(request.now.isoformat()) + "::TIMESTAMPTZ"
    store.con.execute(verdicts.refuse(shape, staging.refusal(shape, spelt)))
    carried = staging.member_refusal(shape, spelt)
    if carried is not None and members:
        store.con.execute(verdicts.refuse_members(shape, carried))
    refused = store.one("SELECT count(*) FROM revetl_state.rejected WHERE sync = ?", [plan.name])
    store.run_all([verdicts.digest(shape, shaped.version)] if refused else [])
    store.run_all([*verdicts.strangers(shape), *(verdicts.chains(shape) if moves else [])])
    store.run_all(verdicts.frozen(shape, now, retry=request.retry) if refused else [verdicts.none_frozen(shape)])
    store.con.execute(verdicts.busy(shape))
    store.run_all([*verdicts.predecessors(shape, moves=moves), *([verdicts.behind(shape)] if gone else [])])
    counts = usual.counted(plan, shape, store)
    held = tuple(_guards(plan, shape, request, counts))
    if any(h.stops for h in held):
        store.con.execute(f"DELETE FROM {shape.temp('changes')} WHERE early IS NOT TRUE")  # nobody's no is held
    _canary(shape, request, moves=moves)
    store.run_all(verdicts.order(shape, first))
    total = store.one(f"SELECT count(*) FROM {shape.temp('changes')}")
    preview = replace(
        _preview(plan, shape, destination, request, held), rows=rows, notes=(*_refused(shape, store), *_left_out(gone))
    )
    stopped = next((h for h in held if h.stops), None) if not total else None
    return Survey(plan, destination, shaped, preview, spelt, (first, first + total - 1), stopped, counts=counts)


def unchanged(
    plan: SyncPlan,
    destination: Destination,
    shaped: Shaped,
    request: Request,
    remote: Mapping[str, RemoteField],
    first: int,
    rows: int,
) -> Survey:
    """Return the survey of a sync without differences: there is nothing to judge, and judging takes its time."""
    shape = shaped.shape
    spelt = staging.encodings(plan, shape, destination, remote)
    request.store.run_all([changes.create(shape), verdicts.none_frozen(shape)])
    preview = SyncPreview(plan.name, rows, _known(shape, request.store), first=not shape.stored)
    return Survey(plan, destination, shaped, preview, spelt, (first, first - 1), counts=usual.nothing(plan, shape))


def _known(shape: Shape, store: Store) -> int:
    return int(store.one(shape.size())) if shape.stored else 0


def _guards(plan: SyncPlan, shape: Shape, request: Request, counts: Mapping[str, int] | None) -> list[Held]:
    store, found = request.store, []
    watches = (*guard.watches(plan, shape), *usual.watches(plan, shape, store, counts, request.now))
    for number, watch in enumerate(watches):
        store.run_all(guard.hold(shape, watch, number))
        rows, digest, sample = store.rows(guard.held_count(shape, number, watch.guard))[0]
        total = store.one(watch.total)
        allowed = watch.limit.allowed(total)
        if allowed is None or rows <= allowed:
            continue
        subset = [h for h in request.hashes if store.one(guard.refused_subset(shape, number, h))]
        if request.approvals.allows(plan.name, watch.guard, watch.cohort, rows, subset):
            continue
        stops = plan.guards.on_trip == "stop"
        store.run_all(guard.take_out(shape, watch, number))
        cohort = f" --cohort {watch.cohort}" if watch.cohort else ""
        release = (
            f"revetl approve {plan.name} --guard {watch.guard}{cohort} --up-to {rows} --for 24h "
            f'--reason "…", or once: revetl sync --approve {digest[:12]}'
        )
        request.approvals.refused(digest[:12], plan.name, watch.guard, f"held_{shape.id}_{number}")
        found.append(
            Held(plan.name, watch.guard, f"{rows} of {total} {watch.reason}, more than the {allowed} allowed",
                 stops, watch.cohort, rows, allowed, total, tuple(sample or ()), digest[:12], release)
        )  # fmt: skip
    return found


def _canary(shape: Shape, request: Request, *, moves: bool) -> None:
    """Keep only the keys that ``--keys`` or ``--limit`` let through."""
    store, table = request.store, shape.temp("changes")
    if request.keys and shape.whole:
        texts = ", ".join(quote_text(key) for key in request.keys)
        bare = " || ',' || ".join(f"CAST({k} AS VARCHAR)" for k in shape.ks)
        store.con.execute(f"DELETE FROM {table} WHERE NOT (key IN ({texts}) OR {bare} IN ({texts}) OR i IN ({texts}))")
    if request.limit is not None:
        store.con.execute(
            f"DELETE FROM {table} WHERE key NOT IN (SELECT DISTINCT key FROM {table} "
            f"WHERE local IS NULL AND verdict IS NULL ORDER BY key LIMIT {int(request.limit)})"
        )
    if request.keys or request.limit is not None:
        store.run_all(verdicts.predecessors(shape, moves=moves))  # of those that were left out


def _preview(
    plan: SyncPlan, shape: Shape, destination: Destination, request: Request, held: tuple[Held, ...]
) -> SyncPreview:
    store = request.store
    tallies = store.rows(verdicts.tallies(shape))
    counts = tuple(Count(Op(op), Cause(cause), cohort, n) for op, cause, cohort, n in tallies)
    unmatched, collisions, frozen = store.rows(
        f"SELECT (SELECT count(*) FROM {shape.temp('delta')} x WHERE x.wanted AND NOT ({changes.MATCHED})), "
        f"(SELECT count(*) FROM {shape.temp('changes')} WHERE code = 'MATCH_COLLISION' AND op = 'upsert'), "
        f"(SELECT count(*) FROM {shape.temp('frozen')})"
    )[0]
    waiting = (
        f"SELECT count(*) FROM ({changes.awaited(shape)}) a LEFT JOIN {changes.COMING} o "
        "ON o.sync = a.target AND o.key = a.awaits WHERE o.key IS NULL"
    )
    return SyncPreview(
        sync=plan.name,
        rows=0,
        known=_known(shape, store),
        counts=counts,
        samples=tuple(_samples(shape, store)),
        held=held,
        unmatched=unmatched,
        collisions=collisions,
        frozen=frozen,
        links_waiting=store.one(waiting) if shape.links else 0,
        first=not shape.stored,
        calls=calls(destination, counts),
    )


def _refused(shape: Shape, store: Store) -> Iterator[str]:
    """Yield why values cannot be carried, with the rows that each keeps from going."""
    rows = store.rows(
        f"SELECT reason, count(DISTINCT key) FROM {shape.temp('changes')} WHERE code = 'VALUE' GROUP BY reason "
        "ORDER BY reason"
    )
    return (f"{count:,} row{'s' if count != 1 else ''} rejected: {reason}" for reason, count in rows)


def _left_out(gone: int) -> Iterator[str]:
    if gone:
        yield f"{gone:,} {'person is' if gone == 1 else 'people are'} forgotten and left out"


def _samples(shape: Shape, store: Store) -> list[Sample]:
    fields = ", ".join(
        f"{_shown(slot, 'f')}, {_shown(slot, 'b')}, x.f{slot.ordinal} IS DISTINCT FROM x.b{slot.ordinal}"
        for slot in shape.slots
    )
    rows = store.rows(
        f"SELECT c.key, c.op, c.cause, c.cohort{', ' if fields else ''}{fields} FROM "
        f"(FROM {shape.temp('changes')} WHERE local IS NULL AND verdict IS NULL "
        f"QUALIFY row_number() OVER (PARTITION BY op, cause ORDER BY seq) <= {SAMPLES}) c "
        f"LEFT JOIN {shape.temp('delta')} x ON x.key = c.key AND c.op IN ('upsert', 'identity') ORDER BY c.seq"
    )
    return [_sample(shape, row) for row in rows]


def _shown(slot: Slot, side: str) -> str:
    """Return the SQL of a value as a sample shows it: of personal data, whether there is one."""
    value = f"x.{side}{slot.ordinal}"
    return f"CASE WHEN {value} IS NOT NULL THEN '{HIDDEN}' END" if slot.pii else f"CAST({value} AS VARCHAR)"


def _sample(shape: Shape, row: Sequence[object]) -> Sample:
    shown: dict[str, tuple[str | None, str | None]] = {}
    for n, slot in enumerate(shape.slots):
        after, before, differs = row[4 + 3 * n : 7 + 3 * n]
        if differs and row[1] == Op.UPSERT:
            shown[slot.field] = (before, after)  # type: ignore[assignment]
    return Sample(str(row[0]), Op(row[1]), Cause(row[2]), row[3], shown)  # type: ignore[arg-type]
