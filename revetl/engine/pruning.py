"""``prune``: rows of the ledger that are older than they are to be kept are taken out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from revetl.engine.session import Clock, Session, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.state.rewriting import Removed, count_rows, drop_rows
from revetl.state.schema import STATE


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was (``done``) or would be taken out, of before when."""

    before: datetime
    rows: int
    files: int
    gone: int
    done: bool


def prune(workspace: Workspace, older: timedelta | None = None, *, do: bool = True, clock: Clock = utc_now) -> Pruned:
    """Take out what is older than ``older``, else than ``ledger.keep`` says; ``do=False`` only counts.

    State keeps what stands at the destinations: nothing is sent anew for it.

    Raises:
        UsageError: RVT-534, neither says how long the ledger is kept.
        TryLater: RVT-502, a run works on the target.
    """
    keep = workspace.config.ledger.keep
    span = older if older is not None else None if keep is None else timedelta(seconds=keep)
    if span is None:
        raise UsageError(
            "RVT-534", "nothing says how long the ledger is kept", kept="nothing was taken out",
            hint="revetl prune --older-than 400d, or `ledger: {keep: 400d}` in revetl.yml",
        )  # fmt: skip
    before = clock() - span
    with open_session(workspace, clock=clock, warehouse=False) as session:
        if not do:
            return _told(before, count_rows(session.store, '"time" < ?', [before]), done=False)
        return _told(before, _prune(session, before), done=True)


def _prune(session: Session, before: datetime) -> Removed:
    store = session.store
    found = drop_rows(store, '"time" < ?', [before], f"pruned before {before.isoformat(timespec='seconds')}")
    store.con.execute(f"DELETE FROM {STATE}.refused WHERE ts < ?", [before])
    if not store.owned:
        store.con.execute(f"CHECKPOINT {STATE}")
    store.advance_head(store.head.run if store.head else "prune")
    return found


def _told(before: datetime, found: Removed, *, done: bool) -> Pruned:
    return Pruned(before, found.rows, found.files, found.gone, done)
