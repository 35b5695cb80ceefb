"""Associations between contacts and companies (``/crm/v4/associations/…``): labels, one primary company at most.

Source: developers.hubspot.com, "Associations v4": a create takes 2,000 inputs with the types of each, an archive takes
every association between two records away and answers 204. Type 279 is the plain one, type 1 the primary company.
"""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot.errors import invalid, missing, row_error
from revetl.sandbox.hubspot.records import Table
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

MOST_INPUTS = 2_000
PLAIN, PRIMARY = 279, 1
SHOWN = "associatedcompanyid"
IDS = {"contacts": "0-1", "companies": "0-2"}


def create(box: Sandbox, request: Request, one: str, other: str) -> Answer:
    """POST batch/create: 201, or 207 where a record is not there."""
    people, firms = _tables(box, one, other)
    results: list[JSON] = []
    errors: list[JSON] = []
    for given in _inputs(request):
        left, right = _id(given.get("from")), _id(given.get("to"))
        kinds = _types(given)
        contact, firm = people.records.get(left), firms.records.get(right)
        if contact is None or firm is None:
            told = {"fromObjectId": [left], "toObjectId": [right]}
            errors.append(row_error("OBJECT_NOT_FOUND", f"One of {left} and {right} does not exist", told))
            continue
        _associate(box, contact, right, kinds)
        ends = {"fromObjectTypeId": IDS[one], "fromObjectId": left, "toObjectTypeId": IDS[other], "toObjectId": right}
        results.append({**ends, "labels": ["Primary"] if PRIMARY in kinds else []})
    payload = {"status": "COMPLETE", "results": results, "startedAt": people.at, "completedAt": people.at}
    if errors:
        return answer(207, {**payload, "numErrors": len(errors), "errors": errors})
    return answer(201, payload)


def archive(box: Sandbox, request: Request, one: str, other: str) -> Answer:
    """POST batch/archive: 204; what is not associated is passed over."""
    people, _ = _tables(box, one, other)
    for given in _inputs(request):
        left, rights = _id(given.get("from")), given.get("to")
        if not isinstance(rights, list) or not rights:
            raise invalid("Invalid input JSON: `to` is an array of ids")
        for right in rights:
            forget(box, left, _id(right))
        if left in people.records:
            _show(box, people.records[left])
    return NO_CONTENT


def forget(box: Sandbox, contact: str, firm: str) -> None:
    """Take every association between two records away."""
    _held(box).get(contact, {}).pop(firm, None)


def forget_record(box: Sandbox, kind: str, number: str) -> None:
    """Take every association of a record away."""
    held = _held(box)
    if kind == "contacts":
        held.pop(number, None)
        return
    for contact in [contact for contact, firms in held.items() if number in firms]:
        forget(box, contact, number)
        _show(box, box.store["objects"]["contacts"]["records"][contact])


def _associate(box: Sandbox, contact: Mapping[str, JSON], firm: str, kinds: set[int]) -> None:
    held = _held(box).setdefault(contact["id"], {})
    if PRIMARY in kinds:  # another one stays associated, and is the primary one no more
        for others in held.values():
            others[:] = [kind for kind in others if kind != PRIMARY]
    held[firm] = sorted({*held.get(firm, ()), *kinds, PLAIN})
    _show(box, contact)


def _held(box: Sandbox) -> dict[str, dict[str, list[int]]]:
    """Return contact → company → types."""
    found: dict[str, dict[str, list[int]]] = box.store.setdefault("associations", {})
    return found


def _show(box: Sandbox, contact: Mapping[str, JSON]) -> None:
    """Write the primary company's id into the contact's property."""
    held = _held(box).get(contact["id"], {})
    contact["properties"][SHOWN] = next((firm for firm, kinds in held.items() if PRIMARY in kinds), "")


def _tables(box: Sandbox, one: str, other: str) -> tuple[Table, Table]:
    if (one, other) != ("contacts", "companies"):
        raise missing(f"Unable to infer object type from: {one}, {other}")
    return Table.of(box, one), Table.of(box, other)


def _inputs(request: Request) -> list[dict[str, JSON]]:
    body = request.json()
    found = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(given, dict) for given in found):
        raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
    if len(found) > MOST_INPUTS:
        raise invalid(f"The maximum number of inputs of an association batch is {MOST_INPUTS}")
    return found


def _id(given: JSON) -> str:
    found = given.get("id") if isinstance(given, dict) else None
    if not isinstance(found, str) or not found.isdecimal():
        raise invalid("Invalid input JSON: an id is a string of digits")
    return found


def _types(given: Mapping[str, JSON]) -> set[int]:
    found = given.get("types")
    if not isinstance(found, list) or not found:
        raise invalid("Invalid input JSON: some required fields were not set: [types]")
    kinds: set[int] = {one.get("associationTypeId", 0) for one in found if isinstance(one, dict)}
    defined = all(isinstance(one, dict) and one.get("associationCategory") == "HUBSPOT_DEFINED" for one in found)
    if not defined or not kinds <= {PLAIN, PRIMARY}:
        raise invalid("Invalid association types: from contacts to companies HubSpot defines 1 and 279")
    return kinds
