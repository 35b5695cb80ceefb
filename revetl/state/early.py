"""Definitions where each of them ends a transaction: what only adds goes before it, what takes away goes after it.

What the catalogue does not name is empty, and there for nobody: whatever a crash leaves half done counts for nothing,
and the next definition of the same table finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from revetl.sqltext import quote_identifier
from revetl.state.owner import Columns, Drop, Make, Row, Step


class Runs(Protocol):
    """What is asked of a dialect here. All columns are texts, so that a column of another type is the same column."""

    text: str

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Run one statement."""


class Early:
    """The tables of one schema as they lie there, whatever the catalogue says of them."""

    def __init__(self, dialect: Runs, schema: str) -> None:
        """Ask for what there is when it is needed first."""
        self._dialect = dialect
        self._schema = schema
        self._there: dict[str, set[str]] | None = None

    def widen(self, steps: Iterable[Step]) -> None:
        """Make tables and columns that are missing."""
        there = self._tables()
        for step in steps:
            if not isinstance(step, Make):
                continue
            if step.table not in there:
                listed = ", ".join(f"{quote_identifier(name)} {self._dialect.text}" for name in step.columns)
                self._dialect.execute(f"CREATE TABLE IF NOT EXISTS {self._name(step.table)} ({listed})")
            for name in [name for name in step.columns if name not in there.get(step.table, step.columns)]:
                self._alter(step.table, f"ADD COLUMN IF NOT EXISTS {quote_identifier(name)} {self._dialect.text}")
            there.setdefault(step.table, set()).update(step.columns)

    def empty(self, step: Step, before: Columns) -> None:
        """Take out of a table, within the transaction, what the catalogue is about to name no more."""
        if isinstance(step, Drop) and before:
            self._dialect.execute(f"DELETE FROM {self._name(step.table)}")
        elif isinstance(step, Make):
            for name in [name for name in before if name not in step.columns]:
                self._dialect.execute(f"UPDATE {self._name(step.table)} SET {quote_identifier(name)} = NULL")

    def narrow(self, steps: Iterable[Step], catalogue: Mapping[str, Columns]) -> None:
        """Drop of these tables what the catalogue does not name."""
        there = self._tables()
        for table in dict.fromkeys(step.table for step in steps if isinstance(step, Make | Drop)):
            known = catalogue.get(table) or {}
            if not known:
                self._dialect.execute(f"DROP TABLE IF EXISTS {self._name(table)}")
                there.pop(table, None)
                continue
            for name in sorted(there[table] - known.keys()):
                self._alter(table, f"DROP COLUMN IF EXISTS {quote_identifier(name)}")
            there[table] &= known.keys()

    def _alter(self, table: str, change: str) -> None:
        self._dialect.execute(f"ALTER TABLE {self._name(table)} {change}")

    def _name(self, table: str) -> str:
        return f"{quote_identifier(self._schema)}.{quote_identifier(table)}"

    def _tables(self) -> dict[str, set[str]]:
        if self._there is None:
            sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
            self._there = {}
            for table, column in self._dialect.execute(sql, [self._schema])[1]:
                self._there.setdefault(str(table), set()).add(str(column))
        return self._there
