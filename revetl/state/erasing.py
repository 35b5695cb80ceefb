"""Erasures: whom to erase where, durable until it is done, and the ledger's rows of what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from revetl.state import ledger
from revetl.state.flowlog import EMPTY_COLUMNS
from revetl.state.journal import insert_rows
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

ERASE = "erase"  # the operation of such rows in the ledger
DONE = frozenset({"erased", "archived", "absent"})
LEFT = frozenset({"open", "failed"})  # to be tried (again)
_COLUMNS = "id, ts, sync, key, identity, remote_id, status, code, reason"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One identity to erase in one sync; ``status`` open, failed, one of DONE, or why nothing can be done from here."""

    id: str  # of the tombstone
    at: datetime
    sync: str
    key: str | None
    identity: str | None  # in clear until it is done
    remote_id: str | None = None
    status: str = "open"
    code: str = ""
    reason: str = ""


def add(store: Store, wanted: Sequence[Erasure]) -> None:
    """Note what is to be erased; what is known to be done stays done, and what may be in a record of somebody else.

    What an earlier question could not tell is told anew of the keys that this one leads to. A command that died may
    have taken others out of the ledger: what it could not tell of them, nobody can any more.
    """
    unknown = "id = ? AND sync = ? AND identity IS NULL"
    anew = f"{unknown} AND status <> 'shared' AND (key = ? OR (key IS NULL AND status <> 'unresolved'))"
    with store.transaction():
        for told in {(one.id, one.sync, one.key) for one in wanted}:
            store.con.execute(f"DELETE FROM {STATE}.erasures WHERE {anew}", told)
        for one in wanted:
            if one.identity is None:
                place, same, done = [one.id, one.sync, one.key], f"{unknown} AND (key = ? OR key IS NULL)", [one.status]
            else:
                place, same = [one.id, one.sync, one.identity], "id = ? AND sync = ? AND identity = ?"
                done = ["erased", "absent"]
            known = f"SELECT count(*) FROM {STATE}.erasures WHERE {same} AND status IN (SELECT unnest(?))"
            if store.one(known, [*place, done]):
                continue
            if one.identity is not None:
                store.con.execute(f"DELETE FROM {STATE}.erasures WHERE {same}", place)
            insert_rows(store, f"{STATE}.erasures", [_row(one)])


def _row(one: Erasure) -> Sequence[object]:
    return [one.id, one.at, one.sync, one.key, one.identity, one.remote_id, one.status, one.code, one.reason]


def erasures(store: Store, ident: str | None = None) -> tuple[Erasure, ...]:
    """Return the erasures of one tombstone, or of all, by sync."""
    where, values = ("WHERE id = ?", [ident]) if ident is not None else ("", [])
    rows = store.rows(f"SELECT {_COLUMNS} FROM {STATE}.erasures {where} ORDER BY id, sync, identity, status", values)
    return tuple(Erasure(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An erasure that is to be tried again: of which tombstone, since when, in which syncs."""

    id: str
    since: datetime
    syncs: tuple[str, ...]


def unfinished(reads: Reads) -> tuple[Unfinished, ...]:
    """Return the erasures that failed or were interrupted, by the person."""
    left = ", ".join(f"'{status}'" for status in sorted(LEFT))
    rows = reads.rows(
        f"SELECT id, min(ts), list(DISTINCT sync ORDER BY sync) FROM {STATE}.erasures WHERE status IN ({left}) "
        "GROUP BY id ORDER BY 2, 1"
    )
    return tuple(Unfinished(ident, since, tuple(syncs)) for ident, since, syncs in rows)


def settle_erasure(store: Store, one: Erasure, status: str, code: str, reason: str) -> None:
    """Note what became of an erasure."""
    store.con.execute(
        f"UPDATE {STATE}.erasures SET status = ?, code = ?, reason = ? "
        "WHERE id = ? AND sync = ? AND identity IS NOT DISTINCT FROM ?",
        [status, code, reason, one.id, one.sync, one.identity],
    )


def blank(store: Store) -> None:
    """Take identities and keys out of erasures that need them no more."""
    kept = ", ".join(f"'{status}'" for status in sorted(LEFT))
    store.con.execute(
        f"UPDATE {STATE}.erasures SET key = NULL, identity = NULL, remote_id = NULL WHERE status NOT IN ({kept})"
    )


def record(store: Store, run: str, rows: Sequence[Sequence[object]], exit_code: int) -> None:
    """Write the ledger's file of a run of erasures, its chain entry and the run itself.

    A row is time, sync, key, identity (as the ledger keeps it), outcome, code, reason.
    """
    now, file = store.clock(), None
    if rows and store.ledger is not None:
        store.con.execute(f"CREATE OR REPLACE TEMP TABLE erased AS SELECT {EMPTY_COLUMNS} WHERE false")
        first = store.last_seq() + 1
        whole = [
            [run, first + n, time, sync, key, ERASE, "forget", None, identity, None, None, *what, None, None]
            for n, (time, sync, key, identity, *what) in enumerate(rows)
        ]
        insert_rows(store, "temp.main.erased", whole)
        file = ledger.put_file(store, store.ledger, run, "SELECT * FROM temp.main.erased")
    with store.transaction():
        if file is not None:
            store.set_meta("seq", str(store.last_seq() + len(rows)))
            ledger.append(store, run, file)
        store.con.execute(
            f"INSERT INTO {STATE}.runs (run, started_at, closed_at, exit_code, file) VALUES (?, ?, ?, ?, ?)",
            [run, now, now, exit_code, file],
        )
