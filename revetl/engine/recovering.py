"""``recover``: a state that lost something is trusted again: all of it is in doubt, so all of it is asserted anew.

Nothing is deleted there: what is no longer in the models leaves by the sync's policy and under its guards, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from revetl.engine.forgotten import keys_left
from revetl.engine.holding import held, is_shared
from revetl.engine.keyring import keyring, pin
from revetl.engine.session import Clock, Session, masking, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import StateError
from revetl.state import ledger
from revetl.state.approvals import Approvals
from revetl.state.doubting import doubt_all
from revetl.state.files import sha256_of
from revetl.state.head import GENESIS, Head
from revetl.state.marks import forget_marks
from revetl.state.purging import compact, purge
from revetl.state.rewriting import finish
from revetl.state.store import Store
from revetl.state.tombstones import settle
from revetl.state.trouble import worded
from revetl.warehouse.connection import lockdown

DAMAGED = "restore state.duckdb from a backup, then `revetl recover`; or move it away and run `revetl adopt SYNC`"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the next runs send again: records and memberships per sync."""

    sync: str
    records: int
    members: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered. ``lost``: by how many numbers the database was behind its head; None: it was unreadable."""

    syncs: tuple[Recovered, ...]
    lost: int | None
    readopted: tuple[str, ...]  # ledger files that the database did not know, or not as they are
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
        finish(store)
        store.bring_ledger()
        written = _written(store)
        with store.transaction():
            counts = doubt_all(store)
            forget_marks(store)
            store.set_meta("seq", str(max(store.last_seq(), head.seq if head else 0, written)))
            store.tick()
        session.close_killed()
        readopted = () if is_shared(workspace) else _readopt(store, head)  # an owner has its files with its chain
        _forget_again(session)
        store.advance_head(head.run if head else "recover")
    return Recovery(tuple(Recovered(*count) for count in counts), lost, readopted, needed)


@contextmanager
def _unchecked(workspace: Workspace, clock: Clock) -> Iterator[tuple[Session, Head | None]]:
    """Open the target's state though it may not agree with its head; yield the head as far as it can be read."""
    nothing = StateError("RVT-866", "this target has no state to recover", hint="revetl sync")
    shared = is_shared(workspace)
    if not shared and not any((workspace.state_dir / name).exists() for name in ("state.duckdb", "head.json")):
        raise nothing
    with worded(DAMAGED), held(workspace, clock().isoformat()) as hold:
        store = hold.open(clock, trusting=True)
        head = store.head
        if shared and head is None:
            raise nothing
        lockdown(hold.con, [hold.directory / "ledger", hold.scratch])
        ring = keyring(workspace)
        pin(store, ring)
        settle(store)
        mask = masking(workspace, ring)
        yield Session(workspace, store, None, Approvals(store), mask, clock, ring, hold.lease), head


def _forget_again(session: Session) -> None:
    """Take out of a state that was put back whoever has been forgotten since: the tombstones know it."""
    store, syncs = session.store, session.workspace.resolved.syncs
    stones = settle(store)
    keys = keys_left(store, session.keys, {plan.name: plan.entity for plan in syncs}) if stones else {}
    if keys:
        purge(store, keys, [name for stone in stones for name in stone.identities], "forgotten before it was put back")
        compact(store)


def _written(store: Store) -> int:
    """Return the last sequence number that a file of the ledger has: it must not be given out again."""
    if store.ledger is None or not list(store.ledger.glob("*.parquet")):
        return 0
    return int(store.one("SELECT coalesce(max(seq), 0) FROM read_parquet(?)", [str(store.ledger / "*.parquet")]))


def _readopt(store: Store, head: Head | None) -> tuple[str, ...]:
    """Append files of the ledger that the chain does not know: what left is a fact, whatever the database lost.

    A chain that has lost its end has also lost that `forget` or `prune` wrote files anew, or took them away, since.
    """
    if store.ledger is None:
        return ()
    chain = ledger.links(store)
    last = {link.file: link.sha256 for link in chain}
    behind = head is not None and head.chain not in {GENESIS, *(link.hash for link in chain)}
    digests = {path.name: sha256_of(path) for path in ledger.ledger_files(store.ledger)}
    found = {name: digest for name, digest in digests.items() if name not in last}
    if behind:
        there = {file: digests.get(file, ledger.GONE) for file in last}
        found |= {file: digest for file, digest in there.items() if digest != last[file]}
    for file, digest in sorted(found.items()):
        why = f"recovered; was {last[file]}" if file in last else "recovered"
        with store.transaction():
            ledger.append(store, file.removesuffix(".parquet"), file, why, digest)
    return tuple(sorted(found))
