"""Attributes of users: types that the first value fixes, and what Braze drops, cuts or turns without a word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.types import JSON

MOST_CHARACTERS = 255
MOST_ELEMENTS = 500
SUBSCRIPTIONS = ("unsubscribed", "subscribed", "opted_in")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_CHECKS: Mapping[str, re.Pattern[str]] = {
    "country": re.compile(r"[A-Z]{2}"),
    "dob": re.compile(r"\d{4}-\d\d-\d\d"),
    "gender": re.compile(r"[MFONP]"),
    "language": re.compile(r"[a-z]{2,3}"),
    "email_subscribe": re.compile("|".join(SUBSCRIPTIONS)),
    "push_subscribe": re.compile("|".join(SUBSCRIPTIONS)),
}
STANDARD = frozenset({"email", "first_name", "last_name", "phone", "home_city", "time_zone", *_CHECKS})


def moment(value: JSON) -> str | None:
    """Return an instant as Braze shows it; a day is its midnight in UTC."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value)
        utc = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}.000Z"


def kind(value: JSON) -> str:
    """Return the type that a first value gives its attribute."""
    match value:
        case bool():
            return "Boolean"
        case int() | float():
            return "Number"
        case list():
            return "Object Array" if value and all(isinstance(one, dict) for one in value) else "Array"
        case dict():
            return "Object"
        case _:
            return "String" if moment(value) is None else "Time"


def fault(name: str, value: JSON) -> str | None:
    """Return why a row with this value is refused by name, None where it is not."""
    if name == "email" and value is not None and not (isinstance(value, str) and _ADDRESS.fullmatch(value)):
        return "The value provided for the 'email' field is not a valid email."
    if not name or name.startswith("$") or len(name) > MOST_CHARACTERS:
        return f"'{name}' is not a valid attribute name."
    return None


def write_standard(box: Sandbox, user: dict[str, Any], name: str, value: JSON) -> None:
    """Set one of Braze's own fields; a value that does not fit is ignored."""
    if value is None:
        user["fields"].pop(name, None)
        return
    if not isinstance(value, str) or (name in _CHECKS and not _CHECKS[name].fullmatch(value)):
        box.flag(f"{name}: a value that does not fit was ignored")
        return
    if name.endswith("_subscribe") and user["fields"].get(name) == "unsubscribed" != value:
        box.flag("somebody unsubscribed was subscribed again")
    user["fields"][name] = _cut(box, name, value)


def write_custom(box: Sandbox, user: dict[str, Any], name: str, value: JSON) -> None:
    """Set a custom attribute, as far as its type lets it."""
    known = box.store["attributes"].get(name)
    if known is not None and known["status"] == "Blocklisted":
        box.flag(f"{name} is blocklisted: the value was dropped")
        return
    if value is None:
        user["custom"].pop(name, None)
        return
    if isinstance(value, dict) and value and set(value) <= {"add", "remove"}:
        value = _array(user["custom"].get(name), value)
    found = kind(value)
    if known is None:
        box.store["attributes"][name] = {"name": name, "data_type": found, "status": "Active"}
    elif known["data_type"] != found and not (known["data_type"] == "String" and found == "Time"):
        box.flag(f"{name}: a value of another type was dropped")
        return
    elif known["data_type"] == "String":
        found = "String"
    if found in ("Object", "Object Array") and _nested_null(value):
        box.flag(f"{name}: a null inside voids the whole object")
        return
    user["custom"][name] = _kept(box, name, found, value)


def _kept(box: Sandbox, name: str, found: str, value: Any) -> JSON:
    if found == "Time":
        return moment(value)
    if found == "String":
        return _cut(box, name, value)
    if found == "Array":
        unique = [one for at, one in enumerate(value) if one not in value[:at]]
        if len(unique) > MOST_ELEMENTS:
            box.flag(f"{name}: elements beyond {MOST_ELEMENTS} were cut off")
        return unique[:MOST_ELEMENTS]
    return value


def _cut(box: Sandbox, name: str, value: str) -> str:
    if len(value) > MOST_CHARACTERS:
        box.flag(f"{name}: characters beyond {MOST_CHARACTERS} were cut off")
    return value[:MOST_CHARACTERS]


def _array(there: JSON, wish: dict[str, Any]) -> list[JSON]:
    kept = [one for one in (there if isinstance(there, list) else []) if one not in wish.get("remove", [])]
    return [one for one in kept if one not in wish.get("add", [])] + list(wish.get("add", []))


def _nested_null(value: JSON) -> bool:
    if isinstance(value, dict):
        return any(one is None or _nested_null(one) for one in value.values())
    return isinstance(value, list) and any(one is None or _nested_null(one) for one in value)
