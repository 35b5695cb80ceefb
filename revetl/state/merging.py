"""Records that a rename made one of two: what cannot be known of them any more is in doubt: the next run asserts it.

One of the two ends there. State may know the other one, or nothing of it: made by hand, or before state was lost.
"""

from __future__ import annotations

from revetl.sqltext import quote_text
from revetl.state.doubting import doubt_members, doubt_some
from revetl.state.journal import REPEATED
from revetl.state.layout import StoredSync
from revetl.state.onekey import normalised
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import CONSENT


def standing(sync: StoredSync) -> str:
    """Return a SELECT of who stands where, as state says: key, identity."""
    return f"SELECT {sync.key_text()} AS key, {normalised(sync.normalise, 'm')} AS i FROM {STATE}.snap_{sync.id}"


def members(sync: StoredSync) -> str:
    """Return a SELECT of who is a member of what, as state says: key, cohort."""
    return f"SELECT {sync.key_text()} AS key, cohort FROM {STATE}.members_{sync.id}"


def find_strangers(store: Store, sync: StoredSync, name: str) -> None:
    """Make ``met``, before the snapshot moves: who was renamed to where a record stood of which state knows nothing.

    Of whom is in doubt already everything is asserted anyway, and whoever stands there may be they themselves.
    """
    known = (
        f"{standing(sync)} UNION ALL SELECT key, unnest(tried).i FROM {STATE}.pending WHERE sync = '{name}' "
        f"UNION ALL SELECT key, unnest([i, bi]) FROM final WHERE sync = '{name}'"
    )
    store.con.execute(
        "CREATE OR REPLACE TEMP TABLE met AS SELECT f.key, max(f.ts) AS ts, any_value(f.new_id) AS new_id FROM final f "
        f"WHERE f.sync = '{name}' AND f.op = 'identity' GROUP BY f.key HAVING count(*) = 1 AND bool_and("
        f"f.status = 'delivered' AND f.new_created IS NOT DISTINCT FROM false AND f.code IS DISTINCT FROM '{REPEATED}' "
        f"AND f.key NOT IN (SELECT key FROM {STATE}.pending WHERE sync = '{name}' AND op = 'upsert') "
        f"AND NOT EXISTS (SELECT 1 FROM ({known}) k WHERE k.i = f.i AND k.key <> f.key))"
    )


def hand_over(store: Store, sync: StoredSync, name: str) -> None:
    """Take the records of ``met`` for what they are now: somebody else's, with none of our values and memberships."""
    since = store.one("SELECT max(ts) FROM met")
    if since is None:
        return
    store.con.execute(
        f"UPDATE {STATE}.remote AS r SET remote_id = met.new_id, created = false FROM met "
        f"WHERE r.sync = '{name}' AND r.key = met.key"
    )
    keys = [key for (key,) in store.rows("SELECT key FROM met ORDER BY key")]
    inside = store.rows(f"FROM ({members(sync)}) SEMI JOIN met USING (key)")
    doubt_some(store, sync, keys, inside, (), since)


def find_shared(store: Store, sync: StoredSync, name: str) -> None:
    """Make ``shared``, before the snapshot moves: who was renamed to (``away``: from) where another of ours stands."""
    both = (
        f"SELECT v.key, v.ts, s.key AS other, {away} AS away FROM ({_moved(name)}) v JOIN ({standing(sync)}) s "
        f"ON s.i = v.{at} AND s.key <> v.key"
        for at, away in (("i", "false"), ("bi", "true"))
    )
    store.con.execute(f"CREATE OR REPLACE TEMP TABLE shared AS {' UNION '.join(both)}")
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE taken_along AS SELECT DISTINCT v.key, m.cohort FROM shared v "
        f"JOIN ({_endable(sync)}) m ON m.key = v.other WHERE v.away"
    )


def doubt_shared(store: Store, sync: StoredSync, name: str) -> None:
    """Doubt whoever is in ``shared``, as far as this run did not write them since: they may have been one there.

    The run knew it, and was to assert them; the next one sees two records at two places. Memberships of the other one
    may have been taken along.
    """
    since = store.one("SELECT max(ts) FROM shared")
    if since is None:
        return
    settled = _settled(name)
    records = store.rows(
        f"SELECT DISTINCT key FROM shared ANTI JOIN (FROM {settled} WHERE op = 'upsert') USING (key) ORDER BY key"
    )
    inside = store.rows(
        f"SELECT DISTINCT key, cohort FROM (FROM taken_along UNION FROM ({_endable(sync)}) m SEMI JOIN shared "
        f"USING (key)) ANTI JOIN (FROM {settled} WHERE op IN ('join', 'part')) USING (key, cohort) ORDER BY ALL"
    )
    doubt_some(store, sync, [key for (key,) in records], (), (), since)
    doubt_members(store, sync, inside, since)


def _moved(name: str) -> str:
    return f"SELECT key, i, bi, ts FROM final WHERE sync = '{name}' AND op = 'identity' AND status = 'delivered'"


def _endable(sync: StoredSync) -> str:
    """Return a SELECT of memberships but opt-outs, which are nothing that is ended."""
    return f"FROM ({members(sync)}) WHERE NOT starts_with(cohort, {quote_text(CONSENT)})"


def _settled(name: str) -> str:
    """Return SQL of what this run wrote, and of what is in doubt anyway."""
    return (
        f"(SELECT key, op, cohort FROM final WHERE sync = '{name}' AND status = 'delivered' UNION ALL "
        f"SELECT key, op, cohort FROM {STATE}.pending WHERE sync = '{name}')"
    )


def left_behind(store: Store, sync: StoredSync, name: str) -> None:
    """Doubt who, as state says, stands where another record was renamed away from: they may have been one there.

    What this run wrote to such a key since then is as it should be; the rest is asserted by the next run.
    """
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE left_behind AS SELECT s.key, max(v.ts) AS ts FROM ({_moved(name)}) v "
        f"JOIN ({standing(sync)}) s ON s.i = v.bi AND s.key <> v.key GROUP BY s.key"
    )
    since = store.one("SELECT max(ts) FROM left_behind")
    if since is None:
        return
    settled = _settled(name)
    records = store.rows(f"SELECT key FROM left_behind ANTI JOIN (FROM {settled} WHERE op = 'upsert') USING (key)")
    inside = store.rows(
        f"SELECT key, cohort FROM ({members(sync)}) m SEMI JOIN left_behind USING (key) "
        f"ANTI JOIN (FROM {settled} WHERE op = 'join') USING (key, cohort)"
    )
    doubt_some(store, sync, [key for (key,) in records], inside, (), since)
