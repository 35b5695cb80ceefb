"""The ledger: one key-sorted Parquet file a run, chained by hashes, readable while a run holds the database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from revetl.errors import StateError
from revetl.state.files import sha256_of, sync_directory
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

COLUMNS = (
    "run", "seq", "time", "sync", "key", "op", "cause", "cohort", "identity", "before_identity", "values", "outcome",
    "code", "reason", "http_status", "request_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the chain: a file of the ledger, and the hash that binds it to all before it."""

    n: int
    run: str
    file: str
    sha256: str
    previous: str
    hash: str
    why: str


def link_hash(previous: str, run: str, file: str, sha256: str, why: str) -> str:
    """Return the hash of a chain entry."""
    return hashlib.sha256(f"{previous}\n{run}\n{file}\n{sha256}\n{why}".encode()).hexdigest()


def write_file(store: Store, run: str, identity: Callable[[str], str] = str) -> str | None:
    """Write what left in a run to ``ledger/<run>.parquet``, by rename; None if nothing left.

    ``final`` (made by :mod:`revetl.state.close`) has the outcome of every change of the run.
    """
    select = (
        f"SELECT run, seq, ts AS time, sync, key, op, cause, cohort, "
        f"{identity('i')} AS identity, {identity('bi')} AS before_identity, "
        "CASE WHEN kept IS NULL THEN coalesce(record, body) ELSE CAST(json_merge_patch(coalesce(record, body), kept) "
        'AS VARCHAR) END AS "values", '
        "status AS outcome, code, reason, http_status, request_id "
        f"FROM final WHERE run = '{run}' AND local IS DISTINCT FROM 'quiet' AND coalesce(code, '') <> 'PREDECESSOR' "
    )
    if not store.one(f"SELECT count(*) FROM ({select})"):
        return None
    directory = store.ledger
    if directory is None:
        exists = store.one("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'ledger_rows'")
        store.con.execute(
            f"INSERT INTO {STATE}.ledger_rows {select}" if exists else f"CREATE TABLE {STATE}.ledger_rows AS {select}"
        )
        return f"{run}.memory"
    name = f"{run}.parquet"
    beside = directory / f".{name}.part"
    literal = str(beside).replace("'", "''")
    store.con.execute(f"COPY ({select} ORDER BY key, seq) TO '{literal}' (FORMAT parquet, COMPRESSION zstd)")
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(directory / name)
    (directory / name).chmod(0o600)
    sync_directory(directory)
    return name


def append(store: Store, run: str, file: str, why: str = "") -> None:
    """Append a chain entry for a file; the caller's transaction commits it."""
    previous = store.chain_end()
    digest = sha256_of(store.ledger / file) if store.ledger else "memory"
    number = store.one(f"SELECT coalesce(max(n), 0) + 1 FROM {STATE}.chain")
    store.con.execute(
        f"INSERT INTO {STATE}.chain VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [number, run, file, digest, previous, link_hash(previous, run, file, digest, why), store.clock(), why],
    )


def links(store: Reads) -> Sequence[Link]:
    """Return the chain, oldest first."""
    rows = store.rows(f"SELECT n, run, file, sha256, previous, hash, why FROM {STATE}.chain ORDER BY n")
    return [Link(*row) for row in rows]


def verify(store: Reads, head_chain: str | None) -> Sequence[str]:
    """Return what does not hold: a changed or missing file, a broken link, a chain that does not reach the head."""
    found: list[str] = []
    previous = "0" * 64
    for link in links(store):
        if link.previous != previous or link.hash != link_hash(previous, link.run, link.file, link.sha256, link.why):
            found.append(f"entry {link.n} ({link.file}) does not follow from the one before it")
        previous = link.hash
        path = store.ledger / link.file if store.ledger else None
        if path is None:
            continue
        if not path.exists():
            found.append(f"{link.file} is missing")
        elif sha256_of(path) != link.sha256:
            found.append(f"{link.file} was changed after it was written")
    if head_chain is not None and previous != head_chain:
        found.append("the chain does not end where the head record says")
    return found


def ledger_files(directory: Path) -> Sequence[Path]:
    """Return the ledger's files, oldest first (run ids sort by time).

    Raises:
        StateError: RVT-508, there is no ledger.
    """
    if not directory.is_dir():
        raise StateError("RVT-508", "there is no ledger for this target yet", hint="revetl sync")
    return sorted(directory.glob("*.parquet"))
