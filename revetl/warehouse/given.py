"""Rows that somebody wrote down, as the tables of a database that stands in for the warehouse."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from revetl.errors import ConfigError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Relation
from revetl.warehouse.connection import first_line

_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*(?:\([0-9, ]*\))?(?:\[\])?\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?\Z")


@dataclass(frozen=True, slots=True)
class Given:
    """A relation and its rows; ``types`` is column → DuckDB type, in the table's order."""

    relation: Relation
    types: Mapping[str, str]
    rows: Sequence[Mapping[str, JSON]] = ()


def known_type(text: str | None) -> str | None:
    """Return a type as DuckDB takes it, None where it knows none of that name."""
    if not text or not _TYPE.match(text):
        return None
    try:
        duckdb.sql(f"SELECT CAST(NULL AS {text})")
    except duckdb.Error:
        return None
    return text


def type_of(values: Iterable[JSON]) -> str | None:
    """Return the type that fits all values; None where there is none but null. ISO dates and times are recognised."""
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR" if kinds else None


def _kind(value: JSON) -> str:
    if isinstance(value, str):
        timed = _TIME.match(value)
        return ("TIMESTAMPTZ" if timed[1] else "TIMESTAMP") if timed else "DATE" if _DATE.match(value) else "VARCHAR"
    if isinstance(value, dt.datetime):
        return "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"), (dt.date, "DATE"), (list, "VARCHAR[]"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "VARCHAR")


def profile_of(directory: Path, databases: Iterable[str], name: str, target: str) -> dict[str, JSON]:
    """Return profiles.yml for the files that :func:`write_tables` makes."""
    attach = [{"path": str(_path(directory, database)), "alias": database} for database in databases]
    main = {"type": "duckdb", "path": str(directory / "revetl_given.duckdb"), "attach": attach}
    return {name: {"target": target, "outputs": {target: main}}}


def write_tables(directory: Path, tables: Iterable[Given]) -> None:
    """Write each table into the file of its database below ``directory``, in place of what was there.

    Raises:
        ConfigError: RVT-131, a value does not fit its column.
    """
    with duckdb.connect(str(directory / "revetl_given.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        attached: set[str] = set()
        for table in tables:
            database = table.relation.database or "revetl_given"
            if database not in attached and database != "revetl_given":
                path = quote_text(str(_path(directory, database)))
                con.execute(f"ATTACH {path} AS {quote_identifier(database)}")
                attached.add(database)
            _write(con, database, table)


def _path(directory: Path, database: str) -> Path:
    return directory / f"{database.encode().hex()}.duckdb"  # whatever characters its name has


def _write(con: duckdb.DuckDBPyConnection, database: str, table: Given) -> None:
    schema = f"{quote_identifier(database)}.{quote_identifier(table.relation.schema or 'main')}"
    name = f"{schema}.{quote_identifier(table.relation.identifier)}"
    columns = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in table.types.items())
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    con.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
    holes = ", ".join(f"CAST(? AS {kind})" for kind in table.types.values())
    for row in table.rows:
        try:
            con.execute(f"INSERT INTO {name} VALUES ({holes})", [row.get(column) for column in table.types])
        except duckdb.Error as error:
            what = f"a row of {table.relation.identifier} does not fit its columns: {first_line(error)}"
            raise ConfigError("RVT-131", what, hint="write the value as the column has it, or name its type") from None
