"""``/composite/sobjects``: up to 200 records a call, answered by position, each failing alone unless all or none.

Strict where pages are silent: an unknown field and a value that cannot be read as its type refuse the whole call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce.errors import RowError, refuse
from revetl.sandbox.salesforce.records import Record, Table
from revetl.sandbox.salesforce.schema import PREFIX
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST = 200

Row = tuple[Table, JSON, Record, RowError | None]  # its table, the id it names, values, why it is refused


def create(box: Sandbox, request: Request) -> Answer:
    """POST: insert records."""

    def write(table: Table, record_id: JSON, clean: Record) -> dict[str, JSON]:
        if record_id is not None:
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
        return {"id": table.create(clean)}

    return _answer(box, request, write)


def update(box: Sandbox, request: Request) -> Answer:
    """PATCH: update records by id."""
    seen: set[str] = set()

    def write(table: Table, record_id: JSON, clean: Record) -> dict[str, JSON]:
        return update_row(table, record_id, clean, seen)

    return _answer(box, request, write)


def update_row(table: Table, record_id: JSON, clean: Record, seen: set[str]) -> dict[str, JSON]:
    """Update the record of that id, which may come once."""
    if not record_id:
        raise RowError("MISSING_ARGUMENT", "Id not specified in an update call")
    record = table.get(record_id)
    if record_id in seen:
        raise RowError("DUPLICATE_VALUE", f"duplicate id in list: {record_id}")
    seen.add(record["Id"])
    return {"id": table.update(record, clean)}


def upsert(box: Sandbox, request: Request, kind: str, field: str) -> Answer:
    """PATCH /{object}/{external id field}: create or update, as the value of that field says."""
    table = Table.of(box, kind)
    if not table.fields.get(field, {}).get("externalId"):
        told = f"Provided external ID field does not exist or is not accessible: {field}"
        raise refuse(404, "NOT_FOUND", told)
    seen: set[str] = set()

    def write(of: Table, record_id: JSON, clean: Record) -> dict[str, JSON]:
        if of.kind != kind:
            raise RowError("INVALID_TYPE", f"sObject type {of.kind} does not match the request's {kind}")
        if record_id is not None:
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id and an external id", ["Id"])
        return upsert_row(table, field, clean, seen)

    return _answer(box, request, write)


def upsert_row(table: Table, field: str, clean: Record, seen: set[str]) -> dict[str, JSON]:
    """Update or create the record of that external id, which may come once."""
    if clean.get(field) is None:
        raise RowError("MISSING_ARGUMENT", f"{field} not specified")
    mark = table.normal(field, clean[field])
    if mark in seen:
        raise RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {clean[field]}", [field])
    seen.add(mark)
    there = table.find(field, clean[field])
    if len(there) > 1:
        told = f"{field}: more than one record found for external id field: [{', '.join(there)}]"
        raise RowError("DUPLICATE_EXTERNAL_ID", told)
    if there:
        return {"id": table.update(table.records[there[0]], clean), "created": False}
    return {"id": table.create(clean), "created": True}


def delete(box: Sandbox, request: Request) -> Answer:
    """DELETE ?ids=a,b: into the recycle bin, in the order of the ids."""
    ids = [one for one in request.params.get("ids", "").split(",") if one]
    if not 0 < len(ids) <= MOST:
        raise refuse(400, "EXCEEDED_ID_LIMIT" if ids else "MISSING_ARGUMENT", f"1 to {MOST} ids are deleted in a call")

    def write(record_id: str) -> dict[str, JSON]:
        kind = next((kind for kind, prefix in PREFIX.items() if record_id.startswith(prefix)), None)
        if kind is None:
            raise RowError("MALFORMED_ID", f"malformed id {record_id}")
        table = Table.of(box, kind)
        table.remove(table.get(record_id))
        return {"id": record_id}

    whole = request.params.get("allOrNone", "false") == "true"
    return answer(200, _rows(box, [partial(write, one) for one in ids], whole=whole))


def _answer(box: Sandbox, request: Request, write: Callable[[Table, JSON, Record], dict[str, JSON]]) -> Answer:
    body = request.json()
    given = body.get("records") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given:
        raise refuse(400, "MISSING_ARGUMENT", "The request holds no records")
    if len(given) > MOST:
        raise refuse(400, "EXCEEDED_ID_LIMIT", f"The request holds more than {MOST} records")
    rows = [_row(box, one) for one in given]

    def step(row: Row) -> dict[str, JSON]:
        table, record_id, clean, wrong = row
        if wrong is not None:
            raise wrong
        return write(table, record_id, clean)

    return answer(200, _rows(box, [partial(step, row) for row in rows], whole=body.get("allOrNone") is True))


def _row(box: Sandbox, given: JSON) -> Row:
    attributes = given.get("attributes") if isinstance(given, dict) else None
    if not isinstance(attributes, dict) or "type" not in attributes:
        raise refuse(
            400, "INVALID_TYPE", "The Id field should not be specified in the sobject data: no attributes.type"
        )
    table = Table.of(box, attributes["type"])
    names = {"id", "Id", "attributes"}
    clean, wrong = table.parse({name: value for name, value in given.items() if name not in names})
    return table, given.get("id", given.get("Id")), clean, wrong


def _rows(box: Sandbox, steps: Sequence[Callable[[], dict[str, JSON]]], *, whole: bool) -> list[JSON]:
    before = orjson.dumps(box.store) if whole else b""
    found: list[JSON] = []
    for step in steps:
        try:
            done = step()
        except RowError as error:
            found.append(error.shown())
        else:
            found.append({"id": done["id"], "success": True, "errors": [], **done})
    if whole and not all(row["success"] for row in found):
        box.store = orjson.loads(before)
        rolled = RowError("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid")
        return [rolled.shown() if row["success"] else row for row in found]
    return found
