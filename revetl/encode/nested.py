"""Lists, structs, maps and JSON: built piece by piece, so that what they hold is as exact as a column of its own."""

from __future__ import annotations

from collections.abc import Callable

from revetl.contract import WireFormat
from revetl.encode.encoding import HOLE, Encoding, Refusal, Spelling, Unencodable, json_string, literal
from revetl.encode.typenames import TypeName

EncodePart = Callable[[TypeName], Encoding]
SpellPart = Callable[[TypeName], Spelling]
_TEXT_KEYS = frozenset({"VARCHAR", "ENUM", "UUID"})


def spell_json_list(kind: TypeName, part: EncodePart) -> Spelling:
    """Return a JSON array of the items, null items as null."""
    item = f"e{kind.depth}"
    inner = part(kind.parts[0]).over(item)
    items = f"list_transform({HOLE}, lambda {item}: CASE WHEN {item} IS NULL THEN 'null' ELSE {inner.value} END)"
    text = f"'[' || coalesce(array_to_string({items}, ','), '') || ']'"
    return Spelling(text, bare=True, refusals=_first_refused(HOLE, item, inner.refusal))


def spell_joined_list(kind: TypeName, separator: str, part: SpellPart) -> Spelling:
    """Return the items' texts joined; an item that the joined text would not give back is refused."""
    item = f"e{kind.depth}"
    inner = part(kind.parts[0]).through(item)
    reason = inner.refusal()
    holds = f"contains({inner.text}, {literal(separator)})"
    lost = f"CASE WHEN {item} IS NULL OR {inner.text} = '' THEN {literal('an empty item in the list')} WHEN {holds}"
    lost += f" THEN {literal(f'an item that holds {separator!r}')} ELSE {reason or 'NULL'} END"
    texts = f"list_transform({HOLE}, lambda {item}: {inner.text})"
    return Spelling(
        f"coalesce(array_to_string({texts}, {literal(separator)}), '')", refusals=_first_refused(HOLE, item, lost)
    )


def spell_struct(kind: TypeName, part: EncodePart) -> Spelling:
    """Return a JSON object of a struct's fields, null fields as null.

    Raises:
        Unencodable: its fields have no names.
    """
    if "" in kind.fields or not kind.fields:
        raise Unencodable("its type is a struct without names")
    pieces, refusals = [], []
    for name, piece in zip(kind.fields, kind.parts, strict=True):
        value = f"struct_extract({HOLE}, {literal(name)})"
        inner = part(piece).over(value)
        pieces.append(
            f"{json_string(literal(name))} || ':' || CASE WHEN {value} IS NULL THEN 'null' ELSE {inner.value} END"
        )
        if inner.refusal:
            reason = f"CASE WHEN {value} IS NOT NULL THEN {inner.refusal} END"
            refusals.append(Refusal(f"{reason} IS NOT NULL", reason))
    return Spelling("'{' || " + " || ',' || ".join(pieces) + " || '}'", bare=True, refusals=tuple(refusals))


def spell_map(kind: TypeName, part: EncodePart) -> Spelling:
    """Return a JSON object of a map's entries.

    Raises:
        Unencodable: its keys are not text.
    """
    key, value = kind.parts
    if key.name not in _TEXT_KEYS:
        raise Unencodable(f"a map's keys must be text for JSON, not {key.name}")
    item = f"e{kind.depth}"
    inner = part(value).over(f"{item}.value")
    name = json_string(f"CAST({item}.key AS VARCHAR)")
    pair = f"{name} || ':' || CASE WHEN {item}.value IS NULL THEN 'null' ELSE {inner.value} END"
    entries = f"map_entries({HOLE})"
    text = f"'{{' || coalesce(array_to_string(list_transform({entries}, lambda {item}: {pair}), ','), '') || '}}'"
    refusal = inner.refusal and f"CASE WHEN {item}.value IS NOT NULL THEN {inner.refusal} END"
    return Spelling(text, bare=True, refusals=_first_refused(entries, item, refusal))


def spell_json(target: str) -> Spelling:
    """Return JSON as it stands, digit for digit; DuckDB lets NaN, Infinity and trailing commas pass, JSON does not."""
    text = f"CAST({HOLE} AS VARCHAR)"
    bones = f"""regexp_replace({text}, '"([^"\\\\]|\\\\.)*"', '""', 'g')"""
    odd = f"NOT json_valid({text}) OR regexp_matches({bones}, '(?i)nan|inf|,\\s*[\\]}}]')"
    refusals = [
        Refusal.because(odd, "not valid JSON"),
        Refusal.because(f"regexp_full_match({text}, '\\s*null\\s*')", "a JSON null where NULL is meant"),
    ]
    if target == "list":
        refusals.append(Refusal.because(f"NOT regexp_matches({text}, '^\\s*\\[')", "not a JSON array"))
    return Spelling(text, bare=True, refusals=tuple(refusals))


def as_wired(spelling: Spelling, target: str, wire: WireFormat) -> Spelling:
    """Return a JSON value as the destination takes one: as it is, or as text.

    Raises:
        Unencodable: the destination takes no JSON.
    """
    if wire.json == "refuse":
        raise Unencodable("the destination takes no JSON values")
    return Spelling(spelling.text, wire.json != "text" and target != "text", spelling.refusals)


def _first_refused(items: str, item: str, refusal: str | None) -> tuple[Refusal, ...]:
    """Return the reason of the first item that is refused."""
    if refusal is None:
        return ()
    guarded = f"list_transform({items}, lambda {item}: {refusal})"
    first = f"list_extract(list_filter({guarded}, lambda r: r IS NOT NULL), 1)"
    return (Refusal(f"{first} IS NOT NULL", first),)
