"""Models of a warehouse elsewhere: the columns that syncs need, read once as Arrow batches into tables of the run.

A reader (:class:`Reader`) knows one engine: how its relations are described and how a SELECT becomes Arrow. What is
read lies in the run's own in-memory database until :meth:`LandedSource.release`; batches stream, nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Protocol, TypeVar

import duckdb
import pyarrow as pa

from revetl.errors import ConfigError, RevetlError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import Relation
from revetl.warehouse.connection import first_line
from revetl.warehouse.source import INSTANTS, Needs, Only, Since, Table, Tables, Within

SCHEMA = "revetl_models"
# what one list in a query may hold: Snowflake takes 16,384 expressions, and a megabyte of a statement
CHUNK, SIZE = 5_000, 200_000
TOGETHER = 200  # composite keys: Postgres plans and compiles a long list of these for minutes
Texts = TypeVar("Texts", bound=Sequence[str])
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})


@dataclass(frozen=True, slots=True)
class Kind:
    """How a column type travels: its DuckDB type, what is selected there, and how that lands here.

    ``select`` and ``land`` make SQL of the quoted column name.
    """

    type: str
    select: Callable[[str], str] = str
    land: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Described:
    """A relation in its warehouse: quoted name for its own SQL, and column → kind in the table's order."""

    name: str
    columns: Mapping[str, Kind]


