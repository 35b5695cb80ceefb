"""SHA-256 of a value, normalised first as whoever compares the digests normalises what they hold.

``sha256`` follows Google, for Customer Match and conversions:
https://developers.google.com/data-manager/api/devguides/concepts/formatting.
``sha256_meta`` follows Meta, for Custom Audiences and conversions:
https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters.
``sha256_plain`` takes the text as it stands.

The digest of what is no address and no number matches nobody, so such a value is refused by name instead: its SQL gives
the empty text, which is no digest. Neither vendor can know a number without its country code, and none is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revetl.encode.encoding import HOLE, Encoding, literal
from revetl.types import Hash

DIGEST = "VARCHAR"  # the type of a digest, in hex


@dataclass(frozen=True, slots=True)
class _Rule:
    """SQL of the normalised text over x, the pattern that all of it must match, and what that is called."""

    sql: str
    pattern: str
    wanted: str


def _without(sql: str, pattern: str) -> str:
    return f"regexp_replace({sql}, '{pattern}', '', 'g')"


_GAP = "[\\s\\p{Z}]+"  # RE2's \s is ASCII; \p{Z} has what else separates words
_TEXT = _without(f"lower(CAST({HOLE} AS VARCHAR))", f"^{_GAP}|{_GAP}$")
_SOLID = _without(_TEXT, _GAP)
_WORDS = _without(_without(_TEXT, "[\\p{P}\\p{S}]"), f"^{_GAP}|{_GAP}$")
_LETTERS = _without(_TEXT, "[^\\p{L}\\p{M}]")
_DIGITS = _without(_TEXT, "[^0-9]")
_AT = f"split_part({_SOLID}, '@', 1)", f"split_part({_SOLID}, '@', 2)"
_GMAIL = (
    f"CASE WHEN {_AT[1]} IN ('gmail.com', 'googlemail.com') "
    f"THEN replace(split_part({_AT[0]}, '+', 1), '.', '') || '@' || {_AT[1]} ELSE {_SOLID} END"
)
_INTERNATIONAL = f"regexp_matches({_TEXT}, '^(\\+|00)[0-9\\s\\p{{Z}}\\p{{P}}]+$')"
_NUMBER = f"CASE WHEN {_INTERNATIONAL} THEN regexp_replace({_DIGITS}, '^0+', '') ELSE '' END"

_ANY = ".+"
_ADDRESS = "[^@]+@[^@]+"
_PHONE = "a phone number with its country code, such as +44…"
_GOOGLE = {
    "email": _Rule(_GMAIL, _ADDRESS, "an e-mail address"),
    "phone": _Rule(f"'+' || {_NUMBER}", "[+][1-9][0-9]{6,14}", _PHONE),
    **dict.fromkeys(("name", "first_name", "last_name"), _Rule(_TEXT, _ANY, "a name")),
}
_META = {
    "email": _Rule(_TEXT, _ADDRESS, "an e-mail address"),
    "phone": _Rule(_NUMBER, "[1-9][0-9]{6,14}", _PHONE),
    **dict.fromkeys(("name", "first_name", "last_name"), _Rule(_WORDS, _ANY, "a name")),
    **dict.fromkeys(("city", "state"), _Rule(_LETTERS, _ANY, "a place")),
    "zip": _Rule(f"split_part({_SOLID}, '-', 1)", _ANY, "a postal code"),
    "country": _Rule(_LETTERS, "[a-z]{2}", "a country's two letters (ISO 3166-1)"),
    "birth": _Rule(_DIGITS, "(19|20)[0-9]{2}[01][0-9][0-3][0-9]", "a date of birth, YYYY-MM-DD"),
    "gender": _Rule(f"left({_TEXT}, 1)", "[fm]", "a gender that Meta knows: f or m"),
}
RULES: Mapping[Hash, Mapping[str, _Rule]] = {Hash.SHA256: _GOOGLE, Hash.META: _META}


def digest(how: Hash, kind: str | None) -> str:
    """Return an SQL template over x: its digest in hex, the empty text where it cannot be normalised, null of null."""
    if how is Hash.PLAIN:
        return f"sha256(CAST({HOLE} AS VARCHAR))"
    rule = RULES[how][kind or ""]
    fits = f"regexp_full_match({rule.sql}, '{rule.pattern}')"
    return f"CASE WHEN {HOLE} IS NOT NULL THEN CASE WHEN {fits} THEN sha256({rule.sql}) ELSE '' END END"


def refusing(encoding: Encoding, how: Hash, kind: str | None) -> Encoding:
    """Return the encoding of digests, which refuses what is none."""
    if how is Hash.PLAIN:
        return encoding
    reason = literal(f"not {RULES[how][kind or ''].wanted}")
    none = f"CASE WHEN {HOLE} = '' THEN {reason} ELSE {encoding.refusal or 'NULL'} END"
    return Encoding(encoding.value, none)
