"""A shared state in Snowflake: rows go in as one JSON text a statement, so that no value stands in the query history.

All columns are texts, as DuckDB spells their values: nothing there reads or rounds them, and a column of another type
is the same column. Definitions commit what was begun (https://docs.snowflake.com/en/sql-reference/transactions), so
they go before and after transactions (:mod:`revetl.state.early`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from revetl.errors import ConfigError, RevetlError, StateError, TryLater
from revetl.sqltext import quote_identifier
from revetl.state.owner import Row

# of one statement, values included: https://docs.snowflake.com/en/user-guide/query-size-limits
SIZE = 900_000
KEPT = "what was sent is recorded as sent or as unknown; nothing more was sent"
OPTIONS: Mapping[str, object] = {
    "paramstyle": "qmark",  # values travel beside the statement
    "autocommit": True,
    "session_parameters": {"LOCK_TIMEOUT": 15, "TIMEZONE": "Etc/UTC"},
}


class Connection(Protocol):
    """A session with these options, whose errors are told by :func:`failed`."""

    def cursor(self) -> AbstractContextManager[Any]:
        """Open a cursor for a block."""

    def close(self) -> None:
        """Let go of it."""


class Snowflake:
    """One session: :class:`revetl.state.sqlowner.Dialect`."""

    text = "VARCHAR"
    now = "(DATE_PART(EPOCH_MILLISECOND, SYSDATE()) / 1000)"
    early = True

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Connect. Every statement sees what was committed before it: no view of one moment is to be had there.

        Raises:
            ConfigError: RVT-514, Snowflake refuses the credentials.
            TryLater: RVT-513, it is out of reach.
        """
        self._connect = connect
        self._session = connect()

    def native(self, kind: str) -> str:
        """Return ``text`` for every type."""
        del kind
        return self.text

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Run one statement."""
        with self._session.cursor() as cursor:
            cursor.execute(sql.replace("%s", "?"), [_bound(value) for value in parameters])
            rows = cursor.fetchall()
            return cursor.rowcount or 0, list(rows)

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Sequence[Row]]:
        """Yield rows as their Arrow batches come."""
        with self._session.cursor() as cursor:
            cursor.execute(sql.replace("%s", "?"), [_bound(value) for value in parameters])
            for batch in cursor.fetch_arrow_batches():
                yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Insert rows, as many in one statement as its size allows."""
        for some in _sized(rows):
            names = {f"c{n}": kind for n, kind in enumerate(columns.values())}
            relation, parameters = self.listed(names, some)
            listed = ", ".join(f"v.{name}" for name in names)
            self.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {listed} FROM {relation}", parameters)

    def listed(self, columns: Mapping[str, str], rows: Sequence[Row]) -> tuple[str, Sequence[object]]:
        """Return rows as one array of arrays."""
        if not columns:
            return "(SELECT 1) v", ()
        casts = ", ".join(f"CAST(f.value[{n}] AS {kind}) AS {name}" for n, (name, kind) in enumerate(columns.items()))
        text = json.dumps([list(row) for row in rows], ensure_ascii=False)
        return f"(SELECT {casts} FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) f) v", [text]

    def schema(self, name: str, *, make: bool) -> bool:
        """Return whether a schema is there; ``make`` makes it where it is not."""
        found = self.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [name])[1]
        if make and not found:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(name)}")
        return make or bool(found)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Commit what the block does, unless it calls what it is given or fails."""
        undone: list[bool] = []
        self.execute("BEGIN")
        try:
            yield lambda: undone.append(True)
        except BaseException:
            self._undo()
            raise
        self.execute("ROLLBACK" if undone else "COMMIT")

    def _undo(self) -> None:
        """Roll back; a session that is gone has rolled back by itself."""
        try:
            self.execute("ROLLBACK")
        except RevetlError:
            self._session.close()

    def beside(self) -> Snowflake:
        """Return another session."""
        return Snowflake(self._connect)

    def close(self) -> None:
        """Let go of the session."""
        self._session.close()


def _bound(value: object) -> object:
    """Return a parameter as the text that stands for it there; seconds alone are numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _sized(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows in parts, each of which one statement carries."""
    some: list[Row] = []
    size = 0
    for row in rows:
        length = sum(len(value.encode()) + 3 if value is not None else 5 for value in row)
        if some and size + length > SIZE:
            yield some
            some, size = [], 0
        some.append(row)
        size += length
    if some:
        yield some


def failed(why: str, number: int, state: str) -> RevetlError:
    """Return what an error of Snowflake means for a state that lies there; its own words may hold values."""
    if why in {"refused", "right"}:
        return ConfigError(
            "RVT-514", f"Snowflake refuses the state's owner (error {number})",
            kept="nothing was sent",
            hint="dbt debug; the role needs USAGE on database and warehouse, and CREATE SCHEMA or the schema itself",
        )  # fmt: skip
    if why == "expired":
        what = f"the login to the Snowflake that holds the state has expired (error {number})"
        return TryLater("RVT-513", what, kept=KEPT, hint="renew it, and run the same command again")
    if why == "warehouse":
        what = f"the virtual warehouse of the Snowflake that holds the state is suspended or not to be used ({number})"
        return TryLater("RVT-513", what, kept=KEPT, hint="resume it, or name another in the profile")
    if why == "statement":
        what = f"the Snowflake that holds the state refuses a statement (error {number}, SQLSTATE {state})"
        kept = "what was sent is recorded as sent or as unknown"
        return StateError("RVT-515", what, kept=kept, hint="report it with the code that Snowflake gives")
    what = f"the Snowflake that holds the state cannot be reached (error {number})"
    return TryLater("RVT-513", what, kept=KEPT, hint="run the same command again later")
