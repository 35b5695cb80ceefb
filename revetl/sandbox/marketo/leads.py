"""``/rest/v1/leads.json`` and its neighbours: written, read and deleted up to 300 at a time, answered by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.marketo import fields
from revetl.sandbox.marketo.errors import RowError, not_found, refuse
from revetl.sandbox.marketo.people import People, normal
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST = 300
ACTIONS = ("createOrUpdate", "createOnly", "updateOnly", "createDuplicate")
DEFAULTS = ("id", "email", "updatedAt", "createdAt", "lastName", "firstName")
MOST_FOUND = 1_000


def rows_of(request: Request, allowed: frozenset[str]) -> tuple[dict[str, JSON], list[JSON]]:
    """Return the body and its ``input``, which must be 1 to 300 objects, beside known parameters alone."""
    body = request.json()
    if not isinstance(body, dict):
        raise refuse(609, "Invalid JSON")
    unknown = sorted(set(body) - allowed - {"input"})
    if unknown:
        raise refuse(1003, f"Invalid data: unknown parameter '{unknown[0]}'")
    given = body.get("input")
    if not isinstance(given, list) or not given or not all(isinstance(row, dict) for row in given):
        raise refuse(1002, "Missing value for the required parameter 'input'")
    if len(given) > MOST:
        raise refuse(1003, f"Invalid data: more than {MOST} records")
    return body, given


def each(given: list[JSON], step: Callable[[Mapping[str, JSON]], dict[str, JSON]]) -> Answer:
    """Answer each row by position: what ``step`` returns, or why it was skipped."""
    found = []
    for row in given:
        try:
            found.append(step(row))
        except RowError as error:
            shown = error.shown()
            found.append({"id": row["id"], **shown} if type(row.get("id")) is int and len(row) == 1 else shown)
    return answer(200, {"success": True, "result": found})


def sync(box: Sandbox, request: Request) -> Answer:
    """POST leads.json."""
    told = frozenset({"action", "lookupField", "partitionName", "asyncProcessing"})
    body, given = rows_of(request, told)
    action, lookup = body.get("action", "createOrUpdate"), body.get("lookupField", "email")
    if action not in ACTIONS:
        raise refuse(1001, f"Invalid value '{action}'. Required of type 'action'")
    if lookup not in fields.searchable(box):
        raise refuse(1011, f"Field '{lookup}' not supported")
    partition = body.get("partitionName")
    if partition is not None and (action == "updateOnly" or partition not in box.options["partitions"]):
        raise refuse(1008, f"Access denied to partition '{partition}'")
    people, seen = People(box), set[str]()

    def write(row: Mapping[str, JSON]) -> dict[str, JSON]:
        mark = normal(row.get(lookup))
        if row.get(lookup) is not None and mark in seen:
            box.flag(f"two rows of one call have the {lookup} {mark}")
        seen.add(mark)
        number, created = upsert(people, dict(row), action, lookup, partition or box.options["partitions"][0])
        return {"id": int(number), "status": "created" if created else "updated"}

    return each(given, write)


def upsert(people: People, row: dict[str, JSON], action: str, lookup: str, partition: str) -> tuple[str, bool]:
    """Write one row; return the id, and whether it is new; a row that is refused is a ``RowError``."""
    key = row.get(lookup)
    if "id" in row and (action != "updateOnly" or lookup != "id"):
        raise RowError(1003, "Invalid data: id is for updateOnly with lookupField id")
    if (key is None or key == "") and action != "createDuplicate":
        raise RowError(1003, f"Invalid data: value for lookup field '{lookup}' not found")
    row.pop("id", None)
    clean = people.parse(row)
    there = [] if action == "createDuplicate" else people.find(lookup, key)
    if len(there) > 1:
        raise RowError(1007, "Multiple lead match lookup criteria")
    if there and action == "createOnly":
        raise RowError(1005, "Lead already exists")
    if not there and action == "updateOnly":
        raise not_found()
    if not there:
        return people.create(clean, partition), True
    people.change(there[0], clean)
    return there[0], False


def query(box: Sandbox, request: Request) -> Answer:
    """GET leads.json by ``filterType`` and ``filterValues``; a page is at most 300 people."""
    params = request.params
    field, values = params.get("filterType", ""), [one for one in params.get("filterValues", "").split(",") if one]
    if field not in fields.searchable(box):
        raise refuse(1011, f"Field '{field}' not supported")
    if not values:
        raise refuse(1002, "Missing value for the required parameter 'filterValues'")
    if len(values) > MOST:
        raise refuse(1003, f"Invalid data: more than {MOST} filterValues")
    names = [one for one in params.get("fields", "").split(",") if one] or list(DEFAULTS)
    unknown = sorted(set(names) - set(box.store["fields"]))
    if unknown:
        raise refuse(1006, f"Field '{unknown[0]}' not found")
    people = People(box)
    found = sorted({int(number) for value in values for number in people.find(field, value)})
    if len(found) > MOST_FOUND:
        raise refuse(1003, "Too many results match the filter")
    return page(box, [_shown(people.records[str(number)], names) for number in found], params)


def _shown(record: Mapping[str, JSON], names: list[str]) -> dict[str, JSON]:
    """Return a person as it is read: what is empty is left out, the id is always there."""
    return {name: record[name] for name in dict.fromkeys(("id", *names)) if name in record}


def page(box: Sandbox, rows: list[dict[str, JSON]], params: Mapping[str, str]) -> Answer:
    """Return one page of rows; its token tells where the next one begins."""
    size = min(int(params.get("batchSize") or MOST), MOST, box.options["page"])
    token = params.get("nextPageToken", "")
    if token and not (token.endswith("===") and token[:-3].isdecimal()):
        raise refuse(1003, "Invalid data: nextPageToken")
    at = int(token.removesuffix("===") or 0)
    more: dict[str, JSON] = {"nextPageToken": f"{at + size}==="} if at + size < len(rows) else {}
    return answer(200, {"success": True, "result": rows[at : at + size], **more})


def number_of(row: Mapping[str, JSON]) -> str:
    """Return the id that a row names."""
    if type(row.get("id")) is not int or set(row) != {"id"}:
        raise RowError(1003, "Invalid data: an id is a whole number, and all that is asked for")
    return str(row["id"])


def delete(box: Sandbox, request: Request) -> Answer:
    """POST delete.json."""
    _, given = rows_of(request, frozenset())
    people = People(box)

    def end(row: Mapping[str, JSON]) -> dict[str, JSON]:
        people.delete(number_of(row))
        return {"id": row["id"], "status": "deleted"}

    return each(given, end)


def partitions(box: Sandbox, _: Request) -> Answer:
    """GET partitions.json."""
    rows = [{"id": n, "name": name} for n, name in enumerate(box.options["partitions"], 1)]
    return answer(200, {"success": True, "result": rows})


def merge(box: Sandbox, request: Request, winner: str) -> Answer:
    """POST {leadId}/merge.json?leadId=: the loser's id is gone, its values fill the winner's gaps."""
    people, losers = People(box), request.params.get("leadIds", request.params.get("leadId", "")).split(",")
    if any(number not in people.records for number in (winner, *losers)):
        raise refuse(1004, "Lead not found")
    for number in losers:
        known = people.records[winner]
        spare = {n: v for n, v in people.records[number].items() if n not in known and n in box.store["fields"]}
        people.delete(number)
        people.change(winner, spare)
    return answer(200, {"success": True})
