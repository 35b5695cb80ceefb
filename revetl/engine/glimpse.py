"""Reading a target beside its runs: the view of its state, and identities as its ledger keeps them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from revetl.config import resolve_text
from revetl.engine.staging import Masking
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.state.views import View, open_view

NORMALISATIONS = ("email", "lower", "exact")


@dataclass(frozen=True)
class Glimpse:
    """A view, and what is needed to find people in it. ``key`` None: their HMACs cannot be computed here."""

    view: View
    key: bytes | None
    clear: bool  # the ledger keeps values in clear

    def identities(self, text: str) -> tuple[str, ...]:
        """Return what the ledger would hold for an identity, by each way in which destinations compare them."""
        forms = dict.fromkeys((text.strip().lower(), text.lower(), text))
        hashed = [hmac.new(self.key, form.encode(), hashlib.sha256).hexdigest() for form in forms if self.key]
        return (*(forms if self.clear else ()), *hashed)


def reading_key(workspace: Workspace) -> bytes | None:
    """Return the key of the ledger's HMACs without making one; None where it is not to be had."""
    reference = workspace.config.ledger.key
    try:
        if reference:
            return resolve_text(reference, workspace.options.env, where="ledger.key").encode()
        return bytes.fromhex((workspace.state_dir / "ledger.key").read_text().strip())
    except (ConfigError, OSError, ValueError):
        return None


@contextmanager
def glimpse(workspace: Workspace) -> Iterator[Glimpse]:
    """Open the target's state and ledger for reading; it takes no lock and makes nothing."""
    key, clear = reading_key(workspace), workspace.config.ledger.values == "clear"
    mask = Masking(workspace.config.ledger.values, key) if key is not None else None

    def identity(sql: str) -> str:
        if clear:
            return sql
        return mask.hmac(sql) if mask is not None else "CAST(NULL AS VARCHAR)"

    with open_view(workspace.state_dir, identity) as view:
        yield Glimpse(view, key, clear)
