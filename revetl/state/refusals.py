"""What a run had refused: kept with a digest of it and the time of its next try."""

from __future__ import annotations

from datetime import timedelta

from revetl.state.layout import StoredSync
from revetl.state.schema import STATE
from revetl.state.store import Store

# Growing gaps between tries of a change that is refused again and again: 1 h, 2 h, 4 h … 7 d.
FIRST_GAP, LAST_GAP = timedelta(hours=1), timedelta(days=7)


def keep(store: Store, run: str, sync: StoredSync, name: str) -> None:
    """Keep what was refused, with a digest of it and the time of its next try."""
    values = ", ".join(["a.m", *(f"a.f{f.ordinal}" for f in sync.fields if not f.orphan)])
    carried = ", ".join(f"a.f{f.ordinal}" for f in sync.memberships if not f.orphan)
    member = (
        f"WHEN f.op = 'join' THEN f.m || (SELECT CAST(to_json(struct_pack(v := row({carried}))) AS VARCHAR) "
        f"FROM {STATE}.after_{sync.id} a WHERE a.seq = f.seq) "
    )
    version = sync.flow.replace("'", "''")
    same = "r.sync = f.sync AND r.key = f.key AND r.op = f.op AND r.cohort IS NOT DISTINCT FROM f.cohort"
    if not store.one(
        f"SELECT count(*) FILTER (WHERE status = 'rejected') + (SELECT count(*) FROM {STATE}.rejected "
        f"WHERE sync = '{name}') FROM final WHERE sync = '{name}'"
    ):
        return
    gap, last = int(FIRST_GAP.total_seconds()), int(LAST_GAP.total_seconds())
    store.run_all(
        [
            "CREATE OR REPLACE TEMP TABLE no AS SELECT f.sync, f.key, f.op, f.cohort, max(f.code) AS code, "
            "max(f.reason) AS reason, "
            f"any_value(md5(CASE WHEN f.op IN ('upsert', 'identity') THEN (SELECT CAST(to_json(struct_pack("
            f"v := row({values}))) AS VARCHAR) FROM {STATE}.after_{sync.id} a JOIN final u ON u.seq = a.seq "
            f"WHERE u.key = f.key AND u.op = 'upsert' LIMIT 1) {member if carried else ''}ELSE f.m END "
            f"|| '{version}')) AS digest, "
            "coalesce(any_value(r.since), max(f.ts)) AS since, coalesce(any_value(r.attempts), 0) + 1 AS attempts, "
            f"max(f.ts) + INTERVAL 1 SECOND * least({last}, {gap} * pow(2, coalesce(any_value(r.attempts), 0))) "
            f"AS next_at, '{run}' AS run FROM final f LEFT JOIN {STATE}.rejected r ON {same} "
            f"WHERE f.sync = '{name}' AND f.status = 'rejected' GROUP BY f.sync, f.key, f.op, f.cohort",
            f"DELETE FROM {STATE}.rejected AS r USING (SELECT DISTINCT sync, key, op, cohort FROM final "
            f"WHERE sync = '{name}' AND status IN ('delivered', 'local', 'rejected')) f WHERE {same}",
            f"INSERT INTO {STATE}.rejected SELECT * FROM no",
        ]
    )
