"""Lists v3: MANUAL lists and their memberships (``/crm/v3/lists``)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot import paging
from revetl.sandbox.hubspot.errors import error, invalid, missing
from revetl.sandbox.hubspot.values import stamp
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

KINDS = {"0-1": "contacts", "0-2": "companies"}
MOST_IDS = 100_000  # a call
MOST_LISTED = 250  # memberships a page


def create(box: Sandbox, request: Request) -> Answer:
    """POST /crm/v3/lists ``{name, objectTypeId, processingType}``: 200; 400 where the name is taken."""
    given = request.json()
    for needed in ("name", "objectTypeId", "processingType"):
        if not isinstance(given, dict) or not isinstance(given.get(needed), str) or not given[needed]:
            raise invalid(f"Invalid input JSON: some required fields were not set: [{needed}]")
    if given["processingType"] not in ("MANUAL", "SNAPSHOT", "DYNAMIC"):
        raise invalid(f"Unknown processingType {given['processingType']}")
    if given["objectTypeId"] not in KINDS:
        raise invalid(f"Unknown objectTypeId {given['objectTypeId']}")
    _refuse_taken(box, given["objectTypeId"], given["name"])
    number = str(box.store["next_list"])
    box.store["next_list"] += 1
    at = stamp(datetime.fromtimestamp(box.now(), UTC))
    made = box.store["lists"][number] = {
        "listId": number,
        "listVersion": 1,
        "name": given["name"],
        "objectTypeId": given["objectTypeId"],
        "processingType": given["processingType"],
        "processingStatus": "COMPLETE",
        "createdAt": at,
        "updatedAt": at,
        "kind": KINDS[given["objectTypeId"]],
        "open_at": box.now() + box.options["list_lock"],
        "members": {},
    }
    return _shown(made)


def _refuse_taken(box: Sandbox, object_type: str, name: str) -> None:
    if _named(box, object_type, name) is not None:
        what = f"A list named '{name}' already exists."
        raise invalid(what, sub_category="ILS.DUPLICATE_LIST_NAMES")


def _named(box: Sandbox, object_type: str, name: str) -> JSON:
    for one in box.store["lists"].values():
        if one["objectTypeId"] == object_type and one["name"].casefold() == name.casefold():
            return one
    return None


def _shown(one: JSON) -> Answer:
    hidden = ("kind", "open_at", "members")
    shown = {name: value for name, value in one.items() if name not in hidden}
    return answer(200, {"list": {**shown, "additionalProperties": {"hs_list_size": str(len(one["members"]))}}})


def _found(box: Sandbox, number: str) -> dict[str, JSON]:
    one: dict[str, JSON] | None = box.store["lists"].get(number)
    if one is None:
        raise missing(f"List does not exist with ID {number}.")
    return one


def single(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /crm/v3/lists/{listId}."""
    return _shown(_found(box, number))


def by_name(box: Sandbox, _request: Request, object_type: str, name: str) -> Answer:
    """GET /crm/v3/lists/object-type-id/{objectTypeId}/name/{name}."""
    one = _named(box, object_type, name)
    if one is None:
        raise missing(f"List does not exist with name {name} and object type ID {object_type}.")
    return _shown(one)


def rename(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT /crm/v3/lists/{listId}/update-list-name?listName=…."""
    one = _found(box, number)
    name = request.params.get("listName", "")
    if not name:
        raise invalid("listName is required")
    if name != one["name"]:
        _refuse_taken(box, one["objectTypeId"], name)
    one["name"] = name
    return answer(200, {"updatedList": {"listId": number, "name": name}})


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE /crm/v3/lists/{listId}: 204."""
    _found(box, number)
    del box.store["lists"][number]
    return NO_CONTENT


def add(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT memberships/add: a bare array of record ids."""
    return _change(box, number, _ids(request.json()), [])


def remove(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT memberships/remove: a bare array of record ids."""
    return _change(box, number, [], _ids(request.json()))


def add_and_remove(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT memberships/add-and-remove ``{recordIdsToAdd, recordIdsToRemove}``."""
    given = request.json()
    if not isinstance(given, dict):
        raise invalid("Invalid input JSON: an object with recordIdsToAdd and recordIdsToRemove")
    return _change(box, number, _ids(given.get("recordIdsToAdd", [])), _ids(given.get("recordIdsToRemove", [])))


def _ids(given: JSON) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) and one.isdecimal() for one in given):
        raise invalid("Invalid input JSON: record ids are an array of strings of digits")
    if len(given) > MOST_IDS:
        raise invalid(f"At most {MOST_IDS} record ids a call")
    return list(dict.fromkeys(given))


def _writable(box: Sandbox, number: str) -> dict[str, JSON]:
    one = _found(box, number)
    if box.now() < one["open_at"]:
        raise error(423, "LOCKED", f"List {number} is being processed; try again in at least 2 seconds")
    if one["processingType"] == "DYNAMIC":
        raise invalid(f"List {number} is DYNAMIC; its memberships cannot be changed by hand")
    return one


def _change(box: Sandbox, number: str, adding: Iterable[str], removing: Iterable[str]) -> Answer:
    """Change memberships; the answer lists only what changed, and ids that no record has."""
    one = _writable(box, number)
    members, records = one["members"], box.store["objects"][one["kind"]]["records"]
    added = [key for key in adding if key in records and key not in members]
    absent = [key for key in (*adding, *removing) if key not in records]
    at = stamp(datetime.fromtimestamp(box.now(), UTC))
    members.update(dict.fromkeys(added, at))
    removed = [key for key in removing if members.pop(key, None) is not None]
    return answer(200, {"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": absent})


def members(box: Sandbox, request: Request, number: str) -> Answer:
    """GET memberships: by ascending record id, up to 250 a page, next page by ``after``."""
    one = _found(box, number)
    ids, following = paging.page(request, one["members"], most=MOST_LISTED, default=100)
    results = [{"recordId": key, "membershipTimestamp": one["members"][key]} for key in ids]
    return answer(200, {"results": results, "total": len(one["members"]), **following})


def clear(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE memberships: 204, nobody stays."""
    _writable(box, number)["members"].clear()
    return NO_CONTENT
