"""What Pipedrive accepts as a value, and what it keeps of it: API v2 converts nothing.

Sources: https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide and recorded refusals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pipedrive.errors import invalid
from revetl.types import JSON

LENGTHS = {"varchar": 255, "varchar_auto": 255, "phone": 255, "text": 65_535}
ADDRESS = frozenset(
    {"value", "country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route",
     "street_number", "subpremise", "postal_code", "formatted_address"}
)  # fmt: skip
MARKETING = ("no_consent", "unsubscribed", "subscribed", "archived")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CURRENCY = re.compile(r"[A-Z]{3}")


def custom(box: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    """Return what is kept in a custom field."""
    if value is None:
        return None
    return _CHECKS[field["field_type"]](box, field, value)


def _bad(field: Mapping[str, JSON], expected: str) -> Exception:
    name, code = field["field_name"], field["field_code"]
    return invalid("custom_fields", f"Expected {expected!r} as value for custom field {name!r} ({code})")


def _text(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if not isinstance(value, str):
        raise _bad(field, "string")
    if len(value) > LENGTHS[field["field_type"]]:
        raise _bad(field, f"at most {LENGTHS[field['field_type']]} characters")
    return value.strip() or None


def _number(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(field, "number")
    return value


def _money(box: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if not isinstance(value, dict) or set(value) - {"value", "currency"} or "value" not in value:
        raise _bad(field, "object with value and currency")
    if not _CURRENCY.fullmatch(str(value.get("currency") or "")):
        raise _bad(field, "a currency of three letters")
    return {"value": _number(box, field, value["value"]), "currency": value["currency"]}


def _option(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    known = {option["id"] for option in field["options"] or ()}
    if isinstance(value, bool) or not isinstance(value, int) or value not in known:
        raise _bad(field, "the id of an option")
    return value


def _options(box: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if not isinstance(value, list) or not value:
        raise _bad(field, "array with at least one option")
    return [_option(box, field, one) for one in dict.fromkeys(value)]


def _day(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        raise _bad(field, "date (YYYY-MM-DD)") from None
    raise _bad(field, "date (YYYY-MM-DD)")


def _days(box: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if not isinstance(value, dict) or set(value) != {"value", "until"}:
        raise _bad(field, "object with value and until")
    return {name: _day(box, field, one) for name, one in value.items()}


def _time(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    names = {"value", "until"} if field["field_type"] == "timerange" else {"value"}
    if not isinstance(value, dict) or set(value) - {*names, "timezone_id", "timezone_name"} or not names <= set(value):
        raise _bad(field, "object")
    if not all(isinstance(value[name], str) and _TIME.fullmatch(value[name]) for name in names):
        raise _bad(field, "time (HH:MM:SS)")
    return dict(value)


def _address(_: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    if not isinstance(value, dict) or not isinstance(value.get("value"), str) or set(value) - ADDRESS:
        raise _bad(field, "object with value")
    return {**dict.fromkeys(ADDRESS), **value}


def _link(box: Sandbox, field: Mapping[str, JSON], value: JSON) -> JSON:
    kind = {"org": "organizations", "people": "persons"}.get(field["field_type"])
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(field, "number")
    if kind is not None and not _lives(box, kind, value):
        raise _bad(field, f"the id of one of the {kind}")
    return value


def _lives(box: Sandbox, kind: str, record_id: int) -> bool:
    record = box.store["records"][kind].get(str(record_id))
    return record is not None and not record["is_deleted"]


_CHECKS: Mapping[str, Callable[[Sandbox, Mapping[str, JSON], JSON], JSON]] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone"), _text),
    **dict.fromkeys(("user", "org", "people"), _link),
    "double": _number, "monetary": _money, "enum": _option, "set": _options, "date": _day, "daterange": _days,
    "time": _time, "timerange": _time, "address": _address,
}  # fmt: skip


def own(box: Sandbox, kind: str, name: str, value: JSON) -> JSON:
    """Return what is kept in one of Pipedrive's own fields; 400 for a name that a body may not have."""
    check = _OWN[kind].get(name)
    if check is None:
        raise invalid(name, f"{name!r} is not allowed")
    return check(box, name, value)


