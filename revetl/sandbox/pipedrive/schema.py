"""The fields of a new company, and custom fields that are added to them.

Codes and types of Pipedrive's own fields: ``GET /personFields`` and ``/organizationFields`` of API v2, a part of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from revetl.types import JSON

KINDS = {"personFields": "persons", "organizationFields": "organizations"}
TYPES = frozenset(
    {"varchar", "text", "double", "phone", "date", "daterange", "time", "timerange", "set", "enum", "varchar_auto",
     "address", "monetary", "org", "people", "user"}
)  # fmt: skip
_LABELS = ("Customer", "Hot lead", "Warm lead", "Cold lead")  # what every company begins with


def row(name: str, code: str, kind: str, *, custom: bool = False, options: Iterable[JSON] | None = None) -> JSON:
    """Return a field as the API shows it."""
    return {
        "field_name": name,
        "field_code": code,
        "field_type": kind,
        "options": list(options) if options is not None else None,
        "subfields": None,
        "is_custom_field": custom,
        "is_optional_response_field": code == "marketing_status",
    }


def key_of(kind: str, name: str, number: int) -> str:
    """Return the key of a custom field: 40 hexadecimal digits, different in each account."""
    return hashlib.sha1(f"{kind} {name} {number}".encode()).hexdigest()  # noqa: S324 - a name, no secret


def own_fields(kind: str, first_option: int, *, campaigns: bool, contact_sync: bool) -> list[JSON]:
    """Return the fields that a company has from the start; labels get ids from ``first_option`` on."""
    labels = [{"id": first_option + n, "label": label, "color": None} for n, label in enumerate(_LABELS)]
    found = [row("Name", "name", "varchar"), row("Label", "label_ids", "set", options=labels)]
    found += [row("Owner", "owner_id", "user"), row("Visible to", "visible_to", "visible_to")]
    found += [row("Created", "add_time", "date"), row("Updated", "update_time", "date")]
    if kind == "persons":
        found += [row("Email", "emails", "varchar"), row("Phone", "phones", "phone")]
        found += [row("Organization", "org_id", "org"), row("First name", "first_name", "varchar")]
        found += [row("Job title", "job_title", "varchar")] if contact_sync else []
        found += [row("Marketing status", "marketing_status", "varchar")] if campaigns else []
        return found
    industries = [{"id": 1, "label": "Technology"}, {"id": 2, "label": "Finance"}]
    found += [row("Address", "address", "address"), row("Website", "website", "varchar")]
    found += [row("LinkedIn profile", "linkedin", "varchar"), row("Industry", "industry", "enum", options=industries)]
    return [*found, row("Annual revenue", "annual_revenue", "monetary"), row("Employees", "employee_count", "double")]


def told(given: JSON) -> tuple[str, list[str]]:
    """Return type and option labels of a field as the stand-in's maker names it: a type, or a mapping."""
    if isinstance(given, Mapping):
        return str(given.get("type", "varchar")), [str(option) for option in given.get("options") or ()]
    return str(given), []
