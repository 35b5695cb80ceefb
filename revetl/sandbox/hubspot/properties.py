"""Property definitions: discovery and creation (``/crm/v3/properties/{object}``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from revetl.errors import UsageError
from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot.errors import error, invalid, missing
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

TYPES = ("bool", "date", "datetime", "enumeration", "number", "phone_number", "string")
FIELD_TYPES = {
    "bool": "booleancheckbox",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "number": "number",
    "phone_number": "phonenumber",
    "string": "text",
}
ALLOWED_FIELD_TYPES = {
    "bool": ("booleancheckbox", "calculation_equation"),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("booleancheckbox", "calculation_equation", "checkbox", "radio", "select"),
    "number": ("calculation_equation", "number"),
    "phone_number": ("phonenumber",),
    "string": ("calculation_equation", "file", "html", "phonenumber", "text", "textarea"),
}  # developers.hubspot.com, "Properties", table of types and field types; phone_number from the specification
MOST_UNIQUE = 10  # properties with hasUniqueValue, per object
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")

# forward only, in this order
STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)

DEFAULTS: Mapping[str, Mapping[str, Mapping[str, JSON]]] = {
    "contacts": {
        "email": {"label": "Email", "hasUniqueValue": True},
        "firstname": {"label": "First Name"},
        "lastname": {"label": "Last Name"},
        "company": {"label": "Company Name"},
        "hs_email_optout": {"label": "Unsubscribed from all email", "type": "bool", "readOnly": True},
        "associatedcompanyid": {"label": "Primary Associated Company ID", "type": "number", "readOnly": True},
        "phone": {"label": "Phone Number"},
        "lifecyclestage": {"label": "Lifecycle Stage", "type": "enumeration", "fieldType": "radio", "options": STAGES},
    },
    "companies": {"name": {"label": "Company name"}, "domain": {"label": "Company Domain Name"}},
}
READ_ONLY: Mapping[str, Mapping[str, JSON]] = {
    "hs_object_id": {"label": "Record ID", "type": "number", "readOnly": True},
    "createdate": {"label": "Create Date", "type": "datetime", "readOnly": True},
    "lastmodifieddate": {"label": "Last Modified Date", "type": "datetime", "readOnly": True},
}


def definition(name: str, given: Mapping[str, JSON] | str) -> dict[str, JSON]:
    """Return a property in HubSpot's shape; a text means its type. ``UsageError`` RVT-681 for an unknown type."""
    given = {"type": given} if isinstance(given, str) else given
    kind = given.get("type", "string")
    if kind not in TYPES:
        raise UsageError(
            "RVT-681", f"Property {name!r} has the unknown type {kind!r}.", hint=f"use: {', '.join(TYPES)}"
        )
    return {
        "name": name,
        "label": given.get("label", name),
        "type": kind,
        "fieldType": given.get("fieldType", FIELD_TYPES[kind]),
        "groupName": given.get("groupName", "sandbox"),
        "description": given.get("description", ""),
        "options": _options(given.get("options", ())),
        "hasUniqueValue": bool(given.get("hasUniqueValue", False)),
        "calculated": bool(given.get("calculated", False)),
        "hidden": bool(given.get("hidden", False)),
        "archived": False,
        "modificationMetadata": {"readOnlyValue": bool(given.get("readOnly", False)), "archivable": True},
    }


def _options(given: Iterable[JSON]) -> list[dict[str, JSON]]:
    whole = ({"label": one, "value": one} if isinstance(one, str) else one for one in given)
    return [{"hidden": False, "displayOrder": place, **one} for place, one in enumerate(whole)]


def listing(box: Sandbox, _request: Request, kind: str) -> Answer:
    """GET /crm/v3/properties/{object}."""
    return answer(200, {"results": list(_of(box, kind).values())})


def single(box: Sandbox, _request: Request, kind: str, name: str) -> Answer:
    """GET /crm/v3/properties/{object}/{name}."""
    found = _of(box, kind).get(name)
    if found is None:
        raise missing(f"property {name} does not exist in object type {kind}")
    return answer(200, found)


def create(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST /crm/v3/properties/{object}: 201, or 409 where the name is taken."""
    known = _of(box, kind)
    given = request.json()
    _check(given)
    if given["name"] in known:
        raise error(409, "OBJECT_ALREADY_EXISTS", f"A property named '{given['name']}' already exists.")
    unique = given.get("hasUniqueValue", False)
    custom = [one for one in known.values() if one["hasUniqueValue"] and one["name"] != "email"]
    if unique and len(custom) >= MOST_UNIQUE:
        raise invalid(f"An object has at most {MOST_UNIQUE} properties with unique values")
    made = known[given["name"]] = definition(given["name"], given)
    if unique:
        box.store["objects"][kind]["index"][given["name"]] = {}
    return answer(201, made)


def archive(box: Sandbox, _request: Request, kind: str, name: str) -> Answer:
    """DELETE /crm/v3/properties/{object}/{name}: 204; records keep no value of it."""
    known = _of(box, kind)
    if name in DEFAULTS[kind] or name in READ_ONLY:
        raise invalid(f"Property {name} is HubSpot's own and cannot be archived")
    if known.pop(name, None) is not None:
        table = box.store["objects"][kind]
        table["index"].pop(name, None)
        for record in table["records"].values():
            record["properties"].pop(name, None)
    return NO_CONTENT


def _check(given: JSON) -> None:
    if not isinstance(given, dict):
        raise invalid("Invalid input JSON: a property is an object")
    for needed in ("name", "label", "type", "fieldType", "groupName"):
        if not isinstance(given.get(needed), str) or not given[needed]:
            raise invalid(f"Invalid input JSON: some required fields were not set: [{needed}]")
    if given["type"] not in TYPES:
        raise invalid(f"Invalid property type {given['type']}")
    if not NAME.fullmatch(given["name"]):
        raise invalid(f"Property name {given['name']} must start with a letter and hold lower case, digits and _ only")
    if given["fieldType"] not in ALLOWED_FIELD_TYPES[given["type"]]:
        raise invalid(f"Field type {given['fieldType']} is not one of a property of type {given['type']}")
    _check_options(given)


def _check_options(given: Mapping[str, JSON]) -> None:
    options = given.get("options", [])
    if given["type"] == "enumeration" and not options:
        raise invalid("An enumeration needs options")
    if not isinstance(options, list) or not all(isinstance(one, dict) for one in options):
        raise invalid("Invalid input JSON: options are an array of objects")
    for one in options:
        if not all(isinstance(one.get(needed), str) and one[needed] for needed in ("label", "value")):
            raise invalid("Invalid input JSON: an option needs a label and a value")


def _of(box: Sandbox, kind: str) -> dict[str, dict[str, JSON]]:
    table = box.store["objects"].get(kind)
    if table is None:
        raise missing(f"Unable to infer object type from: {kind}")
    found: dict[str, dict[str, JSON]] = table["properties"]
    return found