def _name(_: Sandbox, name: str, value: JSON) -> JSON:
    if not isinstance(value, str) or not value.strip() or len(value) > 255:
        raise invalid(name, "must be a string of 1 to 255 characters")
    return value.strip()


def _maybe_text(_: Sandbox, name: str, value: JSON) -> JSON:
    if value is not None and not isinstance(value, str):
        raise invalid(name, "must be a string")
    return value


def _integer(_: Sandbox, name: str, value: JSON) -> JSON:
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, "must be an integer")
    return value


def _maybe_integer(box: Sandbox, name: str, value: JSON) -> JSON:
    return None if value is None else _integer(box, name, value)


def _organization(box: Sandbox, name: str, value: JSON) -> JSON:
    if value is not None and not _lives(box, "organizations", _integer(box, name, value)):
        raise invalid(name, "organization not found")
    return value


def _channels(_: Sandbox, name: str, value: JSON) -> JSON:
    if not isinstance(value, list):
        raise invalid(name, "must be an array")
    found: list[dict[str, JSON]] = []
    for one in value:
        if not isinstance(one, dict) or set(one) - {"value", "primary", "label"} or not _is_text(one.get("value")):
            raise invalid(name, "each item has a value, and may have primary and label")
        if not isinstance(one.get("primary", False), bool):
            raise invalid(name, "primary must be a boolean")
        found.append({"value": one["value"].strip(), "primary": False, "label": one.get("label") or "work"})
    chosen = next((n for n, one in enumerate(value) if one.get("primary")), 0)
    if found:
        found[chosen]["primary"] = True
    return found


def _is_text(value: JSON) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 255


def _labels(box: Sandbox, name: str, value: JSON) -> JSON:
    known = {one["id"] for kind in box.store["fields"].values() for one in (_row(kind, "label_ids")["options"] or ())}
    if not isinstance(value, list) or not all(_integer(box, name, one) in known for one in value):
        raise invalid(name, "must be an array of the ids of labels")
    return list(dict.fromkeys(value))


def _row(rows: list[JSON], code: str) -> dict[str, JSON]:
    found: dict[str, JSON] = next(one for one in rows if one["field_code"] == code)
    return found


def _marketing(box: Sandbox, name: str, value: JSON) -> JSON:
    if not box.options["campaigns"]:
        raise invalid(name, f"{name!r} is not allowed")
    if value not in MARKETING:
        raise invalid(name, f"must be one of {', '.join(MARKETING)}")
    return value


def _place(_: Sandbox, name: str, value: JSON) -> JSON:
    if value is not None and not (isinstance(value, dict) and _is_text(value.get("value")) and set(value) <= ADDRESS):
        raise invalid(name, "must be an object with value")
    return value


def _industry(box: Sandbox, name: str, value: JSON) -> JSON:
    known = {one["id"] for one in _row(box.store["fields"]["organizations"], name)["options"]}
    if value is not None and _integer(box, name, value) not in known:
        raise invalid(name, "must be the id of an option")
    return value


_BOTH = {"name": _name, "owner_id": _integer, "visible_to": _integer, "label_ids": _labels}
_OWN: Mapping[str, Mapping[str, Callable[[Sandbox, str, JSON], JSON]]] = {
    "persons": {
        **_BOTH, "emails": _channels, "phones": _channels, "org_id": _organization, "marketing_status": _marketing,
    },
    "organizations": {
        **_BOTH, "address": _place, "website": _maybe_text, "linkedin": _maybe_text, "industry": _industry,
        "annual_revenue": _maybe_integer, "employee_count": _maybe_integer,
    },
}  # fmt: skip
