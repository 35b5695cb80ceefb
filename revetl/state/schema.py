"""The tables of state that are the same for every sync, and the named migrations that bring an older file up to date.

Every migration runs once, in a transaction of its own that also records it. Tables of one sync (``snap_<id>``,
``members_<id>``, ``after_<id>``) are made by :mod:`revetl.state.layout`.
"""

from __future__ import annotations

from collections.abc import Callable

STATE = "revetl_state"

FIRST = [
    "CREATE TABLE {s}.meta (name VARCHAR, value VARCHAR)",
    "CREATE TABLE {s}.runs (run VARCHAR, started_at TIMESTAMPTZ, closed_at TIMESTAMPTZ, exit_code INTEGER, "
    "git_commit VARCHAR, dbt_invocation VARCHAR, flows_hash VARCHAR, file VARCHAR, summary VARCHAR)",
    "CREATE TABLE {s}.syncs (id INTEGER, sync VARCHAR, keys VARCHAR[], normalise VARCHAR, wire_version INTEGER, "
    "relations VARCHAR, account VARCHAR, flow VARCHAR, last_rows BIGINT, first_run VARCHAR)",
    "CREATE TABLE {s}.fields (sync_id INTEGER, ordinal INTEGER, field VARCHAR, property VARCHAR, model VARCHAR, "
    "type VARCHAR, pii VARCHAR, fresh BOOLEAN, orphan BOOLEAN)",
    "CREATE TABLE {s}.cohorts (sync_id INTEGER, cohort VARCHAR, label VARCHAR, remote_id VARCHAR)",
    "CREATE TABLE {s}.remote (sync VARCHAR, key VARCHAR, remote_id VARCHAR, created BOOLEAN)",
    "CREATE TABLE {s}.outbox (run VARCHAR, seq BIGINT, sync VARCHAR, key VARCHAR, op VARCHAR, cohort VARCHAR, "
    "cause VARCHAR, m VARCHAR, i VARCHAR, bm VARCHAR, bi VARCHAR, remote_id VARCHAR, created BOOLEAN, "
    "local VARCHAR, digest VARCHAR, body VARCHAR, record VARCHAR)",
    "CREATE TABLE {s}.acks (run VARCHAR, lo BIGINT, hi BIGINT, status VARCHAR, ts TIMESTAMPTZ, http_status INTEGER, "
    "request_id VARCHAR)",
    "CREATE TABLE {s}.exceptions (run VARCHAR, seq BIGINT, status VARCHAR, code VARCHAR, reason VARCHAR, "
    "ts TIMESTAMPTZ, http_status INTEGER, request_id VARCHAR)",
    "CREATE TABLE {s}.remote_new (run VARCHAR, seq BIGINT, remote_id VARCHAR, created BOOLEAN)",
    "CREATE TABLE {s}.started (run VARCHAR, lo BIGINT, hi BIGINT)",
    "CREATE TABLE {s}.jobs (run VARCHAR, sync VARCHAR, lo BIGINT, hi BIGINT, job VARCHAR, ts TIMESTAMPTZ)",
    "CREATE TABLE {s}.pending (sync VARCHAR, key VARCHAR, op VARCHAR, cohort VARCHAR, since TIMESTAMPTZ, run VARCHAR, "
    "touched INTEGER[], tried STRUCT(m VARCHAR, i VARCHAR)[], near VARCHAR[])",
    "CREATE TABLE {s}.rejected (sync VARCHAR, key VARCHAR, op VARCHAR, cohort VARCHAR, code VARCHAR, reason VARCHAR, "
    "digest VARCHAR, since TIMESTAMPTZ, attempts INTEGER, next_at TIMESTAMPTZ, run VARCHAR)",
    "CREATE TABLE {s}.unmatched (sync VARCHAR, key VARCHAR)",
    "CREATE TABLE {s}.held (run VARCHAR, sync VARCHAR, guard VARCHAR, cohort VARCHAR, found BIGINT, allowed BIGINT, "
    "total BIGINT, hash VARCHAR, reason VARCHAR, ts TIMESTAMPTZ)",
    "CREATE TABLE {s}.refused (hash VARCHAR, sync VARCHAR, guard VARCHAR, key VARCHAR, op VARCHAR, cohort VARCHAR, "
    "ts TIMESTAMPTZ)",
    "CREATE TABLE {s}.approvals (id VARCHAR, sync VARCHAR, guard VARCHAR, cohort VARCHAR, hash VARCHAR, "
    "up_to BIGINT, until TIMESTAMPTZ, who VARCHAR, ts TIMESTAMPTZ, reason VARCHAR, used_by VARCHAR)",
    "CREATE TABLE {s}.chain (n BIGINT, run VARCHAR, file VARCHAR, sha256 VARCHAR, previous VARCHAR, hash VARCHAR, "
    "ts TIMESTAMPTZ, why VARCHAR)",
    "CREATE TABLE {s}.quota (account VARCHAR, name VARCHAR, used BIGINT, since DOUBLE)",
]

