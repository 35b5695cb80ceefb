"""What a sync needs to know before its first record: its fields, and what each cohort lands in."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import quote

from revetl.contract import Context, Reply
from revetl.destinations.pipedrive import api, fields
from revetl.errors import DestinationError
from revetl.types import JSON

YES = "Yes"  # the one option of a field that stands for a cohort
TEXT_YES = "true"  # in a text field of that name
_TEXTS = frozenset({"varchar", "varchar_auto", "text"})

Rows = list[dict[str, JSON]]


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find the mapped fields; find, rename or make what each cohort lands in.

    Returns ``{"fields": spelling → place, "cohorts": model name → label's id, or field's key with "/" and option's id,
    "currency": of monetary fields, "marketing": whether the company has Campaigns}``.

    Raises:
        DestinationError: RVT-651, Pipedrive refuses a field or label; RVT-652, a cohort's field cannot hold it.
    """
    rows = yield from fields.rows(context)
    found = fields.places(rows, context)
    prepared: dict[str, JSON] = {"fields": found, "marketing": _has(rows, "marketing_status")}
    if any(place["type"] == "monetary" and place["custom"] for place in found.values()):
        prepared["currency"] = context.settings.currency or (yield from _currency())
    cohorts: dict[str, str] = {}
    make = _as_field if context.cohort_style == "field" else _as_label
    for name, label in context.cohorts:
        place = yield from make(context, rows, label, context.ids.get(name))
        if place is not None:
            cohorts[name] = place
    return {**prepared, "cohorts": cohorts}


def _has(rows: Rows, code: str) -> bool:
    return any(row.get("field_code") == code for row in rows)


def _currency() -> Generator[Any, Reply, str]:
    reply = yield api.read("/v1/users/me", {}, 2)
    if not reply.ok:
        raise fields.hidden(reply, "the user's currency")
    return str((api.data(reply) or {}).get("default_currency") or "")


def _as_label(context: Context, rows: Rows, label: str, stored: str | None) -> Generator[Any, Any, str | None]:
    """Return the id of the label: the stored one under its present name, else the one of that name, else a new one."""
    options = next((row.get("options") or [] for row in rows if row.get("field_code") == fields.LABELS), [])
    ours = next((one for one in options if str(one.get("id")) == stored), None)
    if ours is not None:
        if ours.get("label") != label and context.create:
            yield from _rename_option(context, fields.LABELS, ours["id"], label)
        return stored
    named = next((one for one in options if one.get("label") == label), None)
    if named is not None:
        return str(named["id"])
    if not context.create:
        return None
    return str((yield from fields.add_option(context, fields.LABELS, label)))


def _rename_option(context: Context, code: str, option: JSON, label: str) -> Generator[Any, Any, None]:
    path = f"/v2/{fields.ENDPOINTS[context.object]}/{code}/options"
    reply = yield api.write("PATCH", path, [{"id": option, "label": label}])
    fields.refused_or_data(reply, f"the label {label!r}")


def _as_field(context: Context, rows: Rows, label: str, stored: str | None) -> Generator[Any, Any, str | None]:
    """Return the field of the cohort, found, renamed or made, and its option."""
    custom = [row for row in rows if row.get("is_custom_field") is True]
    code = (stored or "").partition("/")[0]
    row = next((r for r in custom if r.get("field_code") == code), None)
    if row is not None and row.get("field_name") != label and context.create:
        yield from _rename_field(context, code, label)
    if row is None:
        row = next((r for r in custom if label in (r.get("field_name"), r.get("field_code"))), None)
    if row is None and not context.create:
        return None
    if row is None:
        row = yield from fields.make(context, label, "enum", [YES])
    return (yield from _option_of(context, row, label))


def _rename_field(context: Context, code: str, label: str) -> Generator[Any, Any, None]:
    path = f"/v2/{fields.ENDPOINTS[context.object]}/{quote(code, safe='')}"
    template = f"/v2/{fields.ENDPOINTS[context.object]}/{{field_code}}"
    reply = yield api.write("PATCH", path, {"field_name": label}, template=template)
    fields.refused_or_data(reply, f"the field {label!r}")


def _option_of(context: Context, row: Mapping[str, JSON], label: str) -> Generator[Any, Any, str | None]:
    code, kind = str(row["field_code"]), str(row.get("field_type"))
    if kind in _TEXTS:
        return code
    if kind != "enum":
        what = f"the field {label!r} in Pipedrive is of type {kind}: it cannot say who is in a cohort"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`, or rename that field there")
    option = fields.place_of(row).options.get(YES)
    if option is None and not context.create:
        return None
    if option is None:
        option = yield from fields.add_option(context, code, YES)
    return f"{code}/{option}"
