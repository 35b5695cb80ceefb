"""Snowflake types as DuckDB types (https://docs.snowflake.com/en/sql-reference/data-types), by way of Arrow."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from revetl.warehouse.landing import Kind, cast

_PLAIN = {
    "FLOAT": "DOUBLE", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIME": "TIME", "TIMESTAMP_NTZ": "TIMESTAMP",
    "TIMESTAMP_LTZ": "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_TZ": "TIMESTAMP WITH TIME ZONE", "BINARY": "BLOB",
    "VARIANT": "JSON", "OBJECT": "JSON", "ARRAY": "JSON",
}  # fmt: skip
_ARROW = {
    "BIGINT": pa.int64(), "HUGEINT": pa.decimal128(38, 0), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(), "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"), "BLOB": pa.binary(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


def kind_of(name: str, precision: int | None, scale: int | None) -> Kind:
    """Return how a column travels; numbers without decimals are integers: INTEGER there is NUMBER(38,0)."""
    if name == "NUMBER":
        digits, decimals = precision or 38, scale or 0
        whole = "BIGINT" if digits <= 18 else "HUGEINT"
        return _landing(whole if decimals == 0 else f"DECIMAL({digits},{decimals})")
    return _landing(_PLAIN.get(name, "VARCHAR"))


def _landing(kind: str) -> Kind:
    return Kind(kind, str, cast(kind))


def arrow_schema(columns: Mapping[str, Kind]) -> pa.Schema:
    """Return the one schema to which all batches of these columns are brought."""
    return pa.schema([(name, _arrow(kind.type)) for name, kind in columns.items()])


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("DECIMAL("):
        precision, _, scale = kind.removeprefix("DECIMAL(").removesuffix(")").partition(",")
        return pa.decimal128(int(precision), int(scale))
    return _ARROW.get(kind, pa.string())
