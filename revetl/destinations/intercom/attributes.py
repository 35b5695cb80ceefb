"""Data attributes of contacts (users and leads share them) and companies: found, and made."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from revetl.contract import Context, Http, Reply
from revetl.destinations.intercom import api, fields
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField

_TYPES = {
    "string": "text", "integer": "integer", "float": "number", "boolean": "boolean",
    "date": "timestamp", "datetime": "timestamp",
}  # fmt: skip
_NEW_TYPES = {
    "text": "string", "integer": "integer", "number": "float", "boolean": "boolean",
    "date": "date", "timestamp": "datetime",
}  # fmt: skip


def _model(context: Context) -> str:
    return "company" if context.object == "company" else "contact"


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return Intercom's own fields that may be written, the workspace's attributes, and what can only be read."""
    rows = yield from _rows(context)
    own = fields.OWN[context.object]
    taken = {field.name for field in own}
    shut = [RemoteField(name, writable=False) for name in fields.NOT_MAPPED]
    others = [*shut, *(_field(row) for row in rows)]
    return (*own, *{field.name: field for field in others if field.name not in taken}.values())


def _rows(context: Context) -> Generator[Any, Reply, list[dict[str, JSON]]]:
    query = (("model", _model(context)),)
    reply = yield Http("GET", "/data_attributes", query=query, effect=Effect.READ)
    rows = api.rows(reply, api.expect(reply, "its data attributes"))
    return [row for row in rows if row.get("archived") is not True]


def _field(row: dict[str, JSON]) -> RemoteField:
    custom = row.get("custom") is True
    kind = _TYPES.get(str(row.get("data_type")), "any")
    choices = row.get("options") or () if kind == "text" else ()
    return RemoteField(
        str(row.get("name") if custom else row.get("full_name") or row.get("name")),
        kind,
        str(row.get("label") or ""),
        writable=custom and row.get("api_writable") is not False,
        options=tuple(str(choice.get("value") if isinstance(choice, dict) else choice) for choice in choices),
        max_length=fields.TEXT if kind == "text" else None,
    )


def create_field(context: Context, wish: RemoteField) -> Generator[Any, Any, RemoteField]:
    """Make a custom attribute; return it as it stands there.

    Raises:
        DestinationError: RVT-651, Intercom refuses the name or the options.
    """
    kind = "options" if wish.options else _NEW_TYPES.get(wish.type, "string")
    body: dict[str, JSON] = {"name": wish.name, "model": _model(context), "data_type": kind}
    if wish.options:
        body["options"] = [{"value": option} for option in wish.options]
    if wish.label and wish.label != wish.name:
        body["description"] = wish.label
    reply: Reply = yield api.call("POST", "/data_attributes", body)
    if reply.ok:
        return _field(reply.document())
    if reply.status == 400:  # perhaps an earlier call, whose answer was lost, made it
        rows = yield from _rows(context)
        there = next((row for row in rows if row.get("custom") is True and row.get("name") == wish.name), None)
        if there is not None:
            return _field(there)
    code, reason = api.refusal(reply)
    hint = "a name holds letters, digits, _, - and spaces, and is not used for people and companies alike"
    raise DestinationError("RVT-651", f"{code}, {reason}", hint=hint)
