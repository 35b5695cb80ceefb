"""``/jobs/ingest``: the Bulk API 2.0. A job works through its rows in time, and answers by sheets, not in their order.

Source: "Bulk API 2.0 and Bulk API Developer Guide", ingest. Option: ``bulk_seconds`` that a job takes once closed.
Strict where pages are silent: a job without an upload cannot be closed, sheets are there once a job has ended.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce import cells
from revetl.sandbox.salesforce.errors import refuse
from revetl.sandbox.salesforce.records import Table
from revetl.sandbox.salesforce.values import stamp
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

MOST_BYTES = 150_000_000  # of an upload, once it is base64
BATCH = 10_000  # rows that count as one batch of the day's
OPERATIONS = ("insert", "update", "upsert", "delete")
KNOWN = {"object", "operation", "externalIdFieldName", "contentType", "lineEnding", "columnDelimiter"}
ENDED = ("JobComplete", "Failed", "Aborted")
SHOWN = ("id", "operation", "object", "createdDate", "state", "lineEnding", "externalIdFieldName", "errorMessage")

Job = dict[str, Any]


def create(box: Sandbox, request: Request) -> Answer:
    """POST: a job, open for one upload."""
    given = request.json()
    strange = set(given) - KNOWN if isinstance(given, dict) else {"body"}
    if strange:
        raise refuse(400, "JSON_PARSER_ERROR", f'Unrecognized field "{min(strange)}"')
    kind, operation, by = given.get("object"), given.get("operation"), given.get("externalIdFieldName")
    if operation not in OPERATIONS:
        raise refuse(400, "INVALIDOPERATION", f"InvalidOperation : {operation}")
    if kind not in box.store["fields"] or kind == "Organization":
        raise refuse(400, "INVALIDENTITY", f"InvalidEntity : Entity '{kind}' is not supported by the Bulk API.")
    if given.get("contentType", "CSV") != "CSV" or given.get("columnDelimiter", "COMMA") != "COMMA":
        raise refuse(400, "INVALIDJOB", "InvalidJob : only CSV with commas")
    if operation == "upsert" and not box.store["fields"][kind].get(by, {}).get("externalId"):
        raise refuse(400, "INVALIDJOB", f"InvalidJob : Field name provided, {by} does not match an External ID")
    number = f"750{box.store['next_id']:012d}AAA"
    box.store["next_id"] += 1
    made = stamp(datetime.fromtimestamp(box.now(), UTC))
    told = {"id": number, "operation": operation, "object": kind, "createdDate": made, "state": "Open"}
    job: Job = {**told, "lineEnding": given.get("lineEnding", "LF"), "uploads": 0, "text": "", "closed": 0.0}
    box.store["jobs"][number] = job | {"externalIdFieldName": by, "done": [], "failed": [], "at": 0}
    return answer(200, _shown(box.store["jobs"][number]))


def upload(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT /batches: the rows. A second upload is taken, and spoils the job."""
    job = _job(box, number)
    if job["state"] != "Open":
        raise refuse(400, "INVALIDJOBSTATE", f"Job is in state {job['state']}, and takes no upload")
    if len(request.body) * 4 > MOST_BYTES * 3:
        raise refuse(413, "REQUEST_ENTITY_TOO_LARGE", "The upload exceeds 150 MB in base64")
    job["uploads"] += 1
    job["text"] = request.body.decode("utf-8", "replace")
    return Answer(201)


