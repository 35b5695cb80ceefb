"""Static lists: as assets (found, made, renamed by forms), and as members by id, up to 300 a call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.marketo.errors import RowError, not_found, refuse
from revetl.sandbox.marketo.leads import MOST, each, number_of, rows_of
from revetl.sandbox.marketo.people import People
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

NOTHING = {"success": True, "errors": [], "warnings": ["No assets found for the given search criteria."]}


def _shown(number: str, one: Mapping[str, JSON]) -> dict[str, JSON]:
    return {"id": int(number), **{name: value for name, value in one.items() if name != "members"}}


def _assets(*rows: dict[str, JSON]) -> Answer:
    return answer(200, {"success": True, "errors": [], "result": list(rows)} if rows else NOTHING)


def by_name(box: Sandbox, request: Request) -> Answer:
    """GET staticList/byName.json: an exact match, or ``warnings`` and no result."""
    name = request.params.get("name")
    if not name:
        raise refuse(701, "name cannot be blank")
    return _assets(*(_shown(n, one) for n, one in box.store["lists"].items() if one["name"] == name))


def by_id(box: Sandbox, _: Request, number: str) -> Answer:
    """GET staticList/{id}.json."""
    lists = box.store["lists"]
    return _assets(*([_shown(number, lists[number])] if number in lists else []))


def create(box: Sandbox, request: Request) -> Answer:
    """POST staticLists.json: a name that is not taken, in a folder that is there."""
    form = _form(request, {"name", "folder", "description"})
    name = _free(box, form, "")
    try:
        folder = orjson.loads(form.get("folder", ""))
    except orjson.JSONDecodeError:
        folder = None
    if not isinstance(folder, dict) or set(folder) != {"id", "type"} or folder["type"] not in ("Folder", "Program"):
        raise refuse(1001, f"Invalid value '{form.get('folder')}'. Required of type 'folder'")
    if folder["id"] not in box.options["folders"]:
        raise refuse(710, "Parent Folder Not Found")
    number, now = (
        str(box.store["next_list"]),
        datetime.fromtimestamp(box.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ+0000"),
    )
    box.store["next_list"] += 1
    box.store["lists"][number] = {"name": name, "folder": folder, "createdAt": now, "updatedAt": now, "members": {}}
    return _assets(_shown(number, box.store["lists"][number]))


def update(box: Sandbox, request: Request, number: str) -> Answer:
    """POST staticList/{id}.json: another name or description."""
    form = _form(request, {"name", "description"})
    if number not in box.store["lists"]:
        raise refuse(702, "Static list not found")
    if "name" in form:
        box.store["lists"][number]["name"] = _free(box, form, number)
    return _assets(_shown(number, box.store["lists"][number]))


def _form(request: Request, known: set[str]) -> dict[str, str]:
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    unknown = sorted(set(form) - known)
    if unknown:
        raise refuse(1003, f"Invalid data: unknown parameter '{unknown[0]}'")
    return form


def _free(box: Sandbox, form: Mapping[str, str], own: str) -> str:
    name = form.get("name", "").strip()
    if not name:
        raise refuse(701, "name cannot be blank")
    if any(one["name"].lower() == name.lower() for n, one in box.store["lists"].items() if n != own):
        raise refuse(709, "Static List already exists with the same name")
    return name


def _members(box: Sandbox, number: str) -> dict[str, bool]:
    if number not in box.store["lists"]:
        raise refuse(1013, "Object not found")
    if box.store["importing"].get(number):
        raise refuse(1019, "Import in progress")
    found: dict[str, bool] = box.store["lists"][number]["members"]
    return found


def add(box: Sandbox, request: Request, number: str) -> Answer:
    """POST lists/{id}/leads.json."""
    members = _members(box, number)
    people = People(box)

    def join(row: Mapping[str, JSON]) -> dict[str, JSON]:
        person = number_of(row)
        if person not in people.records:
            raise not_found()
        status = "memberof" if person in members else "added"
        members[person] = True
        return {"id": row["id"], "status": status}

    return each(rows_of(request, frozenset())[1], join)


def remove(box: Sandbox, request: Request, number: str) -> Answer:
    """DELETE lists/{id}/leads.json."""
    members = _members(box, number)
    people = People(box)

    def part(row: Mapping[str, JSON]) -> dict[str, JSON]:
        person = number_of(row)
        if person not in people.records:
            raise not_found()
        if members.pop(person, None) is None:
            raise RowError(1015, "Lead not in list")
        return {"id": row["id"], "status": "removed"}

    return each(rows_of(request, frozenset())[1], part)


def ismember(box: Sandbox, request: Request, number: str) -> Answer:
    """GET lists/{id}/leads/ismember.json?id=1&id=2."""
    members = _members(box, number)
    people = People(box)
    ids = [value for name, value in parse_qsl(request.query) if name == "id"]
    if not 0 < len(ids) <= MOST or not all(one.isdecimal() for one in ids):
        raise refuse(1001, "Invalid value of 'id'. Required are 1 to 300 whole numbers")

    def look(row: Mapping[str, JSON]) -> dict[str, JSON]:
        person = number_of(row)
        if person not in people.records:
            raise not_found()
        return {"id": row["id"], "status": "memberof" if person in members else "notmemberof"}

    return each([{"id": int(one)} for one in ids], look)
