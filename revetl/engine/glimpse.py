"""Reading a target beside its runs: the view of its state, and identities as its ledger keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from revetl.engine.holding import viewed
from revetl.engine.keyring import Keyring, reading_keyring
from revetl.engine.staging import Masking
from revetl.engine.workspace import Workspace
from revetl.state.tombstones import Tombstone, known
from revetl.state.trouble import worded
from revetl.state.views import View

NORMALISATIONS = ("email", "lower", "exact")


@dataclass(frozen=True)
class Glimpse:
    """A view, and what is needed to find people in it. ``ring`` None: their HMACs cannot be computed here."""

    view: View
    ring: Keyring | None
    clear: bool  # the ledger keeps values in clear

    def forgotten(self, directory: Path) -> tuple[Tombstone, ...]:
        """Return everybody who is forgotten; ``directory`` is the target's on this machine."""
        return known(self.view if self.view.readable else None, directory)

    def identities(self, text: str) -> tuple[str, ...]:
        """Return what the ledger would hold for an identity, by each way in which destinations compare them."""
        forms = dict.fromkeys((text.strip().lower(), text.lower(), text))
        hashed = [digest for form in forms for digest in (self.ring.digests(form) if self.ring else ())]
        return (*(forms if self.clear else ()), *hashed)

    def spelt(self, names: Iterable[str]) -> set[str]:
        """Return what the ledger would hold for any of these identities."""
        return {one for name in names for one in self.identities(name)}


@contextmanager
def glimpse(workspace: Workspace) -> Iterator[Glimpse]:
    """Open the target's state and ledger for reading; it takes no lock and makes nothing."""
    ring, clear = reading_keyring(workspace), workspace.config.ledger.values == "clear"
    mask = Masking(workspace.config.ledger.values, ring.current) if ring is not None else None

    def identity(sql: str) -> str:
        if clear:
            return sql
        return mask.hmac(sql) if mask is not None else "CAST(NULL AS VARCHAR)"

    with worded(), viewed(workspace, identity) as view:
        yield Glimpse(view, ring, clear)
