"""Who opted out at a destination, as it was last seen there: kept in state, and in a file beside it for dbt to read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from revetl.sqltext import quote_text
from revetl.state.files import sync_directory
from revetl.state.journal import insert_rows
from revetl.state.schema import STATE
from revetl.state.store import Store

FILE = "opt_outs.parquet"
READ_BACK, REFUSED = "read_back", "refused"  # how it was found


def found(store: Store, sync: str, out: Sequence[str], there: Collection[str]) -> None:
    """Take what was read back: keys that are opted out, and all keys that were found there.

    Whoever was opted out and is found there otherwise said yes again: to the destination, which revetl never asks for.
    """
    store.con.execute("CREATE OR REPLACE TEMP TABLE seen_out (key VARCHAR, out BOOLEAN)")
    gone = set(out)
    insert_rows(store, "temp.main.seen_out", [(key, key in gone) for key in sorted({*there, *gone})])
    store.con.execute(
        f"DELETE FROM {STATE}.opted_out WHERE sync = ? AND key IN (SELECT key FROM temp.main.seen_out WHERE NOT out)",
        [sync],
    )
    _take(store, sync, READ_BACK, "SELECT key, 'OPTED_OUT' AS code FROM temp.main.seen_out WHERE out")


def refused(store: Store, sync: str, codes: Collection[str]) -> None:
    """Take what refusals say, which ``codes`` are about: who is refused for it now, and nobody else by a refusal."""
    if not codes:
        return
    listed = ", ".join(quote_text(code) for code in sorted(codes))
    told = f"SELECT key, max(code) AS code FROM {STATE}.rejected WHERE sync = {quote_text(sync)} AND code IN ({listed})"
    store.con.execute(
        f"DELETE FROM {STATE}.opted_out WHERE sync = ? AND found_by = ? AND key NOT IN "
        f"(SELECT key FROM ({told} GROUP BY key))",
        [sync, REFUSED],
    )
    _take(store, sync, REFUSED, f"{told} GROUP BY key")


def _take(store: Store, sync: str, by: str, select: str) -> None:
    """Note the keys of a SELECT of (key, code); of those who are noted already, when they were seen last."""
    now = store.clock()
    store.con.execute(
        f"UPDATE {STATE}.opted_out AS o SET seen_at = ?, code = q.code FROM ({select}) q "
        "WHERE o.sync = ? AND o.key = q.key AND o.found_by = ?",
        [now, sync, by],
    )
    store.con.execute(
        f"INSERT INTO {STATE}.opted_out SELECT ?, q.key, q.code, ?, ?, ? FROM ({select}) q "
        f"WHERE q.key NOT IN (SELECT key FROM {STATE}.opted_out WHERE sync = ? AND found_by = ?)",
        [sync, by, now, now, sync, by],
    )


def write_file(store: Store, entities: Mapping[str, str]) -> Path | None:
    """Write ``opt_outs.parquet`` beside the state, by rename; ``entities``: sync → entity. None for one in memory.

    One row per sync and key: ``sync``, ``destination``, ``entity``, ``key`` (as everywhere, a JSON array), ``id`` (its
    parts as text, with commas between), ``code`` (``OPTED_OUT``, or of the refusal), ``found_by``, ``since``,
    ``seen_at``. No other value of the person is in it.
    """
    if store.directory is None:
        return None
    store.con.execute("CREATE OR REPLACE TEMP TABLE entity_of (sync VARCHAR, entity VARCHAR)")
    insert_rows(store, "temp.main.entity_of", sorted(entities.items()))
    beside, path = store.directory / "tmp" / FILE, store.directory / FILE
    store.con.execute(
        "COPY (SELECT o.sync, split_part(o.sync, '.', 1) AS destination, e.entity, o.key, "
        "array_to_string(CAST(CAST(o.key AS JSON) AS VARCHAR[]), ',') AS id, max(o.code) AS code, "
        "min(o.found_by) AS found_by, min(o.since) AS since, max(o.seen_at) AS seen_at "
        f"FROM {STATE}.opted_out o LEFT JOIN temp.main.entity_of e ON e.sync = o.sync "
        f"GROUP BY ALL ORDER BY o.sync, o.key) TO {quote_text(str(beside))} (FORMAT parquet, USE_TMP_FILE false)"
    )
    beside.chmod(0o600)
    beside.replace(path)
    sync_directory(store.directory)
    return path
