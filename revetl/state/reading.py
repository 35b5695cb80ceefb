"""What can be asked of a state, whoever holds it: the store of a run, or a read-only view beside one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Reads(Protocol):
    """Answers SELECTs over the tables of :mod:`revetl.state.schema`, under the name ``revetl_state``."""

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[Any]:
        """Run one statement and return all its rows."""

    def one(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Run one statement and return the first value of its first row, None without rows."""

    @property
    def ledger(self) -> Path | None:
        """Return the directory of the ledger's files, None for a state in memory."""
