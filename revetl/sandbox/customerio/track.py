"""The Track API: batches of operations on people, and members of manual segments."""

from __future__ import annotations

import re
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.customerio.problems import bad, malformed, wrong
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_BYTES, MOST_ROW_BYTES, MOST_IDS = 500_000, 32_000, 1_000
MOST_NAME, MOST_VALUE = 150, 4_000  # characters of a name, bytes of a value
KEYS = ("id", "email", "cio_id")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
Person = dict[str, Any]
Wrong = tuple[str, str, str]  # reason, field, message


def find(box: Sandbox, key: str, value: JSON) -> Person | None:
    """Return the person under an identifier; addresses are compared in lower case."""
    name = str(value).lower() if key == "email" else str(value)
    number = name if key == "cio_id" else box.store["index"][key].get(name)
    found: Person | None = box.store["people"].get(number) if number is not None else None
    return found


def batch(box: Sandbox, request: Request) -> Answer:
    """POST /api/v2/batch: what is wrong with one operation keeps no other from being done."""
    if len(request.body) >= MOST_BYTES:
        raise malformed("invalid", "batch", "the batch must be smaller than 500kb")
    body = request.json()
    rows = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise malformed("required", "batch", "batch is required")
    errors = []
    for index, row in enumerate(rows):
        fault = _fault(row)
        if fault is None:
            _do(box, row)
        else:
            errors.append(wrong(index, *fault))
    return answer(207, {"errors": errors}) if errors else answer(200, {})


def _fault(row: JSON) -> Wrong | None:
    """Return what is wrong with an operation."""
    if not isinstance(row, dict) or row.get("type") != "person":
        return "invalid", "type", "the stand-in takes people alone"
    if len(orjson.dumps(row)) > MOST_ROW_BYTES:
        return "invalid", "", "the request must be 32kb or smaller"
    fault = _identifiers(row.get("identifiers"))
    if fault is not None or row.get("action") == "delete":
        return fault
    if row.get("action") != "identify":
        return "invalid", "action", f"the stand-in knows no action {row.get('action')}"
    return _attributes(row.get("attributes", {}))


def _identifiers(named: JSON) -> Wrong | None:
    if not isinstance(named, dict) or len(named) != 1 or set(named) - set(KEYS):
        return "invalid", "identifiers", "exactly one of id, email and cio_id is required"
    (value,) = named.values()
    if not isinstance(value, str) or not value or len(value.encode()) > MOST_NAME:
        return "invalid", "identifiers", "an identifier is a text of 1 to 150 bytes"
    return None


def _attributes(given: JSON) -> Wrong | None:
    if not isinstance(given, dict):
        return "invalid", "attributes", "attributes must be an object"
    for name, value in given.items():
        if not name or len(name) > MOST_NAME:
            return "invalid", name[:MOST_NAME], "an attribute's name has 1 to 150 characters"
        if len(orjson.dumps(value)) > MOST_VALUE:
            return "invalid", name, "the value is too long"
    email = given.get("email")
    if email not in (None, "") and not (isinstance(email, str) and _ADDRESS.fullmatch(email)):
        return "invalid", "email", "the address is not valid"
    return None


def _do(box: Sandbox, row: dict[str, Any]) -> None:
    ((key, value),) = row["identifiers"].items()
    person = find(box, key, value)
    if row["action"] == "delete":
        if person is not None:
            _delete(box, person)
        return
    if person is None:
        if key == "cio_id":
            box.flag("a cio_id that nobody has: nothing was done")
            return
        person = make(box, key, value)
    _write(box, person, row.get("attributes") or {})


def make(box: Sandbox, key: str, value: str) -> Person:
    """Add a person."""
    number = f"a3{box.store['next_person']:06x}"
    box.store["next_person"] += 1
    person: Person = {"cio_id": number, "attributes": {}}
    box.store["people"][number] = person
    _rekey(box, person, key, value)
    return person


def _rekey(box: Sandbox, person: Person, key: str, value: str) -> None:
    """Give a person an identifier; one that somebody else holds stays there, as the activity log would say."""
    other = find(box, key, value)
    if other is not None and other is not person:
        box.flag(f"{key} is somebody else's: it was not changed")
        return
    name = value.lower() if key == "email" else value
    box.store["index"][key].pop(person.get(f"_{key}"), None)
    box.store["index"][key][name] = person["cio_id"]
    person[f"_{key}"] = name
    person["attributes"][key] = value


def _write(box: Sandbox, person: Person, attributes: dict[str, Any]) -> None:
    if person["attributes"].get("unsubscribed") is True and attributes.get("unsubscribed", True) is not True:
        box.flag("somebody unsubscribed was subscribed again")
    for name, value in attributes.items():
        if name in ("id", "email") and value not in (None, ""):
            _rekey(box, person, name, str(value))
        elif value in (None, ""):
            _clear(box, person, name)
        else:
            person["attributes"][name] = value


def _clear(box: Sandbox, person: Person, name: str) -> None:
    """Empty an attribute; an id stays once it is there."""
    if name == "id":
        return
    if name == "email":
        box.store["index"]["email"].pop(person.pop("_email", None), None)
    person["attributes"].pop(name, None)


def _delete(box: Sandbox, person: Person) -> None:
    for key in ("id", "email"):
        box.store["index"][key].pop(person.get(f"_{key}"), None)
    for segment in box.store["segments"].values():
        segment["members"].pop(person["cio_id"], None)
    del box.store["people"][person["cio_id"]]


def add(box: Sandbox, request: Request, segment_id: str) -> Answer:
    """POST /api/v1/segments/{segment_id}/add_customers: ids that nobody has become people."""
    segment, ids = _moved(box, request, segment_id)
    for name in ids:
        person = find(box, "id", name)
        if person is None:
            box.flag("a segment made somebody of an id")
            person = make(box, "id", name)
        segment["members"][person["cio_id"]] = True
    return answer(200, {})


def remove(box: Sandbox, request: Request, segment_id: str) -> Answer:
    """POST /api/v1/segments/{segment_id}/remove_customers."""
    segment, ids = _moved(box, request, segment_id)
    for name in ids:
        person = find(box, "id", name)
        if person is not None:
            segment["members"].pop(person["cio_id"], None)
    return answer(200, {})


def _moved(box: Sandbox, request: Request, segment_id: str) -> tuple[dict[str, Any], list[str]]:
    segment = box.store["segments"].get(segment_id)
    if segment is None:
        raise bad("segment not found")
    if segment["type"] != "manual":
        raise bad("people cannot be added to or removed from data-driven segments")
    if request.params.get("id_type", "id") != "id":
        raise bad("the stand-in takes ids alone")
    body = request.json()
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise bad("ids must hold between 1 and 1000 texts")
    return segment, ids


def region(box: Sandbox, _: Request) -> Answer:
    """GET /api/v1/accounts/region."""
    where = box.options["region"]
    url = "https://track.customer.io" if where == "us" else "https://track-eu.customer.io"
    return answer(200, {"url": url, "region": where, "environment_id": 3})
