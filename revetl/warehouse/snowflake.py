"""Models in Snowflake, read through its connector (4.2 to 5.x): Arrow batches, streamed, tagged ``revetl``.

Sources: https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-api,
https://docs.getdbt.com/docs/core/connect-data-platform/snowflake-setup
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pyarrow as pa

from revetl.errors import ConfigError, RevetlError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import Relation
from revetl.warehouse.landing import Described, Kind, not_there, selected
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfsession import Session, words
from revetl.warehouse.sftypes import arrow_schema, kind_of


class SnowflakeReader:
    """One session; each model is one query, so that it is read as it stood at one moment."""

    def __init__(self, profile: Profile) -> None:
        """Connect.

        Raises:
            ConfigError: RVT-417, the connector is not installed; RVT-418, Snowflake refuses the credentials.
            TryLater: RVT-419, it is out of reach.
        """
        self._profile = profile
        self._session = Session(profile, words(profile.target, "Nothing was sent.", _unreadable))

    def describe(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation's columns, or why it cannot be read; what a role may not see is not there for it."""
        places = {relation: self._place(relation) for relation in relations}
        there: dict[tuple[str, ...], dict[str, Kind]] = {}
        for database in dict.fromkeys(place[0] for place in places.values()):
            names = {place[1:] for place in places.values() if place[0] == database}
            listed = ", ".join(f"({quote_text(schema)}, {quote_text(name)})" for schema, name in sorted(names))
            for schema, name, column, kind, precision, scale in self._columns(database, listed):
                there.setdefault((database, schema, name), {})[column] = kind_of(kind, precision, scale)
        found: dict[Relation, Described | RevetlError] = {}
        for relation, place in places.items():
            if place in there:
                found[relation] = Described(".".join(quote_identifier(part) for part in place), there[place])
            else:
                found[relation] = not_there(relation, self._known(place[0]))
        return found

    @contextmanager
    def batches(self, name: str, columns: Mapping[str, Kind], where: str = "") -> Iterator[pa.RecordBatchReader]:
        """Yield these columns of a relation. Batches differ in their integer widths: all are brought to one schema."""
        schema = arrow_schema(columns)
        with self._session.cursor() as cursor:
            cursor.execute(selected(name, columns, where))
            batches = (_fitted(table, schema).to_batches() for table in cursor.fetch_arrow_batches())
            yield pa.RecordBatchReader.from_batches(schema, chain.from_iterable(batches))

    @contextmanager
    def query(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Yield the rows of a SELECT of texts; its columns are called as it calls them, in lower case."""
        with self._session.cursor() as cursor:
            cursor.execute(sql)
            schema = pa.schema([(column.name.lower(), pa.string()) for column in cursor.description])
            batches = (_fitted(table, schema).to_batches() for table in cursor.fetch_arrow_batches())
            yield pa.RecordBatchReader.from_batches(schema, chain.from_iterable(batches))

    def text(self, value: str) -> str:
        """Return a text as a literal: a backslash escapes there."""
        return quote_text(value).replace("\\", "\\\\")

    def close(self) -> None:
        """Let go of the session."""
        self._session.close()

    def _place(self, relation: Relation) -> tuple[str, str, str]:
        """Return the parts of a relation's name as Snowflake knows them: without quotes they are upper case."""
        fields = self._profile.fields
        given = (relation.database or fields.get("database"), relation.schema or fields.get("schema"))
        parts = (str(given[0] or ""), str(given[1] or "PUBLIC"), relation.identifier)
        written = (relation.database, relation.schema, relation.identifier)
        folded = [
            part if quoted and own is not None else part.upper()
            for part, quoted, own in zip(parts, relation.quoted, written, strict=True)
        ]
        return folded[0], folded[1], folded[2]

    def _columns(self, database: str, names: str) -> list[tuple[Any, ...]]:
        sql = (
            "SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM "
            f"{quote_identifier(database)}.information_schema.columns WHERE (table_schema, table_name) IN ({names}) "
            "ORDER BY table_schema, table_name, ordinal_position"
        )
        try:
            return self._rows(sql)
        except ConfigError:  # the database itself is not there for this role: each relation of it says so
            return []

    def _known(self, database: str) -> list[str]:
        sql = f"SELECT table_schema || '.' || table_name FROM {quote_identifier(database)}.information_schema.tables"
        try:
            return [str(row[0]) for row in self._rows(f"{sql} LIMIT 10000")]
        except ConfigError:
            return []

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._session.cursor() as cursor:
            return list(cursor.execute(sql).fetchall())


def _unreadable(number: int, state: str) -> RevetlError:
    what = f"a model cannot be read (Snowflake error {number}, SQLSTATE {state})"
    return ConfigError("RVT-414", what, hint="GRANT SELECT on it to the profile's role, or run `dbt build`")


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a batch in the common schema; below a microsecond, time is cut off."""
    pairs = zip(table.columns, schema, strict=True)
    arrays = [column.cast(field.type, safe=not pa.types.is_timestamp(field.type)) for column, field in pairs]
    return pa.Table.from_arrays(arrays, schema=schema)
