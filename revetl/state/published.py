"""The ledger as tables for analysts: which there are, and their rows as Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from revetl.sqltext import quote_text
from revetl.state.files import sha256_of
from revetl.state.layout import known_syncs
from revetl.state.schema import STATE
from revetl.state.store import Store

FLOWS = "flows"
_T, _I, _AT, _S = "text", "bigint", "timestamp with time zone", "double precision"
# table → column → its type, in words that DuckDB, Postgres and Snowflake share
TABLES: Mapping[str, Mapping[str, str]] = {
    "files": {"run_id": _T, "sha256": _T},
    FLOWS: {
        "run_id": _T, "seq": _I, "sent_at": _AT, "sync": _T, "destination": _T, "key": _T, "operation": _T,
        "cause": _T, "cohort": _T, "identity": _T, "identity_before": _T, "outcome": _T, "code": _T, "reason": _T,
        "http_status": _I, "request_id": _T,
    },
    "flow_fields": {"run_id": _T, "seq": _I, "field": _T, "value": _T, "is_hidden": "boolean"},
    "runs": {
        "run_id": _T, "started_at": _AT, "closed_at": _AT, "exit_code": _I, "git_commit": _T, "dbt_invocation_id": _T,
        "flows_hash": _T,
    },
    "syncs": {"sync": _T, "destination": _T, "records": _I, "memberships": _I, "in_doubt": _I, "rejected": _I,
              "unmatched": _I, "lag_p50": _S, "lag_p95": _S, "read_at": _AT},
}  # fmt: skip
_FILE = "read_parquet({file}, union_by_name = true)"
# tables that are brought up to date run by run, and the SELECT of one run's rows
SELECTS: Mapping[str, str] = {
    "files": "SELECT {run} AS run_id, {sha} AS sha256",
    FLOWS: "SELECT run AS run_id, seq, \"time\" AS sent_at, sync, split_part(sync, '.', 1) AS destination, key, "
    "op AS operation, cause, cohort, identity, before_identity AS identity_before, outcome, code, reason, "
    f"CAST(http_status AS BIGINT) AS http_status, request_id FROM {_FILE}",
    # what is hidden is an object with an HMAC, and no other value of that form is
    "flow_fields": "SELECT run_id, seq, field, CASE WHEN is_hidden THEN json_extract_string(value, '$.hmac') "
    "WHEN json_type(value) = 'VARCHAR' THEN json_extract_string(value, '$') ELSE CAST(value AS VARCHAR) END AS value, "
    "is_hidden FROM (SELECT run AS run_id, seq, e.key AS field, e.value AS value, "
    "coalesce(json_extract_string(e.value, '$.hmac') IS NOT NULL AND json_type(e.value) = 'OBJECT', false) "
    f'AS is_hidden FROM {_FILE}, json_each("values") e)',
}  # fmt: skip
SNAPSHOTS = ("runs", "syncs")  # small ones that are put there whole


@dataclass(frozen=True, slots=True)
class Part:
    """One closed run's file."""

    run: str
    path: Path
    sha256: str


def parts(store: Store) -> Sequence[Part]:
    """Return the files of the ledger, oldest first."""
    files = sorted(store.ledger.glob("*.parquet")) if store.ledger is not None else []
    return [Part(path.stem, path, sha256_of(path)) for path in files]


def table_rows(store: Store, table: str, part: Part) -> pa.Table:
    """Return one run's rows of a table."""
    names = {"file": quote_text(str(part.path)), "run": quote_text(part.run), "sha": quote_text(part.sha256)}
    return _fitted(table, store.con.sql(SELECTS[table].format(**names)).to_arrow_table())


def snapshot_rows(store: Store, table: str) -> pa.Table:
    """Return all rows of a small table as they are now."""
    if table == "runs":
        asked = (
            "SELECT run AS run_id, started_at, closed_at, CAST(exit_code AS BIGINT) AS exit_code, git_commit, "
            f"dbt_invocation AS dbt_invocation_id, flows_hash FROM {STATE}.runs WHERE closed_at IS NOT NULL"
        )
        return _fitted(table, store.con.sql(asked).to_arrow_table())
    lags = _lags(store)
    rows = [
        {
            "sync": sync.sync,
            "destination": sync.sync.partition(".")[0],
            "records": store.one(f"SELECT count(*) FROM {STATE}.snap_{sync.id}"),
            "memberships": store.one(f"SELECT count(*) FROM {STATE}.members_{sync.id}"),
            "in_doubt": store.one(f"SELECT count(*) FROM {STATE}.pending WHERE sync = ?", [sync.sync]),
            "rejected": store.one(f"SELECT count(*) FROM {STATE}.rejected WHERE sync = ?", [sync.sync]),
            "unmatched": store.one(f"SELECT count(*) FROM {STATE}.unmatched WHERE sync = ?", [sync.sync]),
            "lag_p50": lags.get(sync.sync, (None, None))[0],
            "lag_p95": lags.get(sync.sync, (None, None))[1],
            "read_at": store.clock(),
        }
        for sync in known_syncs(store)
    ]
    return pa.Table.from_pylist(rows, schema=_schema(table))


def _lags(store: Store) -> Mapping[str, tuple[float, float]]:
    """Return seconds from build to acknowledgement (median, 95 of 100) of the last run that delivered, by sync."""
    rows = store.rows(
        "SELECT s->>'$.sync', CAST(s->>'$.lag.p50' AS DOUBLE), CAST(s->>'$.lag.p95' AS DOUBLE) FROM (SELECT run, "
        f"unnest(CAST(json_extract(summary, '$.syncs') AS JSON[])) AS s FROM {STATE}.runs "
        "WHERE closed_at IS NOT NULL AND json_valid(summary)) WHERE s->>'$.lag.p50' IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY s->>'$.sync' ORDER BY run DESC) = 1"
    )
    return {sync: (half, most) for sync, half, most in rows}


_ARROW = {_T: pa.string(), _I: pa.int64(), _S: pa.float64(), _AT: pa.timestamp("us", "UTC"), "boolean": pa.bool_()}


def _schema(table: str) -> pa.Schema:
    return pa.schema([(name, _ARROW[kind]) for name, kind in TABLES[table].items()])


def _fitted(table: str, rows: pa.Table) -> pa.Table:
    return rows.select(list(TABLES[table])).cast(_schema(table))
