"""Writing to the warehouse, which only ``revetl publish`` does: a schema of its own, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from revetl.errors import ConfigError, TryLater
from revetl.sqltext import quote_identifier, quote_text
from revetl.warehouse.connection import connect, first_line, lockdown
from revetl.warehouse.databases import databases
from revetl.warehouse.postgres import uri
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfsession import Session, words

_HELD = ("Could not set lock", "Conflicting lock", "already attached", "used by another process", "different config")


class Publisher(Protocol):
    """Runs statements in the warehouse's own dialect and appends Arrow tables; all or nothing of it is committed.

    Tables are made before :meth:`begin`: in Snowflake a definition commits what was begun.
    """

    def name(self, identifier: str) -> str:
        """Return an identifier, quoted as dbt finds it there without quotes."""

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a SELECT."""

    def begin(self) -> None:
        """From here on it is all or nothing."""

    def execute(self, sql: str) -> None:
        """Run a statement."""

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        """Append rows to a table that is there, by column names in its order."""


@contextmanager
def open_publisher(profile: Profile, project_dir: Path) -> Iterator[Publisher]:
    """Open the warehouse of a profile for writing; what the block did is committed if it ends well.

    Raises:
        ConfigError: RVT-404, this type is not supported; RVT-417, RVT-418 or RVT-433, it cannot be written.
        TryLater: RVT-411 or RVT-419, not now.
    """
    if profile.type == "duckdb":
        with _duckdb(profile, project_dir) as found:
            yield found
    elif profile.type == "postgres":
        with _postgres(profile) as found:
            yield found
    elif profile.type == "snowflake":
        with _snowflake(profile) as found:
            yield found
    else:
        what = f"target {profile.target} is a {profile.type} warehouse, to which revetl cannot publish yet"
        raise ConfigError("RVT-404", what, hint="revetl log --export FILE, and load the file")


class _DuckDB:
    def __init__(self, con: duckdb.DuckDBPyConnection, database: str) -> None:
        self._con, self._database = con, database

    def name(self, identifier: str) -> str:
        return quote_identifier(identifier)

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        return self._con.execute(sql).fetchall()

    def begin(self) -> None:
        """Begun when it was opened."""

    def execute(self, sql: str) -> None:
        self._con.execute(sql)

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        self._con.register("revetl_outgoing", rows)
        try:
            name = f"{quote_identifier(schema)}.{quote_identifier(table)}"
            self._con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM revetl_outgoing")
        finally:
            self._con.unregister("revetl_outgoing")


@contextmanager
def _duckdb(profile: Profile, project_dir: Path) -> Iterator[_DuckDB]:
    main = databases(profile, project_dir)[0]
    if not main.path.exists():
        what = f"the database {main.name} is not there: {main.path}"
        raise ConfigError("RVT-410", what, hint="run `dbt build` with the same target first")
    con = connect()
    try:
        con.execute(f"ATTACH {quote_text(str(main.path))} AS {quote_identifier(main.name)}")
        lockdown(con)
        con.execute(f"USE {quote_identifier(main.name)}")
        con.execute("BEGIN")
        yield _DuckDB(con, main.name)
        con.execute("COMMIT")
    except duckdb.Error as error:
        words = first_line(error)
        if any(sign in words for sign in _HELD):
            what = f"the database {main.name} is being used by another process: {main.path}"
            raise TryLater("RVT-411", what, kept="nothing was published", hint="wait until it is done") from None
        raise _refused(words) from None
    finally:
        con.close()


def _refused(words: str) -> ConfigError:
    what = f"the warehouse refuses to be written: {words}"
    return ConfigError("RVT-433", what, kept="nothing was published", hint="grant CREATE on the database to the user")


class _Session:
    """A connection as PEP 249 has it (https://peps.python.org/pep-0249/)."""

    def __init__(self, con: Any) -> None:
        self._con = con

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with self._con.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def execute(self, sql: str) -> None:
        with self._con.cursor() as cursor:
            cursor.execute(sql)


@contextmanager
def _whole(con: Any) -> Iterator[None]:
    """Commit what the block does, or nothing of it, and close."""
    try:
        yield
        con.commit()
    except BaseException:
        with suppress(Exception):  # closing it undoes the same; what failed first is told
            con.rollback()
        raise
    finally:
        con.close()


class _Postgres(_Session):
    def name(self, identifier: str) -> str:
        return quote_identifier(identifier)

    def begin(self) -> None:
        """Begun when it was opened."""

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        with self._con.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)


@contextmanager
def _postgres(profile: Profile) -> Iterator[_Postgres]:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        what = "writing to Postgres needs a driver that is not installed"
        raise ConfigError("RVT-417", what, hint="pip install 'revetl[postgres]'") from None
    try:
        con = dbapi.connect(uri(profile.fields))
    except dbapi.Error:
        what = f"Postgres of target {profile.target} cannot be reached, or refuses the credentials"
        raise TryLater("RVT-419", what, kept="nothing was published", hint="dbt debug") from None
    try:
        with _whole(con):
            yield _Postgres(con)
    except dbapi.Error as error:
        raise _refused(f"SQLSTATE {getattr(error, 'sqlstate', None) or 'unknown'}") from None


class _Snowflake(_Session):
    def name(self, identifier: str) -> str:
        return quote_identifier(identifier.upper())

    def begin(self) -> None:
        self.execute("BEGIN")

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        columns, marks = ", ".join(map(self.name, rows.column_names)), ", ".join(["%s"] * rows.num_columns)
        insert = f"INSERT INTO {self.name(schema)}.{self.name(table)} ({columns}) VALUES ({marks})"
        with self._con.cursor() as cursor:
            for batch in rows.to_batches(max_chunksize=_ROWS):
                values = [tuple(row.values()) for row in batch.to_pylist()]
                if values:
                    cursor.executemany(insert, values)


_ROWS = 10_000  # of one INSERT: https://docs.snowflake.com/en/sql-reference/sql/insert allows 16,384


@contextmanager
def _snowflake(profile: Profile) -> Iterator[_Snowflake]:
    failed = words(profile.target, "nothing was published", lambda number, _: _refused(f"error {number or 'unknown'}"))
    session = Session(profile, failed)
    with _whole(session):
        yield _Snowflake(session)


def create(there: Publisher, columns: Mapping[str, str], schema: str, table: str) -> Iterator[str]:
    """Yield the statements that make a table with these columns, in words that all dialects share."""
    name = f"{there.name(schema)}.{there.name(table)}"
    listed = ", ".join(f"{there.name(column)} {kind}" for column, kind in columns.items())
    yield f"CREATE TABLE IF NOT EXISTS {name} ({listed})"
    for column, kind in columns.items():  # an earlier version may have made it with fewer
        yield f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {there.name(column)} {kind}"
