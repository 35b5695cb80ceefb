"""The bulk import: a file becomes a job, which runs when its turn comes; afterwards, files name what went wrong.

Where the vendor's page is silent: an empty cell leaves the value alone and ``NULL`` clears it, both flagged, since a
caller who relies on either relies on nothing that is written; a column that is no field fails the whole file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from email.parser import BytesParser
from io import StringIO

from revetl.sandbox.core import Sandbox
from revetl.sandbox.marketo import fields
from revetl.sandbox.marketo.errors import RowError, refuse
from revetl.sandbox.marketo.leads import upsert
from revetl.sandbox.marketo.people import People
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_BYTES = 10_000_000
QUEUED = 10  # jobs, the two that run included
TOGETHER = 2
KEPT = 7 * 86_400.0
SEPARATORS = {"csv": ",", "tsv": "\t", "ssv": ";"}


def create(box: Sandbox, request: Request) -> Answer:
    """POST /bulk/v1/leads.json?format=csv: take a file in."""
    params = request.params
    unknown = sorted(set(params) - {"format", "lookupField", "listId", "partitionName"})
    if unknown or params.get("format") not in SEPARATORS:
        raise refuse(1003, f"Invalid data: {unknown[0] if unknown else 'format'}")
    lookup = params.get("lookupField", "email")
    if lookup not in fields.searchable(box):
        raise refuse(1011, f"Field '{lookup}' not supported")
    partition = params.get("partitionName", box.options["partitions"][0])
    if partition not in box.options["partitions"]:
        raise refuse(1008, f"Access denied to partition '{partition}'")
    if params.get("listId", "") not in ("", *box.store["lists"]):
        raise refuse(1013, "Object not found")
    jobs = box.store["jobs"]
    if sum(job["status"] in ("Queued", "Importing") for job in jobs.values()) >= QUEUED:
        raise refuse(1016, "Too many imports")
    number = str(box.store["next_job"])
    box.store["next_job"] += 1
    jobs[number] = {
        "status": "Queued", "made": box.clock(), "starts": None, "file": _file(request).decode("utf-8-sig", "replace"),
        "format": params["format"], "lookup": lookup, "partition": partition, "list": params.get("listId", ""),
    }  # fmt: skip
    _start(box)
    return answer(200, {"success": True, "result": [{"batchId": int(number), "importId": number, "status": "Queued"}]})


def _file(request: Request) -> bytes:
    """Return the part ``file`` of a multipart body."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise refuse(612, "Invalid Content Type")
    message = BytesParser().parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + request.body)
    parts = message.get_payload() if message.is_multipart() else []
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, str) and part.get_param("name", header="content-disposition") == "file":
            found = part.get_payload(decode=True)
            if isinstance(found, bytes):
                return found
    raise refuse(613, "Invalid Multipart Request")


def run_due(box: Sandbox) -> None:
    """Let time pass: finish what has run long enough, start what has its turn."""
    jobs, now, lasts = box.store["jobs"], box.clock(), box.options["import_seconds"]
    for number in [n for n, job in jobs.items() if now - job["made"] > KEPT]:
        del jobs[number]
    for job in jobs.values():
        if job["status"] == "Importing" and now >= job["starts"] + lasts:
            _run(box, job)
    _start(box)


def _start(box: Sandbox) -> None:
    jobs = box.store["jobs"]
    running = sum(job["status"] == "Importing" for job in jobs.values())
    for job in jobs.values():
        if job["status"] == "Queued" and running < TOGETHER:
            job["status"], job["starts"] = "Importing", box.clock()
            running += 1
    for number in box.store["lists"]:
        busy = any(job["list"] == number and job["status"] == "Importing" for job in jobs.values())
        box.store["importing"][number] = busy


