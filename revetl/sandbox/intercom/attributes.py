"""Data attributes (``/data_attributes``), and which values contacts and companies take."""

from __future__ import annotations

import re
from collections.abc import Mapping

from revetl.errors import UsageError
from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom.errors import bad, error, invalid
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import EMPTY, JSON

MODELS = ("contact", "company")
TYPES = ("string", "integer", "float", "boolean", "date", "datetime")
MOST_ATTRIBUTES = 250  # custom ones of a workspace
MOST_CHARACTERS = 255  # of a text attribute
NAME = re.compile(r"[\w $€£¥-]{1,190}")  # "alphanumeric characters, currency symbols, and hyphens"

# name → (type, may be written by the API)
STANDARD: Mapping[str, Mapping[str, tuple[str, bool]]] = {
    "contact": {
        "id": ("string", False), "role": ("string", True), "external_id": ("string", True), "email": ("string", True),
        "phone": ("string", True), "name": ("string", True), "avatar": ("string", True),
        "owner_id": ("integer", True), "signed_up_at": ("date", True), "last_seen_at": ("date", True),
        "unsubscribed_from_emails": ("boolean", True), "created_at": ("date", False), "updated_at": ("date", False),
        "browser": ("string", False), "location.country": ("string", False),
    },
    "company": {
        "id": ("string", False), "company_id": ("string", False), "name": ("string", True),
        "plan.name": ("string", False),
        "size": ("integer", True), "website": ("string", True), "industry": ("string", True),
        "monthly_spend": ("integer", True), "remote_created_at": ("date", True), "created_at": ("date", False),
        "user_count": ("integer", False),
    },
}  # fmt: skip


def definition(box: Sandbox, model: str, name: str, given: JSON) -> dict[str, JSON]:
    """Return a custom attribute in Intercom's shape; a text means its type. ``UsageError`` RVT-681 for no type."""
    told = {"data_type": given} if isinstance(given, str) else dict(given)
    kind = "string" if told.get("options") else told.get("data_type", "string")
    if kind not in TYPES:
        raise UsageError("RVT-681", f"Attribute {name!r} has the unknown type {kind!r}.", hint=", ".join(TYPES))
    made: dict[str, JSON] = {"type": "data_attribute", "name": name, "label": name}
    made["full_name"] = f"custom_attributes.{name}"
    made |= {"model": model, "data_type": "date" if kind == "datetime" else kind, "custom": True, "archived": False}
    made |= {"api_writable": told.get("api_writable", True), "ui_writable": True, "messenger_writable": False}
    made |= {"description": told.get("description", ""), "created_at": int(box.now()), "updated_at": int(box.now())}
    return {**made, **({"options": list(told["options"])} if told.get("options") else {})}


def listing(box: Sandbox, request: Request) -> Answer:
    """GET /data_attributes, of one ``model`` where asked; archived ones with ``include_archived``."""
    model = request.params.get("model")
    if model not in (None, *MODELS, "conversation"):
        raise invalid(f"model {model} is not one of contact, company, conversation")
    archived = request.params.get("include_archived") == "true"
    found: list[JSON] = []
    for one in [model] if model else MODELS:
        found += [_standard(one, name) for name in STANDARD.get(one or "", EMPTY)]
        known = box.store["attributes"].get(one, {})
        found += [row for row in known.values() if archived or not row["archived"]]
    return answer(200, {"type": "list", "data": found})


def _standard(model: str, name: str) -> dict[str, JSON]:
    kind, writable = STANDARD[model][name]
    told: dict[str, JSON] = {"type": "data_attribute", "name": name.rpartition(".")[2], "full_name": name}
    told |= {"label": name.capitalize(), "data_type": kind, "api_writable": writable, "model": model}
    return {**told, "ui_writable": False, "messenger_writable": True, "custom": False, "archived": False}


def create(box: Sandbox, request: Request) -> Answer:
    """POST /data_attributes ``{name, model, data_type, options, description}``: a custom attribute."""
    given = request.json()
    _check(given)
    model, name = given["model"], given["name"]
    if name.lower() in {one.lower() for one in STANDARD[model]}:
        raise invalid(f"'{name}' is one of our standard attributes for your {_data(model)}. Use a different name.")
    for other in MODELS:
        if name in box.store["attributes"][other]:
            raise invalid(
                f"You already have '{name}' in your {_data(other)}. "
                f"To save this as new {_data(model)}, use a different name."
            )
    if sum(len(one) for one in box.store["attributes"].values()) >= MOST_ATTRIBUTES:
        raise invalid(f"You have reached the limit of {MOST_ATTRIBUTES} custom attributes")
    options = [one["value"] for one in given.get("options", [])]
    told = {"data_type": given["data_type"], "description": given.get("description", "")}
    made = definition(box, model, name, {**told, "options": options} if options else told)
    made["id"] = _take_number(box)
    box.store["attributes"][model][name] = made
    return answer(200, made)


