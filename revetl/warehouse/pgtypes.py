"""Postgres types as DuckDB types (https://www.postgresql.org/docs/current/datatype.html).

What DuckDB has no exact counterpart for travels as its text.
"""

from __future__ import annotations

from revetl.warehouse.landing import Kind, as_text, cast, exactly

FREE_SCALE = 10  # decimals of a numeric column that declares none: more in a value is refused, never rounded
_PLAIN = {
    "bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE",
    "date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE", "time": "TIME",
    "bytea": "BLOB", "text": "VARCHAR", "varchar": "VARCHAR",
}  # fmt: skip
_AS_TEXT = {"uuid": "UUID", "json": "JSON", "jsonb": "JSON"}
_ELEMENTS = {
    "text": "VARCHAR", "varchar": "VARCHAR", "bpchar": "VARCHAR", "uuid": "VARCHAR", "int2": "BIGINT", "int4": "BIGINT",
    "int8": "BIGINT", "bool": "BOOLEAN", "float4": "DOUBLE", "float8": "DOUBLE",
}  # fmt: skip


def kind_of(name: str, modifier: int, category: str, element: str) -> Kind:
    """Return how a column of type ``name`` travels; ``element`` is an array's, ``modifier`` pg_attribute's."""
    if name in _PLAIN:
        return Kind(_PLAIN[name])
    if name in _AS_TEXT:
        return Kind(_AS_TEXT[name], as_text, cast(_AS_TEXT[name]))
    if name == "numeric":
        return _numeric(modifier)
    if element and category != "d":
        return _array(f"{_ELEMENTS[element]}[]" if element in _ELEMENTS else "JSON")
    return Kind("VARCHAR", as_text)


def _array(kind: str) -> Kind:
    return Kind(kind, lambda column: f"to_json({column})::text", lambda column: f"CAST({column}::JSON AS {kind})")


def _numeric(modifier: int) -> Kind:
    """Return numeric(p, s): its modifier is ``((p << 16) | (s & 0x7ff)) + 4``, -1 where it declares nothing."""
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    if modifier < 0 or precision > 38 or scale > precision:
        precision, scale = 38, FREE_SCALE
    kind = f"DECIMAL({precision},{scale})"
    # what lies beyond the scale fits only if it is zero; NaN and infinity never do
    whole = f"[0-9]{{1,{precision - scale}}}" if precision > scale else "0"
    return Kind(kind, as_text, exactly(kind, f"-?{whole}(\\.[0-9]{{0,{scale}}}0*)?"))
