"""``rekey``: an entity has another key now; what state knows of it is carried over, and nothing is sent or ended.

Which new key stands for which old one is read from the base model, which has both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from revetl.engine import shapes
from revetl.engine.forgotten import Hasher
from revetl.engine.session import Clock, Session, new_run, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import TryLater, UsageError
from revetl.sqltext import quote_identifier
from revetl.state import rekeying
from revetl.state.layout import StoredSync, load_sync
from revetl.state.rekeying import MAP
from revetl.state.schema import STATE
from revetl.state.tombstones import settle, write
from revetl.types import ModelRef, SyncPlan
from revetl.warehouse.source import Table, Tables


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """One sync: its keys' types before and now, and how many get another key, keep theirs, or have no counterpart."""

    sync: str
    before: tuple[str, ...]
    now: tuple[str, ...]
    moved: int
    same: int
    left: int
    sample: tuple[str, ...] = ()  # of those without a counterpart


def rekey(
    workspace: Workspace,
    entity: str,
    columns: Sequence[str] = (),
    *,
    leave_behind: bool = False,
    keep: bool = False,
    clock: Clock = utc_now,
) -> tuple[Rekeyed, ...]:
    """Carry every sync of an entity over to its new key; ``keep=False`` only says what that would do.

    ``columns`` of the base model hold the old key; without any, they are those of the new one, of another type now.
    ``leave_behind``: keys that the model has no counterpart for are forgotten; their records stay as they are there.

    Raises:
        UsageError: RVT-880, there is no such entity or nothing of it in state; RVT-881, the model does not say which
            key stands for which; RVT-882, keys in state have no counterpart.
        TryLater: RVT-502, a run works on the target; RVT-883, a job at a destination still carries records.
        RevetlError: the model cannot be read.
    """
    plans = _plans(workspace, entity)
    with open_session(workspace, clock=clock) as session:
        return carry_over(session, plans, columns, leave_behind=leave_behind, keep=keep)


def carry_over(
    session: Session, plans: Sequence[SyncPlan], columns: Sequence[str], *, leave_behind: bool, keep: bool
) -> tuple[Rekeyed, ...]:
    """Do what :func:`rekey` does, with the state open."""
    store = session.store
    known = [(plan, sync) for plan in plans if (sync := load_sync(store, plan.name))]
    if not known:
        what = f"nothing of {plans[0].entity[:60]} was synced yet"
        raise UsageError("RVT-880", what, hint=f"revetl plan -s {plans[0].name}")
    assert session.source is not None  # noqa: S101 - a warehouse was asked for
    tables = _read(session, [plan for plan, _ in known], columns)
    try:
        found = tuple(_one(session, plan, sync, tables, columns) for plan, sync in known)
        _check(found, leave_behind=leave_behind)
        if keep:
            _carry(session, known, tables, columns)
    finally:
        session.source.release(store.con)
    return found


def _plans(workspace: Workspace, entity: str) -> list[SyncPlan]:
    plans = [plan for plan in workspace.resolved.syncs if plan.entity == entity]
    if plans:
        return plans
    entities = sorted({plan.entity for plan in workspace.resolved.syncs})
    near = get_close_matches(entity, entities, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(entities) or 'none'}"
    raise UsageError("RVT-880", f"no sync is of an entity {entity[:60]}", kept="nothing was changed", hint=hint)


def _read(session: Session, plans: Sequence[SyncPlan], columns: Sequence[str]) -> Tables:
    assert session.source is not None  # noqa: S101 - a warehouse was asked for
    needs = {plan.base.relation: frozenset((*plan.base.key, *columns, *_valid(plan.base))) for plan in plans}
    tables = session.source.tables(session.store.con, list(needs), needs)
    for plan in plans:
        if plan.base.relation in tables.missing:
            raise tables.missing[plan.base.relation]
    return tables


def _valid(ref: ModelRef) -> tuple[str, ...]:
    return () if ref.valid_to is None else (ref.valid_to,)


def _one(session: Session, plan: SyncPlan, sync: StoredSync, tables: Tables, columns: Sequence[str]) -> Rekeyed:
    store = session.store
    if store.one(f"SELECT count(*) FROM {STATE}.outbox WHERE sync = ?", [sync.sync]):
        raise TryLater(
            "RVT-883", f"a job at the destination still carries records of {sync.sync}", kept="nothing was changed",
            hint=f"revetl sync -s {sync.sync} takes it to its end",
        )  # fmt: skip
    kinds = _map(session, plan, sync, tables, columns)
    found = rekeying.count(store, sync)
    return Rekeyed(sync.sync, sync.keys, kinds, found.moved, found.same, found.left, found.sample)


