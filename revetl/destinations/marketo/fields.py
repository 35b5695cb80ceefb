"""The fields of people: what is there, and new ones.

https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/field-types
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

from revetl.contract import Context, Http, Reply, UnreadableReply
from revetl.destinations.marketo import api, leads
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField

_TYPES = {
    "integer": "integer",
    "score": "integer",
    "percent": "integer",
    "float": "number",
    "currency": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp",
}
_NEW = {"integer": "integer", "number": "float", "boolean": "boolean", "date": "date", "timestamp": "datetime"}
_STRING = 255  # characters
# Sync Leads does not write them (row 1021): they belong to the company.
_OF_COMPANIES = frozenset(
    {
        "company", "site", "billingStreet", "billingCity", "billingState", "billingCountry", "billingPostalCode",
        "website", "mainPhone", "annualRevenue", "numberOfEmployees", "industry", "sicCode", "companyNotes",
    }
)  # fmt: skip
# Mapped to a column, it would subscribe people again who said no: `consent` withdraws, and never restores.
_NOT_OURS = _OF_COMPANIES | {leads.CONSENT_FIELD}


def discover(_: Context) -> Generator[Any, Reply, tuple[RemoteField, ...]]:
    """Return the fields of people; those that Marketo can look people up by are shown as unique."""
    reply = yield Http("GET", "/rest/v1/leads/describe2.json", effect=Effect.READ)
    found = api.expect(reply, "the fields of people")
    rows = found[0].get("fields") if found else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("name") for row in rows):
        raise UnreadableReply(reply.status, "the description has no fields")
    lookups = {name for entry in found[0].get("searchableFields") or () for name in _names(entry)}
    return tuple(_field(row, lookups) for row in rows)


def _names(entry: JSON) -> list[str]:
    return [str(name) for name in entry] if isinstance(entry, list) else [str(entry)]


def _field(row: dict[str, JSON], lookups: set[str]) -> RemoteField:
    name, kind, length = str(row["name"]), str(row.get("dataType")), row.get("length")
    ours = _TYPES.get(kind, "text")
    return RemoteField(
        name,
        ours,
        str(row.get("displayName") or ""),
        writable=row.get("updateable") is True and name not in _NOT_OURS,
        max_length=length if ours == "text" and type(length) is int else None,
        unique=name in lookups and name != "id" and ours in ("text", "integer"),
    )


def create_field(_: Context, wish: RemoteField) -> Generator[Any, Reply, RemoteField]:
    """Make a field.

    Raises:
        DestinationError: RVT-651, Marketo refuses it, or has no type that holds as much.
    """
    kind = _NEW.get(wish.type, "string")
    hint = "make the field in Marketo (Admin, Field Management), or choose another name"
    if kind == "string" and (wish.max_length or 0) > _STRING:
        what = f"fields made by the API hold {_STRING} characters, and {wish.name} is to hold {wish.max_length}"
        raise DestinationError("RVT-651", what, hint="make it in Marketo as a text area")
    label = " ".join(re.sub(r"[^\w ]|_", " ", wish.label or wish.name).split())
    body = {"input": [{"displayName": label, "name": wish.name, "dataType": kind}]}
    reply = yield api.send("POST", "/rest/v1/leads/schema/fields.json", body)
    row = (api.expect(reply, f"the field {wish.name}", hint) or [{}])[0]
    if row.get("status") != "created":
        code, reason = api.reason(row) if row.get("reasons") else ("", "it was not created")
        raise api.refused_error((code, reason), f"the field {wish.name}", hint)
    ours = _TYPES.get(kind, "text")
    length = _STRING if ours == "text" else None
    # Marketo looks people up by custom fields of these two types.
    unique = kind in ("string", "integer")
    return RemoteField(str(row.get("name") or wish.name), ours, label, max_length=length, unique=unique)
