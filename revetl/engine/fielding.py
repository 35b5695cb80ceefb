"""A mapping held against the fields that a destination says it has, before any row is there to be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revetl.contract import Destination
from revetl.encode import DIGEST, Unencodable
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


@dataclass(frozen=True, slots=True)
class Misfit:
    """One mapped field that does not fit what is there: its name, what is wrong, and what to do."""

    field: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return name and fault, as in a list of them."""
        return f"{self.field} {self.what}"


def kind_of(type_name: str) -> str:
    """Return a DuckDB type's kind, in the words of :class:`~revetl.types.RemoteField`; text where nothing is nearer."""
    try:
        return _KINDS.get(parse_type(type_name).name, "text")
    except Unencodable:
        return "text"


def compare_fields(
    plan: SyncPlan, destination: Destination, fields: tuple[RemoteField, ...], columns: Mapping[tuple[str, str], str]
) -> tuple[Misfit, ...]:
    """Return what does not fit: missing, read-only, unmapped though required, of another type.

    ``columns`` maps (model's unique id, column) to the DuckDB type, where the warehouse was asked.
    """
    if destination.objects[plan.object].any_field:
        return ()
    known = {field.name: field for field in fields}
    mapped = {field.field: (field.model, field.property) for field in plan.fields}
    types = {field.field: DIGEST if field.hash else columns.get(mapped[field.field]) for field in plan.fields}
    names = [*mapped, *(constant.field for constant in plan.constants)]
    said = [fault for name in names for fault in _fault(name, known.get(name), types.get(name), destination)]
    missing = [f.name for f in fields if f.required and f.name not in names and f.name != plan.match_field]
    remedy = "map a property to it, or give it a constant"
    return (*said, *(Misfit(name, "is required there and nothing is mapped to it", remedy) for name in missing))


def _fault(name: str, field: RemoteField | None, column: str | None, destination: Destination) -> tuple[Misfit, ...]:
    if field is None:
        make = "let --create-fields make it" if destination.create_field is not None else "make it there"
        return (Misfit(name, "does not exist there", f"{make}, or correct the name: case counts"),)
    if not field.writable:
        return (Misfit(name, "cannot be written there", "map the property to another field, or remove the mapping"),)
    takes = _TAKES.get(field.type)
    if column is None or takes is None or kind_of(column) in takes:
        return ()
    what = f"is of type {field.type} there, the column is {column}"
    return (Misfit(name, what, "cast the column in the model, or map it to another field"),)


def value_misfits(counts: Mapping[tuple[str, str], int]) -> tuple[Misfit, ...]:
    """Return what does not fit in the data: (field, reason of the refusal) → rows."""
    return tuple(
        Misfit(field, f"refuses {rows:,} row{'s' if rows != 1 else ''}: {reason}", _VALUE_REMEDY)
        for (field, reason), rows in sorted(counts.items())
    )


_VALUE_REMEDY = "mend the values in the model, or let the field there take them; those rows are rejected by name"
