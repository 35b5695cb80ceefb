"""Numbers: exact as text always, exact as JSON numbers only where every reader's double holds them.

A JSON number is what the receiver makes of it, and most make it an IEEE 754 double: integers up to 2**53 and decimals
of 15 significant digits survive (RFC 8259 section 6; DBL_DIG of C). Beyond that the row is refused by name.
"""

from __future__ import annotations

from revetl.contract import WireFormat
from revetl.encode.encoding import HOLE, Refusal, Spelling
from revetl.encode.typenames import TypeName

SMALL = frozenset({"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"})
UNSIGNED = frozenset({"UBIGINT", "UHUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"})
INTEGERS = SMALL | UNSIGNED | {"BIGINT", "HUGEINT"}
FLOATS = frozenset({"FLOAT", "DOUBLE"})

_TEXT = f"CAST({HOLE} AS VARCHAR)"
_NOT_WHOLE = "not a whole number"
_NOT_FINITE = Refusal.because(f"NOT isfinite({HOLE})", "not a finite number")


def spell_integer(kind: TypeName, wire: WireFormat, *, bare: bool) -> Spelling:
    """Return the digits of an integer; ``bare``: as a JSON number, which has a greatest and a least."""
    spelling = Spelling(_TEXT, bare)
    if not bare or (kind.name in SMALL and wire.max_integer >= 2**32):
        return spelling
    below = "" if kind.name in UNSIGNED else f" OR {HOLE} < -{wire.max_integer}"
    return spelling.refused(Refusal.because(f"{HOLE} > {wire.max_integer}{below}", _beyond(wire)))


def spell_decimal(kind: TypeName, wire: WireFormat, *, bare: bool, whole: bool) -> Spelling:
    """Return the digits of a decimal as they are, trailing zeros too; ``whole``: the field takes integers only."""
    text = _TEXT
    if len(kind.numbers) == 2 and kind.numbers[0] == kind.numbers[1]:  # DuckDB writes .5, which JSON does not know
        text = f"regexp_replace({_TEXT}, '^(-?)[.]', '\\10.')"
    return _digits(Spelling(text, bare), wire, whole=whole)


def spell_float(wire: WireFormat, *, bare: bool, whole: bool) -> Spelling:
    """Return the shortest decimal that reads back as the same FLOAT or DOUBLE."""
    if not whole:
        return Spelling(_TEXT, bare, (_NOT_FINITE,))
    digits = f"TRY_CAST({HOLE} AS HUGEINT)"
    limit = f" OR {HOLE} > {wire.max_integer} OR {HOLE} < -{wire.max_integer}" if bare else ""
    return Spelling(
        f"CAST({digits} AS VARCHAR)",
        bare,
        (
            _NOT_FINITE,
            Refusal.because(f"{HOLE} <> trunc({HOLE})", _NOT_WHOLE),
            Refusal.because(f"{digits} IS NULL{limit}", _beyond(wire)),
        ),
    )


def spell_text_as_number(wire: WireFormat, *, bare: bool, whole: bool) -> Spelling:
    """Return text that is spelt as JSON spells numbers (no +, no leading zeros, no exponent), digit for digit."""
    odd = Refusal.because(f"NOT regexp_full_match({HOLE}, '-?(0|[1-9][0-9]*)([.][0-9]+)?')", "not a number")
    return _digits(Spelling(HOLE, bare, (odd,)), wire, whole=whole)


def _digits(spelling: Spelling, wire: WireFormat, *, whole: bool) -> Spelling:
    """Refuse what a double, or an integer field, cannot hold of the plain decimal that ``spelling`` writes."""
    text = spelling.text
    broken = f"regexp_matches({text}, '[.]0*[1-9]')"
    if whole:
        spelling = Spelling(f"split_part({text}, '.', 1)", spelling.bare, spelling.refusals)
        spelling = spelling.refused(Refusal.because(broken, _NOT_WHOLE))
    if not spelling.bare:
        return spelling
    integer = f"TRY_CAST(split_part({text}, '.', 1) AS HUGEINT)"
    large = f"coalesce({integer} > {wire.max_integer} OR {integer} < -{wire.max_integer}, true)"
    significant = f"length(rtrim(ltrim(replace({text}, '.', ''), '-0'), '0'))"
    return spelling.refused(
        Refusal.because(f"NOT {broken} AND {large}", _beyond(wire)),
        Refusal.because(f"{broken} AND {significant} > {wire.max_digits}", f"more than {wire.max_digits} digits"),
    )


def too_fine(kind: TypeName, spelling: Spelling, decimals: int) -> Refusal:
    """Return the refusal of a number that a field would round, for it keeps so many digits after the point."""
    finer = f"regexp_matches({spelling.text}, '[.][0-9]{{{decimals}}}[0-9]*[1-9]')"
    if kind.name in FLOATS:  # whose text may have an exponent; beyond the limit no double has more digits
        finer = f"abs({HOLE}) < {2**53 // 10**decimals} AND {HOLE} <> round({HOLE}, {decimals})"
    return Refusal.because(finer, f"more than {decimals} digits after the point: round it in the model")


def _beyond(wire: WireFormat) -> str:
    return "integer beyond 2^53" if wire.max_integer == 2**53 - 1 else f"integer beyond {wire.max_integer}"
