"""How values of the working copy travel to the owner of a shared state and back: as text, without loss.

Each value is spelt by DuckDB, stored in the owner's own type where that holds the value exactly, else as that text,
and read by DuckDB again. Nothing in between interprets it.
"""

from __future__ import annotations

import re

from revetl.sqltext import quote_text

# A text that the owner could not hold (Postgres: one with a NUL) lies there as this sign and the hex of its bytes.
SIGN = "\ue000hex:"
_NESTED = re.compile(r"\[\d*\]\Z|\A(?:STRUCT|MAP|UNION)\(")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")


def nested(kind: str) -> bool:
    """Return whether values of a DuckDB type have parts."""
    return _NESTED.search(kind) is not None


def decimal(kind: str) -> tuple[int, int] | None:
    """Return precision and scale of a decimal type."""
    found = _DECIMAL.match(kind)
    return (int(found[1]), int(found[2])) if found else None


def leaving(column: str, kind: str) -> str:
    """Return SQL, for DuckDB, of a column's value as text."""
    if nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    text = f"CAST({column} AS VARCHAR)"
    if kind not in {"VARCHAR", "JSON"}:
        return text
    odd = f"contains({text}, chr(0)) OR starts_with({text}, {quote_text(SIGN)})"
    return f"CASE WHEN {odd} THEN {quote_text(SIGN)} || hex(encode({text})) ELSE {text} END"


def arriving(column: str, kind: str) -> str:
    """Return SQL, for DuckDB, of the value that a text stands for."""
    if nested(kind):
        return f"CAST(CAST({column} AS JSON) AS {kind})"
    if kind not in {"VARCHAR", "JSON"}:
        return f"CAST({column} AS {kind})"
    plain = f"decode(from_hex(substr({column}, {len(SIGN) + 1})))"
    return f"CAST(CASE WHEN starts_with({column}, {quote_text(SIGN)}) THEN {plain} ELSE {column} END AS {kind})"
