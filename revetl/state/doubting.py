"""Acknowledged records and memberships put in doubt, all or some, after which runs assert them anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from revetl.sqltext import quote_text
from revetl.state.journal import insert_rows
from revetl.state.layout import StoredSync, known_syncs
from revetl.state.onekey import normalised
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import CONSENT


def doubt_all(store: Store) -> list[tuple[str, int, int]]:
    """Mark everything pending, as if this moment had left it unknown; return sync, records, memberships.

    What was in doubt before stays so, with all the places it may stand at. The caller's transaction commits it.
    """
    return [(sync.sync, _records(store, sync), _members(store, sync)) for sync in known_syncs(store)]


def doubt_some(
    store: Store,
    sync: StoredSync,
    records: Sequence[str],
    members: Sequence[tuple[str, str]],
    gone: Collection[str],
    since: datetime,
) -> None:
    """Mark these records and (key, cohort) memberships pending, since ``since``; the caller's transaction commits it.

    Of those that are ``gone`` there, every membership is. Nothing but what revetl delivered may be cleared.
    """
    store.con.execute("CREATE OR REPLACE TEMP TABLE suspect (key VARCHAR)")
    store.con.execute("CREATE OR REPLACE TEMP TABLE suspect_in (key VARCHAR, cohort VARCHAR)")
    store.con.execute("CREATE OR REPLACE TEMP TABLE suspect_gone (key VARCHAR)")
    insert_rows(store, "temp.main.suspect", [(key,) for key in records])
    insert_rows(store, "temp.main.suspect_in", list(members))
    insert_rows(store, "temp.main.suspect_gone", [(key,) for key in gone])
    mine = f"{sync.key_text('s.')} IN (SELECT key FROM temp.main.suspect)"
    inside = (
        f"({sync.key_text('s.')}, s.cohort) IN (SELECT (key, cohort) FROM temp.main.suspect_in) "
        f"OR {sync.key_text('s.')} IN (SELECT key FROM temp.main.suspect_gone)"
    )
    _records(store, sync, mine, "[]::INTEGER[]", "verify", since)
    _members(store, sync, inside, "verify", since)


def doubt_members(store: Store, sync: StoredSync, members: Sequence[tuple[str, str]], since: datetime) -> None:
    """Mark these (key, cohort) pending for records that state has, whether it has the membership or not."""
    store.con.execute("CREATE OR REPLACE TEMP TABLE suspect_in (key VARCHAR, cohort VARCHAR)")
    insert_rows(store, "temp.main.suspect_in", list(members))
    _mark(
        store, sync.sync,
        "SELECT ? AS sync, d.key, 'join' AS op, d.cohort, CAST([] AS INTEGER[]) AS touched, "
        f"[{_place(sync, 's')}] AS tried "
        f"FROM temp.main.suspect_in d JOIN {STATE}.snap_{sync.id} s ON {sync.key_text('s.')} = d.key", "verify", since,
    )  # fmt: skip


def hand_over(store: Store, sync: StoredSync, keys: Sequence[str]) -> None:
    """Doubt whoever stands where a change of these keys, of unknown outcome, may have arrived.

    They are asserted in full by the next run, without the memberships of these keys. The caller's transaction commits
    it.
    """
    ours = "key IN (SELECT unnest(?))"
    store.con.execute(
        "CREATE OR REPLACE TEMP TABLE heir AS SELECT s.key AS heir, s.place, p.key, p.op, p.cohort, p.touched, p.since "
        f"FROM (SELECT *, unnest(near) AS n FROM {STATE}.pending WHERE sync = ? AND {ours}) p "
        f"JOIN (SELECT {sync.key_text('s.')} AS key, {_place(sync, 's')} AS place FROM {STATE}.snap_{sync.id} s) s "
        f"ON s.place.i = p.n AND NOT s.{ours}",
        [sync.sync, list(keys), list(keys)],
    )
    since = store.one("SELECT max(since) FROM heir")
    if since is None:
        return
    told = "coalesce(flatten(list(touched)), []::INTEGER[]) AS touched, [place] AS tried"
    _mark(
        store, sync.sync, f"SELECT ? AS sync, heir AS key, 'upsert' AS op, CAST(NULL AS VARCHAR) AS cohort, {told} "
        "FROM heir WHERE op = 'upsert' GROUP BY heir, place", "forget", since,
    )  # fmt: skip
    worn = f"SELECT {sync.key_text()} AS key, cohort FROM {STATE}.members_{sync.id}"
    _mark(
        store, sync.sync, f"SELECT ? AS sync, heir AS key, 'join' AS op, cohort, {told} "
        "FROM (SELECT heir, place, cohort, touched FROM heir WHERE op = 'join' UNION ALL SELECT h.heir, h.place, "
        f"w.cohort, [] FROM heir h JOIN ({worn}) w USING (key) WHERE h.op = 'upsert') "
        f"WHERE NOT starts_with(cohort, {quote_text(CONSENT)}) GROUP BY heir, place, cohort", "forget", since,
    )  # fmt: skip


def _place(sync: StoredSync, alias: str) -> str:
    """Return SQL of where a row of the snapshot stands: match value, identity."""
    return f"{{'m': {alias}.m, 'i': {normalised(sync.normalise, f'{alias}.m')}}}"


def _records(
    store: Store,
    sync: StoredSync,
    where: str = "true",
    touched: str = "",
    run: str = "recover",
    since: datetime | None = None,
) -> int:
    touched = touched or f"[{', '.join(str(field.ordinal) for field in sync.fields)}]::INTEGER[]"
    return _mark(
        store, sync.sync,
        f"SELECT ? AS sync, {sync.key_text('s.')} AS key, 'upsert' AS op, CAST(NULL AS VARCHAR) AS cohort, "
        f"{touched} AS touched, [{_place(sync, 's')}] AS tried FROM {STATE}.snap_{sync.id} s WHERE {where}", run, since,
    )  # fmt: skip


def _members(
    store: Store, sync: StoredSync, where: str = "true", run: str = "recover", since: datetime | None = None
) -> int:
    same = " AND ".join(f"n.k{k} = s.k{k}" for k in range(len(sync.keys)))
    place = f"CASE WHEN n.m IS NOT NULL THEN [{_place(sync, 'n')}] ELSE [] END"
    return _mark(
        store, sync.sync,
        f"SELECT ? AS sync, {sync.key_text('s.')} AS key, 'join' AS op, s.cohort, CAST([] AS INTEGER[]) AS touched, "
        f"{place} AS tried FROM {STATE}.members_{sync.id} s LEFT JOIN {STATE}.snap_{sync.id} n ON {same} WHERE {where}",
        run, since,
    )  # fmt: skip


def _mark(store: Store, sync: str, select: str, run: str, since: datetime | None) -> int:
    same = "p.sync = d.sync AND p.key = d.key AND p.op = d.op AND p.cohort IS NOT DISTINCT FROM d.cohort"
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE doubted AS SELECT *, list_transform(tried, lambda t: t.i) AS near, "
        f"CAST([] AS STRUCT(n INTEGER, id VARCHAR)[]) AS linked FROM ({select})",
        [sync],
    )
    store.con.execute(
        "UPDATE doubted AS d SET touched = list_distinct(d.touched || p.touched), "
        "tried = list_distinct(d.tried || p.tried), near = list_distinct(d.near || p.near), "
        "linked = coalesce(p.linked, []) "
        f"FROM {STATE}.pending p WHERE {same}"
    )
    store.con.execute(f"DELETE FROM {STATE}.pending AS p USING doubted d WHERE {same}")
    store.con.execute(
        f"INSERT INTO {STATE}.pending (sync, key, op, cohort, since, run, touched, tried, near, linked) "
        "SELECT sync, key, op, cohort, ?, ?, touched, tried, near, linked FROM doubted",
        [since or store.clock(), run],
    )
    return int(store.one("SELECT count(*) FROM doubted"))
