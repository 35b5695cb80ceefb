"""New custom fields, by the Tooling API.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import orjson

from revetl.contract import Context, Http, Reply
from revetl.destinations.salesforce import api, read, soql
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField

_SUFFIX = "__c"
_TEXT = 255  # characters of a Text field; longer ones are LongTextArea, up to 131,072
_LONG = 131_072
_NUMBER: dict[str, JSON] = {"type": "Number", "precision": 18}  # digits, the most there are
_KINDS: dict[str, dict[str, JSON]] = {
    "boolean": {"type": "Checkbox", "defaultValue": False},
    "date": {"type": "Date"},
    "timestamp": {"type": "DateTime"},
    "integer": {**_NUMBER, "scale": 0},
    "number": {**_NUMBER, "scale": 6},
    "json": {"type": "LongTextArea", "length": 32_768, "visibleLines": 3},
}


def create_field(context: Context, wish: RemoteField) -> Generator[Any, Any, RemoteField]:
    """Make a custom field of the object; a cohort's checkbox gets a name out of its label.

    Raises:
        DestinationError: RVT-651, Salesforce refuses it, or made it and does not show it to this user.
    """
    name = wish.name if wish.name.endswith(_SUFFIX) or not wish.label else _api_name(wish.label)
    if not name.endswith(_SUFFIX):
        what = f"{name} is no custom field, and Salesforce's own cannot be made: this user may not see it"
        raise DestinationError("RVT-651", what, hint=f"grant the user the field, or map to {name}{_SUFFIX}")
    label = wish.label or name.removesuffix(_SUFFIX).replace("_", " ")
    body = {"FullName": f"{context.object}.{name}", "Metadata": {**_metadata(wish), "label": label[:40]}}
    reply = yield Http("POST", "/tooling/sobjects/CustomField", content=orjson.dumps(body))
    if not reply.ok and api.refusal(reply)[0] != "DUPLICATE_DEVELOPER_NAME":  # an answer was lost, but not its field
        code, reason = api.refusal(reply)
        hint = "the user needs the permission Customize Application; or make the field in Setup"
        raise DestinationError("RVT-651", f"{code}, {reason}", hint=hint)
    made = yield from _seen(context, name)
    if made is None:  # a new field is nobody's, not even its maker's
        yield from _grant(f"{context.object}.{name}", context.object)
        made = yield from _seen(context, name)
    if made is None:
        raise _unseen(name, "it does not show")
    return made


def _seen(context: Context, name: str) -> Generator[Any, Any, RemoteField | None]:
    known = yield from read.discover(context)
    return next((field for field in known if field.name == name), None)


def _unseen(name: str, why: str) -> DestinationError:
    hint = "grant the user field-level security on it in Setup, then repeat"
    return DestinationError("RVT-651", f"{name} is made, but this user may not see it: {why}", hint=hint)


def _grant(name: str, kind: str) -> Generator[Any, Any, None]:
    """Let the user read and edit a new field, by the first permission set (by name) that is theirs and no profile's."""
    root: Reply = yield Http("GET", "/", effect=Effect.READ)
    user = str(api.problem(root).get("identity") or "").rpartition("/")[2]
    given = yield from soql.answers(
        [
            soql.query(
                f"{soql.select('PermissionSetAssignment', 'PermissionSetId')} WHERE AssigneeId = {soql.literal(user)}"
            )
        ]
    )
    if isinstance(given, Reply):
        raise _unseen(name, api.refusal(given)[1])
    start = soql.select("PermissionSet", "Name", "IsOwnedByProfile")
    sets = yield from soql.answers(soql.lookups(start, "Id", [str(row["PermissionSetId"]) for row in given]))
    own = [] if isinstance(sets, Reply) else [row for row in sets if row.get("IsOwnedByProfile") is False]
    if not own:
        raise _unseen(name, "it has no permission set to put the field into")
    first = min(own, key=lambda row: str(row.get("Name")))
    body = {"ParentId": first["Id"], "SobjectType": kind, "Field": name}
    body |= {"PermissionsRead": True, "PermissionsEdit": True}
    reply: Reply = yield Http("POST", "/sobjects/FieldPermissions", content=orjson.dumps(body))
    if not reply.ok:
        raise _unseen(name, api.refusal(reply)[1])


def _api_name(label: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', label).strip('_')[:40]}{_SUFFIX}"


def _metadata(wish: RemoteField) -> dict[str, JSON]:
    if wish.options:
        values = [{"fullName": one, "label": one, "default": False} for one in wish.options]
        return {"type": "Picklist", "valueSet": {"restricted": True, "valueSetDefinition": {"value": values}}}
    if wish.unique:
        return {"type": "Text", "length": _TEXT, "externalId": True, "unique": True}
    if wish.max_length is not None and wish.max_length > _TEXT:
        return {"type": "LongTextArea", "length": min(wish.max_length, _LONG), "visibleLines": 3}
    return _KINDS.get(wish.type, {"type": "Text", "length": _TEXT})
