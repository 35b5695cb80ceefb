"""A service that runs one bulk job, and the jobs that are run before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson

from revetl.contract import Call, Http, Reply
from revetl.destinations.salesforce import SALESFORCE
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Batch, Change, Op

SETTINGS = SalesforceSettings.model_validate({"host": "a.my.salesforce.com", "client_id": "a", "client_secret": "hush"})
MATCH, JOB = "Customer_Id__c", "/jobs/ingest/750A"
ACTION = SALESFORCE.actions[Op.UPSERT].bulk
JOIN = SALESFORCE.actions[Op.JOIN].bulk
LOOK, CLOSE, UPLOAD = f"GET {JOB}", f"PATCH {JOB}", f"PUT {JOB}/batches"
DONE = {"state": "JobComplete", "numberRecordsProcessed": 0, "numberRecordsFailed": 0}
Sheet = Sequence[tuple[str, ...]]


def record(number: int) -> str:
    """Return the id of a record."""
    return f"003{number:012d}AAA"


class Service:
    """Answers by method and path; states of the job come one after the other, the last one stays."""

    def __init__(self, *states: dict[str, Any], **sheets: Any) -> None:
        """Take states of the job, and sheets of results by their names."""
        self.states = list(states)
        self.sheets: dict[str, Sheet] = sheets
        self.replies: dict[str, list[Reply]] = {}
        self.lines: list[str] = []
        self.bodies: dict[str, Any] = {}
        self.csv = ""

    def __call__(self, call: Call) -> Reply:
        """Answer a call."""
        assert isinstance(call, Http)
        line = f"{call.method} {call.path}"
        self.lines.append(line)
        if call.content_type == "text/csv":
            self.csv = (call.content or b"").decode()
        elif call.content:
            self.bodies[line] = orjson.loads(call.content)
        if self.replies.get(line):
            return self.replies[line].pop(0)
        if line == LOOK:
            return Reply(200, orjson.dumps(self.states.pop(0) if len(self.states) > 1 else self.states[0]))
        name = call.path.rstrip("/").rpartition("/")[2]
        if name in ("successfulResults", "failedResults", "unprocessedrecords"):
            return Reply(200, sheet(self.sheets.get(name, [])))
        return Reply(201 if line == UPLOAD else 200, b'{"id": "750A", "state": "Open"}')

    def rows(self) -> list[dict[str, str]]:
        """Return the rows that were uploaded."""
        return list(csv.DictReader(io.StringIO(self.csv, newline="")))


def sheet(rows: Sheet) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def ended(state: str = "JobComplete", processed: int = 0, failed: int = 0, **more: Any) -> dict[str, Any]:
    """Return what a look at an ended job says."""
    return {"state": state, "numberRecordsProcessed": processed, "numberRecordsFailed": failed, **more}


def written(*numbers: int, created: str = "true") -> Sheet:
    """Return the sheet of the rows that were written, backwards."""
    rows = [(record(n), created, f"c{n}@example.org") for n in reversed(numbers)]
    return [("sf__Id", "sf__Created", MATCH), *rows]


def refused(**errors: str) -> Sheet:
    """Return the sheet of the rows that failed: c1=error."""
    return [("sf__Id", "sf__Error", MATCH), *(("", error, f"{who}@example.org") for who, error in errors.items())]


def work(changes: list[Change], op: Op = Op.UPSERT, **more: Any) -> Batch:
    """Return the batch of a job."""
    return batch(changes, SETTINGS, op, object="Contact", match_field=MATCH, **more)


def run(changes: list[Change], service: Service, **more: Any) -> Driven:
    """Run the bulk form of an upsert."""
    assert ACTION is not None
    return drive(ACTION.run(work(changes, **more)), service)


def resume(changes: list[Change], service: Service, **more: Any) -> Driven:
    """Go on with the job."""
    assert ACTION is not None
    assert ACTION.resume is not None
    return drive(ACTION.resume("750A", work(changes, **more)), service)


def two(**more: Any) -> list[Change]:
    """Return two new people."""
    return [change(n, fields={"LastName": f"L{n}"}, **more) for n in (1, 2)]
