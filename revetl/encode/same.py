"""Whether what an API returns is what was sent, though it spells it otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from revetl.types import JSON, RemoteField

_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_EPOCHS = (1, 1_000)  # units in a second


def same(remote: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether ``theirs`` (what the API returned; None where it is missing) stands for our wire value.

    Equal are: None, "" and []; numbers and their texts; booleans and their texts; a date and its midnight in UTC;
    ISO and epoch forms of an instant; text but for the spaces around it; a list and its ``;``-joined text, in any
    order where the field is a list. The field's declared type decides where a value may mean two things.
    """
    if empty(ours) or empty(theirs):
        return empty(ours) and empty(theirs)
    kind = remote.type if remote is not None else "any"
    if kind == "list" or isinstance(ours, list) != isinstance(theirs, list):
        return _items(ours) == _items(theirs)
    if isinstance(ours, list | Mapping) or isinstance(theirs, list | Mapping):
        return _deep(_parsed(ours), _parsed(theirs))
    return _scalars(kind, ours, theirs)


def _scalars(kind: str, ours: JSON, theirs: JSON) -> bool:
    if isinstance(ours, bool) or isinstance(theirs, bool) or kind == "boolean":
        return _text(ours).lower() == _text(theirs).lower()
    if _text(ours) == _text(theirs):
        return True
    if kind == "text" and isinstance(ours, str) and isinstance(theirs, str):
        return False
    if _numbers_meant(kind, ours, theirs):
        left, right = _number(ours), _number(theirs)
        if left is not None and left == right:
            return True
    if kind not in ("date", "timestamp", "any") or not (kind != "any" or _iso(ours) or _iso(theirs)):
        return False
    return not _instants(ours).isdisjoint(_instants(theirs))


def _numbers_meant(kind: str, ours: JSON, theirs: JSON) -> bool:
    """Return whether digits are numbers here: two texts such as "007" and "7" are so only in a number's field."""
    return kind in ("integer", "number") or not (isinstance(ours, str) and isinstance(theirs, str))


def empty(value: JSON) -> bool:
    """Return whether a value is none: absent, an empty list, or text of spaces alone."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == []


def _text(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _number(value: JSON) -> Decimal | None:
    text = _text(value)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _iso(value: JSON) -> bool:
    return isinstance(value, str) and _MOMENT.fullmatch(value.strip()) is not None


def _instants(value: JSON) -> set[Decimal]:
    """Return the seconds since 1970 that a value may stand for: one if it is ISO, two if it is an epoch."""
    number = _number(value)
    if number is not None:
        return {number / unit for unit in _EPOCHS}
    if not _iso(value):
        return set()
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return set()
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return {Decimal(since.days * 86_400 + since.seconds) + Decimal(since.microseconds) / 1_000_000}


def _items(value: JSON) -> list[str]:
    """Return a list's items as sorted texts; text is parted at ``;``."""
    parts = value if isinstance(value, list) else _text(value).split(";")
    return sorted(text for part in parts if (text := _text(part)))


def _parsed(value: JSON) -> JSON:
    """Return JSON that travels as text parsed, other text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _deep(ours: JSON, theirs: JSON) -> bool:
    """Return whether two JSON values are equal, without taking true for 1."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(_deep(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_deep, ours, theirs))
    return isinstance(ours, bool) == isinstance(theirs, bool) and bool(ours == theirs)
