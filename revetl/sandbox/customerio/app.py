"""The App API: people shown, segments listed and made, members of a segment."""

from __future__ import annotations

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.customerio.problems import bad
from revetl.sandbox.customerio.track import Person, find
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_SHOWN, MOST_MEMBERS = 100, 30_000


def shown(box: Sandbox, request: Request) -> Answer:
    """POST /v1/customers/attributes: up to 100 people by id; who is not there is left out."""
    body = request.json()
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_SHOWN or not all(isinstance(one, str) for one in ids):
        raise bad("ids must hold between 1 and 100 texts")
    found = [one for name in ids if (one := find(box, "id", name)) is not None]
    return answer(200, {"customers": [_person(one) for one in found]})


def _person(person: Person) -> dict[str, JSON]:
    """Return a person; the values of attributes are texts."""
    attributes = {name: _text(value) for name, value in person["attributes"].items()}
    return {
        "id": person["attributes"].get("id", ""),
        "identifiers": _names(person),
        "attributes": {**attributes, "cio_id": person["cio_id"]},
        "timestamps": {},
        "unsubscribed": person["attributes"].get("unsubscribed") is True,
        "devices": [],
    }


def _names(person: Person) -> dict[str, JSON]:
    held = person["attributes"]
    return {"cio_id": person["cio_id"], "id": held.get("id"), "email": held.get("email")}


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def segments(box: Sandbox, _: Request) -> Answer:
    """GET /v1/segments."""
    rows = [{name: value for name, value in one.items() if name != "members"} for one in box.store["segments"].values()]
    return answer(200, {"segments": rows})


def make(box: Sandbox, request: Request) -> Answer:
    """POST /v1/segments: an empty manual segment; names may repeat."""
    body = request.json()
    wish = body.get("segment") if isinstance(body, dict) else None
    name = wish.get("name") if isinstance(wish, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise bad("segment.name is required")
    made = add_segment(box, name)
    return answer(200, {"segment": {key: value for key, value in made.items() if key != "members"}})


def add_segment(box: Sandbox, name: str, kind: str = "manual") -> dict[str, JSON]:
    """Add a segment to the workspace."""
    number = box.store["next_segment"]
    box.store["next_segment"] += 1
    made: dict[str, JSON] = {
        "id": number, "name": name, "description": "", "state": "finished", "progress": None, "type": kind,
        "tags": None, "members": {},
    }  # fmt: skip
    box.store["segments"][str(number)] = made
    return made


def members(box: Sandbox, request: Request, segment_id: str) -> Answer:
    """GET /v1/segments/{segment_id}/membership."""
    segment = box.store["segments"].get(segment_id)
    if segment is None:
        raise bad("not found", 404)
    try:
        start, limit = int(request.params.get("start", "0")), int(request.params.get("limit", "30"))
    except ValueError as broken:
        raise bad("start and limit must be numbers") from broken
    if not 1 <= limit <= MOST_MEMBERS:
        raise bad("limit must lie between 1 and 30000")
    everybody = list(segment["members"])
    page = [box.store["people"][number] for number in everybody[start : start + limit]]
    after = str(start + limit) if start + limit < len(everybody) else ""
    ids = [person["attributes"].get("id", "") for person in page]
    return answer(200, {"ids": ids, "identifiers": [_names(person) for person in page], "next": after})
