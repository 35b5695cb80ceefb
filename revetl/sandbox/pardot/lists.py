"""``/objects/lists`` and ``/objects/list-memberships``.

Sources: https://developer.salesforce.com/docs/marketing/pardot/guide/list-v5.html and list-membership-v5.html. Strict
where the pages are silent: names are unique, and who is a member cannot be added again.
"""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pardot import prospects, tables
from revetl.sandbox.pardot.errors import invalid, missing
from revetl.sandbox.pardot.tables import Row
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

_LIST = ("id", "name", "title", "description", "isDynamic", "isPublic", "createdAt", "updatedAt")
_MEMBER = ("id", "listId", "prospectId", "optedOut", "createdAt", "updatedAt")


def list_(box: Sandbox, request: Request) -> Answer:
    """GET /objects/lists."""
    wanted = tables.asked(box, request, _LIST)
    found, more = tables.page(request, tables.listed(box, "lists"), {"id": "id"})
    return answer(200, tables.whole([{name: one[name] for name in wanted} for one in found], more))


def add(box: Sandbox, name: str, *, dynamic: bool = False) -> Row:
    """Make a list."""
    _must_be_free(box, name)
    at = tables.stamp(box.now())
    row: Row = {"id": tables.new_id(box), "name": name, "title": None, "description": None, "isDynamic": dynamic}
    return tables.write(box, "lists", {**row, "isPublic": False, "createdAt": at, "updatedAt": at})


def _must_be_free(box: Sandbox, name: str) -> None:
    if not name or len(name) > 255:
        raise invalid("name is required, with at most 255 characters")
    if any(one["name"] == name for one in box.store["lists"].values()):
        raise invalid("A list with this name exists already")


def create(box: Sandbox, request: Request) -> Answer:
    """POST /objects/lists."""
    wanted, told = tables.asked(box, request, _LIST), tables.given(request)
    strange = sorted(set(told) - {"name", "title", "description", "isPublic"})
    if strange:
        raise invalid(f"Invalid property: {strange[0]}")
    made = add(box, str(told.get("name") or ""))
    return answer(201, {name: made[name] for name in wanted})


def rename(box: Sandbox, request: Request, number: str) -> Answer:
    """PATCH /objects/lists/{id}."""
    wanted, told = tables.asked(box, request, _LIST), tables.given(request)
    row = static(box, number)
    if set(told) != {"name"}:
        raise invalid("name is what can be changed")
    _must_be_free(box, str(told["name"] or ""))
    row = tables.write(box, "lists", {**row, "name": told["name"], "updatedAt": tables.stamp(box.now())})
    return answer(200, {name: row[name] for name in wanted})


def static(box: Sandbox, number: str) -> Row:
    """Return a list that takes members."""
    row: Row | None = box.store["lists"].get(number)
    if row is None:
        raise missing("list")
    if row["isDynamic"]:
        raise invalid("The list is dynamic: its members follow rules")
    return row


def member_id(box: Sandbox, list_id: int, prospect_id: int) -> int | None:
    """Return the id of a membership."""
    found: int | None = box.store["members"].get(f"{list_id} {prospect_id}")
    return found


def join(box: Sandbox, list_id: int, prospect_id: int) -> Row:
    """Put a prospect on a list that it is not on."""
    at = tables.stamp(box.now())
    row = {"id": tables.new_id(box), "listId": list_id, "prospectId": prospect_id, "optedOut": False}
    box.store["members"][f"{list_id} {prospect_id}"] = row["id"]
    return tables.write(box, "memberships", {**row, "createdAt": at, "updatedAt": at})


def part(box: Sandbox, list_id: int, prospect_id: int) -> None:
    """Take a member off a list."""
    tables.drop(box, "memberships", box.store["members"].pop(f"{list_id} {prospect_id}"))


def members(box: Sandbox, request: Request) -> Answer:
    """GET /objects/list-memberships, without those of deleted prospects."""
    wanted = tables.asked(box, request, (*_MEMBER, "prospect.email"))
    live = (row for row in tables.listed(box, "memberships") if not _of(box, row)["isDeleted"])
    found, more = tables.page(request, live, {"listId": "listId", "prospectId": "prospectId"})
    return answer(200, tables.whole([_shown(box, row, wanted) for row in found], more))


def _of(box: Sandbox, row: Row) -> Row:
    prospect: Row = box.store["prospects"][str(row["prospectId"])]
    return prospect


def _shown(box: Sandbox, row: Row, wanted: list[str]) -> dict[str, JSON]:
    told = {name: row[name] for name in wanted if name in row}
    return {**told, "prospect": {"email": _of(box, row)["email"]}} if "prospect.email" in wanted else told


def create_member(box: Sandbox, request: Request) -> Answer:
    """POST /objects/list-memberships."""
    wanted, told = tables.asked(box, request, _MEMBER), tables.given(request)
    if set(told) != {"listId", "prospectId"} or not all(type(number) is int for number in told.values()):
        raise invalid("listId and prospectId are required, as numbers")
    static(box, str(told["listId"]))
    prospects.get(box, str(told["prospectId"]))
    if member_id(box, told["listId"], told["prospectId"]) is not None:
        raise invalid("The prospect is a member of the list already")
    row = join(box, told["listId"], told["prospectId"])
    return answer(201, {name: row[name] for name in wanted})


def delete_member(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE /objects/list-memberships/{id}."""
    row: Row | None = box.store["memberships"].get(number)
    if row is None:
        raise missing("list membership")
    part(box, row["listId"], row["prospectId"])
    return NO_CONTENT
