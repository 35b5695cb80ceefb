"""Tags: found or made by name whatever its case, worn by contacts (one a call) and companies."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom import companies
from revetl.sandbox.intercom.errors import bad, invalid, lacking, no_company, no_resource
from revetl.sandbox.intercom.people import Contact, People
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

Tag = dict[str, JSON]


def _require(box: Sandbox, number: JSON) -> Tag:
    found = box.store["tags"].get(str(number))
    if found is None:
        raise no_resource()
    tag: Tag = found
    return tag


def _named(box: Sandbox, name: str) -> Tag | None:
    return next((tag for tag in box.store["tags"].values() if tag["name"].lower() == name.lower()), None)


def _shown(tag: Tag, box: Sandbox | None = None) -> Tag:
    told = {"type": "tag", "id": tag["id"], "name": tag["name"]}
    if box is None:
        return told
    return {**told, "applied_at": int(box.now()), "applied_by": {"type": "admin", "id": "1"}}


def listing(box: Sandbox, _request: Request) -> Answer:
    """GET /tags: all of them."""
    return answer(200, {"type": "list", "data": [_shown(tag) for tag in box.store["tags"].values()]})


def single(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /tags/{id}."""
    return answer(200, _shown(_require(box, number)))


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE /tags/{id}: nobody wears it any more."""
    _require(box, number)
    del box.store["tags"][number]
    for worn in (*box.store["contacts"].values(), *box.store["companies"].values()):
        worn["tags"] = [tag for tag in worn["tags"] if tag != number]
    return Answer(200)


def write(box: Sandbox, request: Request) -> Answer:
    """POST /tags: find or make by ``name``, rename by ``id``, or put it on (off, ``untag``) ``companies`` or ``users``.

    Nobody is tagged where one of those named is not there.
    """
    given = request.json()
    if not isinstance(given, dict):
        raise invalid("the body is not an object")
    for name in given.keys() - {"name", "id", "companies", "users"}:
        raise bad(name)
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("invalid tag parameters")
    worn = [*_companies(box, given), *_users(box, given)]
    tag = _renamed(box, given["id"], name) if "id" in given else _named(box, name) or _made(box, name)
    for one, off in worn:
        one["tags"] = [number for number in one["tags"] if number != tag["id"]] + ([] if off else [tag["id"]])
    return answer(200, _shown(tag))


def _made(box: Sandbox, name: str) -> Tag:
    box.store["next_number"] += 1
    number = str(box.store["next_number"])
    made: Tag = {"id": number, "name": name}
    box.store["tags"][number] = made
    return made


def _renamed(box: Sandbox, number: JSON, name: str) -> Tag:
    tag, other = _require(box, number), _named(box, name)
    if other not in (None, tag):
        raise invalid(f"a tag named {name} is there already")
    tag["name"] = name
    return tag


def _listed(given: Mapping[str, JSON], name: str) -> list[dict[str, JSON]]:
    found = given.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise invalid("invalid tag parameters")
    return found


def _companies(box: Sandbox, given: Mapping[str, JSON]) -> list[tuple[companies.Company, bool]]:
    found = []
    for row in _listed(given, "companies"):
        if isinstance(row.get("id"), str):
            one: companies.Company | None = companies.require(box, row["id"])
        else:
            one = companies.by_company_id(box, row.get("company_id"))
        if one is None:
            raise no_company()
        if row.keys() - {"id", "company_id", "untag"} or not isinstance(row.get("untag", False), bool):
            raise invalid("invalid tag parameters")
        found.append((one, row.get("untag", False)))
    return found


def _users(box: Sandbox, given: Mapping[str, JSON]) -> list[tuple[Contact, bool]]:
    people = People(box)
    return [(people.require(str(row.get("id"))), False) for row in _listed(given, "users")]


# --- tags of a contact ------------------------------------------------------------------------------------------------


def worn(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /contacts/{id}/tags: all of them."""
    one = People(box).require(number)
    return answer(200, {"type": "list", "data": [_shown(_require(box, tag), box) for tag in one["tags"]]})


def attach(box: Sandbox, request: Request, number: str) -> Answer:
    """POST /contacts/{id}/tags ``{"id": tag}``; a repeat changes nothing."""
    one = People(box).require(number)
    given = request.json()
    if not isinstance(given, dict) or not isinstance(given.get("id"), str):
        raise lacking("tag not specified")
    for name in given.keys() - {"id"}:
        raise bad(name)
    tag = _require(box, given["id"])
    if tag["id"] not in one["tags"]:
        one["tags"].append(tag["id"])
    return answer(200, _shown(tag, box))


def detach(box: Sandbox, _request: Request, number: str, tag_id: str) -> Answer:
    """DELETE /contacts/{id}/tags/{tag}: 404 where the tag is not there, or not worn."""
    one = People(box).require(number)
    tag = _require(box, tag_id)
    if tag["id"] not in one["tags"]:
        raise no_resource()
    one["tags"].remove(tag["id"])
    return answer(200, _shown(tag, box))
