"""``retire``: what is no longer mapped is settled: ended at the destination by a run first, or left there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from revetl.engine.leftovers import full_name, leftovers
from revetl.engine.session import Clock, Session, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.mapping.orphans import Orphan
from revetl.state.layout import StoredSync, drop_sync, load_sync
from revetl.state.schema import STATE


@dataclass(frozen=True, slots=True)
class Retired:
    """One thing that was settled: its kind (as an orphan's) and how many records or memberships stay there."""

    sync: str
    kind: str
    name: str
    rows: int


def clearable(workspace: Workspace, name: str, clock: Clock = utc_now) -> tuple[str, ...]:
    """Return the full names of the orphans that ``name`` names, for a run that ends them at the destination.

    Raises:
        UsageError: RVT-860 nothing orphaned has the name, RVT-861 a whole sync is gone: nothing says how to reach it.
        TryLater: RVT-502, a run works on the target.
    """
    with open_session(workspace, clock=clock, warehouse=False) as session:
        chosen = _chosen(name, leftovers(workspace, session.store))
    if any(orphan.kind == "sync" for orphan in chosen):
        raise UsageError(
            "RVT-861", f"{name} is not in revetl.yml any more: nothing says how to clear it", kept="nothing was sent",
            hint=f"put it back with `on_leave: clear` and nobody in it, sync, remove it; or retire {name} --keep",
        )  # fmt: skip
    return tuple(full_name(orphan) for orphan in chosen)


def retire(workspace: Workspace, name: str, *, clock: Clock = utc_now) -> tuple[Retired, ...]:
    """Forget what ``name`` names: a sync that is gone, an orphan in it, or a sync for all of its orphans.

    That is ``SYNC.FIELD``, ``SYNC.COHORT`` or ``SYNC.COHORT.FIELD``.

    Raises:
        UsageError: RVT-860 nothing orphaned has the name.
        TryLater: RVT-502, a run works on the target.
    """
    with open_session(workspace, clock=clock, warehouse=False) as session:
        chosen = _chosen(name, leftovers(workspace, session.store))
        done = tuple(_settle(session, orphan) for orphan in chosen)
        session.settled("retire")
        session.store.con.execute(f"CHECKPOINT {STATE}")
    return done


def _chosen(name: str, found: Sequence[Orphan]) -> Sequence[Orphan]:
    chosen = [o for o in found if name in {o.sync, full_name(o)}] or [o for o in found if name == o.name]
    if len({o.sync for o in chosen}) > 1:
        listed = ", ".join(full_name(orphan) for orphan in chosen)
        raise UsageError("RVT-860", f"{name} is orphaned in several syncs", hint=f"one of: {listed}")
    if chosen:
        return chosen
    names = [full_name(orphan) for orphan in found]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"orphaned: {', '.join(names) or 'nothing'}"
    raise UsageError(
        "RVT-860", f"nothing that is no longer mapped is called {name}", kept="nothing was changed", hint=hint
    )


def _settle(session: Session, orphan: Orphan) -> Retired:
    store = session.store
    sync = load_sync(store, orphan.sync)
    if sync is None:
        return Retired(orphan.sync, orphan.kind, orphan.name, 0)
    if orphan.kind == "field":
        ordinal = next(field.ordinal for field in sync.fields if field.field == orphan.name)
        rows = _forget_field(session, sync, ordinal, "snap")
    elif orphan.kind == "membership field":
        ordinal = next(f.ordinal for f in sync.memberships if f"{f.cohort}.{f.field}" == orphan.name)
        rows = _forget_field(session, sync, ordinal, "members")
    elif orphan.kind == "cohort":
        rows = _forget_cohort(session, sync, orphan.name)
    else:
        rows = store.sizes(f"snap_{sync.id}").get(None, 0)
        store.bring("remote", {"sync": "VARCHAR"}, [])  # what is deleted by an equal value alone need not be here
        drop_sync(store, sync)
    return Retired(orphan.sync, orphan.kind, orphan.name, rows)


def _forget_field(session: Session, sync: StoredSync, ordinal: int, held: str) -> int:
    """Drop a field's column and row; its number may be given out again, so doubts must not remember it.

    ``held``: the table of what is acknowledged, ``snap`` of records or ``members``.
    """
    store = session.store
    rows = int(store.one(f"SELECT count(f{ordinal}) FROM {STATE}.{held}_{sync.id}"))
    with store.transaction():
        for table in (held, "after"):
            store.con.execute(f"ALTER TABLE {STATE}.{table}_{sync.id} DROP COLUMN f{ordinal}")
        store.con.execute(f"DELETE FROM {STATE}.fields WHERE sync_id = ? AND ordinal = ?", [sync.id, ordinal])
        store.con.execute(
            f"UPDATE {STATE}.pending SET touched = list_filter(touched, lambda n: n <> {ordinal}), "
            f"linked = list_filter(linked, lambda p: p.n <> {ordinal}) WHERE sync = ?",
            [sync.sync],
        )
    return rows


def _forget_cohort(session: Session, sync: StoredSync, name: str) -> int:
    store = session.store
    rows = store.sizes(f"members_{sync.id}", "cohort").get(name, 0)
    store.bring(f"members_{sync.id}", {"cohort": "VARCHAR"}, [])
    with store.transaction():
        store.con.execute(f"DELETE FROM {STATE}.members_{sync.id} WHERE cohort = ?", [name])
        store.con.execute(f"DELETE FROM {STATE}.cohorts WHERE sync_id = ? AND cohort = ?", [sync.id, name])
        for table in ("pending", "rejected"):
            store.con.execute(f"DELETE FROM {STATE}.{table} WHERE sync = ? AND cohort = ?", [sync.sync, name])
    return rows
