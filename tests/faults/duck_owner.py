"""An owner of shared state that is a DuckDB in this process: thousands of schedules in the time of one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb

from revetl.state.native import nested
from revetl.state.owner import Row, Step
from revetl.state.sqlowner import SqlOwner

SCHEMA = "owner"


class Duck:
    """A connection to a DuckDB: :class:`revetl.state.sqlowner.Dialect`."""

    text = "VARCHAR"
    now = "epoch(now())"
    early = False

    def __init__(self) -> None:
        """Begin with an empty database in memory."""
        self.con = duckdb.connect()
        self.con.execute("SET threads = 1; SET TimeZone = 'UTC'; PRAGMA disable_optimizer")

    def native(self, kind: str) -> str:
        """Return the type itself; what has parts lies there as text, as with every other owner."""
        return "VARCHAR" if nested(kind) else kind

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Run one statement."""
        rows = self.con.execute(sql.replace("%s", "?"), list(parameters)).fetchall()
        counted = sql.startswith(("UPDATE", "DELETE", "INSERT"))
        return (int(rows[0][0]), []) if counted else (len(rows), list(rows))

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Sequence[Row]]:
        """Yield all rows at once."""
        rows = self.con.execute(sql.replace("%s", "?"), list(parameters)).fetchall()
        if rows:
            yield rows

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Insert rows of texts."""
        casts = ", ".join(f"CAST(unnest(?) AS {kind})" for kind in columns.values())
        lists = [list(column) for column in zip(*rows, strict=True)]
        self.con.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {casts}", lists)

    def listed(self, columns: Mapping[str, str], rows: Sequence[Row]) -> tuple[str, Sequence[object]]:
        """Return rows as lists, one a column."""
        if not columns:
            return "(SELECT 1) v", ()
        casts = ", ".join(f"CAST(unnest(%s) AS {kind}) AS {name}" for name, kind in columns.items())
        return f"(SELECT {casts}) v", [list(column) for column in zip(*rows, strict=True)]

    def schema(self, name: str, *, make: bool) -> bool:
        """Make the schema, or tell whether it is there."""
        if make:
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        found = self.con.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [name]).fetchall()
        return bool(found)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Commit what the block does, unless it calls what it is given or fails."""
        undone: list[bool] = []
        self.con.execute("BEGIN")
        try:
            yield lambda: undone.append(True)
        except BaseException:
            self.con.execute("ROLLBACK")
            raise
        self.con.execute("ROLLBACK" if undone else "COMMIT")

    def beside(self) -> Duck:
        """Return the same: nothing here runs in threads."""
        return self

    def close(self) -> None:
        """Keep it: it outlives the runs."""


class EarlyDuck(Duck):
    """The same as an engine in which definitions end a transaction, and which keeps every value as text."""

    early = True

    def native(self, kind: str) -> str:
        """Return text."""
        del kind
        return self.text


class CrashingOwner(SqlOwner):
    """An owner that a run may lose at the moment before or after its commit."""

    def __init__(self, duck: Duck) -> None:
        """Work in ``duck``."""
        super().__init__(duck, SCHEMA)
        self.crash: Callable[[str], None] = lambda _: None

    def write(self, token: str, steps: Sequence[Step], head: Mapping[str, str]) -> bool:
        """Write, with the process dying before or after it."""
        self.crash("before_owner")
        done = super().write(token, steps, head)
        self.crash("after_owner")
        return done
