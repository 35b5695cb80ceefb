"""Which spelling a column takes: its own type, the field's type and the destination's wire format together decide."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from revetl.contract import WireFormat
from revetl.encode.encoding import HOLE, Encoding, Refusal, Spelling, Unencodable, literal
from revetl.encode.moments import MOMENTS, spell_moment, spell_text_as_date, spell_text_as_instant
from revetl.encode.nested import (
    as_wired,
    spell_joined_list,
    spell_json,
    spell_json_list,
    spell_map,
    spell_struct,
)
from revetl.encode.numeric import (
    FLOATS,
    INTEGERS,
    spell_decimal,
    spell_float,
    spell_integer,
    spell_text_as_number,
    too_fine,
)
from revetl.encode.typenames import TypeName, parse_type
from revetl.types import RemoteField

_TEXTS = frozenset({"VARCHAR", "UUID", "ENUM"})
_ANY = frozenset({"any", "json"})  # fields that take whatever is natural for the column
_STRINGS = frozenset({"text", "any", "list"})  # fields whose strings have options and a greatest length
_SPELT = f"CAST({HOLE} AS VARCHAR)"
_TYPES = frozenset({"text", "integer", "number", "boolean", "date", "timestamp", "list", "json", "any"})


def encode(source_type: str, remote: RemoteField | None, wire: WireFormat, *, timezone: str | None) -> Encoding:
    """Return the SQL that spells a column of DuckDB type ``source_type`` for the field ``remote``.

    A field that is not described (None), or of an unknown type, takes what is natural for the column. ``timezone`` is
    the zone that naive timestamps are meant in. Lengths are counted in Unicode code points.

    Raises:
        Unencodable: no value of this type can be carried into this field.
    """
    return _spell(parse_type(source_type), remote, wire, timezone).encoding()


def _spell(kind: TypeName, remote: RemoteField | None, wire: WireFormat, timezone: str | None) -> Spelling:
    target = remote.type if remote is not None and remote.type in _TYPES else "any"
    if kind.name == '"NULL"':  # a column of NULLs only
        return Spelling("'null'", bare=True)
    if kind.name == "LIST":
        spelling = _spell_list(kind, target, remote, wire, timezone)
    elif kind.name in ("STRUCT", "MAP", "JSON"):
        spelling = _spell_json(kind, target, wire, timezone)
    else:
        spelling = _spell_scalar(kind, target, wire, timezone)
    return _limited(spelling, kind, target, remote, wire)


def _spell_scalar(kind: TypeName, target: str, wire: WireFormat, timezone: str | None) -> Spelling:
    if target == "list" and wire.list == "json":
        raise _unfit(kind, target)
    if kind.name in _TEXTS:
        return _spell_text(target, wire).through(HOLE if kind.name == "VARCHAR" else _SPELT)
    if kind.name == "BOOLEAN":
        return _spell_boolean(kind, target, wire)
    if kind.name in MOMENTS:
        if target in ("integer", "number", "boolean"):
            raise _unfit(kind, target)
        return spell_moment(kind, target, wire, timezone=timezone)
    return _spell_number(kind, target, wire)


def _spell_text(target: str, wire: WireFormat) -> Spelling:
    bare = wire.number == "json"
    match target:
        case "integer" | "number":
            return spell_text_as_number(wire, bare=bare, whole=target == "integer")
        case "boolean":
            odd = Refusal.because(f"lower({HOLE}) NOT IN ('true', 'false')", "neither true nor false")
            return Spelling(f"lower({HOLE})", wire.boolean == "json", (odd,))
        case "date":
            return spell_text_as_date(target, wire)
        case "timestamp":
            return spell_text_as_instant(target, wire)
        case "json":
            return as_wired(spell_json(target), target, wire)
        case _:
            return Spelling(HOLE)


def _spell_boolean(kind: TypeName, target: str, wire: WireFormat) -> Spelling:
    if target not in _ANY | {"boolean", "text"}:
        raise _unfit(kind, target)
    return Spelling(_SPELT, target != "text" and wire.boolean == "json")


def _spell_number(kind: TypeName, target: str, wire: WireFormat) -> Spelling:
    bare = wire.number == "json" and target not in ("text", "list")
    if target in ("boolean", "date", "timestamp"):
        raise _unfit(kind, target)
    if kind.name in INTEGERS:
        return spell_integer(kind, wire, bare=bare)
    if kind.name == "DECIMAL":
        return spell_decimal(kind, wire, bare=bare, whole=target == "integer")
    if kind.name in FLOATS:
        return spell_float(wire, bare=bare, whole=target == "integer")
    raise Unencodable(f"a {kind.name} has no spelling there")


def _spell_list(
    kind: TypeName, target: str, remote: RemoteField | None, wire: WireFormat, timezone: str | None
) -> Spelling:
    if wire.list == "refuse":
        raise Unencodable("the destination takes no lists")
    if wire.list == "json":
        if target not in _ANY | {"list"}:
            raise _unfit(kind, target)
        return spell_json_list(kind, lambda part: _spell(part, _item(remote), wire, timezone).encoding())
    if target not in _ANY | {"list", "text"}:
        raise _unfit(kind, target)
    return spell_joined_list(kind, wire.list, partial(_spell_item, remote=remote, wire=wire, timezone=timezone))


def _spell_item(kind: TypeName, *, remote: RemoteField | None, wire: WireFormat, timezone: str | None) -> Spelling:
    """Return the text of an item of a joined list."""
    if kind.parts or kind.name == "JSON":
        raise Unencodable(f"a list of {kind.name} cannot be joined by {wire.list!r}")
    return _spell(kind, _item(remote) or RemoteField("", "text"), wire, timezone)


def _spell_json(kind: TypeName, target: str, wire: WireFormat, timezone: str | None) -> Spelling:
    if target not in _ANY | {"text"} and not (target == "list" and kind.name == "JSON" and wire.list == "json"):
        raise _unfit(kind, target)
    if kind.name == "JSON":
        return as_wired(spell_json(target), target, wire)
    build = spell_struct if kind.name == "STRUCT" else spell_map
    within = replace(wire, json="json", list="json", max_text=None)
    return as_wired(build(kind, lambda part: _spell(part, None, within, timezone).encoding()), target, wire)


def _item(remote: RemoteField | None) -> RemoteField | None:
    """Return the field that one item of a list stands in: text where the list has options, else anything."""
    return RemoteField(remote.name, "text", options=remote.options) if remote and remote.options else None


def _limited(spelling: Spelling, kind: TypeName, target: str, remote: RemoteField | None, wire: WireFormat) -> Spelling:
    """Return a string's spelling with the refusals that the field's options and greatest length make."""
    if target == "number" and remote is not None and remote.decimals is not None:
        return spelling.refused(too_fine(kind, spelling, remote.decimals))
    if spelling.bare or target not in _STRINGS:
        return spelling
    lengths = (wire.max_text, remote.max_length if remote is not None else None)
    longest = min((length for length in lengths if length is not None), default=None)
    if longest is not None:
        long = f"length({spelling.text}) > {longest}"
        spelling = spelling.refused(Refusal.because(long, f"longer than {longest} characters"))
    if remote is None or not remote.options or kind.name == "LIST":  # a list's items were checked one by one
        return spelling
    options = f"[{', '.join(literal(option) for option in remote.options)}]"
    items = f"string_split({spelling.text}, {literal(wire.list)})" if target == "list" else f"[{spelling.text}]"
    return spelling.refused(Refusal.because(f"NOT list_has_all({options}, {items})", "not one of the options"))


def _unfit(kind: TypeName, target: str) -> Unencodable:
    return Unencodable(f"a {kind.name} does not fit a field of type {target}")
