"""Lists of a project. Static ones take members by call; there is no call that renames one."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable.bulk import counted, may_exist, rows_of
from revetl.sandbox.iterable.people import Key, People, key_of
from revetl.sandbox.iterable.problems import bad
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

CHANNEL = 1  # the channel of every list


def listing(box: Sandbox, _: Request) -> Answer:
    """GET /api/lists."""
    return answer(200, {"lists": list(box.store["lists"].values())})


def create(box: Sandbox, request: Request) -> Answer:
    """POST /api/lists: a static list; names may repeat."""
    body = request.json()
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise bad("name is missing")
    number = box.store["next_list"]
    box.store["next_list"] += 1
    made: JSON = {"id": number, "name": name, "listType": "Standard", "createdAt": int(box.now() * 1000)}
    box.store["lists"][str(number)] = made
    return answer(200, {"listId": number})


def subscribe(box: Sandbox, request: Request) -> Answer:
    """POST /api/lists/subscribe; in an email-based project unknown people are made, whatever the call says."""
    body = request.json()
    keys, number = _named(box, body)
    only = body.get("updateExistingUsersOnly") is True and box.options["project"] != "email"
    if body.get("updateExistingUsersOnly") is not True:
        box.flag("updateExistingUsersOnly is not set: unknown people become users")
    failures = [(key, kind) for key in keys if (kind := _join(box, key, number, only=only))]
    return counted(len(keys), failures)


def _join(box: Sandbox, key: Key, number: int, *, only: bool) -> str | None:
    people = People(box)
    if not key.valid:
        return "invalid"
    if people.forgotten(key):
        return "forgotten"
    person = people.find(key)
    if person is None and (only or not may_exist(box, key, prefer=False)):
        return "notFound"
    person = person or people.create(key)
    if number not in person["lists"]:
        person["lists"].append(number)
    return None


def unsubscribe(box: Sandbox, request: Request) -> Answer:
    """POST /api/lists/unsubscribe; with channelUnsubscribe it is an opt-out of all that the channel sends."""
    body = request.json()
    keys, number = _named(box, body)
    globally = body.get("channelUnsubscribe") is True
    if globally:
        box.flag("channelUnsubscribe: a global opt-out")
    failures = []
    for key in keys:
        person = People(box).find(key)
        if person is None:
            failures.append((key, "notFound" if key.valid else "invalid"))
            continue
        person["lists"] = [one for one in person["lists"] if one != number]
        person["optouts"] = sorted({*person["optouts"], CHANNEL}) if globally else person["optouts"]
    return counted(len(keys), failures)


def _named(box: Sandbox, body: JSON) -> tuple[list[Key], int]:
    keys = [key_of(row) for row in rows_of(body, "subscribers")]
    number = body.get("listId")
    if not isinstance(number, int) or isinstance(number, bool):
        raise bad("listId must be a number")
    found = box.store["lists"].get(str(number))
    if found is None or found["listType"] != "Standard":
        raise bad(f"Invalid list: {number}")
    return keys, number
