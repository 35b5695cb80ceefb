"""A mapping held against the fields that a destination says it has, before any row is there to be refused."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.contract import Destination
from revetl.encode.encoding import Unencodable
from revetl.encode.typenames import parse_type
from revetl.types import RemoteField, SyncPlan

_KINDS = {
    "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TINYINT": "integer", "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "integer", "HUGEINT": "integer",
    "UTINYINT": "integer", "USMALLINT": "integer", "UINTEGER": "integer", "UBIGINT": "integer", "UHUGEINT": "integer",
    "DECIMAL": "number", "DOUBLE": "number", "FLOAT": "number",
    "LIST": "list", "MAP": "json", "STRUCT": "json", "JSON": "json",
}  # fmt: skip
# What a field of a type takes; text and any take everything that can be spelt.
_TAKES: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date", "timestamp"}),
    "timestamp": frozenset({"date", "timestamp"}),
    "list": frozenset({"list", "text"}),
    "json": frozenset({"json", "list"}),
}


def kind_of(type_name: str) -> str:
    """Return a DuckDB type's kind, in the words of :class:`~revetl.types.RemoteField`; text where nothing is nearer."""
    try:
        return _KINDS.get(parse_type(type_name).name, "text")
    except Unencodable:
        return "text"


def compare_fields(
    plan: SyncPlan, destination: Destination, fields: tuple[RemoteField, ...], columns: Mapping[tuple[str, str], str]
) -> tuple[str, ...]:
    """Return what does not fit, a sentence each: missing, read-only, unmapped though required, of another type.

    ``columns`` maps (model's unique id, column) to the DuckDB type, where the warehouse was asked.
    """
    if destination.objects[plan.object].any_field:
        return ()
    known = {field.name: field for field in fields}
    mapped = {field.field: (field.model, field.property) for field in plan.fields}
    names = [*mapped, *(constant.field for constant in plan.constants)]
    said = [words for name in names for words in _fault(name, known.get(name), columns.get(mapped.get(name, ("", ""))))]
    missing = [f.name for f in fields if f.required and f.name not in names and f.name != plan.match_field]
    return (*said, *(f"{name} is required there and nothing is mapped to it" for name in missing))


def _fault(name: str, field: RemoteField | None, column: str | None) -> tuple[str, ...]:
    if field is None:
        return (f"{name} does not exist there",)
    if not field.writable:
        return (f"{name} cannot be written there",)
    takes = _TAKES.get(field.type)
    if column is None or takes is None or kind_of(column) in takes:
        return ()
    return (f"{name} is of type {field.type} there, the column is {column}",)
