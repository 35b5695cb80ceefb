"""What Salesforce accepts as a field's value, and what it keeps of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from revetl.sandbox.salesforce.errors import RowError, refuse
from revetl.sandbox.wire import RefusedError
from revetl.types import JSON

EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
ID = re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def kept(one: Mapping[str, JSON], value: JSON) -> JSON:
    """Return what is kept of ``value``, None where it clears.

    Raises:
        RowError: the field refuses it.
        RefusedError: it cannot be read as the field's type, which ends the request.
    """
    kind, name = one["type"], one["name"]
    if value is None or value == "":
        if kind == "boolean":
            told = f"{one['label']}: value not of required type: {value}"
            raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", told, [name])
        return None
    if kind == "boolean":
        if not isinstance(value, bool):
            raise _unread(one, value)
        return value
    if kind in ("double", "currency", "percent", "int"):
        return _number(one, value)
    if not isinstance(value, str):
        raise _unread(one, value)
    if kind in _TIMES:
        return _TIMES[kind](one, value)
    text = value.strip()
    if len(text) > one["length"] > 0 and kind not in ("picklist", "multipicklist", "reference"):
        told = f"{name}: data value too large: {text[:40]} (max length={one['length']})"
        raise RowError("STRING_TOO_LONG", told, [name])
    return _CHECKS.get(kind, _text)(one, text) or None


def _unread(one: Mapping[str, JSON], value: JSON) -> RefusedError:
    told = f"Cannot deserialize instance of {one['type']} from value {value} or request may be missing a required field"
    return refuse(400, "JSON_PARSER_ERROR", told)


def _number(one: Mapping[str, JSON], value: JSON) -> JSON:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unread(one, value)
    most = 2**31 if one["type"] == "int" else 10 ** (one["precision"] - one["scale"])
    if abs(value) >= most:
        told = f"{one['label']}: value outside of valid range on numeric field: {value}"
        raise RowError("NUMBER_OUTSIDE_VALID_RANGE", told, [one["name"]])
    if one["type"] == "int" and value != int(value):
        raise _unread(one, value)
    return round(value, one["scale"]) if one["scale"] else round(value)


def _text(_: Mapping[str, JSON], value: str) -> str:
    return value


def _email(one: Mapping[str, JSON], value: str) -> str:
    if not EMAIL.fullmatch(value):
        told = f"{one['label']}: invalid email address: {value}"
        raise RowError("INVALID_EMAIL_ADDRESS", told, [one["name"]])
    return value


def _option(one: Mapping[str, JSON], value: str) -> str:
    allowed = {choice["value"] for choice in one["picklistValues"]}
    chosen = value.split(";") if one["type"] == "multipicklist" else [value]
    for choice in chosen:
        if one["restrictedPicklist"] and choice not in allowed:
            told = f"{one['label']}: bad value for restricted picklist field: {choice}"
            raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", told, [one["name"]])
    return value


def _reference(one: Mapping[str, JSON], value: str) -> str:
    if not ID.fullmatch(value):
        raise RowError("MALFORMED_ID", f"{one['label']}: id value of incorrect type: {value}", [one["name"]])
    return value


def _date(one: Mapping[str, JSON], value: str) -> str:
    try:
        if PLAIN_DATE.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        raise _unread(one, value) from None
    raise _unread(one, value)


def _moment(one: Mapping[str, JSON], value: str) -> str:
    try:
        if MOMENT.fullmatch(value):
            return stamp(datetime.fromisoformat(value).astimezone(UTC))
    except ValueError:
        raise _unread(one, value) from None
    raise _unread(one, value)


def stamp(moment: datetime) -> str:
    """Return a UTC moment as Salesforce writes it: whole seconds, ``2026-08-30T05:49:48.000+0000``."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}.000+0000"


_TIMES = {"date": _date, "datetime": _moment}
_CHECKS = {"email": _email, "picklist": _option, "multipicklist": _option, "reference": _reference}
