"""Every acknowledged record and membership put in doubt at once, after which runs assert all of them anew."""

from __future__ import annotations

from revetl.state.layout import StoredSync, known_syncs
from revetl.state.onekey import normalised
from revetl.state.schema import STATE
from revetl.state.store import Store


def doubt_all(store: Store) -> list[tuple[str, int, int]]:
    """Mark everything pending, as if this moment had left it unknown; return sync, records, memberships.

    What was in doubt before stays so, with all the places it may stand at. The caller's transaction commits it.
    """
    return [(sync.sync, _records(store, sync), _members(store, sync)) for sync in known_syncs(store)]


def _records(store: Store, sync: StoredSync) -> int:
    touched = f"[{', '.join(str(field.ordinal) for field in sync.fields)}]::INTEGER[]"
    place = f"{{'m': s.m, 'i': {normalised(sync.normalise, 's.m')}}}"
    return _mark(
        store, sync.sync,
        f"SELECT ? AS sync, {_key(sync)} AS key, 'upsert' AS op, CAST(NULL AS VARCHAR) AS cohort, "
        f"{touched} AS touched, [{place}] AS tried FROM {STATE}.snap_{sync.id} s",
    )  # fmt: skip


def _members(store: Store, sync: StoredSync) -> int:
    same = " AND ".join(f"n.k{k} = s.k{k}" for k in range(len(sync.keys)))
    place = f"CASE WHEN n.m IS NOT NULL THEN [{{'m': n.m, 'i': {normalised(sync.normalise, 'n.m')}}}] ELSE [] END"
    return _mark(
        store, sync.sync,
        f"SELECT ? AS sync, {_key(sync)} AS key, 'join' AS op, s.cohort, CAST([] AS INTEGER[]) AS touched, "
        f"{place} AS tried FROM {STATE}.members_{sync.id} s LEFT JOIN {STATE}.snap_{sync.id} n ON {same}",
    )  # fmt: skip


def _key(sync: StoredSync) -> str:
    return "'[' || " + " || ',' || ".join(f"to_json(s.k{n})" for n in range(len(sync.keys))) + " || ']'"


def _mark(store: Store, sync: str, select: str) -> int:
    same = "p.sync = d.sync AND p.key = d.key AND p.op = d.op AND p.cohort IS NOT DISTINCT FROM d.cohort"
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE doubted AS SELECT *, list_transform(tried, lambda t: t.i) AS near "
        f"FROM ({select})",
        [sync],
    )
    store.con.execute(
        "UPDATE doubted AS d SET touched = list_distinct(d.touched || p.touched), "
        "tried = list_distinct(d.tried || p.tried), near = list_distinct(d.near || p.near) "
        f"FROM {STATE}.pending p WHERE {same}"
    )
    store.con.execute(f"DELETE FROM {STATE}.pending AS p USING doubted d WHERE {same}")
    store.con.execute(
        f"INSERT INTO {STATE}.pending (sync, key, op, cohort, since, run, touched, tried, near) "
        "SELECT sync, key, op, cohort, ?, 'recover', touched, tried, near FROM doubted",
        [store.clock()],
    )
    return int(store.one("SELECT count(*) FROM doubted"))
