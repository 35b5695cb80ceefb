"""JSON objects put together in SQL from encoded fields, and JSON text of values known beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from revetl.contract import WireFormat
from revetl.encode.encoding import Unencodable, literal
from revetl.types import JSON


@dataclass(frozen=True, slots=True)
class Part:
    """One field of an object: SQL of its JSON text, and the SQL condition under which it is there (None: always)."""

    field: str
    value_sql: str
    when: str | None = None


def object_sql(parts: Sequence[Part]) -> str:
    """Return SQL of the JSON object (VARCHAR) that holds the parts whose ``when`` is true, in the order given.

    A part whose value is an SQL NULL is left out: what clears a field must be spelt, see :func:`clear_sql`.

    Raises:
        Unencodable: a field's name is not Unicode text.
    """
    if not parts:
        return "'{}'"
    return "'{' || concat_ws(',', " + ", ".join(_member(part) for part in parts) + ") || '}'"


def clear_sql(wire: WireFormat) -> str:
    """Return SQL (a literal) of the JSON text that clears a field there."""
    return literal(constant_json(wire.null))


def constant_json(value: JSON) -> str:
    """Return the JSON text of a constant, in one line.

    Raises:
        Unencodable: it is not JSON: a bare date, NaN, bytes. In YAML, quotes make it text.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise Unencodable(f"{value!r} is no JSON value; put it in quotes to send it as text") from None
    return text


def _member(part: Part) -> str:
    name = literal(constant_json(part.field) + ":")
    if part.when is None:
        return f"{name} || ({part.value_sql})"
    return f"CASE WHEN {part.when} THEN {name} || ({part.value_sql}) END"
