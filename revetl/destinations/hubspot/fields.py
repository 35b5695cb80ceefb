"""New properties (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide)."""

from __future__ import annotations

from collections.abc import Generator

import orjson

from revetl.contract import Context, Http, Reply
from revetl.destinations.hubspot import api
from revetl.destinations.hubspot.read import property_field
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField

# type there and the widget that shows it
_KINDS = {
    "boolean": ("bool", "booleancheckbox"), "date": ("date", "date"), "timestamp": ("datetime", "date"),
    "integer": ("number", "number"), "number": ("number", "number"), "json": ("string", "textarea"),
}  # fmt: skip
_YES_NO = ("true", "false")  # a bool's only options, which HubSpot wants spelt out
_GROUPS = {"contacts": "contactinformation", "companies": "companyinformation"}  # every account has these


def create_field(context: Context, wish: RemoteField) -> Generator[Http, Reply, RemoteField]:
    """Make a property of the object, in the group that HubSpot ships for it.

    Raises:
        DestinationError: RVT-651, HubSpot refuses it.
    """
    kind, widget = ("enumeration", "select") if wish.options else _KINDS.get(wish.type, ("string", "text"))
    options = wish.options or (_YES_NO if kind == "bool" else ())
    body: dict[str, JSON] = {
        "name": wish.name, "label": wish.label or wish.name, "type": kind, "fieldType": widget,
        "groupName": _GROUPS[context.object],
    }  # fmt: skip
    if options:
        body["options"] = [{"label": one, "value": one, "displayOrder": n} for n, one in enumerate(options)]
    if wish.unique:
        body["hasUniqueValue"] = True
    path = f"/crm/v3/properties/{context.object}"
    reply = yield Http("POST", path, content=orjson.dumps(body), effect=Effect.REPEATABLE)
    if reply.status == 409:  # an earlier call, whose answer was lost, made it
        reply = yield Http(
            "GET", f"{path}/{wish.name}", effect=Effect.READ, template=f"/crm/v3/properties/{context.object}/{{name}}"
        )
    if not reply.ok:
        code, reason = api.refusal(reply)
        hint = "a property's name is lower case, digits and _ and starts with a letter"
        raise DestinationError("RVT-651", f"{code}, {reason}", hint=hint)
    return property_field(reply.document())
