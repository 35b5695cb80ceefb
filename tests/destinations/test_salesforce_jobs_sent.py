"""Salesforce's bulk jobs through the real sender: answers that are lost, sessions that end, many rows, a bad one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from revetl.contract import Http, Reply
from revetl.destinations.salesforce import SALESFORCE
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.sandbox import Fault, make
from revetl.sandbox.core import Sandbox
from revetl.send import Lane, Work
from revetl.testing.seeds import batch, change
from revetl.types import Op, Status
from tests.unit.send.stand import Bench, ListFeed, build

MATCH = "External_Id__c"
SETTINGS = SalesforceSettings.model_validate(dict(SALESFORCE.rehearsal))
LANE = Lane("crm", SALESFORCE, SETTINGS, "acme")
BULK = SALESFORCE.actions[Op.UPSERT].bulk
ROWS = 1_200  # worth a job


def org() -> tuple[Sandbox, Bench]:
    """Return an org whose jobs take ten seconds of the sender's clock, and a sender before it."""
    fields = {"Contact": {MATCH: {"externalId": True, "unique": True}, "Spent__c": "double"}}
    clock: list[Any] = []
    now = lambda: clock[0].now() if clock else 0.0  # noqa: E731 - the bench's clock is there after the box
    box = make("salesforce", fields=fields, bulk={"seconds": 10}, clock=now, now=now)

    def answer(_: Lane, call: Http, __: float) -> Reply:
        headers = {"content-type": call.content_type, **dict(call.headers)}
        status, told, body = box.handle(call.method, call.path, urlencode(call.query), headers, call.content or b"")
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    bench = build(answer)
    clock.append(bench.clock)
    return box, bench


def send(bench: Bench, *, rows: int = ROWS, poison: int | None = None) -> dict[int, Status]:
    """Send so many new contacts by a job; ``poison`` has a number that is none."""
    told = {n: {"LastName": f"L{n}", "Spent__c": "a lot" if n == poison else n} for n in range(1, rows + 1)}
    changes = [change(n, fields=fields) for n, fields in told.items()]
    work = Work(batch(changes, SETTINGS, object="Contact", match_field=MATCH), action=BULK)
    bench.run(ListFeed(LANE, [work], "test.customer"))
    return bench.journal.statuses()


def states(box: Sandbox) -> list[str]:
    """Return the states of the org's jobs."""
    return [job["state"] for job in box.store["jobs"].values()]


def test_a_job_takes_few_calls_and_leaves_nobody_out() -> None:
    """A token, five calls, and looks that grow rare."""
    box, bench = org()
    assert set(send(bench).values()) == {Status.DELIVERED}
    assert len(box.store["records"]["Contact"]) == ROWS
    assert len(bench.seen) <= 15


def test_one_bad_row_of_a_job_costs_nobody_else() -> None:
    """No halving: a job answers row by row."""
    box, bench = org()
    found = send(bench, poison=77)
    assert {seq for seq, status in found.items() if status is not Status.DELIVERED} == {77}
    assert (found[77], bench.journal.of(77).code) == (Status.REJECTED, "INVALID_TYPE_ON_FIELD_IN_RECORD")
    assert states(box) == ["JobComplete"]


def test_a_lost_answer_to_the_upload_wastes_the_job_and_writes_nothing() -> None:
    """The upload is repeated, so the job cannot be closed: it is aborted, and everybody waits for the next run."""
    box, bench = org()
    box.inject(Fault(status=503, applied=True, method="PUT"))
    assert set(send(bench).values()) == {Status.WAITING}
    assert states(box) == ["Aborted"]
    assert box.store["records"].get("Contact", {}) == {}


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/jobs/ingest"), ("GET", "/jobs/ingest"), ("GET", "Results")])
def test_another_lost_answer_costs_nothing(method: str, path: str) -> None:
    """The closing is applied already, a look and a sheet are read again."""
    box, bench = org()
    box.inject(Fault(status=503, applied=True, method=method, path=path))
    assert set(send(bench).values()) == {Status.DELIVERED}
    assert states(box) == ["JobComplete"]


def test_a_lost_answer_to_the_creation_leaves_an_empty_job() -> None:
    """Nobody knows its number; the second one is the job. Salesforce deletes the first after 7 days."""
    box, bench = org()
    box.inject(Fault(status=503, applied=True, method="POST", path="/jobs/ingest"))
    assert set(send(bench).values()) == {Status.DELIVERED}
    assert states(box) == ["Open", "JobComplete"]


def test_a_session_that_ends_while_a_job_runs_is_renewed() -> None:
    """The job does not notice."""
    box, bench = org()
    box.inject(Fault(status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "ended"}], path="/jobs/ingest/"))
    assert set(send(bench).values()) == {Status.DELIVERED}
    assert [call.path for _, call in bench.seen].count("/services/oauth2/token") == 2
