"""``recover``: a state that lost something is trusted again: all of it is in doubt, so all of it is asserted anew.

Nothing is deleted there: what is no longer in the models leaves by the sync's policy and under its guards, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from revetl.engine.keyring import keyring, pin
from revetl.engine.session import Clock, Session, masking, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import StateError
from revetl.state import ledger
from revetl.state.approvals import Approvals
from revetl.state.doubting import doubt_all
from revetl.state.files import private_directory
from revetl.state.head import Head, read_head
from revetl.state.lock import locked
from revetl.state.marks import forget_marks
from revetl.state.store import Store
from revetl.state.tombstones import settle
from revetl.warehouse.connection import connect, lockdown


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the next runs send again: records and memberships per sync."""

    sync: str
    records: int
    members: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered. ``lost``: by how many changes the database was behind its head; None: it was unreadable."""

    syncs: tuple[Recovered, ...]
    lost: int | None
    readopted: tuple[str, ...]  # ledger files that the database no longer knew
    needed: bool  # False: state and head agreed; everything is sent again all the same


def recover(workspace: Workspace, *, clock: Clock = utc_now) -> Recovery:
    """Accept the database as it is, put every key of it in doubt, and write a new head.

    Raises:
        StateError: RVT-504 or RVT-507, there is no database that could be accepted; RVT-866, there is no state at all.
        TryLater: RVT-502, a run works on the target.
    """
    with _unchecked(workspace, clock) as (session, head):
        store = session.store
        try:
            store.check_head()
            needed = head is None
        except StateError:
            needed = True
        lost = None if head is None else max(head.seq - store.last_seq(), 0)
        with store.transaction():
            counts = doubt_all(store)
            forget_marks(store)
            store.set_meta("seq", str(max(store.last_seq(), head.seq if head else 0, _written(store))))
        session.close_killed()
        readopted = _readopt(store)
        store.advance_head(head.run if head else "recover")
    return Recovery(tuple(Recovered(*count) for count in counts), lost, readopted, needed)


@contextmanager
def _unchecked(workspace: Workspace, clock: Clock) -> Iterator[tuple[Session, Head | None]]:
    """Open the target's state though it may not agree with its head; yield the head as far as it can be read."""
    if not (workspace.state_dir / "state.duckdb").exists() and not (workspace.state_dir / "head.json").exists():
        raise StateError("RVT-866", "this target has no state to recover", hint="revetl sync")
    os.umask(0o077)
    directory = private_directory(workspace.state_dir)
    scratch = private_directory(directory / "tmp")
    with locked(directory / "lock", clock().isoformat()):
        con = connect(workspace.config.memory_limit, scratch)
        try:
            head = _head(workspace)
            store = Store(con, directory, clock, trusting=True)
            lockdown(con, [directory / "ledger", scratch])
            ring = keyring(workspace)
            pin(store, ring)
            settle(store)
            yield Session(workspace, store, None, Approvals(store), masking(workspace, ring), clock, ring), head
        finally:
            con.close()


def _head(workspace: Workspace) -> Head | None:
    try:
        return read_head(workspace.state_dir / "head.json")
    except StateError:
        return None


def _written(store: Store) -> int:
    """Return the last sequence number that a file of the ledger has: it must not be given out again."""
    if store.ledger is None or not list(store.ledger.glob("*.parquet")):
        return 0
    return int(store.one("SELECT coalesce(max(seq), 0) FROM read_parquet(?)", [str(store.ledger / "*.parquet")]))


def _readopt(store: Store) -> tuple[str, ...]:
    """Append files of the ledger that the chain does not know: what left is a fact, whatever the database lost."""
    if store.ledger is None:
        return ()
    known = {link.file for link in ledger.links(store)}
    found = [path for path in ledger.ledger_files(store.ledger) if path.name not in known]
    for path in found:
        with store.transaction():
            ledger.append(store, path.stem, path.name, "recovered")
    return tuple(path.name for path in found)