def _take_number(box: Sandbox) -> int:
    box.store["next_number"] += 1
    return int(box.store["next_number"])


def _data(model: str) -> str:
    return "people data" if model == "contact" else "company data"


def _check(given: JSON) -> None:
    if not isinstance(given, dict):
        raise invalid("the body is not an object")
    for name in given.keys() - {"name", "model", "data_type", "description", "options", "messenger_writable"}:
        raise bad(name)
    if given.get("model") not in MODELS:
        raise invalid("The Data Attribute model field must be either contact or company")
    if not isinstance(given.get("name"), str) or not NAME.fullmatch(given["name"]):
        raise invalid(
            "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens"
        )
    if given.get("data_type") not in (*TYPES, "options"):
        raise invalid("Data Type isn't an option")
    if not isinstance(given.get("description", ""), str):
        raise invalid("description is not a string")
    _check_options(given)


def _check_options(given: Mapping[str, JSON]) -> None:
    options = given.get("options", [])
    if not isinstance(options, list) or not all(_is_option(one) for one in options):
        raise invalid("Options isn't an array")
    if given["data_type"] == "options" and len({one["value"] for one in options}) < 2:
        raise invalid("You must have at least two options on a list type data attribute")
    if given["data_type"] != "options" and options:
        raise invalid("Options are for list type data attributes only")


def _is_option(one: JSON) -> bool:
    return isinstance(one, dict) and isinstance(one.get("value"), str) and bool(one["value"])


def update(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT /data_attributes/{id} ``{archived, description, options}``; the type is for ever."""
    rows = (row for known in box.store["attributes"].values() for row in known.values())
    found = next((row for row in rows if str(row.get("id")) == number), None)
    if found is None:
        raise error(404, "field_not_found", "We couldn't find that data attribute to update")
    given = request.json()
    if not isinstance(given, dict):
        raise invalid("the body is not an object")
    for name in given.keys() - {"archived", "description", "options", "messenger_writable"}:
        raise bad(name)
    if not isinstance(given.get("archived", False), bool) or not isinstance(given.get("description", ""), str):
        raise invalid("archived is a boolean, description a string")
    _check_options({"data_type": "options" if "options" in given else "string", **given})
    options = {"options": [one["value"] for one in given["options"]]} if "options" in given else {}
    found |= {**{name: given[name] for name in ("archived", "description") if name in given}, **options}
    return answer(200, found)


# --- values -----------------------------------------------------------------------------------------------------------


def checked(box: Sandbox, model: str, given: JSON) -> dict[str, JSON]:
    """Return custom attributes as they are kept; null clears.

    Objects and arrays are refused, and so are values of another type, texts beyond 255 characters, and what is not
    among a list's options. An unknown name is refused, or (option ``create_attributes``) becomes an attribute.
    """
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid("custom_attributes is not an object")
    known = box.store["attributes"][model]
    kept: dict[str, JSON] = {}
    for name, value in given.items():
        if name not in known or known[name]["archived"]:
            if not box.options["create_attributes"] or not NAME.fullmatch(name):
                raise invalid(f"Custom attribute '{name}' does not exist")
            known[name] = definition(box, model, name, _kind_of(value))
        if not known[name]["api_writable"]:
            raise invalid(f"Custom attribute '{name}' cannot be written")
        _fit(known[name], value)
        kept[name] = value
    return kept


def _kind_of(value: JSON) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "float"}.get(type(value), "string")


def _fit(attribute: Mapping[str, JSON], value: JSON) -> None:
    name, kind = attribute["name"], attribute["data_type"]
    if value is None:
        return
    if isinstance(value, dict | list):
        raise invalid(f"Custom attribute '{name}' cannot be an object or an array")
    if not is_of(kind, value):
        raise invalid(f"Custom attribute '{name}' must be of type {kind}")
    if attribute.get("options") and value not in attribute["options"]:
        raise invalid(f"'{value}' is not an option of the custom attribute '{name}'")


def is_of(kind: str, value: JSON) -> bool:
    """Return whether a value is of a data type: dates are whole seconds since 1970, texts at most 255 characters."""
    if isinstance(value, bool):
        return kind == "boolean"
    match kind:
        case "string":
            return isinstance(value, str) and len(value) <= MOST_CHARACTERS
        case "integer" | "date":
            return isinstance(value, int)
        case "float":
            return isinstance(value, int | float)
        case _:
            return False
