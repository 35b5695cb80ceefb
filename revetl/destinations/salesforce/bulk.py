"""Bulk API 2.0: one job from its creation to the results of its rows, which are joined by a key, never by order.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch (ingest). Only one upload makes
a job: after a second one it cannot be closed any more, so a job that is found open is aborted, and its rows wait.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from revetl.contract import Http, JobStarted, Pause, Reply, UnreadableReply
from revetl.destinations.salesforce import api
from revetl.types import EMPTY, JSON, Effect

CLEARS = "#N/A"  # a cell that empties its field; an empty cell leaves it alone
_JOBS = "/jobs/ingest"
_RUNNING = frozenset({"UploadComplete", "InProgress"})
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 1.0, 30.0, 1.5  # seconds between looks at a job


@dataclass(frozen=True, slots=True)
class Job:
    """What a job is to do: its object and operation, and the rows as cells by field."""

    object: str
    operation: str  # insert | update | upsert
    key: str  # the column by which results are joined
    rows: Sequence[Mapping[str, JSON]]
    external_id: str | None = None  # of an upsert

    def wish(self) -> dict[str, JSON]:
        """Return the body that creates it."""
        by = {"externalIdFieldName": self.external_id} if self.external_id else {}
        return {"object": self.object, "operation": self.operation, "contentType": "CSV", "lineEnding": "LF", **by}


@dataclass(frozen=True, slots=True)
class Results:
    """What a job did: key → the row's answer, shaped as the collections' answers are.

    ``whole``: every row that was applied is among them, so that the others provably were not.
    """

    rows: Mapping[str, dict[str, JSON]] = EMPTY
    left: frozenset[str] = field(default_factory=frozenset)  # keys that the job names as not processed
    whole: bool = False
    code: str = ""
    reason: str = ""


def load(job: Job) -> Generator[Any, Any, Results | Reply]:
    """Create a job, upload its rows, wait for its end; return its results, or the reply that refuses the job."""
    reply: Reply = yield Http("POST", _JOBS, content=orjson.dumps(job.wish()), cost={"batches": 1})
    if not reply.ok:
        return reply
    number = str(reply.document()["id"])
    yield JobStarted(number)
    path, template = f"{_JOBS}/{number}/batches", f"{_JOBS}/{{id}}/batches"
    reply = yield Http("PUT", path, content=sheet(job.rows), content_type="text/csv", template=template)
    if reply.ok:
        reply = yield _turn(number, "UploadComplete")
    results = yield from follow(number, job.key)
    if reply.ok or results.rows:
        return results
    code, reason = api.refusal(reply)
    return replace(results, code=code, reason=reason)


def follow(number: str, key: str) -> Generator[Any, Any, Results]:
    """Wait for the end of a job in whatever state it is, and return what it did."""
    pause, aborted = _FIRST_PAUSE, False
    while True:
        reply: Reply = yield Http("GET", f"{_JOBS}/{number}", effect=Effect.READ, template=f"{_JOBS}/{{id}}")
        if not reply.ok:  # jobs are kept for 7 days
            code, reason = api.refusal(reply)
            return Results(code=code, reason=f"the job cannot be looked at any more: {reason}")
        info = reply.document()
        state = info.get("state")
        if state in _ENDED:
            return (yield from _results(number, key, info, reply.status))
        if state == "Open" and aborted:
            return Results(whole=True, code="JOB_OPEN", reason="the job was not closed, so nothing of it is done")
        if state == "Open":
            yield _turn(number, "Aborted")
            aborted = True
        elif state in _RUNNING:
            yield Pause(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        else:
            raise UnreadableReply(reply.status, "the job is in no known state")


def _turn(number: str, state: str) -> Http:
    content = orjson.dumps({"state": state})
    return Http("PATCH", f"{_JOBS}/{number}", content=content, template=f"{_JOBS}/{{id}}")


def _results(number: str, key: str, info: dict[str, JSON], status: int) -> Generator[Any, Any, Results]:
    """Read the sheets of an ended job that have rows, as its own counts tell."""
    state, processed, failed = info["state"], info.get("numberRecordsProcessed"), info.get("numberRecordsFailed")
    if not isinstance(processed, int) or not isinstance(failed, int):
        raise UnreadableReply(status, "the job does not count its records")
    code, reason = f"JOB_{state.upper()}", str(info.get("errorMessage") or f"the job ended as {state}")
    if state == "Aborted" and not processed:
        return Results(whole=True, code=code, reason="the job was aborted before any of its rows was processed")
    names = ["successfulResults"] * (processed > failed or state == "Failed")
    names += ["failedResults"] * (failed > 0 or state == "Failed")
    names += ["unprocessedrecords"] * (state != "JobComplete")
    sheets: dict[str, list[dict[str, str]]] = {}
    if names:
        replies: tuple[Reply, ...] = yield tuple(_sheet(number, name) for name in names)
        sheets = {name: rows_of(one, key) for name, one in zip(names, replies, strict=True)}
    rows = {api.normal(row[key]): _written(row) for row in sheets.get("successfulResults", ())}
    rows |= {api.normal(row[key]): _refused(row) for row in sheets.get("failedResults", ())}
    left = frozenset(api.normal(row[key]) for row in sheets.get("unprocessedrecords", ()))
    return Results(rows, left - rows.keys(), len(rows) == processed, code, reason)


def _sheet(number: str, name: str) -> Http:
    return Http("GET", f"{_JOBS}/{number}/{name}/", effect=Effect.READ, template=f"{_JOBS}/{{id}}/{name}/")


def _written(row: Mapping[str, str]) -> dict[str, JSON]:
    return {"success": True, "id": row.get("sf__Id", ""), "created": row.get("sf__Created", "").lower() == "true"}


def _refused(row: Mapping[str, str]) -> dict[str, JSON]:
    """Return a failed row's ``CODE:message:fields --`` as the error that a collections call tells."""
    code, _, rest = row.get("sf__Error", "").partition(":")
    message = rest.strip().removesuffix("--").rstrip(" :") or "no reason given"
    return {"success": False, "errors": [{"statusCode": code.strip() or "ERROR", "message": message}]}


def sheet(rows: Sequence[Mapping[str, JSON]]) -> bytes:
    """Return rows as CSV; a field that a row does not have is an empty cell, which is left alone there."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [_line(columns)]
    lines += [_line(_cell(row[name]) if name in row else "" for name in columns) for row in rows]
    return "".join(lines).encode()


def _line(cells: Iterable[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"


def _cell(value: JSON) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        return CLEARS
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def rows_of(reply: Reply, key: str) -> list[dict[str, str]]:
    """Return the rows of a result, column → cell.

    Raises:
        UnreadableReply: it is no CSV with a column ``key``.
    """
    if reply.status == 204 or (reply.ok and not reply.content.strip()):
        return []
    try:
        lines = (f"{line}\n" for line in reply.content.decode().split("\n"))
        head, *rows = [row for row in csv.reader(lines, strict=True) if row]
    except (csv.Error, UnicodeDecodeError, ValueError):
        raise UnreadableReply(reply.status, "the result is no CSV") from None
    if not reply.ok or key not in head or any(len(row) != len(head) for row in rows):
        raise UnreadableReply(reply.status, f"the result is no CSV with a column {key}")
    return [dict(zip(head, row, strict=True)) for row in rows]