class Reader(Protocol):
    """Reads one warehouse over one connection, opened by the first question."""

    def describe(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation's columns, or why it cannot be read.

        Raises:
            ConfigError: the credentials or the database are refused.
            TryLater: the warehouse is out of reach.
        """

    def batches(
        self, name: str, columns: Mapping[str, Kind], where: str = ""
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Return these columns of a relation, streamed; ``where`` is a condition. Raises as :meth:`describe`."""

    def query(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Return the rows of a SELECT of texts, streamed. Raises as :meth:`describe`."""

    def text(self, value: str) -> str:
        """Return a text as a literal of this warehouse's SQL."""

    def close(self) -> None:
        """Let go of the connection."""


class LandedSource:
    """A source whose tables are copies of what syncs need, made when they are asked for."""

    def __init__(self, connect: Callable[[], Reader]) -> None:
        """Take how a reader is had; nothing is opened yet."""
        self._connect = connect
        self._reader: Reader | None = None
        self._landed: list[str] = []

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make room for what will be read."""
        con.execute(f"CREATE SCHEMA IF NOT EXISTS memory.{SCHEMA}")

    def tables(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: Sequence[Relation],
        needs: Needs | None = None,
        only: Only | None = None,
    ) -> Tables:
        """Return each relation's columns; those named in ``needs`` can be read on ``con`` (None: nothing is read).

        Raises:
            TryLater: the warehouse is out of reach or went away while a model was read: nothing of it is kept.
            ConfigError: it refuses the credentials.
        """
        self.attach(con)
        reader = self._opened()
        found: dict[Relation, Table] = {}
        missing: dict[Relation, RevetlError] = {}
        for relation, told in reader.describe(list(dict.fromkeys(relations))).items():
            if isinstance(told, RevetlError):
                missing[relation] = told
                continue
            columns = {name: kind.type for name, kind in told.columns.items()}
            try:
                wanted = None if needs is None else needs.get(relation, frozenset())
                parts = conditions(told, (only or {}).get(relation), reader.text)
                name = "" if wanted is None else self._land(con, relation, told, wanted, parts)
            except ConfigError as problem:
                missing[relation] = problem
            else:
                found[relation] = Table(relation, name, columns)
        return Tables(found, missing)

    def described(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation as its warehouse has it, or why it cannot be read. Raises as :meth:`tables`."""
        return self._opened().describe(list(dict.fromkeys(relations)))

    def ask(self, con: duckdb.DuckDBPyConnection, sql: str, table: str) -> None:
        """Let the warehouse answer a SELECT of texts, into a temporary table. Raises as :meth:`tables`."""
        with self._opened().query(sql) as rows, _registered(con, rows) as incoming:
            try:
                con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {incoming.view}")
            except duckdb.Error:
                if incoming.failed is not None:
                    raise incoming.failed from None
                raise

    def _opened(self) -> Reader:
        self._reader = self._reader or self._connect()
        return self._reader

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Drop what was read and close the connection. Harmless where nothing is open."""
        while self._landed:
            con.execute(f"DROP TABLE IF EXISTS {self._landed.pop()}")
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _land(
        self,
        con: duckdb.DuckDBPyConnection,
        relation: Relation,
        told: Described,
        wanted: frozenset[str],
        parts: Sequence[str],
    ) -> str:
        assert self._reader is not None  # noqa: S101 - it has just described the relation
        kinds = {name: told.columns[name] for name in _chosen(told.columns, wanted)}
        name = f"memory.{SCHEMA}.{quote_identifier(f'm{len(self._landed)}')}"
        land = ", ".join(f"{kind.land(quoted)} AS {quoted}" for quoted, kind in _quoted(kinds))
        self._landed.append(name)
        begin = f"CREATE OR REPLACE TABLE {name} AS"
        for part in parts:
            with self._reader.batches(told.name, kinds, part) as rows, _registered(con, rows) as incoming:
                try:
                    con.execute(f"{begin} SELECT {land} FROM {incoming.view}")
                except duckdb.Error as error:
                    if incoming.failed is not None:
                        raise incoming.failed from None  # the stream broke off: the reader knows what that means
                    if not isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException):
                        raise
                    what = f"{relation} holds a value that cannot be read: {first_line(error)}"
                    raise ConfigError(
                        "RVT-414", what, kept="nothing of it was sent", hint="cast or clean the column in the model"
                    ) from None
            begin = f"INSERT INTO {name}"
        return name


def column_of(columns: Mapping[str, object], name: str) -> str | None:
    """Return a column that a model spells so: as it is written where there is one, else without regard to case."""
    if name in columns:
        return name
    return next((column for column in columns if column.lower() == name.lower()), None)


def _chosen(columns: Mapping[str, Kind], wanted: frozenset[str]) -> list[str]:
    """Return the columns that ``wanted`` names: as it is written where there is one, else without regard to case."""
    exact = wanted & set(columns)
    folded = {name.lower() for name in wanted - exact}
    taken = {name.lower() for name in exact}
    return [name for name in columns if name in exact or (name.lower() in folded and name.lower() not in taken)]


def _quoted(kinds: Mapping[str, Kind]) -> list[tuple[str, Kind]]:
    return [(quote_identifier(column), kind) for column, kind in kinds.items()]


def selected(name: str, columns: Mapping[str, Kind], where: str = "") -> str:
    """Return the SELECT of a relation's columns in its warehouse; ``where`` is a condition, if any."""
    listed = ", ".join(f"{kind.select(quoted)} AS {quoted}" for quoted, kind in _quoted(columns))
    return f"SELECT {listed} FROM {name}{f' WHERE {where}' if where else ''}"


def _since(told: Described, rows: Since) -> str:
    """Return the condition of newer rows; text is compared as the column's type, in all warehouses that there are."""
    named = _chosen(told.columns, frozenset({rows.column}))
    kind = told.columns[named[0]].type if named else ""
    if kind not in INSTANTS:
        return ""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=rows.micros)
    spelt = moment.isoformat(sep=" ", timespec="microseconds")
    spelt = spelt[:10] if kind == "DATE" else spelt if kind.endswith("TIME ZONE") else spelt.partition("+")[0]
    column = quote_identifier(named[0])
    return f"{column} IS NULL OR {column} >= {quote_text(spelt)}"


def conditions(told: Described, rows: Within | Since | None, text: Callable[[str], str]) -> Sequence[str]:
    """Return the conditions under which a relation is read, one query each: ``""`` reads all of it.

    Where a column is of another type than the key, which of its values mean a key is known after a cast here alone.
    """
    if rows is None:
        return ("",)
    if isinstance(rows, Since):
        return (_since(told, rows),)
    return _within(told, rows, text) if rows.keys else ("1 = 0",)


def _within(told: Described, rows: Within, text: Callable[[str], str]) -> Sequence[str]:
    named = [_chosen(told.columns, frozenset({column})) for column in rows.columns]
    if not all(named):
        return ("",)  # the missing column is told of elsewhere
    kinds = [told.columns[name[0]] for name in named]
    if not all(k.type == kind or (_whole(k.type) and _whole(kind)) for k, kind in zip(kinds, rows.kinds, strict=True)):
        return ("",)
    columns = [kind.select(quote_identifier(name[0])) for name, kind in zip(named, kinds, strict=True)]
    spelt = [
        [value if _bare(kind) else text(value) for value, kind in zip(key, rows.kinds, strict=True)]
        for key in sorted(rows.keys)
    ]
    return [_listed(columns, some) for some in portions(spelt, 1 if len(columns) == 1 else CHUNK // TOGETHER)]


def _in(column: str, texts: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(texts)})"


def _listed(columns: Sequence[str], keys: Sequence[Sequence[str]]) -> str:
    """Return the condition that the columns are one of these keys.

    Postgres finds one column's value in a list at once, but looks through a list of composite keys row by row: so each
    column's own list stands before that, and leaves few rows for it.
    """
    each = [_in(column, dict.fromkeys(key[n] for key in keys)) for n, column in enumerate(columns)]
    if len(columns) == 1:
        return each[0]
    return " AND ".join([*each, _in(f"({', '.join(columns)})", (f"({', '.join(key)})" for key in keys))])


def portions(items: Sequence[Texts], width: int = 1) -> Iterator[Sequence[Texts]]:
    """Yield what goes into one list of a query at a time; ``width`` is how many texts an item counts for."""
    some: list[Texts] = []
    size = 0
    for item in items:
        length = sum(map(len, item))
        if some and (len(some) * width >= CHUNK or size + length > SIZE):
            yield some
            some, size = [], 0
        some.append(item)
        size += length
    if some:
        yield some


def _whole(kind: str) -> bool:
    return kind.removeprefix("U") in _INTEGERS


def _bare(kind: str) -> bool:
    return _whole(kind) or kind == "BOOLEAN"


class _Incoming:
    """A stream of batches under a name for SQL; ``failed`` is what broke it off, where something did."""

    view = "revetl_incoming"

    def __init__(self, rows: pa.RecordBatchReader) -> None:
        self._rows = rows
        self.failed: Exception | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._rows
        except Exception as error:
            self.failed = error
            raise


@contextmanager
def _registered(con: duckdb.DuckDBPyConnection, rows: pa.RecordBatchReader) -> Iterator[_Incoming]:
    incoming = _Incoming(rows)
    con.register(incoming.view, pa.RecordBatchReader.from_batches(rows.schema, incoming.batches()))
    try:
        yield incoming
    finally:
        con.unregister(incoming.view)


def not_there(relation: Relation, known: Sequence[str]) -> ConfigError:
    """Return the error of a relation that the warehouse does not have (or does not show); ``known``: schema.name."""
    wanted = f"{relation.schema}.{relation.identifier}".lower()
    folded = {name.lower(): name for name in known}
    same = [name for low, name in folded.items() if low.rpartition(".")[2] == relation.identifier.lower()]
    close = same or [folded[low] for low in get_close_matches(wanted, folded, n=1)]
    hint = f"did you mean {close[0]}? Else run `dbt build`" if close else "run `dbt build` first, with the same target"
    return ConfigError("RVT-413", f"{relation} is not in the database", hint=hint)


def as_text(column: str) -> str:
    """Return SQL of a column as text, for what has no Arrow type of its own."""
    return f"{column}::text"


def cast(kind: str) -> Callable[[str], str]:
    """Return how a column lands as ``kind``."""
    return lambda column: f"CAST({column} AS {kind})"


def exactly(kind: str, pattern: str) -> Callable[[str], str]:
    """Return how text lands as ``kind`` where all of it fits ``pattern``; else an error that shows no value."""

    def land(column: str) -> str:
        message = quote_text(f"a value of column {column} does not fit {kind}")
        fits = f"{column} IS NULL OR regexp_full_match({column}, {quote_text(pattern)})"
        return f"CASE WHEN {fits} THEN CAST({column} AS {kind}) ELSE error({message}) END"

    return land