LINKS = [
    "ALTER TABLE {s}.fields ADD COLUMN link VARCHAR",  # the sync that it points to
    "ALTER TABLE {s}.outbox ADD COLUMN links VARCHAR",
    "ALTER TABLE {s}.pending ADD COLUMN linked STRUCT(n INTEGER, id VARCHAR)[]",  # what lost requests may have linked
    "CREATE TABLE {s}.waiting_links (sync VARCHAR, key VARCHAR, field VARCHAR, target VARCHAR, awaits VARCHAR)",
]

MEMBERSHIPS = ["ALTER TABLE {s}.fields ADD COLUMN cohort VARCHAR"]  # whose memberships carry the field

CONSENT = ["ALTER TABLE {s}.outbox ADD COLUMN consent BOOLEAN"]

IF_EMPTY = ["CREATE TABLE {s}.kept (run VARCHAR, seq BIGINT, kept VARCHAR)"]  # JSON: the fields not written, null

OPT_OUTS = [
    "CREATE TABLE {s}.opted_out (sync VARCHAR, key VARCHAR, code VARCHAR, found_by VARCHAR, since TIMESTAMPTZ, "
    "seen_at TIMESTAMPTZ)",
]

DIGESTS = ["ALTER TABLE {s}.fields ADD COLUMN digest VARCHAR"]  # how a field's values are hashed

ERASURES = [
    # kind: key | identity; hash: its HMAC under the ledger's key ``key_id``
    "CREATE TABLE {s}.forgotten (id VARCHAR, ts TIMESTAMPTZ, key_id VARCHAR, entity VARCHAR, kind VARCHAR, "
    "hash VARCHAR)",
    # whom to erase where; key and identity are in clear until it is done, then null
    "CREATE TABLE {s}.erasures (id VARCHAR, ts TIMESTAMPTZ, sync VARCHAR, key VARCHAR, identity VARCHAR, "
    "remote_id VARCHAR, status VARCHAR, code VARCHAR, reason VARCHAR)",
]

MARKS = ["CREATE TABLE {s}.marks (sync VARCHAR, model VARCHAR, mark BIGINT, whole_at TIMESTAMPTZ, version VARCHAR)"]

# of which version, by dbt's checksum of its code, each model was from which a sync read in a run
RUN_MODELS = [
    "CREATE TABLE {s}.run_models (run VARCHAR, sync VARCHAR, model VARCHAR, version VARCHAR, checksum VARCHAR)"
]

HABITS = [
    # what earlier runs found, to tell when a run is unlike them; counts: JSON
    "CREATE TABLE {s}.habits (sync VARCHAR, run VARCHAR, ts TIMESTAMPTZ, whole BOOLEAN, counts VARCHAR)",
    "ALTER TABLE {s}.syncs ADD COLUMN manifest_at TIMESTAMPTZ",  # when the manifest of its last run was made
    "ALTER TABLE {s}.syncs ADD COLUMN key_columns VARCHAR[]",  # of the base model, in its last run
]

# whether what was asserted last of a key in doubt was its end: a LEAVE or a PART that a guard had let go by then
ENDED = ["ALTER TABLE {s}.pending ADD COLUMN ended BOOLEAN"]

# name → statements; the order of names is the order of runs
MIGRATIONS: dict[str, list[str]] = {
    "0001_first": FIRST,
    "0002_links": LINKS,
    "0003_memberships": MEMBERSHIPS,
    "0004_consent": CONSENT,
    "0005_if_empty": IF_EMPTY,
    "0006_opt_outs": OPT_OUTS,
    "0007_digests": DIGESTS,
    "0008_erasures": ERASURES,
    "0009_marks": MARKS,
    "0010_run_models": RUN_MODELS,
    "0011_habits": HABITS,
    "0012_ended": ENDED,
}


# The ledger of a state in memory, which has no files.
LEDGER_ROWS = (
    f"CREATE TABLE IF NOT EXISTS {STATE}.ledger_rows (run VARCHAR, seq BIGINT, time TIMESTAMPTZ, sync VARCHAR, "
    "key VARCHAR, op VARCHAR, cause VARCHAR, cohort VARCHAR, identity VARCHAR, before_identity VARCHAR, "
    '"values" VARCHAR, outcome VARCHAR, code VARCHAR, reason VARCHAR, http_status INTEGER, request_id VARCHAR)'
)


def migrate(execute: Callable[[str], object], done: frozenset[str]) -> list[str]:
    """Run what is not done yet and return its names; ``execute`` runs one statement."""
    new = [name for name in MIGRATIONS if name not in done]
    for name in new:
        execute("BEGIN")
        for statement in MIGRATIONS[name]:
            execute(statement.format(s=STATE))
        execute(f"INSERT INTO {STATE}.meta VALUES ('migration', '{name}')")
        execute("COMMIT")
    return new
