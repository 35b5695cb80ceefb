"""The writing batch endpoints of ``/crm/v3/objects/{object}``: upsert, create, update, archive.

Where the published pages say how rows fail, and where they are silent, this stand-in takes the strict reading:

* one property value that is wrong refuses an upsert or update as a whole (400), with or without trace ids; a create
  reports it per row (207) where every input carries an ``objectWriteTraceId``;
* a unique value that another record holds fails its row alone (207, ``context.existingId``);
* an upsert by e-mail of a known contact that leaves out properties it has is "not supported" by HubSpot: it blanks
  nothing here, and is flagged ``unsupported_partial`` in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot.associations import SHOWN, forget_record
from revetl.sandbox.hubspot.batch import (
    Row,
    finished,
    inputs,
    refuse_duplicates,
    refuse_wrong,
    row,
    shown,
    traced,
)
from revetl.sandbox.hubspot.errors import error, invalid, missing, row_error, taken, unmatched
from revetl.sandbox.hubspot.preferences import SHOWN as OUT
from revetl.sandbox.hubspot.records import SYSTEM, Table, normal
from revetl.sandbox.wire import NO_CONTENT, Answer, Request
from revetl.types import JSON


def upsert(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST batch/upsert: each input names its ``idProperty``; ``new`` tells what was created."""
    table = Table.of(box, kind)
    rows = [row(table, one, name_key=True) for one in inputs(request)]
    if any(one.id_property is None for one in rows):
        raise invalid("Invalid input JSON: some required fields were not set: [idProperty]")
    refuse_duplicates(rows)
    refuse_wrong(rows)
    results: list[JSON] = []
    errors: list[JSON] = []
    for one in rows:
        _upsert_row(table, one, results, errors)
    return finished(table, 200, results, errors)


def _upsert_row(table: Table, one: Row, results: list[JSON], errors: list[JSON]) -> None:
    record = table.find(one.key, one.id_property)
    failed = _failure(table, one, record)
    if failed is not None:
        errors.append(failed)
        return
    new = record is None
    if record is None:
        record = table.create(one.clean)
    else:
        if one.id_property == "email" and _partial(record["properties"], one.clean):
            table.box.flag("unsupported_partial")
        table.write(record, one.clean)
    results.append(shown(record, one.clean, **_trace(one), new=new))


def _partial(have: Mapping[str, str], clean: Mapping[str, str]) -> bool:
    return any(have[name] for name in have.keys() - clean.keys() - SYSTEM - {SHOWN, OUT})


def _trace(one: Row) -> dict[str, JSON]:
    return {} if one.trace is None else {"objectWriteTraceId": one.trace}


def _failure(table: Table, one: Row, record: Mapping[str, JSON] | None) -> JSON:
    """Return why a row alone cannot be written, None where it can."""
    if record is None and table.blocked(one.clean):
        what = "The email address was deleted under a privacy request and cannot be added again"
        return row_error("VALIDATION_ERROR", what, traced(one, {"ids": [one.key]}))
    owner = table.owner(one.clean, record)
    if owner is None:
        return None
    return row_error("CONFLICT", taken(table.kind, owner), traced(one, {"existingId": [owner]}))


def create(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST batch/create: 201; rows fail alone (207) only where all carry trace ids, else one fails all (400, 409)."""
    table = Table.of(box, kind)
    rows = [row(table, one, keyed=False) for one in inputs(request)]
    if not all(one.trace is not None for one in rows):
        refuse_wrong(rows)
        _refuse_conflicts(table, rows)
    results: list[JSON] = []
    errors: list[JSON] = []
    for one in rows:
        failed = _wrong(one) or _failure(table, one, None)
        if failed is None:
            results.append(shown(table.create(one.clean), one.clean, **_trace(one)))
        else:
            errors.append(failed)
    if not results and all(failed["category"] == "CONFLICT" for failed in errors):
        raise error(409, "CONFLICT", errors[0]["message"], errors=errors)
    return finished(table, 201, results, errors)


def _wrong(one: Row) -> JSON:
    if not one.wrong:
        return None
    names = [name for bad in one.wrong for name in bad["context"]["propertyName"]]
    return row_error("VALIDATION_ERROR", one.wrong[0]["message"], traced(one, {"propertyName": names}))


def _refuse_conflicts(table: Table, rows: Sequence[Row]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in rows:
        owner = table.owner(one.clean, None)
        marks = {(name, normal(name, one.clean[name])) for name in table.store["index"] if one.clean.get(name)}
        if owner is not None or marks & seen:
            context = {"existingId": [owner]} if owner else None
            raise error(409, "CONFLICT", taken(table.kind, owner), context=context)
        seen |= marks


def update(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST batch/update by record id (or ``idProperty``): unknown numeric ids fail (207), other text is ignored."""
    table = Table.of(box, kind)
    rows = [row(table, one) for one in inputs(request)]
    refuse_duplicates(rows)
    refuse_wrong(rows)
    results: list[JSON] = []
    errors: list[JSON] = []
    for one in rows:
        record = table.find(one.key, one.id_property)
        if record is None and not one.id_property and not one.key.isdecimal():
            box.flag("silently_unmatched")
        elif record is None:
            errors.append(row_error("OBJECT_NOT_FOUND", unmatched(kind), traced(one, {"ids": [one.key]})))
        elif (failed := _failure(table, one, record)) is not None:
            errors.append(failed)
        else:
            table.write(record, one.clean)
            results.append(shown(record, one.clean, **_trace(one)))
    return finished(table, 200, results, errors)


def archive(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST batch/archive: 204; ids that are unknown or archived already are passed over."""
    table = Table.of(box, kind)
    keys = [one.get("id") for one in inputs(request)]
    if not all(isinstance(key, str) for key in keys):
        raise invalid("Invalid input JSON: ids are strings")
    for key in keys:
        record = table.records.get(key) if isinstance(key, str) else None
        if record is not None:
            table.remove(record)
            forget_record(box, kind, record["id"])
            box.store["archived"].setdefault(kind, {})[key] = {**record, "archived": True}
    return NO_CONTENT


def erase(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST gdpr-delete: 204; an address that nobody has is blocked for the future."""
    table = Table.of(box, kind)
    given = request.json()
    key, by = (given.get("objectId"), given.get("idProperty")) if isinstance(given, dict) else (None, None)
    if not isinstance(key, str):
        raise invalid("Invalid input JSON: some required fields were not set: [objectId]")
    if by is not None:
        table.require_unique(by)
    record = table.find(key, by)
    if record is not None:
        table.remove(record)
        forget_record(box, kind, record["id"])
    elif by == "email":
        table.store["blocked"][key.strip().lower()] = True
    elif box.store["archived"].get(kind, {}).pop(key, None) is None:
        raise missing(f"Object not found.  objectId are usually numeric: {key}")
    return NO_CONTENT
