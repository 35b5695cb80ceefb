"""The fields of people: Marketo's own (a part of them), those a test adds, and those made by the API; their values.

Sources: experienceleague.adobe.com, Marketo Developer, "List of Standard Fields", "Field Types", "Leads".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from revetl.errors import UsageError
from revetl.sandbox.core import Sandbox
from revetl.sandbox.marketo.errors import RowError, refuse
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

TYPES = (
    "boolean", "currency", "date", "datetime", "email", "float", "integer", "percent", "phone", "score", "string",
    "url",
)  # fmt: skip
TEXTS = {"string": 255, "phone": 255, "url": 255, "email": 255, "text": 30_000}
MOST_MADE = 100  # fields that the API makes in one instance
STANDARD: Mapping[str, tuple[str, str]] = {
    "email": ("Email Address", "email"),
    "firstName": ("First Name", "string"),
    "lastName": ("Last Name", "string"),
    "title": ("Job Title", "string"),
    "phone": ("Phone Number", "phone"),
    "city": ("City", "string"),
    "country": ("Country", "string"),
    "dateOfBirth": ("Date of Birth", "date"),
    "leadSource": ("Person Source", "string"),
    "leadScore": ("Person Score", "score"),
    "unsubscribed": ("Unsubscribed", "boolean"),
    "externalCompanyId": ("External Company Id", "string"),
    "company": ("Company Name", "string"),
    "industry": ("Industry", "string"),
    "annualRevenue": ("Annual Revenue", "currency"),
}
FIXED: Mapping[str, tuple[str, str]] = {
    "id": ("Id", "integer"),
    "createdAt": ("Created At", "datetime"),
    "updatedAt": ("Updated At", "datetime"),
}
OF_COMPANIES = frozenset({"company", "industry", "annualRevenue"})
SEARCHABLE = ("email", "externalCompanyId", "id")
EMAIL = re.compile(r"[^@\s,]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
LABEL = re.compile(r"[A-Za-z0-9 ]+")


def new_fields(extra: Mapping[str, str]) -> dict[str, JSON]:
    """Return the fields of a new instance; ``extra``: name → type.

    Raises:
        UsageError: RVT-681, there is no such type.
    """
    found: dict[str, JSON] = {}
    for name, (label, kind) in {**STANDARD, **FIXED}.items():
        found[name] = {"label": label, "type": kind, "custom": False, "fixed": name in FIXED}
    for name, kind in extra.items():
        if kind not in (*TYPES, "text"):
            raise UsageError("RVT-681", f"A field cannot be a {kind!r}.", hint=f"use: {', '.join((*TYPES, 'text'))}")
        found[name] = {"label": name, "type": kind, "custom": True, "fixed": False}
    return found


def searchable(box: Sandbox) -> list[str]:
    """Return the fields that people can be looked up by: some standard ones, custom ones of three types."""
    kinds = ("string", "email", "integer")
    custom = [n for n, one in box.store["fields"].items() if one["custom"] and one["type"] in kinds]
    return [*SEARCHABLE, *custom]


def kept(name: str, field: Mapping[str, JSON], value: JSON) -> JSON:
    """Return what is kept of ``value``, None where it clears.

    Raises:
        RowError: the field refuses it.
    """
    if value is None or value == "":
        return None
    kind = field["type"]
    if kind in TEXTS:
        return _text(name, kind, value)
    return _OTHERS[kind](name, kind, value)


def _invalid(name: str, kind: str, value: JSON) -> RowError:
    return RowError(1003, f"Invalid data: value '{value}' of field '{name}' is no {kind}")


def _text(name: str, kind: str, value: JSON) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or (kind == "email" and not (text.isascii() and EMAIL.fullmatch(text.strip()))):
        raise _invalid(name, kind, value)
    size = len(text.encode()) if kind == "text" else len(text)
    if size > TEXTS[kind]:
        raise RowError(1003, f"Invalid data: value of field '{name}' is longer than {TEXTS[kind]}")
    return text.strip() if kind == "email" else text


def _boolean(name: str, kind: str, value: JSON) -> bool:
    if not isinstance(value, bool):
        raise _invalid(name, kind, value)
    return value


def _whole(name: str, kind: str, value: JSON) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or abs(value) >= 2**31:
        raise _invalid(name, kind, value)
    return int(value)


def _number(name: str, kind: str, value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(name, kind, value)
    return value


def _date(name: str, kind: str, value: JSON) -> str:
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "").isoformat()
    except ValueError:
        raise _invalid(name, kind, value) from None


def _moment(name: str, kind: str, value: JSON) -> str:
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        raise _invalid(name, kind, value)
    try:
        return stamp(datetime.fromisoformat(value).astimezone(UTC))
    except ValueError:
        raise _invalid(name, kind, value) from None


def stamp(moment: datetime) -> str:
    """Return a UTC moment as people carry it."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


_OTHERS = {
    "boolean": _boolean,
    "integer": _whole,
    "score": _whole,
    "percent": _whole,
    "float": _number,
    "currency": _number,
    "date": _date,
    "datetime": _moment,
}


def describe2(box: Sandbox, _: Request) -> Answer:
    """GET /rest/v1/leads/describe2.json."""
    rows = []
    for name, one in box.store["fields"].items():
        row = {"name": name, "displayName": one["label"], "dataType": one["type"], "updateable": not one["fixed"]}
        length = {"length": TEXTS[one["type"]]} if one["type"] in TEXTS else {}
        rows.append({**row, "crmManaged": False, **length})
    found = {"name": "API Lead", "searchableFields": [[name] for name in searchable(box)], "fields": rows}
    return answer(200, {"success": True, "result": [found]})


def create(box: Sandbox, request: Request) -> Answer:
    """POST /rest/v1/leads/schema/fields.json: one or more custom fields; all of them, or none."""
    body = request.json()
    given = body.get("input") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given or set(body) != {"input"}:
        raise refuse(1002, "Missing value for the required parameter 'input'")
    made: dict[str, JSON] = {}
    for one in given:
        _checked(box, one, {**box.store["fields"], **made})
        made[one["name"]] = {"label": one["displayName"], "type": one["dataType"], "custom": True, "fixed": False}
    if box.store["made"] + len(made) > MOST_MADE:
        raise refuse(1028, f"Max field limit reached: {MOST_MADE}")
    box.store["fields"].update(made)
    box.store["made"] += len(made)
    return answer(200, {"success": True, "result": [{"name": name, "status": "created"} for name in made]})


def _checked(box: Sandbox, one: JSON, there: Mapping[str, JSON]) -> None:
    """Refuse a definition that Marketo would not take."""
    known = {"displayName", "name", "dataType", "description", "isHidden", "isHtmlEncodingInEmail", "isSensitive"}
    if not isinstance(one, dict) or not {"displayName", "name", "dataType"} <= set(one) <= known:
        raise refuse(1003, "Invalid data: displayName, name and dataType are required")
    if one["dataType"] not in TYPES:
        raise refuse(1001, f"Invalid value '{one['dataType']}'. Required of type 'dataType'")
    if not NAME.fullmatch(str(one["name"])) or not LABEL.fullmatch(str(one["displayName"])):
        raise refuse(1003, f"Invalid data: name {one['name']!r} or displayName {one['displayName']!r}")
    names, labels = {n.lower() for n in there}, {f["label"].lower() for f in there.values()}
    if one["name"].lower() in names or one["displayName"].lower() in labels:
        raise refuse(1017, f"Object already exists: {one['name']}")
    box.flag("a field was made, which nothing takes away again")
