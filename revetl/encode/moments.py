"""Dates and instants, rendered in UTC by the destination's strftime pattern, ``epoch_s`` or ``epoch_ms``.

The one loss allowed anywhere: what a timestamp has below the precision of the pattern is cut off, towards the past.
"""

from __future__ import annotations

import re

from revetl.contract import WireFormat
from revetl.encode.encoding import HOLE, Refusal, Spelling, Unencodable, literal
from revetl.encode.typenames import TypeName

INSTANT = "TIMESTAMP WITH TIME ZONE"
NAIVE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
MOMENTS = NAIVE | {INSTANT, "DATE"}

_EPOCH = {"epoch_s": ("second", 1_000_000), "epoch_ms": ("millisecond", 1_000)}  # unit, microseconds in it
_ISO = WireFormat(date="%Y-%m-%d", timestamp="%Y-%m-%dT%H:%M:%SZ")
# A cast to TIMESTAMP rounds up from DuckDB 2.0 on.
_FLOOR_US = f"(epoch_ns({HOLE}) // 1000 - CASE WHEN epoch_ns({HOLE}) % 1000 < 0 THEN 1 ELSE 0 END)"


def spell_moment(kind: TypeName, target: str, wire: WireFormat, *, timezone: str | None) -> Spelling:
    """Return how a date or timestamp is spelt in a field of type ``target``.

    Raises:
        Unencodable: a naive timestamp without the zone it is meant in, or a zone that is no name.
    """
    moment, refusals = _utc(kind, timezone)
    calendar = target == "date" or (target != "timestamp" and kind.name == "DATE")
    if target == "date" and kind.name != "DATE":
        refusals += (Refusal.because(f"{moment} <> date_trunc('day', {moment})", "needs midnight"),)
    spelt = _ISO if target == "text" else wire
    pattern = spelt.date if calendar else spelt.timestamp
    if target == "text" and (wire.date if calendar else wire.timestamp) not in _EPOCH:
        pattern = wire.date if calendar else wire.timestamp
    bare = pattern in _EPOCH and wire.number == "json"
    return Spelling(_render(moment, pattern), bare, refusals)


def spell_text_as_date(target: str, wire: WireFormat) -> Spelling:
    """Return text that is an ISO date, as a date."""
    day = f"TRY_CAST({HOLE} AS DATE)"
    odd = f"NOT regexp_full_match({HOLE}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') OR {day} IS NULL"
    inner = spell_moment(TypeName("DATE"), target, wire, timezone=None)
    return inner.through(day, [Refusal.because(odd, "not an ISO date")])


def spell_text_as_instant(target: str, wire: WireFormat) -> Spelling:
    """Return text that is an ISO 8601 timestamp with its offset, as an instant."""
    instant = f"TRY_CAST({HOLE} AS TIMESTAMP WITH TIME ZONE)"
    clock = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
    odd = f"NOT regexp_full_match({HOLE}, '{clock}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)') OR {instant} IS NULL"
    inner = spell_moment(TypeName(INSTANT), target, wire, timezone=None)
    return inner.through(instant, [Refusal.because(odd, "not an ISO timestamp with its offset")])


def _utc(kind: TypeName, timezone: str | None) -> tuple[str, tuple[Refusal, ...]]:
    """Return SQL of x as a naive timestamp in UTC, and what it must be refused for."""
    infinite = Refusal.because(f"NOT isfinite({HOLE})", "an infinite date")
    if kind.name == INSTANT:
        return f"make_timestamp(epoch_us({HOLE}))", (infinite, _years(f"make_timestamp(epoch_us({HOLE}))"))
    plain = f"make_timestamp({_FLOOR_US})" if kind.name == "TIMESTAMP_NS" else f"TRY_CAST({HOLE} AS TIMESTAMP)"
    if kind.name == "DATE":
        return plain, (infinite, _years(plain))
    if timezone is None:
        raise Unencodable("it is a timestamp without a zone and the sync says no `timezone`")
    if timezone.upper() in ("UTC", "ETC/UTC"):
        return plain, (infinite, _years(plain))
    return _zoned(plain, timezone, infinite)


def _zoned(plain: str, timezone: str, infinite: Refusal) -> tuple[str, tuple[Refusal, ...]]:
    """Return the UTC of a local time; a time that the zone has never, or twice, is refused."""
    if not re.fullmatch(r"[A-Za-z0-9_+\-/]{1,64}", timezone):
        raise Unencodable(f"its time zone {timezone!r} is no name of a zone")
    zone = literal(timezone)
    instant = f"timezone({zone}, CASE WHEN year({plain}) BETWEEN 1 AND 9999 THEN {plain} END)"
    moment = f"make_timestamp(epoch_us({instant}))"

    def local(shift: str) -> str:
        return f"timezone({zone}, {instant} {shift})"

    twice = " OR ".join(
        f"{local(f'{sign} INTERVAL {minutes} MINUTE')} = {plain}" for sign in "+-" for minutes in (30, 60)
    )
    return moment, (
        infinite,
        _years(plain),
        _years(moment),
        Refusal.because(f"{local('')} <> {plain}", f"a local time that {timezone} skips"),
        Refusal.because(twice, f"a local time that {timezone} has twice"),
    )


def _years(moment: str) -> Refusal:
    outside = f"coalesce(year({moment}) NOT BETWEEN 1 AND 9999, true)"
    return Refusal.because(outside, "outside the years 1 to 9999")


def _render(moment: str, pattern: str) -> str:
    if pattern not in _EPOCH:
        return f"strftime({moment}, {literal(pattern)})"
    unit, microseconds = _EPOCH[pattern]
    return f"CAST(epoch_us(date_trunc('{unit}', {moment})) // {microseconds} AS VARCHAR)"
