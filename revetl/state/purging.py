"""A person's rows taken out of everything that state keeps; the ledger's files are rewritten."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from revetl.sqltext import quote_text
from revetl.state.doubting import hand_over
from revetl.state.files import sync_directory
from revetl.state.layout import StoredSync, load_sync
from revetl.state.rekeying import Span, spans, within
from revetl.state.rewriting import Removed, drop_rows
from revetl.state.schema import STATE
from revetl.state.store import STORAGE_VERSION, Store


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows were taken out of state, and out of the ledger."""

    state: int
    ledger: Removed


_KEYED = ("remote", "pending", "rejected", "unmatched", "waiting_links", "refused", "opted_out")
_TYPED = ("snap", "members", "after")


def every_key(store: Store, name: str) -> str:
    """Return a SELECT of every ``key`` of a sync that state or a file of the ledger has."""
    store.bring_ledger()
    mine, sync = f"WHERE sync = {quote_text(name)}", load_sync(store, name)
    found = [f"SELECT key FROM {STATE}.{table} {mine}" for table in _KEYED]
    if sync is not None:
        found += [f"SELECT {sync.key_text()} FROM {STATE}.{table}_{sync.id}" for table in _TYPED]
    if store.ledger is not None and any(store.ledger.glob("*.parquet")):
        found.append(f"SELECT key FROM read_parquet({quote_text(f'{store.ledger}/*.parquet')}) {mine}")
    return " UNION ".join(found)


def busy_keys(store: Store, keys: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return syncs in whose open outboxes one of these keys (by sync) still is: a job at the vendor carries it."""
    return [
        sync
        for sync, some in sorted(keys.items())
        if store.one(f"SELECT count(*) FROM {STATE}.outbox WHERE sync = ? AND key IN (SELECT unnest(?))", [sync, some])
    ]


def doubts_since(store: Store, sync: str, keys: Sequence[str]) -> Sequence[datetime]:
    """Return since when changes of these keys are of unknown outcome."""
    rows = store.rows(f"SELECT since FROM {STATE}.pending WHERE sync = ? AND key IN (SELECT unnest(?))", [sync, keys])
    return [row[0] for row in rows]


def purge(store: Store, keys: Mapping[str, Sequence[str]], identities: Sequence[str], why: str) -> Purged:
    """Take these keys (by sync) and identities (as the ledger keeps them) out of state and ledger.

    Whoever stands where a lost request may have brought one of them is asserted by the next run.
    """
    with store.transaction():
        rows = sum(_of_sync(store, sync, list(some)) for sync, some in sorted(keys.items()))
        _scrub_summaries(store, [key for some in keys.values() for key in some])
    mine, values = _theirs(store, keys)
    where = f"{mine} OR identity IN (SELECT unnest(?)) OR before_identity IN (SELECT unnest(?))"
    known = list(identities)
    removed = drop_rows(store, where, [*values, known, known], why)
    return Purged(rows, removed)


def _theirs(store: Store, keys: Mapping[str, Sequence[str]]) -> tuple[str, list[object]]:
    """Return SQL, with its values, of whether a row of the ledger is about one of these keys, former ones included."""
    store.bring_ledger()
    written = store.ledger is not None and any(store.ledger.glob("*.parquet"))
    found, values = ["false"], list[object]()
    for sync, some in sorted(keys.items()):
        former: tuple[Span, ...] = ()
        if written:
            files = f"read_parquet({quote_text(f'{store.ledger}/*.parquet')})"
            former = spans(store, f"SELECT * FROM {files} WHERE sync = {quote_text(sync)}", some)
        sql, more = within(former, some)
        found.append(f"(sync = ? AND {sql})")
        values += [sync, *more]
    return " OR ".join(found), values


def _of_sync(store: Store, name: str, keys: list[str]) -> int:
    rows, sync = 0, load_sync(store, name)
    if sync is not None:
        hand_over(store, sync, keys)
    for table in _KEYED:
        some = f"FROM {STATE}.{table} WHERE sync = ? AND key IN (SELECT unnest(?))"
        rows += int(store.one(f"SELECT count(*) {some}", [name, keys]))
        store.con.execute(f"DELETE {some}", [name, keys])
    store.con.execute(
        f"DELETE FROM {STATE}.waiting_links WHERE target = ? AND awaits IN (SELECT unnest(?))", [name, keys]
    )
    return rows + (_typed(store, sync, keys) if sync is not None else 0)


def _typed(store: Store, sync: StoredSync, keys: list[str]) -> int:
    rows = 0
    for table in _TYPED:
        some = f"FROM {STATE}.{table}_{sync.id} WHERE {sync.key_text()} IN (SELECT unnest(?))"
        rows += int(store.one(f"SELECT count(*) {some}", [keys]))
        store.con.execute(f"DELETE {some}", [keys])
    return rows


def _scrub_summaries(store: Store, keys: Sequence[str]) -> None:
    """Take keys out of the samples that runs' summaries hold."""
    for key in dict.fromkeys(keys):
        spelt = json.dumps(key, ensure_ascii=False)
        store.con.execute(
            f"UPDATE {STATE}.runs SET summary = replace(summary, ?, '\"forgotten\"') WHERE contains(summary, ?)",
            [spelt, spelt],
        )


def compact(store: Store) -> None:
    """Write the state file anew: what was deleted from a database still stands in the free blocks of its file."""
    if store.directory is None or store.owned:
        return
    path, fresh = store.directory / "state.duckdb", store.directory / "tmp" / "state.duckdb"
    for leftover in (fresh, Path(f"{fresh}.wal")):
        leftover.unlink(missing_ok=True)
    store.con.execute(f"CHECKPOINT {STATE}")
    store.con.execute(f"DETACH {STATE}")
    with duckdb.connect(":memory:") as con:
        con.execute(f"ATTACH {quote_text(str(path))} AS {STATE} (READ_ONLY)")
        con.execute(f"ATTACH {quote_text(str(fresh))} AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
        con.execute(f"COPY FROM DATABASE {STATE} TO fresh")
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    fresh.chmod(0o600)
    fresh.replace(path)
    sync_directory(store.directory)
    store.con.execute(f"ATTACH {quote_text(str(path))} AS {STATE} (STORAGE_VERSION '{STORAGE_VERSION}')")
