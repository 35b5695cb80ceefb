"""The reading endpoints of ``/crm/v3/objects/{object}``, and its endpoints for one record."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot import paging
from revetl.sandbox.hubspot.associations import forget_record
from revetl.sandbox.hubspot.batch import Row, finished, inputs, refuse_wrong, row, shown
from revetl.sandbox.hubspot.errors import error, invalid, missing, row_error, taken, unmatched
from revetl.sandbox.hubspot.records import Table
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

MOST_LISTED = 100
SHOWN: Mapping[str, tuple[str, ...]] = {"contacts": ("email", "firstname", "lastname"), "companies": ("name", "domain")}


def batch(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST batch/read by id or ``idProperty``: 200, or 207 whose error holds the ids that were not found."""
    table = Table.of(box, kind)
    body = request.json()
    keys = [one.get("id") for one in inputs(request)]
    by = body.get("idProperty")
    if not all(isinstance(key, str) for key in keys):
        raise invalid("Invalid input JSON: ids are strings")
    if by is not None:
        table.require_unique(by)
    names = body.get("properties") or SHOWN[kind]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise invalid("Invalid input JSON: properties are names")
    found = {key: table.find(str(key), by) for key in dict.fromkeys(keys)}
    results = [shown(record, names) for record in found.values() if record is not None]
    lost = [str(key) for key, record in found.items() if record is None]
    if not lost:
        return finished(table, 200, results)
    return finished(table, 200, results, [row_error("OBJECT_NOT_FOUND", unmatched(kind), {"ids": lost})])


def page(box: Sandbox, request: Request, kind: str) -> Answer:
    """GET /crm/v3/objects/{object}: by ascending id, up to 100 a page, next page by ``after``."""
    table = Table.of(box, kind)
    ids, following = paging.page(request, table.records, most=MOST_LISTED, default=10)
    names = _names(request, kind)
    return answer(200, {"results": [shown(table.records[key], names) for key in ids], **following})


def _names(request: Request, kind: str) -> tuple[str, ...]:
    asked = request.params.get("properties")
    return tuple(asked.split(",")) if asked else SHOWN[kind]


def _one(table: Table, request: Request, key: str) -> dict[str, JSON]:
    by = request.params.get("idProperty")
    if by is not None:
        table.require_unique(by)
    record = table.find(key, by)
    if record is None:
        raise missing("resource not found")
    return record


def single(box: Sandbox, request: Request, kind: str, key: str) -> Answer:
    """GET one record by id, or by ``?idProperty=``."""
    table = Table.of(box, kind)
    return answer(200, shown(_one(table, request, key), _names(request, kind)))


def create(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST one record: 201, or 409 where a unique value is taken."""
    table = Table.of(box, kind)
    one = _row(table, request)
    _refuse_conflict(table, one, None)
    return answer(201, shown(table.create(one.clean), one.clean))


def patch(box: Sandbox, request: Request, kind: str, key: str) -> Answer:
    """PATCH one record: 200; a new e-mail renames it, 409 where another record has that e-mail."""
    table = Table.of(box, kind)
    record = _one(table, request, key)
    one = _row(table, request)
    _refuse_conflict(table, one, record)
    table.write(record, one.clean)
    return answer(200, shown(record, one.clean))


def archive(box: Sandbox, request: Request, kind: str, key: str) -> Answer:
    """DELETE one record: 204, into the recycle bin."""
    table = Table.of(box, kind)
    record = _one(table, request, key)
    table.remove(record)
    forget_record(box, kind, record["id"])
    box.store["archived"].setdefault(kind, {})[record["id"]] = {**record, "archived": True}
    return NO_CONTENT


def _row(table: Table, request: Request) -> Row:
    body = request.json()
    if not isinstance(body, dict):
        raise invalid("Invalid input JSON: a record is an object")
    one = row(table, body, keyed=False)
    refuse_wrong([one])
    return one


def _refuse_conflict(table: Table, one: Row, record: Mapping[str, JSON] | None) -> None:
    owner = table.owner(one.clean, record)
    if owner is not None:
        raise error(409, "CONFLICT", taken(table.kind, owner))
