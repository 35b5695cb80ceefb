"""A shared state in Postgres: rows go in by COPY, definitions and rows in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from revetl.errors import ConfigError, RevetlError, StateError, TryLater
from revetl.sqltext import quote_identifier
from revetl.state.native import decimal
from revetl.state.owner import Row

BATCH = 20_000
# https://www.postgresql.org/docs/current/datatype.html; what is missing here lies there as text
_NATIVE = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric(20)",
    "HUGEINT": "numeric(39)", "FLOAT": "real", "DOUBLE": "double precision", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid",
}  # fmt: skip
_REFUSED = ("28", "3D", "3F", "42501")  # authorization, no such database or schema, no grant
_GONE = ("08", "57", "53", "55P03", "40")  # connection, shutdown, resources, lock, rolled back


class Postgres:
    """One connection: :class:`revetl.state.sqlowner.Dialect`."""

    text = "text"
    now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"
    early = False

    def __init__(self, conninfo: Mapping[str, object] | str, *, reading: bool = False) -> None:
        """Connect. ``reading``: everything is read as it stands at one moment, and nothing is written.

        Raises:
            ConfigError: RVT-417, the driver is not installed; RVT-514, the server refuses the credentials.
            TryLater: RVT-513, it is out of reach.
        """
        try:
            import psycopg
        except ImportError:
            what = "a state in Postgres needs a driver that is not installed"
            raise ConfigError("RVT-417", what, hint="pip install 'revetl[postgres]'") from None
        self._driver = psycopg
        self._conninfo = conninfo
        given: dict[str, Any] = {} if isinstance(conninfo, str) else dict(conninfo)
        known = {"connect_timeout": 10, "tcp_user_timeout": 20_000, "application_name": "revetl", **given}
        with self._worded():
            text = conninfo if isinstance(conninfo, str) else ""
            self._con = psycopg.connect(text, autocommit=True, **known)
            self._con.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET lock_timeout = '15s'")
            # an intent that the server may forget is none
            self._con.execute(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = "
                "'off'"
            )
            if reading:
                self._con.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def native(self, kind: str) -> str:
        """Return the type for values of a DuckDB type."""
        parts = decimal(kind)
        return f"numeric({parts[0]},{parts[1]})" if parts else _NATIVE.get(kind, "text")

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Run one statement."""
        with self._worded():
            cursor = self._con.execute(sql.encode(), list(parameters) or None)
            return cursor.rowcount, list(cursor.fetchall()) if cursor.description else []

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Sequence[Row]]:
        """Yield rows by COPY."""
        with self._worded(), self._con.cursor() as cursor:
            statement = f"COPY ({sql}) TO STDOUT".encode()
            with cursor.copy(statement, list(parameters) or None) as copy:
                yield from _batches(copy.rows())

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Insert rows by COPY."""
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()
        with self._worded(), self._con.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def listed(self, columns: Mapping[str, str], rows: Sequence[Row]) -> tuple[str, Sequence[object]]:
        """Return rows as arrays, one a column."""
        if not columns:
            return "(SELECT 1) v", ()
        marks = ", ".join(["CAST(%s AS text[])"] * len(columns))
        casts = ", ".join(f"CAST(u.{name} AS {kind}) AS {name}" for name, kind in columns.items())
        values = [list(column) for column in zip(*rows, strict=True)]
        return f"(SELECT {casts} FROM unnest({marks}) u({', '.join(columns)})) v", values

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Commit what the block does, unless it calls what it is given."""
        with self._worded(), self._con.transaction() as transaction:
            undone: list[bool] = []
            yield lambda: undone.append(True)
            if undone:
                raise self._driver.Rollback(transaction)

    def schema(self, name: str, *, make: bool) -> bool:
        """Return whether a schema is there; ``make`` makes it where it is not."""
        found = self.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [name])[1]
        if make and not found:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(name)}")
        return make or bool(found)

    def beside(self) -> Postgres:
        """Return another connection."""
        return Postgres(self._conninfo)

    def close(self) -> None:
        """Let go of the connection."""
        self._con.close()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """Turn the driver's errors into ours; its words may repeat values or a password, so they are not shown."""
        try:
            yield
        except self._driver.Error as error:
            raise _meant(error.sqlstate or "", isinstance(error, self._driver.OperationalError), str(error)) from None


def _batches(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


def _meant(state: str, lost: bool, words: str) -> RevetlError:  # noqa: FBT001 - told apart by name where it is called
    refused = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password", "permission denied")
    if state.startswith(_REFUSED) or (not state and any(sign in words for sign in refused)):
        return ConfigError(
            "RVT-514", f"Postgres refuses the state's owner{f' (SQLSTATE {state})' if state else ''}",
            kept="nothing was sent",
            hint="check user, password and database of `state:`; it needs CREATE on the database, or its own schema",
        )  # fmt: skip
    if state.startswith(_GONE) or (lost and not state):
        return TryLater(
            "RVT-513", "the Postgres that holds the state cannot be reached",
            kept="what was sent is recorded as sent or as unknown; nothing more was sent",
            hint="run the same command again later",
        )  # fmt: skip
    return StateError(
        "RVT-515", f"the Postgres that holds the state refuses a statement (SQLSTATE {state})",
        kept="what was sent is recorded as sent or as unknown", hint="report it with the code that Postgres gives",
    )  # fmt: skip
