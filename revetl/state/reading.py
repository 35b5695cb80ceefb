"""What can be asked of a state, whoever holds it: the store of a run, or a read-only view beside one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from revetl.state.schema import STATE


class Reads(Protocol):
    """Answers SELECTs over the tables of :mod:`revetl.state.schema`, under the name ``revetl_state``."""

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[Any]:
        """Run one statement and return all its rows."""

    def one(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Run one statement and return the first value of its first row, None without rows."""

    def sizes(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has, by the values of a column; without one, by null."""

    @property
    def ledger(self) -> Path | None:
        """Return the directory of the ledger's files, None for a state in memory."""


def sizing(table: str, by: str | None) -> str:
    """Return the SELECT behind :meth:`Reads.sizes`, where all rows of the table are at hand."""
    return f"SELECT {by or 'NULL'}, count(*) FROM {STATE}.{table}{f' GROUP BY {by}' if by else ''}"
