"""The fields of a project: a type each, fixed for ever by the first value.

A value of another type refuses the whole request, as recorded answers show (RequestFieldsTypesMismatched).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from revetl.sandbox.iterable.problems import problem
from revetl.types import JSON

# support.iterable.com: "yyyy-MM-dd HH:mm:ss ZZ" or ISO 8601; recorded calls have "…Z". A bare day is text.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?(Z|[+-]\d\d:?\d\d)")
MOST_FIELDS = 1_000
MOST_CHARACTERS = 32_766
DEFAULTS: Mapping[str, str] = {
    "email": "string", "userId": "string", "firstName": "string", "lastName": "string", "phoneNumber": "string",
    "signupDate": "date", "signupSource": "string", "profileUpdatedAt": "date", "emailListIds": "array",
    "unsubscribedChannelIds": "array", "unsubscribedMessageTypeIds": "array",
}  # fmt: skip


def moment(value: JSON) -> str | None:
    """Return an instant as Iterable shows it, in UTC; None for anything else."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        instant = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3]}")
    except ValueError:
        return None
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} +00:00"


def kind(value: JSON) -> str:
    """Return the type that a first value gives its field."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "long"
        case float():
            return "double"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "string" if moment(value) is None else "date"


def fits(expected: str, value: JSON) -> bool:
    """Return whether ``value`` may stand in a field; ``null`` may in any."""
    found = kind(value)
    if value is None or found == expected:
        return True
    return (expected, found) in (("double", "long"), ("string", "date"))


def kept(expected: str, value: JSON) -> JSON:
    """Return a fitting value as it is stored."""
    return moment(value) if expected == "date" else value


def check(name: str, expected: str, value: JSON, wrong: dict[str, JSON]) -> None:
    """Note in ``wrong`` what does not fit."""
    if not fits(expected, value):
        wrong[name] = {"expectedType": expected, "offendingValue": value, "_type": "UnexpectedType"}


def mismatch(wrong: Mapping[str, JSON]) -> Exception:
    """Return the refusal of a request whose values do not fit."""
    return problem(
        400, "RequestFieldsTypesMismatched", "Request contains wrong field types", {"validationErrors": dict(wrong)}
    )
