"""A shared state in tables of one schema, in SQL that Postgres and Snowflake both take; what differs is a Dialect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Protocol

from revetl.errors import StateError
from revetl.sqltext import quote_identifier
from revetl.state.early import Early
from revetl.state.owner import Columns, Delete, Drop, Forward, Holder, Insert, Make, Row, Step

LEASE, CATALOGUE, BATCH, TRIES = "revetl_lease", "revetl_columns", 10_000, 3
# one row; until is in seconds of the engine's own clock, so that no machine's clock counts
_FIRST = (
    "CREATE TABLE IF NOT EXISTS {lease} AS SELECT CAST(0 AS BIGINT) AS fence, CAST('' AS {text}) AS token, "
    "CAST('' AS {text}) AS name, CAST('' AS {text}) AS since, CAST(0 AS DOUBLE PRECISION) AS until, "
    "CAST(NULL AS {text}) AS run, CAST(NULL AS {text}) AS seq, CAST(NULL AS {text}) AS chain"
)
_CATALOGUE = "CREATE TABLE IF NOT EXISTS {catalogue} (tab {text}, pos INTEGER, col {text}, kind {text})"


class Dialect(Protocol):
    """What one engine adds: its connection, its types, its bulk statements. Parameters are written ``%s``."""

    text: str  # its type of any text
    now: str  # its clock in seconds, as a number
    early: bool  # definitions end a transaction: see revetl.state.early; ``native`` is ``text`` for all types then

    def native(self, kind: str) -> str:
        """Return the type that holds every value of a DuckDB type exactly, ``text`` where there is none."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Run one statement; return how many rows it changed, and the rows that it returns."""

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Sequence[Row]]:
        """Yield a SELECT's rows in batches."""

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Insert rows of texts in bulk; ``columns`` are quoted names and native types."""

    def listed(self, columns: Mapping[str, str], rows: Sequence[Row]) -> tuple[str, Sequence[object]]:
        """Return a relation ``v`` of typed rows for FROM, with its parameters; ``columns`` names its columns."""

    def schema(self, name: str, *, make: bool) -> bool:
        """Return whether a schema is there; ``make`` makes it where it is not."""

    def transaction(self) -> AbstractContextManager[Callable[[], None]]:
        """Commit what the block does, unless it calls what it is given or fails."""

    def beside(self) -> Dialect:
        """Return the same over another connection, for another thread."""

    def close(self) -> None:
        """Let go of the connection."""


class SqlOwner:
    """One target's state in one schema: :class:`revetl.state.owner.Owner`."""

    def __init__(self, dialect: Dialect, schema: str) -> None:
        """Work in ``schema`` over the connection of ``dialect``."""
        self._dialect = dialect
        self._schema = schema
        self._tables: dict[str, Columns] = {}
        self._beat: Dialect | None = None
        self._early = Early(dialect, schema) if dialect.early else None

    def name(self, table: str) -> str:
        """Return a table's quoted name."""
        return f"{quote_identifier(self._schema)}.{quote_identifier(table)}"

    def _text(self, template: str) -> str:
        names = {"lease": self.name(LEASE), "catalogue": self.name(CATALOGUE)}
        return template.format(**names, text=self._dialect.text, now=self._dialect.now)

    def native(self, kind: str) -> str:
        """Return the type that holds values of a DuckDB type here."""
        return self._dialect.native(kind)

    # --- what there is --------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the schema, the catalogue and the lease where they are missing."""
        for _ in range(TRIES):
            try:
                self._dialect.schema(self._schema, make=True)
                self._dialect.execute(self._text(_CATALOGUE))
                self._dialect.execute(self._text(_FIRST))
            except StateError:  # another process made it in the same moment
                continue
            return
        self._dialect.execute(self._text(_FIRST))

    def there(self) -> bool:
        """Return whether anything was ever made here."""
        return self._dialect.schema(self._schema, make=False)

    def tables(self) -> Mapping[str, Columns]:
        """Return the tables with the DuckDB types of their columns."""
        _, rows = self._dialect.execute(self._text("SELECT tab, col, kind FROM {catalogue} ORDER BY tab, pos"))
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in rows:
            found.setdefault(str(table), {})[str(column)] = str(kind)
        self._tables = dict(found)
        return found

    def read(self, table: str, columns: Columns, keys: Delete | None = None) -> Iterator[Sequence[Row]]:
        """Yield a table's rows in batches."""
        listed = ", ".join(f"CAST(t.{quote_identifier(name)} AS {self._dialect.text})" for name in columns)
        if keys is None:
            yield from self._dialect.stream(f"SELECT {listed} FROM {self.name(table)} t")
            return
        for condition, relation, parameters in self._matching(keys, "t"):
            yield from self._dialect.stream(
                f"SELECT {listed} FROM {self.name(table)} t JOIN {relation} ON {condition}", parameters
            )

    def count(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has."""
        text = self._dialect.text
        column = f"CAST({quote_identifier(by)} AS {text})" if by else f"CAST(NULL AS {text})"
        group = f" GROUP BY {quote_identifier(by)}" if by else ""
        _, rows = self._dialect.execute(f"SELECT {column}, CAST(count(*) AS {text}) FROM {self.name(table)}{group}")
        return {value: int(number or 0) for value, number in rows}

    def head(self) -> Mapping[str, str]:
        """Return run, seq and chain."""
        _, rows = self._dialect.execute(self._text("SELECT run, seq, chain FROM {lease}"))
        run, seq, chain = rows[0]
        return {} if run is None else {"run": run, "seq": str(seq), "chain": str(chain)}

    # --- writing --------------------------------------------------------------------------------------------------

    def write(self, token: str, steps: Sequence[Step], head: Mapping[str, str]) -> bool:
        """Apply steps in one transaction under the lease."""
        early = self._early if any(isinstance(step, Make | Drop) for step in steps) else None
        if early is not None:
            if not self._holds(token):  # what a definition does, no transaction takes back
                return False
            early.widen(steps)
        with self._dialect.transaction() as undo:
            mine = "UPDATE {lease} SET run = %s, seq = %s, chain = %s WHERE token = %s AND until > {now}"
            told = [head.get("run"), head.get("seq"), head.get("chain"), token]
            count, _ = self._dialect.execute(self._text(mine), told)
            if count != 1:
                undo()
                return False
            for step in steps:
                self._define(step)
                self._change(step)
            self._recatalogue({step.table for step in steps if isinstance(step, Make | Drop)})
        if early is not None:
            early.narrow(steps, self._tables)
        return True

    def _holds(self, token: str) -> bool:
        sql = "SELECT 1 FROM {lease} WHERE token = %s AND until > {now}"
        return bool(self._dialect.execute(self._text(sql), [token])[1])

    def _define(self, step: Step) -> None:
        if not isinstance(step, Make | Drop):
            return
        if self._early is not None:
            self._early.empty(step, self._tables.get(step.table, {}))
        elif isinstance(step, Make):
            self._make(step)
        else:
            self._dialect.execute(f"DROP TABLE IF EXISTS {self.name(step.table)}")
        self._tables[step.table] = step.columns if isinstance(step, Make) else {}

    def _make(self, step: Make) -> None:
        table, before = self.name(step.table), self._tables.get(step.table, {})
        typed = {name: f"{quote_identifier(name)} {self._dialect.native(kind)}" for name, kind in step.columns.items()}
        if not before:
            self._dialect.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(typed.values())})")
        else:
            for name in before.keys() - step.columns.keys():
                self._dialect.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {quote_identifier(name)}")
            for name in [name for name in step.columns if name not in before]:
                self._dialect.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {typed[name]}")

    def _recatalogue(self, tables: Collection[str]) -> None:
        if not tables:
            return
        listed = ", ".join(["%s"] * len(tables))
        self._dialect.execute(self._text(f"DELETE FROM {{catalogue}} WHERE tab IN ({listed})"), sorted(tables))
        rows = [
            (table, str(n), name, kind)
            for table in sorted(tables)
            for n, (name, kind) in enumerate(self._tables[table].items())
        ]
        text = self._dialect.text
        if rows:
            self._dialect.insert(self.name(CATALOGUE), {"tab": text, "pos": "INTEGER", "col": text, "kind": text}, rows)

    def _change(self, step: Step) -> None:
        if isinstance(step, Insert) and step.rows:
            native = {quote_identifier(name): self._dialect.native(kind) for name, kind in step.columns.items()}
            self._dialect.insert(self.name(step.table), native, step.rows)
        elif isinstance(step, Delete) and step.rows is None:
            self._dialect.execute(f"DELETE FROM {self.name(step.table)}")
        elif isinstance(step, Delete):
            for condition, relation, parameters in self._matching(step, quote_identifier(step.table)):
                statement = f"DELETE FROM {self.name(step.table)} USING {relation} WHERE {condition}"
                self._dialect.execute(statement, parameters)
        elif isinstance(step, Forward):
            self._dialect.execute(step.sql.replace("{table}", self.name(step.table)), step.parameters)

    def _matching(self, keys: Delete, t: str) -> Iterator[tuple[str, str, Sequence[object]]]:
        """Yield conditions on ``t`` with the relations that they join: keys with the same parts missing go together."""
        names = list(keys.columns)

        def there(row: Row) -> tuple[int, ...]:
            return tuple(n for n, value in enumerate(row) if value is not None)

        for present, group in groupby(sorted(keys.rows or (), key=there), key=there):
            rows = [[row[n] for n in present] for row in group]
            typed = {f"c{n}": self._dialect.native(keys.columns[names[n]]) for n in present}
            parts = [f"{t}.{quote_identifier(names[n])} = v.c{n}" for n in present]
            parts += [f"{t}.{quote_identifier(name)} IS NULL" for n, name in enumerate(names) if n not in present]
            for at in range(0, len(rows), BATCH):
                relation, parameters = self._dialect.listed(typed, rows[at : at + BATCH])
                yield " AND ".join(parts), relation, parameters

    # --- the lease ------------------------------------------------------------------------------------------------

    def acquire(self, token: str, name: str, seconds: float) -> Holder | None:
        """Take the lease, or return who holds it."""
        taken = (
            "UPDATE {lease} SET fence = fence + 1, token = %s, name = %s, since = CAST(current_timestamp AS {text}), "
            "until = {now} + %s WHERE until <= {now}"
        )
        count, _ = self._dialect.execute(self._text(taken), [token, name, seconds])
        if count == 1:
            return None
        return self.holder() or Holder("another run", "a moment ago", 1.0)

    def renew(self, token: str, seconds: float) -> bool:
        """Extend the lease, over a connection of its own."""
        self._beat = self._beat or self._dialect.beside()
        sql = self._text("UPDATE {lease} SET until = {now} + %s WHERE token = %s")
        try:
            return self._beat.execute(sql, [seconds, token])[0] == 1
        except BaseException:
            self._beat.close()
            self._beat = None
            raise

    def release(self, token: str) -> None:
        """Give the lease back."""
        self._dialect.execute(self._text("UPDATE {lease} SET until = 0, token = '' WHERE token = %s"), [token])

    def holder(self) -> Holder | None:
        """Return who holds the lease."""
        sql = "SELECT name, since, CAST(until - {now} AS {text}) FROM {lease} WHERE until > {now}"
        _, rows = self._dialect.execute(self._text(sql))
        return Holder(str(rows[0][0]), str(rows[0][1]), float(rows[0][2] or 0)) if rows else None

    def close(self) -> None:
        """Let go of the connections."""
        for dialect in (self._beat, self._dialect):
            if dialect is not None:
                dialect.close()
