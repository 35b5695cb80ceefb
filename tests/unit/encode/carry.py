"""Runs encodings where they are meant to run: over a column of a real DuckDB table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from revetl.contract import WireFormat
from revetl.encode import Encoding, encode
from revetl.types import RemoteField

WIRE = WireFormat()
CON = duckdb.connect(config={"threads": "1"})
CON.execute("SET TimeZone = 'UTC'")


def column(kind: str, texts: Sequence[Any], encoding: Encoding) -> list[tuple[str | None, str | None]]:
    """Return (JSON text, refusal) of each value, given as text that DuckDB casts to ``kind``; nothing may raise."""
    filled = encoding.over('"the column"')
    CON.execute(f'CREATE OR REPLACE TABLE t (i INTEGER, "the column" {kind})')
    CON.execute(f"INSERT INTO t SELECT generate_subscripts($1, 1), CAST(unnest($1) AS {kind})", [list(texts)])
    found = CON.execute(f"SELECT {filled.value}, {filled.refusal or 'NULL'} FROM t ORDER BY i").fetchall()
    return [(value, refusal) for value, refusal in found]


def carry(
    kind: str,
    text: Any,
    remote: RemoteField | str | None = None,
    wire: WireFormat = WIRE,
    *,
    timezone: str | None = None,
) -> Any:
    """Return the wire value of one value, parsed; or ``Refused(reason)``."""
    if isinstance(remote, str):
        remote = RemoteField("field", remote)
    return carried(column(kind, [text], encode(kind, remote, wire, timezone=timezone))[0])


class Refused(str):  # noqa: SLOT000 - a test double
    """The reason why a value is not carried."""


def carried(row: tuple[str | None, str | None]) -> Any:
    """Return one row's wire value parsed by a strict reader, or why it is refused."""
    value, refusal = row
    if refusal is not None:
        return Refused(refusal)
    assert value is not None
    return json.loads(value, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
