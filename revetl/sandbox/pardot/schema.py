"""Fields of a prospect, own and custom ones, and what their values may be.

Sources: https://developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5.html and custom-field-v5.html.
Values that a field's kind cannot hold are refused; longer texts are, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pardot import tables
from revetl.sandbox.pardot.errors import NO_ADDRESS, invalid, refuse
from revetl.sandbox.pardot.tables import Row
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

LIST_KINDS = ("Checkbox", "Multi-Select")
KINDS = (*LIST_KINDS, "Text", "Textarea", "Number", "Date", "Dropdown", "Radio Button", "Hidden", "CRM User")
_SHORT, _LONG = 255, 65_535
_TEXTS = (
    "addressOne", "addressTwo", "annualRevenue", "city", "comments", "company", "country", "department", "employees",
    "fax", "firstName", "industry", "jobTitle", "lastName", "notes", "phone", "salutation", "source", "state",
    "territory", "website", "yearsInBusiness", "zip",
)  # fmt: skip
_FLAGS = ("isDoNotEmail", "isDoNotCall", "isReviewed", "isStarred")
_NUMBERS = ("campaignId", "score", "userId")
READ_ONLY = ("id", "createdAt", "updatedAt", "lastActivityAt", "optedOut", "isDeleted")
_CUSTOM = ("id", "name", "fieldId", "type", "isRequired", "createdAt", "updatedAt")


def blank() -> Row:
    """Return a prospect without values."""
    return {**dict.fromkeys(_TEXTS), **dict.fromkeys(_FLAGS, False), **dict.fromkeys(_NUMBERS), "score": 0}


def names(box: Sandbox) -> tuple[str, ...]:
    """Return every field that a read may ask for."""
    return ("email", *READ_ONLY, *_TEXTS, *_FLAGS, *_NUMBERS, *(f"{one['fieldId']}__c" for one in customs(box)))


def customs(box: Sandbox) -> list[Row]:
    """Return the custom fields."""
    return list(box.store["custom-fields"].values())


def parse(box: Sandbox, told: Mapping[str, JSON]) -> Row:
    """Return values as they are kept; refused where a name or a value is not right."""
    kinds = {f"{one['fieldId']}__c": str(one["type"]) for one in customs(box)}
    return {name: _parse(box, name, value, kinds) for name, value in told.items()}


def _parse(box: Sandbox, name: str, value: JSON, kinds: Mapping[str, str]) -> JSON:
    if name in READ_ONLY:
        raise invalid(f"{name} is read-only")
    if name == "email":
        return address(value)
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise invalid(f"{name} must be a boolean")
        return value
    if name in _NUMBERS:
        return _number(box, name, value)
    if name in _TEXTS:
        if value is not None and not isinstance(value, str):
            raise invalid(f"{name} must be a string")
        return _text(name, value, _LONG if name in ("comments", "notes") else _SHORT)
    if name not in kinds:
        raise invalid(f"Invalid property: {name}")
    return _custom(name, value, kinds[name])


def address(value: JSON) -> str:
    """Return an address as it is kept."""
    text = value.strip().lower() if isinstance(value, str) else ""
    local, at, host = text.partition("@")
    if not (local and at and "." in host) or " " in text or len(text) > _SHORT:
        raise refuse(400, NO_ADDRESS, "Invalid prospect email address")
    return text


def _number(box: Sandbox, name: str, value: JSON) -> JSON:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise invalid(f"{name} must be an integer")
    known: Any = box.options["campaigns"]
    if name == "campaignId" and value is not None and value not in known:
        raise invalid("Invalid campaign ID")
    return value


def _text(name: str, value: str | None, most: int) -> str | None:
    text = (value or "").strip()
    if len(text) > most:
        raise invalid(f"{name} is too long: at most {most} characters")
    return text or None


def _custom(name: str, value: JSON, kind: str) -> JSON:
    """Return a custom field's value: a text, whatever its kind."""
    if value in (None, ""):
        return None
    if isinstance(value, list | dict):
        raise invalid(f"{name} must be a string")
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    try:
        if kind == "Number":
            float(text)
        if kind == "Date":
            text = date.fromisoformat(text).isoformat()
    except ValueError:
        raise invalid(f"{name} must be a {kind.lower()}") from None
    return _text(name, text, _SHORT if kind in ("Text", "Hidden") else _LONG)


def list_customs(box: Sandbox, request: Request) -> Answer:
    """GET /objects/custom-fields."""
    wanted = tables.asked(box, request, _CUSTOM)
    found, more = tables.page(request, customs(box), {})
    return answer(200, tables.whole([{name: one[name] for name in wanted} for one in found], more))


def create_custom(box: Sandbox, request: Request) -> Answer:
    """POST /objects/custom-fields."""
    wanted, told = tables.asked(box, request, _CUSTOM), tables.given(request)
    made = add(box, str(told.get("name") or ""), str(told.get("fieldId") or ""), str(told.get("type") or ""))
    return answer(201, {name: made[name] for name in wanted})


def add(box: Sandbox, name: str, field_id: str, kind: str) -> Row:
    """Make a custom field."""
    if kind not in KINDS:
        raise invalid(f"Invalid type: {kind}")
    if not name or not field_id or not field_id.replace("_", "a").isalnum() or field_id.endswith("__c"):
        raise invalid("name and fieldId are required; a fieldId has letters, digits and underscores")
    if any(one["fieldId"].lower() == field_id.lower() for one in customs(box)):
        raise invalid(f"A custom field with the fieldId {field_id} exists already")
    at = tables.stamp(box.now())
    row = {"id": tables.new_id(box), "name": name, "fieldId": field_id, "type": kind, "isRequired": False}
    box.store["custom-fields"][str(row["id"])] = row | {"createdAt": at, "updatedAt": at}
    return row | {"createdAt": at, "updatedAt": at}
