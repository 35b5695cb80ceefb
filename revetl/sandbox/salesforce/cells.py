"""One row of a job: its cells read as the fields' types, then written as any record is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revetl.sandbox.salesforce import collections
from revetl.sandbox.salesforce.errors import RowError
from revetl.sandbox.salesforce.records import Record, Table
from revetl.sandbox.wire import RefusedError
from revetl.types import JSON

CLEARS = "#N/A"
NUMBERS = ("double", "currency", "percent", "int")
CHUNK = 200  # rows that are written together: an external id may come once among them


def write(table: Table, job: dict[str, Any], row: Mapping[str, str]) -> tuple[bool, list[str]]:
    """Write a row; return whether it succeeded, and what its sheet begins with: id, and created or error."""
    record_id = row.get("Id", "")
    try:
        clean = _read(table, {name: cell for name, cell in row.items() if name != "Id"})
        done = _write(table, job, record_id, clean)
    except RowError as error:
        return False, [record_id, f"{error.code}:{error}:{', '.join(error.fields)} --"]
    return True, [done["id"], "true" if done.get("created") else "false"]


def _write(table: Table, job: dict[str, Any], record_id: str, clean: Record) -> dict[str, JSON]:
    if (job["at"] + len(job["done"]) + len(job["failed"])) % CHUNK == 0:
        job["seen"] = []
    seen = set(job.get("seen", ()))
    try:
        match job["operation"]:
            case "insert":
                return {"id": table.create(clean), "created": True}
            case "update":
                return collections.update_row(table, record_id, clean, seen)
            case "delete":
                table.remove(table.get(record_id))
                return {"id": record_id}
            case _:
                return collections.upsert_row(table, job["externalIdFieldName"], clean, seen)
    finally:
        job["seen"] = sorted(seen)


def _read(table: Table, row: Mapping[str, str]) -> Record:
    """Return the values of a row; an empty cell is no value, and ``#N/A`` is none."""
    given = {name: _typed(table, name, cell) for name, cell in row.items() if cell != ""}
    try:
        clean, wrong = table.parse(given)
    except RefusedError as refused:
        raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", str(refused.payload["message"])) from None
    if wrong is not None:
        raise wrong
    return clean


def _typed(table: Table, name: str, cell: str) -> JSON:
    kind = table.fields[name]["type"]
    if cell == CLEARS:
        return None
    if kind == "boolean" and cell.lower() in ("true", "false", "1", "0"):
        return cell.lower() in ("true", "1")
    if kind in NUMBERS:
        try:
            return int(cell) if cell.lstrip("-").isdecimal() else float(cell)
        except ValueError:
            told = f"'{cell}' is not a valid value for the type xsd:double"
            raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", told, [name]) from None
    return cell
