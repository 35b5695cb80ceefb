"""``rotate``: the ledger gets a new key; what earlier ones hide is still found as long as they are kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from revetl.engine.keyring import FILE, PINNED, Keyring, keyring
from revetl.engine.session import Clock, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.state.files import replace_file
from revetl.state.store import Store
from revetl.state.tombstones import settle


@dataclass(frozen=True, slots=True)
class Rotated:
    """The keys of the ledger by their ids: the one that hides values from now on, and those kept to find old ones."""

    current: str
    old: tuple[str, ...]
    dropped: str | None = None


def rotate(workspace: Workspace, *, lost: bool = False, drop: str | None = None, clock: Clock = utc_now) -> Rotated:
    """Make a new key (a local one), accept that the earlier one is ``lost``, or ``drop`` an old one for good.

    Raises:
        UsageError: RVT-535, the key lies in the environment, is the current one, or is needed to know who is forgotten.
        TryLater: RVT-502, a run works on the target.
    """
    with open_session(workspace, clock=clock, warehouse=False, pinned=not lost) as session:
        ring = keyring(workspace)
        if lost:
            session.store.set_meta(PINNED, ring.ids[0])
            return Rotated(ring.ids[0], ring.ids[1:])
        if drop is not None:
            _droppable(session.store.directory is not None, ring, drop, _used(session.store))
            keys = tuple(key for key, ident in zip(ring.keys, ring.ids, strict=True) if ident != drop)
        else:
            keys = (secrets.token_bytes(32), *ring.keys)
        if workspace.config.ledger.key is not None:
            raise UsageError(
                "RVT-535", "the ledger's keys come from the environment", kept="nothing was changed",
                hint="change ledger.key to the new variable and name the old one under ledger.old_keys, or remove it",
            )  # fmt: skip
        replace_file(workspace.state_dir / FILE, "".join(f"{key.hex()}\n" for key in keys).encode())
        now = Keyring(keys)
        session.store.set_meta(PINNED, now.ids[0])
    return Rotated(now.ids[0], now.ids[1:], drop)


def _used(store: Store) -> frozenset[str]:
    return frozenset(one.key_id for one in settle(store))


def _droppable(local: bool, ring: Keyring, drop: str, used: frozenset[str]) -> None:  # noqa: FBT001
    if drop == ring.ids[0] or drop not in ring.ids or not local:
        old = ", ".join(ring.ids[1:]) or "none"
        raise UsageError("RVT-535", f"{drop} is no old key of this target", hint=f"old keys: {old}")
    if drop in used:
        raise UsageError(
            "RVT-535", f"people who are forgotten are known by key {drop} alone", kept="nothing was changed",
            hint="keep it; or end what it is needed for: revetl forget --list",
        )  # fmt: skip
