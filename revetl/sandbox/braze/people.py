"""Users of a workspace: tracked, exported, deleted, renamed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from revetl.sandbox.braze import values
from revetl.sandbox.braze.problems import bad, minor
from revetl.sandbox.core import Sandbox
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_TRACKED, MOST_IDS, MOST_ID_BYTES = 75, 50, 997
_SHOWN = frozenset({
    "external_id", "braze_id", "custom_attributes", "user_aliases", "created_at", "devices", "apps", "push_tokens",
    "purchases", "custom_events", "random_bucket", "total_revenue", *values.STANDARD,
})  # fmt: skip
User = dict[str, Any]


def find(box: Sandbox, external_id: JSON) -> User | None:
    """Return the user under an external id, an old one that was not removed included."""
    number = box.store["ids"].get(external_id) if isinstance(external_id, str) else None
    user: User | None = None if number is None else box.store["users"][number]
    return user


def track(box: Sandbox, request: Request) -> Answer:
    """POST /users/track: attributes alone; what is wrong with a row keeps no other from being taken."""
    body = _body(request)
    rows = body.get("attributes")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise bad("Valid data must be provided in the 'attributes', 'events' or 'purchases' fields.")
    if len(rows) > box.options["most"]:
        raise bad("Max Input Length Exceeded")
    if max(Counter(row.get("external_id") for row in rows).values()) > 1:
        box.flag("a user twice in a call: the order is not promised")
    faults = [(index, _fault(box, row)) for index, row in enumerate(rows)]
    for (_, wrong), row in zip(faults, rows, strict=True):
        if wrong is None:
            _write(box, row)
    errors = [minor(index, wrong) for index, wrong in faults if wrong is not None]
    told: dict[str, JSON] = {"message": "success", "attributes_processed": len(rows) - len(errors)}
    return answer(201, {**told, "errors": errors} if errors else told)


def _fault(box: Sandbox, row: dict[str, JSON]) -> str | None:
    """Return why a row is refused."""
    name = row.get("external_id")
    if not isinstance(name, str) or not name or len(name.encode()) > MOST_ID_BYTES:
        return "The stand-in needs a valid 'external_id' in each attributes object."
    if name in box.options["blocked"]:
        return "provided external_id is blacklisted and disallowed"
    found = (values.fault(field, value) for field, value in row.items() if field not in _META)
    return next((one for one in found if one is not None), None)


_META = frozenset({"external_id", "_update_existing_only", "push_token_import"})


def _write(box: Sandbox, row: dict[str, JSON]) -> None:
    user = find(box, row["external_id"])
    if user is None:
        if row.get("_update_existing_only") is True:
            return
        user = _make(box, str(row["external_id"]))
    for name, value in row.items():
        if name in values.STANDARD:
            values.write_standard(box, user, name, value)
        elif name not in _META:
            values.write_custom(box, user, name, value)


def _make(box: Sandbox, external_id: str) -> User:
    number = f"{box.store['next_user']:024x}"
    box.store["next_user"] += 1
    user: User = {"braze_id": number, "external_id": external_id, "fields": {}, "custom": {}}
    box.store["users"][number] = user
    box.store["ids"][external_id] = number
    return user


def export(box: Sandbox, request: Request) -> Answer:
    """POST /users/export/ids."""
    body = _body(request)
    ids, fields = _ids(body, "external_ids"), body.get("fields_to_export")
    if not isinstance(fields, list) or not fields or set(map(str, fields)) - _SHOWN:
        raise bad("fields_to_export is required and must name fields that can be exported")
    there = {one["braze_id"]: one for name in ids if (one := find(box, name)) is not None}
    told: dict[str, JSON] = {"message": "success", "users": [_shown(one, fields) for one in there.values()]}
    invalid = [name for name in ids if find(box, name) is None]
    return answer(201, {**told, "invalid_user_ids": invalid} if invalid else told)


def _shown(user: User, fields: list[str]) -> dict[str, JSON]:
    """Return as little as can be: what is missing is null, false or empty."""
    every = {**user["fields"], "external_id": user["external_id"], "braze_id": user["braze_id"]}
    every["custom_attributes"] = user["custom"]
    return {name: every[name] for name in fields if every.get(name)}


def delete(box: Sandbox, request: Request) -> Answer:
    """POST /users/delete: exactly one kind of id; an old external id deletes its user, too."""
    body = _body(request)
    if len({"external_ids", "braze_ids", "user_aliases", "email_addresses"} & set(body)) != 1:
        raise bad("Only one of external_ids, user_aliases, braze_ids or email_addresses may be given")
    ids = _ids(body, "external_ids")
    for name in ids:
        user = find(box, name)
        if user is not None:
            box.store["ids"] = {one: number for one, number in box.store["ids"].items() if number != user["braze_id"]}
            del box.store["users"][user["braze_id"]]
    return answer(201, {"message": "success", "deleted": len(ids)})


def rename(box: Sandbox, request: Request) -> Answer:
    """POST /users/external_ids/rename: the old id stays good until it is removed."""
    rows = _body(request).get("external_id_renames")
    if not isinstance(rows, list) or not rows or len(rows) > MOST_IDS:
        raise bad("external_id_renames must hold between 1 and 50 objects")
    done, errors = list[JSON](), list[JSON]()
    for index, row in enumerate(rows):
        old, new = row.get("current_external_id"), row.get("new_external_id")
        user = find(box, old)
        if user is None or user["external_id"] != old:
            errors.append([index, "current_external_id is not a primary external ID"])
        elif not isinstance(new, str) or not new or find(box, new) is not None:
            errors.append([index, "new_external_id is already in use, or invalid"])
        else:
            user["external_id"] = new
            box.store["ids"][new] = user["braze_id"]
            done.append(new)
    return answer(201, {"message": "success", "external_ids": done, "rename_errors": errors})


def remove(box: Sandbox, request: Request) -> Answer:
    """POST /users/external_ids/remove: old ids alone."""
    ids = _ids(_body(request), "external_ids")
    done, errors = list[JSON](), list[JSON]()
    for index, name in enumerate(ids):
        user = find(box, name)
        if user is None or user["external_id"] == name:
            errors.append([index, "not a deprecated external ID"])
        else:
            del box.store["ids"][name]
            done.append(name)
    return answer(201, {"message": "success", "removed_ids": done, "removal_errors": errors})


def _body(request: Request) -> dict[str, JSON]:
    body = request.json()
    if not isinstance(body, dict):
        raise bad("Bad Request")
    return body


def _ids(body: dict[str, JSON], name: str) -> list[str]:
    ids = body.get(name)
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise bad(f"{name} must be an array of strings")
    if len(ids) > MOST_IDS:
        raise bad("The max number of ids per request was exceeded")
    return ids