def _run(box: Sandbox, job: dict[str, JSON]) -> None:
    separator = SEPARATORS[job["format"]]
    header, *rows = list(csv.reader(StringIO(job["file"], newline=""), delimiter=separator)) or [[]]
    job.update(status="Complete", failures=[], warnings=[], header=header, processed=0)
    unknown = [name for name in header if name not in box.store["fields"]]
    if unknown or job["lookup"] not in header or len(set(header)) != len(header):
        job.update(
            status="Failed", message=f"Import failed: columns {', '.join(unknown) or 'without the lookup field'}"
        )
        return
    people = People(box)
    for cells in (row for row in rows if row):
        try:
            number, warning = _row(box, people, job, cells)
        except RowError as error:
            job["failures"].append([*cells, str(error)])
            continue
        job["processed"] += 1
        if warning:
            job["warnings"].append([*cells, warning])
        if job["list"]:
            box.store["lists"][job["list"]]["members"][number] = True


def _row(box: Sandbox, people: People, job: Mapping[str, JSON], cells: list[str]) -> tuple[str, str]:
    """Write one row; return the id and a warning: a text that is too long is left out, the rest is kept."""
    if len(cells) != len(job["header"]):
        raise RowError(1003, "the row has another number of cells than the header")
    row: dict[str, JSON] = {}
    warning = ""
    for name, cell in zip(job["header"], cells, strict=True):
        if cell in ("", "NULL"):
            box.flag("an empty cell, or NULL: what they do is not documented")
        if not cell:
            continue
        kind = box.store["fields"][name]["type"]
        row[name] = None if cell == "NULL" else _typed(name, kind, cell)
        if kind in fields.TEXTS and len(cell) > fields.TEXTS[kind]:
            warning = f"Value of field '{name}' is too long"
            del row[name]
    action = "updateOnly" if job["lookup"] == "id" else "createOrUpdate"
    number, _ = upsert(people, row, action, job["lookup"], job["partition"])
    return number, warning


def _typed(name: str, kind: str, cell: str) -> JSON:
    if kind in ("integer", "score", "percent") and re.fullmatch(r"-?\d+", cell):
        return int(cell)
    if kind in ("float", "currency") and re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", cell):
        return float(cell)
    if kind == "boolean" and cell.lower() in ("true", "false", "1", "0"):
        return cell.lower() in ("true", "1")
    if kind in (*fields.TEXTS, "date", "datetime"):
        return cell
    raise RowError(1003, f"Invalid value '{cell}' for field '{name}'")


def _job(box: Sandbox, number: str) -> dict[str, JSON]:
    job: dict[str, JSON] | None = box.store["jobs"].get(number)
    if job is None:
        raise refuse(1013, "Object not found")
    return job


def look(box: Sandbox, _: Request, number: str) -> Answer:
    """GET /bulk/v1/leads/batch/{id}.json."""
    job = _job(box, number)
    found = {"batchId": int(number), "status": job["status"], "numOfLeadsProcessed": 0}
    if "failures" in job:
        failed, warned = len(job["failures"]), len(job["warnings"])
        told = f"Import completed, {job['processed']} records imported, {failed} failed"
        found |= {"numOfLeadsProcessed": job["processed"], "numOfRowsFailed": failed, "numOfRowsWithWarning": warned}
        found["message"] = job.get("message", told)
    return answer(200, {"success": True, "result": [found]})


def failures(box: Sandbox, _: Request, number: str) -> Answer:
    """GET …/failures.json: the rows that failed, with the reason behind them."""
    return _named(_job(box, number), "failures", "Import Failure Reason")


def warnings(box: Sandbox, _: Request, number: str) -> Answer:
    """GET …/warnings.json: the same of rows that were written, but not in full."""
    return _named(_job(box, number), "warnings", "Import Warning Reason")


def _named(job: Mapping[str, JSON], what: str, reason: str) -> Answer:
    if not job.get(what):
        raise refuse(1013, "Object not found")
    lines = [[*job["header"], reason], *job[what]]
    text = "".join(SEPARATORS[job["format"]].join(map(_quoted, line)) + "\r\n" for line in lines)
    return Answer(200, text.encode(), {"content-type": "text/csv;charset=utf-8"})


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if re.search(r'[",;\t\r\n]', cell) else cell
