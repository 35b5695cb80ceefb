"""What HubSpot accepts as a property's value, and what it keeps of it.

Every value is a string; ``""`` clears. Sources: developers.hubspot.com, "Properties" (types and formats: a ``date`` is
``YYYY-MM-DD`` or epoch milliseconds at midnight UTC; a ``datetime`` ISO 8601 or epoch milliseconds).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache

from revetl.types import JSON

MOST_CHARACTERS = 65_536  # of a text value
DAY_MS = 86_400_000
EMAIL = re.compile(r"[^@\s,;<>()\[\]\"\\]+@(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
EPOCH = re.compile(r"-?[0-9]{1,15}")
PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class BadValueError(Exception):
    """A value that its property does not accept."""

    def __init__(self, code: str, message: str) -> None:
        """Make one with HubSpot's ``code``."""
        super().__init__(message)
        self.code = code


def kept(prop: Mapping[str, JSON], value: str) -> str:
    """Return what is kept of ``value``; ``BadValueError`` where ``prop`` refuses it."""
    if not value:
        return value
    kind = prop["type"]
    if kind in ("string", "phone_number"):
        return _text(prop, value)
    if kind in _SCALARS:
        return _scalar(kind, value)
    return _bool(value) if kind == "bool" else _option(prop, value)


@lru_cache(maxsize=65_536)  # dates and numbers repeat, and a stand-in must not be what a benchmark measures
def _scalar(kind: str, value: str) -> str:
    return _SCALARS[kind](value)


def _text(prop: Mapping[str, JSON], value: str) -> str:
    if len(value) > MOST_CHARACTERS:
        raise BadValueError("VALUE_TOO_LONG", f"{prop['name']} is longer than {MOST_CHARACTERS} characters")
    if prop["name"] == "email":
        if len(value) > 254 or not EMAIL.fullmatch(value.strip()):
            raise BadValueError("INVALID_EMAIL", f"Email address {value} is invalid")
        return value.strip().lower()
    return value


def _number(value: str) -> str:
    if not NUMBER.fullmatch(value) or not math.isfinite(float(value)):
        raise BadValueError("INVALID_INTEGER", f"{value} was not a valid number.")
    return value


def _bool(value: str) -> str:
    if value not in ("true", "false"):
        raise BadValueError("INVALID_OPTION", f"{value} was not one of the allowed options: [true, false]")
    return value


def _option(prop: Mapping[str, JSON], value: str) -> str:
    allowed = {str(option["value"]) for option in prop["options"]}
    chosen = value.lstrip(";").split(";") if prop["fieldType"] == "checkbox" else [value]
    for one in chosen:
        if one not in allowed:
            raise BadValueError("INVALID_OPTION", f"{one} was not one of the allowed options: {sorted(allowed)}")
    return value


def _date(value: str) -> str:
    if EPOCH.fullmatch(value):
        if int(value) % DAY_MS:
            raise BadValueError("INVALID_DATE", f"{value} is not at midnight UTC")
        return _from_ms(value).date().isoformat()
    try:
        return _plain_date(value).isoformat()
    except ValueError:
        raise BadValueError("INVALID_DATE", f"{value} was not a valid date") from None


def _datetime(value: str) -> str:
    if EPOCH.fullmatch(value):
        return stamp(_from_ms(value))
    try:
        moment = datetime.fromisoformat(value) if "T" in value else datetime.combine(_plain_date(value), time(0), UTC)
        if moment.tzinfo is not None:
            return stamp(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise BadValueError("INVALID_DATE", f"{value} was not a valid date-time") from None
    raise BadValueError("INVALID_DATE", f"{value} names no time zone")


def _plain_date(value: str) -> date:
    if not PLAIN_DATE.fullmatch(value):
        raise ValueError(value)
    return date.fromisoformat(value)


def _from_ms(value: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadValueError("INVALID_DATE", f"{value} is out of range") from None


def stamp(moment: datetime) -> str:
    """Return a UTC moment as HubSpot writes it: ``2026-08-30T05:49:48.000Z``."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


_SCALARS = {"number": _number, "date": _date, "datetime": _datetime}
