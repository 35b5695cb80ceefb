"""Merge fields: their definitions, and what each type accepts.

Sources: Mailchimp Marketing API 3.0.55 (the types) and the merge-field guide: a date is ``YYYY-MM-DD``, a birthday
``MM/DD``, a number a JSON number, an address an object; text holds 255 bytes; ``""`` clears.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date

from revetl.errors import UsageError
from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp import queries
from revetl.sandbox.mailchimp.audience import Audience
from revetl.sandbox.mailchimp.problems import NO_SCHEMA, bad, misshapen
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

TYPES = ("text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip")
TAG = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
MOST_BYTES = 255
LEAP_YEAR = 2024  # a birthday has no year


def definition(number: int, given: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a merge field in Mailchimp's shape; its tag is ``MMERGE<number>`` unless given."""
    return {
        "merge_id": number,
        "tag": given.get("tag") or f"MMERGE{number}",
        "name": given["name"],
        "type": given["type"],
        "required": bool(given.get("required", False)),
        "default_value": given.get("default_value", ""),
        "public": bool(given.get("public", False)),
        "display_order": number,
        "options": dict(given.get("options") or {}),
    }


def defaults(extra: Iterable[Mapping[str, JSON]] | Mapping[str, JSON]) -> dict[str, dict[str, JSON]]:
    """Return FNAME, LNAME and ``extra`` by tag (tag → type, tag → definition, or definitions with tags).

    ``UsageError`` RVT-681 for an unknown type.
    """
    named = (
        [{"tag": tag, **({"type": one} if isinstance(one, str) else one)} for tag, one in extra.items()]
        if isinstance(extra, Mapping)
        else list(extra)
    )
    first = ({"tag": "FNAME", "name": "First Name"}, {"tag": "LNAME", "name": "Last Name"})
    made = {}
    for number, given in enumerate((*first, *named), 1):
        one = definition(number, {"type": "text", "name": given["tag"], **given})
        if one["type"] not in TYPES:
            hint = f"use: {', '.join(TYPES)}"
            raise UsageError("RVT-681", f"Merge field {one['tag']} has the unknown type {one['type']!r}.", hint=hint)
        made[str(one["tag"])] = one
    return made


def listing(box: Sandbox, request: Request, list_id: str) -> Answer:
    """GET /lists/{list_id}/merge-fields, by ``type`` and ``required`` where asked."""
    audience = Audience.of(box, list_id)
    kind, required = request.params.get("type"), request.params.get("required")
    found = [
        {**one, "list_id": list_id}
        for one in audience.fields.values()
        if kind in (None, one["type"]) and required in (None, str(one["required"]).lower())
    ]
    shown = {"merge_fields": queries.page(request, found), "list_id": list_id, "total_items": len(found)}
    return queries.reply(request, shown)


def create(box: Sandbox, request: Request, list_id: str) -> Answer:
    """POST /lists/{list_id}/merge-fields ``{name, type, tag}``."""
    audience = Audience.of(box, list_id)
    given = request.json()
    for needed in ("name", "type"):
        if not isinstance(given, dict) or not isinstance(given.get(needed), str) or not given[needed]:
            raise misshapen(needed, "This value should not be blank.")
    if given["type"] not in TYPES:
        raise misshapen("type", f"Value must be one of: {', '.join(TYPES)}")
    options = given.get("options", {})
    if not isinstance(options, dict) or not isinstance(options.get("choices", []), list):
        raise misshapen("options", "Schema describes object")
    tag = given.get("tag") or ""
    if tag and (not isinstance(tag, str) or not TAG.fullmatch(tag)):
        raise bad("A merge tag is upper case and at most 10 characters long.")
    if tag in audience.fields:
        raise bad(f'A Merge Field with the tag "{tag}" already exists for this list.')
    number = max((one["merge_id"] for one in audience.fields.values()), default=0) + 1
    made = definition(number, given)
    audience.fields[str(made["tag"])] = made
    return answer(200, {**made, "list_id": list_id})


def shape(merge: JSON, where: str) -> None:
    """Refuse the whole call for a value that no merge field can have: null, true, a list."""
    if not isinstance(merge, dict):
        raise misshapen(f"{where}merge_fields", "Schema describes object")
    for tag, value in merge.items():
        if value is None or isinstance(value, (bool, list)):
            raise misshapen(f"{where}merge_fields.{tag}", NO_SCHEMA)


def wrong(one: Mapping[str, JSON], value: JSON) -> str | None:
    """Return why merge field ``one`` refuses ``value``, None where it takes it."""
    if value == "":
        return None
    return _CHECKS[one["type"]](one, value)


def _text(_one: Mapping[str, JSON], value: JSON) -> str | None:
    if isinstance(value, dict):
        return "This field must be text."
    return None if len(str(value).encode()) <= MOST_BYTES else f"Please enter a value of at most {MOST_BYTES} bytes"


def _number(_one: Mapping[str, JSON], value: JSON) -> str | None:
    sound = isinstance(value, (int, float)) and math.isfinite(value)
    return None if sound else "Please enter a number"


def _date(_one: Mapping[str, JSON], value: JSON) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) and _is_date(value):
        return None
    return "Please enter a valid date (YYYY-MM-DD)"


def _birthday(_one: Mapping[str, JSON], value: JSON) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"\d{2}/\d{2}", value):
        month, day = value.split("/")
        if _is_date(f"{LEAP_YEAR}-{month}-{day}"):
            return None
    return "Please enter a birthday (MM/DD)"


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _url(one: Mapping[str, JSON], value: JSON) -> str | None:
    sound = isinstance(value, str) and re.fullmatch(r"https?://[^\s/]+\S*", value)
    return _text(one, value) if sound else "Please enter a valid URL"


def _choice(one: Mapping[str, JSON], value: JSON) -> str | None:
    choices = one["options"].get("choices", [])
    return None if value in choices else f"Value must be one of: {', '.join(map(str, choices))}"


def _zip(_one: Mapping[str, JSON], value: JSON) -> str | None:
    sound = isinstance(value, str) and re.fullmatch(r"\d{5}", value)
    return None if sound else "Please enter a zip code (5 digits)"


def _address(_one: Mapping[str, JSON], value: JSON) -> str | None:
    needed = ("addr1", "city", "state", "zip")
    sound = isinstance(value, dict) and all(isinstance(value.get(part), str) and value[part] for part in needed)
    return None if sound else "Please enter a complete address"


_CHECKS = {
    "text": _text,
    "phone": _text,
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "url": _url,
    "imageurl": _url,
    "radio": _choice,
    "dropdown": _choice,
    "zip": _zip,
    "address": _address,
}
