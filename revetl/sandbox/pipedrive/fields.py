"""``/personFields`` and ``/organizationFields``: shown page by page, made, renamed, given options."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pipedrive import schema
from revetl.sandbox.pipedrive.errors import invalid, refuse
from revetl.sandbox.pipedrive.records import known, page, paged
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

OPTIONS = 10_000  # of one field
_BODY = frozenset(
    {"field_name", "field_type", "options", "description", "ui_visibility", "important_fields", "required_fields"}
)

Handler = Callable[..., Answer]


def list_(kind: str) -> Handler:
    """Return the handler of GET."""

    def handle(box: Sandbox, request: Request) -> Answer:
        known(request.params, {"include_fields", "limit", "cursor"})
        start, size = page(request.params, 500)
        return paged(box.store["fields"][kind], start, min(size, box.options["field_page"]))

    return handle


def create(kind: str) -> Handler:
    """Return the handler of POST: 200 and the field, whose key nobody chooses, and whose name others may have."""

    def handle(box: Sandbox, request: Request) -> Answer:
        given = _json(request)
        if not isinstance(given, dict) or set(given) - _BODY:
            raise invalid("body", f"must be an object of {', '.join(sorted(_BODY))}")
        name, type_ = given.get("field_name"), given.get("field_type")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise invalid("field_name", "must be a string of 1 to 255 characters")
        if type_ not in schema.TYPES:
            raise invalid("field_type", f"must be one of {', '.join(sorted(schema.TYPES))}")
        options = given.get("options")
        if type_ in ("enum", "set"):
            _check(options)
        elif options is not None:
            raise invalid("options", "only enum and set fields have options")
        return answer(200, {"success": True, "data": add(box, kind, name, type_, [o["label"] for o in options or ()])})

    return handle


def add(box: Sandbox, kind: str, name: str, type_: str, labels: list[str]) -> dict[str, JSON]:
    """Add a custom field as a person would."""
    rows = box.store["fields"][kind]
    options = _numbered(box, labels) if type_ in ("enum", "set") else None
    rows.append(schema.row(name, schema.key_of(kind, name, len(rows)), type_, custom=True, options=options))
    made: dict[str, JSON] = rows[-1]
    return made


def _numbered(box: Sandbox, labels: list[str]) -> list[JSON]:
    first = box.store["next_option"]
    box.store["next_option"] += len(labels)
    return [{"id": first + n, "label": label, "color": None} for n, label in enumerate(labels)]


def _check(options: JSON) -> None:
    if not isinstance(options, list) or not options or not all(isinstance(one, dict) for one in options):
        raise invalid("options", "must be an array of at least one option")
    labels = [one.get("label") for one in options]
    if not all(isinstance(label, str) and 1 <= len(label) <= 255 for label in labels) or len(set(labels)) < len(labels):
        raise invalid("options", "each has a label of its own, of 1 to 255 characters")


def rename(kind: str) -> Handler:
    """Return the handler of PATCH: the name of a custom field."""

    def handle(box: Sandbox, request: Request, code: str) -> Answer:
        row, given = _row(box, kind, code), _json(request)
        if not row["is_custom_field"]:
            raise refuse(403, "Only custom fields can be changed")
        if (
            not isinstance(given, dict)
            or set(given) - (_BODY - {"field_type", "options"})
            or not given.get("field_name")
        ):
            raise invalid("field_name", "must be a string of 1 to 255 characters")
        row["field_name"] = given["field_name"]
        return answer(200, {"success": True, "data": row})

    return handle


def add_options(kind: str) -> Handler:
    """Return the handler of POST ``…/options``: all are added, or none; only the new ones are shown."""

    def handle(box: Sandbox, request: Request, code: str) -> Answer:
        row, given = _with_options(box, kind, code), _json(request)
        _check(given)
        have = {one["label"] for one in row["options"]}
        if have & {one["label"] for one in given}:
            raise invalid("options", "there is an option of that label")
        if len(have) + len(given) > OPTIONS:
            raise invalid("options", f"a field has at most {OPTIONS} options")
        made = _numbered(box, [one["label"] for one in given])
        row["options"] += made
        return answer(200, {"success": True, "data": made})

    return handle


def change_options(kind: str) -> Handler:
    """Return the handler of PATCH ``…/options``: labels of options by id; all are changed, or none."""

    def handle(box: Sandbox, request: Request, code: str) -> Answer:
        row, given = _with_options(box, kind, code), _json(request)
        _check(given)
        by_id = {one["id"]: one for one in row["options"]}
        if any(one.get("id") not in by_id for one in given):
            raise refuse(404, "Option not found")
        for one in given:
            by_id[one["id"]]["label"] = one["label"]
        return answer(200, {"success": True, "data": [by_id[one["id"]] for one in given]})

    return handle


def _with_options(box: Sandbox, kind: str, code: str) -> dict[str, JSON]:
    row = _row(box, kind, code)
    if row["field_type"] not in ("enum", "set"):
        raise invalid("field_code", "the field has no options")
    if not row["is_custom_field"] and not (code == "label_ids" and box.options["labels_by_api"]):
        raise refuse(403, "Only the options of custom fields can be changed")
    return row


def _row(box: Sandbox, kind: str, code: str) -> dict[str, JSON]:
    found: dict[str, JSON] | None = next((r for r in box.store["fields"][kind] if r["field_code"] == code), None)
    if found is None:
        raise refuse(404, "Field not found")
    return found


def _json(request: Request) -> JSON:
    try:
        return request.json()
    except orjson.JSONDecodeError as bad:
        raise refuse(400, f"Bad request: the body is not JSON ({bad})") from bad
