"""The ledger: one key-sorted Parquet file a run, chained by hashes, readable while a run holds the database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from revetl.errors import StateError
from revetl.state.files import sha256_of, sync_directory
from revetl.state.journal import insert_rows
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

COLUMNS = (
    "run", "seq", "time", "sync", "key", "op", "cause", "cohort", "identity", "before_identity", "values", "outcome",
    "code", "reason", "http_status", "request_id",
)  # fmt: skip

GONE = "gone"  # in place of the hash of a file whose rows were all taken out
SEALED_AT_ONCE = 20_000  # rows


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


Seal = Callable[[str, str], str]


def write_file(store: Store, run: str, identity: Callable[[str], str] = str, seal: Seal | None = None) -> str | None:
    """Write what left in a run to ``ledger/<run>.parquet``, by rename; None if nothing left.

    ``final`` (made by :mod:`revetl.state.close`) has the outcome of every change of the run.
    """
    told = "f.local IS DISTINCT FROM 'quiet' AND coalesce(f.code, '') NOT IN ('PREDECESSOR', 'IMPLIED')"
    if not store.one(f"SELECT 1 FROM final f WHERE {told} LIMIT 1"):
        return None
    if seal is not None:
        _seal(store, run, seal)
    said = "coalesce(o.record, o.body)"
    if seal is not None:
        said = f"coalesce((SELECT any_value(s.text) FROM sealed s WHERE s.seq = o.seq), {said})"
    select = (
        f"SELECT f.run, f.seq, f.ts AS time, f.sync, f.key, f.op, o.cause, f.cohort, "
        f"{identity('f.i')} AS identity, {identity('f.bi')} AS before_identity, "
        f"CASE WHEN f.kept IS NULL THEN {said} ELSE CAST(json_merge_patch({said}, f.kept) AS VARCHAR) END "
        'AS "values", '
        "f.status AS outcome, f.code, f.reason, f.http_status, f.request_id "
        f"FROM {STATE}.outbox o JOIN final f ON f.seq = o.seq WHERE o.run = '{run}' AND {told}"
    )
    directory = store.ledger
    if directory is None:
        store.con.execute(f"INSERT INTO {STATE}.ledger_rows {select}")
        return f"{run}.memory"
    return put_file(store, directory, run, select)


def put_file(store: Store, directory: Path, run: str, select: str) -> str:
    """Write the rows of ``select`` as the file of a run, sorted by key, by rename; return its name."""
    name = f"{run}.parquet"
    beside = directory / f".{name}.part"
    literal = str(beside).replace("'", "''")
    form = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"  # no larger than by level 3, and sooner
    store.con.execute(f"COPY (SELECT * FROM ({select}) ORDER BY key, seq) TO '{literal}' ({form})")
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(directory / name)
    (directory / name).chmod(0o600)
    sync_directory(directory)
    store.keep_file(directory / name)
    return name


def _seal(store: Store, run: str, seal: Seal) -> None:
    """Make ``sealed``: the records whose personal values are kept encrypted, too."""
    store.con.execute("CREATE OR REPLACE TEMP TABLE sealed (seq BIGINT, text VARCHAR)")
    some = (
        f"SELECT seq, record, body FROM {STATE}.outbox WHERE run = ? AND contains(record, '\"hmac\"') AND seq > ? "
        "ORDER BY seq"
    )
    last = -1
    while rows := store.rows(f"{some} LIMIT {SEALED_AT_ONCE}", [run, last]):
        insert_rows(store, "temp.main.sealed", [(seq, seal(record, body)) for seq, record, body in rows])
        last = rows[-1][0]


def append(store: Store, run: str, file: str, why: str = "", digest: str | None = None) -> None:
    """Append a chain entry for a file (as it stands, or with the digest it will have); the caller commits it."""
    previous = store.chain_end()
    if digest is None:
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
    chain = links(store)
    last = {link.file: link.n for link in chain}  # a file that was rewritten is as its last entry says
    for link in chain:
        if link.previous != previous or link.hash != link_hash(previous, link.run, link.file, link.sha256, link.why):
            found.append(f"entry {link.n} ({link.file}) does not follow from the one before it")
        previous = link.hash
        if store.ledger is not None and last[link.file] == link.n:
            found += _of_file(store.ledger / link.file, link)
    if head_chain is not None and previous != head_chain:
        found.append("the chain does not end where the head record says")
    return found


def _of_file(path: Path, link: Link) -> Sequence[str]:
    if link.sha256 == GONE:
        return [f"{link.file} is there again although all its rows were taken out"] if path.exists() else []
    if not path.exists():
        return [f"{link.file} is missing"]
    return [] if sha256_of(path) == link.sha256 else [f"{link.file} was changed after it was written"]


def ledger_files(directory: Path) -> Sequence[Path]:
    """Return the ledger's files, oldest first (run ids sort by time).

    Raises:
        StateError: RVT-508, there is no ledger.
    """
    if not directory.is_dir():
        raise StateError("RVT-508", "there is no ledger for this target yet", hint="revetl sync")
    return sorted(directory.glob("*.parquet"))