def change(box: Sandbox, request: Request, number: str) -> Answer:
    """PATCH: close the job, so that it runs, or abort it."""
    job, given = _job(box, number), request.json()
    state = given.get("state") if isinstance(given, dict) else None
    allowed = {"UploadComplete": ("Open",), "Aborted": ("Open", "UploadComplete", "InProgress")}.get(str(state), ())
    if job["state"] not in allowed:
        raise refuse(400, "INVALIDJOBSTATE", f"Transition from {job['state']} to {state} is not allowed")
    if state == "UploadComplete" and job["uploads"] != 1:
        what = "Found multiple contents for job" if job["uploads"] else "Found no contents for job"
        raise refuse(400, "INVALIDJOB", f"{what}: <{number}>, please do 'PUT' once on a given Job")
    if state == "UploadComplete":
        rows = _rows(job)
        box.count_batches(max(1, -(-len(rows) // BATCH)))  # type: ignore[attr-defined]
        job["closed"] = box.now()
    job["state"] = state
    return answer(200, _shown(job))


def info(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET: the job and its counts."""
    job = _job(box, number)
    done = len(job["done"]) + len(job["failed"])
    counts = {"numberRecordsProcessed": done, "numberRecordsFailed": len(job["failed"]), "retries": 0}
    return answer(200, {**_shown(job), **counts})


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE: a job that runs no more."""
    if _job(box, number)["state"] not in ("UploadComplete", *ENDED):
        raise refuse(400, "INVALIDJOBSTATE", "The job cannot be deleted in its state")
    del box.store["jobs"][number]
    return NO_CONTENT


def successes(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /successfulResults: ``sf__Id``, ``sf__Created`` and the row's own cells."""
    job = _ended(box, number)
    return _sheet(["sf__Id", "sf__Created"], job, job["done"])


def failures(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /failedResults: ``sf__Id``, ``sf__Error`` and the row's own cells."""
    job = _ended(box, number)
    return _sheet(["sf__Id", "sf__Error"], job, job["failed"])


def unprocessed(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /unprocessedrecords: the cells of rows that the job did not come to."""
    job = _ended(box, number)
    return _sheet([], job, [[str(row), []] for row in range(job["at"], len(_rows(job)))])


def _job(box: Sandbox, number: str) -> Job:
    job: Job | None = box.store["jobs"].get(number)
    if job is None:
        raise refuse(404, "NOT_FOUND", "The requested resource does not exist")
    return job


def _ended(box: Sandbox, number: str) -> Job:
    job = _job(box, number)
    if job["state"] not in ENDED:
        raise refuse(400, "INVALIDJOBSTATE", f"Job {number} has no results while it is {job['state']}")
    return job


def _shown(job: Job) -> dict[str, JSON]:
    told = {name: job[name] for name in SHOWN if job.get(name) is not None}
    url = {"contentUrl": f"services/data/v68.0/jobs/ingest/{job['id']}/batches"} if job["state"] == "Open" else {}
    fixed = {"apiVersion": 68.0, "concurrencyMode": "Parallel", "contentType": "CSV", "columnDelimiter": "COMMA"}
    return {**told, **fixed, **url, "jobType": "V2Ingest"}


def _table(job: Job) -> list[list[str]]:
    return list(csv.reader(io.StringIO(job["text"], newline="")))


def _rows(job: Job) -> list[list[str]]:
    return [row for row in _table(job)[1:] if row]


def work(box: Sandbox) -> None:
    """Come with every job as far as the time since it was closed allows."""
    for job in box.store["jobs"].values():
        if job["state"] in ("UploadComplete", "InProgress"):
            _work(box, job)


def _work(box: Sandbox, job: Job) -> None:
    head, rows = (_table(job) or [[]])[0], _rows(job)
    table = Table.of(box, job["object"])
    wrong = _wrong(table, job, head, rows)
    if wrong:
        job.update(state="Failed", errorMessage=wrong)
        return
    seconds = float(box.options.get("bulk_seconds", 0))
    share = min(1.0, (box.now() - job["closed"]) / seconds) if seconds > 0 else 1.0
    upto = int(len(rows) * share)
    for at in range(job["at"], upto):
        done, told = cells.write(table, job, dict(zip(head, rows[at], strict=True)))
        job["done" if done else "failed"].append([str(at), told])
    job["at"] = upto
    job["state"] = "JobComplete" if share >= 1 else "InProgress" if upto else "UploadComplete"


def _wrong(table: Table, job: Job, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return why the job fails as a whole, before any row."""
    ends = "CRLF" if job["text"].partition("\n")[0].endswith("\r") else "LF"
    if ends != job["lineEnding"]:
        return (
            f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {job['lineEnding']}"
        )
    for name in head:
        if name not in table.fields or head.count(name) > 1:
            return f"InvalidBatch : Field name not found : {name}"
    needed = {"update": "Id", "delete": "Id", "upsert": job["externalIdFieldName"]}.get(job["operation"])
    if needed is not None and needed not in head:
        return f"InvalidBatch : Field name not found : {needed}"
    if job["operation"] == "delete" and len(head) > 1:
        return "InvalidBatch : delete batch must contain only ids"
    if any(len(row) != len(head) for row in rows):
        return "InvalidBatch : a row has another number of cells than the header"
    return ""


def _sheet(own: list[str], job: Job, entries: Sequence[Sequence[Any]]) -> Answer:
    """Return rows as CSV, last first: nobody may take them for the upload's order."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows = _rows(job)
    lines.writerow([*own, *(_table(job) or [[]])[0]])
    lines.writerows([*told, *rows[int(at)]] for at, told in reversed(entries))
    return Answer(200, text.getvalue().encode(), {"content-type": "text/csv"})
