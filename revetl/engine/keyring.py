"""The keys of the ledger: the one that hides values now, and older ones, under which earlier values are still found."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from revetl.config import resolve_text
from revetl.engine.holding import is_shared
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError, StateError
from revetl.state.files import make_file, private_directory
from revetl.state.schema import STATE
from revetl.state.store import Store

PINNED = "ledger_key"  # the name of the id of the key that the last run used, in state
FILE = "ledger.key"  # one key a line, the newest first


def key_id(key: bytes) -> str:
    """Return the short name of a key, which tells nothing of it."""
    return hmac.new(key, b"revetl: the id of this key", hashlib.sha256).hexdigest()[:12]


@dataclass(frozen=True)
class Keyring:
    """The keys of one target, the newest first; at least one."""

    keys: tuple[bytes, ...] = field(repr=False)

    @property
    def current(self) -> bytes:
        """Return the key that hides values now."""
        return self.keys[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of all keys, the newest first."""
        return tuple(key_id(key) for key in self.keys)

    def find(self, ident: str) -> bytes | None:
        """Return the key of this id, None where it is not here."""
        return next((key for key in self.keys if key_id(key) == ident), None)

    def digests(self, text: str) -> tuple[str, ...]:
        """Return the HMACs of a text under each key."""
        return tuple(hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self.keys)


def keyring(workspace: Workspace) -> Keyring:
    """Return the target's keys: from the environment where revetl.yml says so, else a local file, which is made.

    Raises:
        ConfigError: RVT-104, a variable is not set; RVT-519, the state is shared and the key is not.
        StateError: RVT-509, the key file is unusable.
    """
    ledger = workspace.config.ledger
    if ledger.key is None:
        if is_shared(workspace):
            raise ConfigError(
                "RVT-519",
                "a shared state needs a ledger key that all runners have",
                kept="nothing was read or sent",
                hint="write `ledger: {key: \"{{ env_var('REVETL_LEDGER_KEY') }}\"}`, and set the variable",
            )
        path = workspace.state_dir / FILE
        if not path.exists():
            private_directory(workspace.state_dir)
            make_file(path, secrets.token_hex(32).encode())
    return Keyring(tuple(_keys(workspace)))


def reading_keyring(workspace: Workspace) -> Keyring | None:
    """Return the target's keys without making one; None where they are not to be had."""
    try:
        found = tuple(_keys(workspace))
    except (ConfigError, StateError, OSError):
        return None
    return Keyring(found) if found else None


def _keys(workspace: Workspace) -> Iterator[bytes]:
    ledger, env = workspace.config.ledger, workspace.options.env
    if ledger.key is not None:
        yield resolve_text(ledger.key, env, where="ledger.key").encode()
        for n, reference in enumerate(ledger.old_keys):
            yield resolve_text(reference, env, where=f"ledger.old_keys[{n}]").encode()
        return
    lines = (workspace.state_dir / FILE).read_text(encoding="ascii", errors="replace").split()
    try:
        yield from [bytes.fromhex(line) for line in lines]
    except ValueError:
        lines = []
    if not lines:
        raise StateError(
            "RVT-509",
            f"{FILE} is not a key",
            kept="nothing was sent",
            hint="restore it from a backup: without it, personal values in the ledger cannot be found again",
        )


def pin(store: Store, ring: Keyring) -> None:
    """Hold the keys against the one that the last run used; a newer one before it is a rotation.

    Raises:
        StateError: RVT-532, the key of earlier runs is not among them.
    """
    known = store.one(f"SELECT value FROM {STATE}.meta WHERE name = ?", [PINNED])
    if known not in {None, *ring.ids}:
        raise StateError(
            "RVT-532",
            f"the ledger's key is another one than before (key {known} is not here)",
            kept="nothing was sent; what it hides could not be found under the new key",
            hint="restore the key, or name it under ledger.old_keys; if it is lost for good: revetl rotate --lost",
        )
    if known != ring.ids[0]:
        store.set_meta(PINNED, ring.ids[0])
