"""What stands there: the database, columns, rows; and columns that are made."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from revetl.contract import Account, Context, Reply, Sql
from revetl.destinations.postgres import api
from revetl.errors import DestinationError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

_WHERE = (
    "SELECT json_build_array(json_build_object('name', datname, 'oid', oid::text))::text FROM pg_catalog.pg_database "
    "WHERE datname = current_database()"
)
_COLUMNS = """
SELECT coalesce(json_agg(json_build_object(
    'name', a.attname, 'type', b.typname, 'category', b.typcategory,
    'length', CASE WHEN b.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
    'required', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
    'writable', a.attgenerated = '' AND a.attidentity <> 'a' AND has_column_privilege(c.oid, a.attnum, 'UPDATE'),
    'options', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e
        WHERE e.enumtypid = b.oid),
    'unique', EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique
        AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)) ORDER BY a.attnum), '[]')::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE c.relkind IN ('r', 'p') AND n.nspname = $1::text::jsonb->>'schema' AND c.relname = $1::text::jsonb->>'table'
"""
_KINDS = {
    "int2": "integer", "int4": "integer", "int8": "integer", "numeric": "number", "float4": "number",
    "float8": "number", "bool": "boolean", "date": "date", "timestamp": "timestamp", "timestamptz": "timestamp",
    "json": "json", "jsonb": "json",
}  # fmt: skip
_MADE = {
    "integer": "bigint", "number": "numeric", "boolean": "boolean", "date": "date", "timestamp": "timestamptz",
    "json": "jsonb", "list": "jsonb",
}  # fmt: skip
_PAIRS = 40  # of one jsonb_build_object, which takes a hundred arguments


def account(_: api.PostgresSettings) -> Generator[Sql, Reply, Account]:
    """Return the database: its name and number, which a restored copy has not."""
    reply = yield Sql(_WHERE, name="name the database", effect=Effect.READ)
    (row,) = api.expect(reply, "to name the database") or [{}]
    if "oid" not in row:
        raise DestinationError("RVT-651", "Postgres does not name the database", hint="revetl debug")
    return Account(f"{row['name']}/{row['oid']}", str(row["name"]))


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return the columns of the table.

    Raises:
        DestinationError: RVT-651, there is no such table.
    """
    at = api.table(context.settings, context.sync)
    names = {"schema": at.schema, "table": at.name}
    reply: Reply = yield api.call("describe", at, _COLUMNS, names, effect=Effect.READ)
    rows = api.expect(reply, f"to describe {at}")
    if not rows:
        hint = "create it, with a unique constraint on the match column; or say `table` in the settings"
        raise DestinationError("RVT-651", f"there is no table {at}", hint=hint)
    return tuple(_field(row) for row in rows)


def _field(row: dict[str, JSON]) -> RemoteField:
    kind = "list" if row["category"] == "A" else _KINDS.get(row["type"], "text")
    return RemoteField(
        name=row["name"],
        type=kind,
        writable=row["writable"],
        required=row["required"],
        options=tuple(row["options"] or ()),
        max_length=row["length"],
        unique=row["unique"],
    )


def create_field(context: Context, wish: RemoteField) -> Generator[Any, Any, RemoteField]:
    """Add a column, and return it as it stands there.

    Raises:
        DestinationError: RVT-651, the database refuses it.
    """
    at = api.table(context.settings, context.sync)
    kind = f"{_MADE.get(wish.type, 'text')}{' UNIQUE' if wish.unique else ''}"
    text = f"ALTER TABLE {at} ADD COLUMN IF NOT EXISTS {quote_identifier(wish.name)} {kind}"
    reply: Reply = yield api.call("add a column to", at, text)
    api.expect(reply, f"to add {wish.name} to {at}")
    there = yield from discover(context)
    return next(field for field in there if field.name == wish.name)


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, Iterable[RemoteRecord]]:
    """Return the rows that have these match values; one that the column's type cannot be is nobody's."""
    if not identities:
        return []
    at, match = api.table(context.settings, context.sync), quote_identifier(context.match_field)
    ids = context.prepared.get("cohorts") or {}
    labels = {str(ids.get(name, context.ids.get(name, name))): label for name, label in context.cohorts}
    values = [f"{quote_text(field)}, {_value(f't.{quote_identifier(field)}')}" for field in context.fields]
    objects = [f"jsonb_build_object({', '.join(values[n : n + _PAIRS])})" for n in range(0, len(values), _PAIRS)]
    inside = "'[]'::json"
    if labels:
        mine = ", ".join(quote_text(name) for name in labels)
        inside = (
            f"(SELECT coalesce(json_agg(m.cohort), '[]') FROM {at.members} m "
            f"WHERE m.member = t.{match} AND m.cohort IN ({mine}))"
        )
    told = api.found(
        f"r s JOIN {at} t ON t.{match} = (s.x).{match}", context.match_field,
        fields=" || ".join(objects) or "'{}'::jsonb", cohorts=inside,
    )  # fmt: skip
    text = f"WITH r AS MATERIALIZED ({api.given(at)}) {told}"
    given = api.people(context.match_field, identities)
    reply: Reply = yield api.call("read", at, text, given, effect=Effect.READ)
    if reply.status == 400:
        return (yield from _halves(context, identities))
    rows = api.expect(reply, f"to read {at}")
    return [
        RemoteRecord(
            str(row["match"]), fields=row["fields"], cohorts=frozenset(labels[name] for name in row["cohorts"])
        )
        for row in rows
    ]


def _halves(context: Context, identities: Sequence[str]) -> Generator[Any, Any, Iterable[RemoteRecord]]:
    if len(identities) == 1:
        return []
    half = len(identities) // 2
    first = yield from read_back(context, identities[:half])
    second = yield from read_back(context, identities[half:])
    return [*first, *second]


def _value(column: str) -> str:
    """Return SQL of a value as JSON: numbers as texts, with every digit, and a time without a zone as one in UTC."""
    plain = f"to_jsonb({column})"
    return (
        f"CASE WHEN jsonb_typeof({plain}) = 'number' THEN to_jsonb({column}::text) "
        f"WHEN pg_typeof({column}) = 'timestamp'::regtype THEN to_jsonb(({plain}#>>'{{}}') || 'Z') ELSE {plain} END"
    )