def _map(session: Session, plan: SyncPlan, sync: StoredSync, tables: Tables, columns: Sequence[str]) -> tuple[str, ...]:
    """Make the map of old and new keys; return the types of the new one."""
    ref, kinds = plan.base, shapes.key_types(plan, tables)
    old = _former(plan, sync, tables.found[ref.relation], columns)
    new = [(quote_identifier(name), kind) for name, kind in zip(ref.key, kinds, strict=True)]
    where = f" WHERE {quote_identifier(ref.valid_to)} IS NULL" if ref.valid_to else ""
    wrong = rekeying.make_map(session.store, tables.found[ref.relation].name + where, old, new)
    for count, what in zip(wrong, _WRONG, strict=True):
        if count:
            raise UsageError(
                "RVT-881", f"{ref.model}: {count:,} {what}", kept="nothing was changed",
                hint="each old key needs exactly one new key, and the other way round: mend the model",
            )  # fmt: skip
    return kinds


_WRONG = (
    "rows have an old key and no new one",
    "old keys stand for several new ones",
    "new keys stand for several old ones",
)


def _former(plan: SyncPlan, sync: StoredSync, table: Table, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns that hold the old key, quoted, with its types."""
    former = tuple(columns) or plan.base.key
    if len(former) != len(sync.keys):
        what = f"the old key of {plan.name} has {len(sync.keys)} parts, not {len(former)}"
        raise UsageError("RVT-881", what, kept="nothing was changed", hint="name the column of each with --from")
    there = {name.lower() for name in table.columns}
    lacking = next((name for name in former if name.lower() not in there), None)
    if lacking is not None:
        raise UsageError(
            "RVT-881", f"{plan.base.model} has no column {lacking}", kept="nothing was changed",
            hint=f"keep the old key in the model until this is done; it has {', '.join(table.columns)}",
        )  # fmt: skip
    return [(quote_identifier(name), kind) for name, kind in zip(former, sync.keys, strict=True)]


def _check(found: Sequence[Rekeyed], *, leave_behind: bool) -> None:
    for one in found:
        if one.left and not (one.moved or one.same):
            raise UsageError(
                "RVT-882", f"{one.sync}: none of its {one.left:,} keys is an old key of the model",
                kept="nothing was changed", hint="was it carried over already? name the old key's column with --from",
            )  # fmt: skip
        if one.left and not leave_behind:
            raise UsageError(
                "RVT-882",
                f"{one.sync}: {one.left:,} of its keys are not in the model any more, such as {one.sample[0]}",
                kept="nothing was changed",
                hint="let them leave first: sync with the old key; or --leave-behind: their records stay, unknown",
            )


def _carry(
    session: Session, known: Sequence[tuple[SyncPlan, StoredSync]], tables: Tables, columns: Sequence[str]
) -> None:
    """Carry everything over, in one transaction; whoever is forgotten stays so under the new key."""
    store, run = session.store, new_run(session.clock())
    _bury(session, known[-1][0].entity)  # by the map that was made last; those of the others differ in types at most
    with store.transaction():
        for plan, sync in known:
            kinds = _map(session, plan, sync, tables, columns)
            rekeying.note(store, sync)
            rekeying.carry(store, sync, kinds, plan.base.key)
        rekeying.write_down(store, run)
    if store.directory is not None:
        store.con.execute(f"CHECKPOINT {STATE}")
    store.advance_head(run)


def _bury(session: Session, entity: str) -> None:
    """Let tombstones of old keys be those of the new ones, too."""
    stones = settle(session.store)
    if not any(stone.keys for stone in stones):
        return
    hasher, known = Hasher(session.keys), {digest: stone.id for stone in stones for digest in stone.keys}
    more: dict[str, tuple[str, ...]] = {}
    for old, new in session.store.rows(f"SELECT old, new FROM {MAP} WHERE old <> new"):
        for digest in hasher.key(entity, old):
            if digest in known:
                more[known[digest]] = (*more.get(known[digest], ()), *hasher.key(entity, new))
    if more:
        write(session.store, [replace(s, keys=tuple(dict.fromkeys((*s.keys, *more.get(s.id, ()))))) for s in stones])
