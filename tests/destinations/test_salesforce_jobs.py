"""Salesforce's bulk jobs, call by call: what is sent, and how results are joined."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from salesforce_jobs_case import (
    CLOSE,
    DONE,
    JOB,
    LOOK,
    MATCH,
    SETTINGS,
    UPLOAD,
    Service,
    ended,
    record,
    refused,
    run,
    two,
    work,
    written,
)

from revetl.contract import Exchange, Pause, Reply, UnreadableReply
from revetl.destinations.salesforce import SALESFORCE, bulk, jobs
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import Link, Mode, Status


@pytest.fixture(autouse=True)
def _small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two rows be worth a job."""
    monkeypatch.setattr(jobs, "WORTH", 2)


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_a_job_is_made_told_uploaded_and_closed_in_this_order() -> None:
    """Its id is durable before the rows leave; results are read once it has ended, and only sheets that have rows."""
    service = Service({"state": "UploadComplete"}, {"state": "InProgress"}, ended(processed=2))
    service.sheets["successfulResults"] = written(1, 2)
    seen = run(two(), service)
    assert service.lines == [
        "POST /jobs/ingest", UPLOAD, CLOSE, LOOK, LOOK, LOOK, f"GET {JOB}/successfulResults/",
    ]  # fmt: skip
    assert service.bodies["POST /jobs/ingest"] == {
        "object": "Contact", "operation": "upsert", "contentType": "CSV", "lineEnding": "LF",
        "externalIdFieldName": MATCH,
    }  # fmt: skip
    assert service.bodies[CLOSE] == {"state": "UploadComplete"}
    assert seen.jobs == ["750A"]
    assert [(o.change.seq, o.status, o.remote_id, o.created) for o in seen.outcomes] == [
        (1, Status.DELIVERED, record(1), True),
        (2, Status.DELIVERED, record(2), True),
    ]


def test_the_creation_counts_as_one_of_the_days_jobs() -> None:
    """15,000 a day; nothing else takes of them."""
    service = Service(ended(processed=2), successfulResults=written(1, 2))
    costs = {call.label: dict(call.cost) for call in run(two(), service).calls}
    assert [line for line, cost in costs.items() if cost] == ["POST /jobs/ingest"]
    assert costs["POST /jobs/ingest"] == {"batches": 1}
    (limit,) = (one for one in SALESFORCE.limits(SETTINGS) if one.name == "batches")
    assert (limit.allowance, limit.kind, limit.default_cost) == (15_000, "quota", 0)


def test_pauses_between_looks_grow() -> None:
    """A job of hours is not asked about every second."""
    service = Service(*[{"state": "InProgress"}] * 12, ended(processed=2), successfulResults=written(1, 2))
    pauses: list[float] = []

    def watched() -> Exchange:
        steps, sent = jobs.upsert(work(two())), None
        while True:
            item = steps.send(sent)
            pauses.extend([item.seconds] if isinstance(item, Pause) else [])
            sent = yield item

    with suppress(RuntimeError):  # the end of the steps, inside a generator
        drive(watched(), service)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], len(pauses)) == (1.0, 30.0, 12)


def test_cells_clear_keep_and_quote() -> None:
    """#N/A clears, an empty cell leaves alone, all else arrives as it is: commas, quotes, line ends, numbers, boxes."""
    fields = {
        "LastName": 'A "b", c\nd', "Title": None, "Department": "", "MailingCity": "  ", "Gift__c": True,
        "Spent__c": 12.5, "Big__c": 9007199254740993, "=Sum": "=1+1",
    }  # fmt: skip
    service = Service(ended(processed=2), successfulResults=written(1, 2))
    run([change(1, fields=fields), change(2, fields={"LastName": "B"})], service)
    first, second = service.rows()
    assert first == {
        "LastName": 'A "b", c\nd', "Title": "#N/A", "Department": "#N/A", "MailingCity": "#N/A", "Gift__c": "true",
        "Spent__c": "12.5", "Big__c": "9007199254740993", "=Sum": "=1+1", MATCH: "c1@example.org",
    }  # fmt: skip
    assert {name for name, cell in second.items() if cell} == {"LastName", MATCH}


def test_the_text_that_would_clear_waits_for_another_call() -> None:
    """A person's text "#N/A" is not taken for nothing: the row stays out of the job."""
    service = Service(ended(processed=2), successfulResults=written(1, 2))
    seen = run([*two(), change(3, fields={"LastName": "#N/A "})], service)
    assert seen.statuses()[3] is Status.WAITING
    assert seen.of(change(3))[0].code == "NOT_IN_BULK"
    assert len(service.rows()) == 2


def test_links_and_consent_travel_in_the_job() -> None:
    """As in single calls; rows of one account are neighbours."""
    acme, globex = "001000000000001AAA", "001000000000002AAA"
    changes = [
        change(1, fields={"LastName": "A"}, links={"AccountId": Link(globex)}),
        change(2, fields={"LastName": "B"}, links={"AccountId": Link(acme)}, consent=False),
        change(3, fields={"LastName": "C"}, links={"AccountId": Link(None, before=acme)}),
    ]
    service = Service(ended(processed=3), successfulResults=written(1, 2, 3))
    run(changes, service)
    rows = service.rows()
    assert [row["AccountId"] for row in rows] == ["#N/A", acme, globex]
    assert [row["HasOptedOutOfEmail"] for row in rows] == ["", "true", ""]


def test_known_records_are_updated_by_id() -> None:
    """So that nobody is doubled whose external id was changed there."""
    changes = [change(n, fields={"LastName": "A"}, remote_id=record(n), created=True) for n in (1, 2)]
    service = Service(ended(processed=2), successfulResults=written(1, 2, created="false"))
    seen = run(changes, service)
    assert service.bodies["POST /jobs/ingest"]["operation"] == "update"
    assert [row["Id"] for row in service.rows()] == [record(1), record(2)]
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [(record(1), None), (record(2), None)]


def test_the_fewer_go_by_collections_before_the_job() -> None:
    """One job a batch: of known and new records, the smaller part takes calls of its own, and is settled first."""
    known = [change(n, fields={"LastName": "A"}, remote_id=record(n)) for n in (1, 2, 3)]
    service = Service(ended(processed=3), successfulResults=written(1, 2, 3, created="false"))
    line = f"PATCH /composite/sobjects/Contact/{MATCH}"
    service.replies[line] = [Reply(200, orjson.dumps([{"id": record(4), "success": True, "created": True}]))]
    seen = run([*known, change(4, fields={"LastName": "D"})], service)
    assert service.lines[:2] == [line, "POST /jobs/ingest"]
    assert [o.change.seq for o in seen.outcomes] == [4, 1, 2, 3]


def test_a_bad_row_of_the_fewer_is_found_by_halving() -> None:
    """A refused collections call costs nobody else, and the job runs all the same."""
    known = [change(n, remote_id=record(n)) for n in (1, 2, 3)]
    service = Service(ended(processed=3), successfulResults=written(1, 2, 3, created="false"))
    line = f"PATCH /composite/sobjects/Contact/{MATCH}"
    bad = Reply(400, b'[{"errorCode": "JSON_PARSER_ERROR", "message": "no"}]')
    fine = Reply(200, orjson.dumps([{"id": record(4), "success": True, "created": True}]))
    service.replies[line] = [bad, fine, bad]
    seen = run([*known, change(4), change(5)], service)
    assert seen.statuses() == dict.fromkeys((1, 2, 3, 4), Status.DELIVERED) | {5: Status.REJECTED}


def test_too_few_for_a_job_go_by_collections() -> None:
    """The rest of a large run is not worth a job."""
    line = f"PATCH /composite/sobjects/Contact/{MATCH}"
    service = Service(DONE)
    service.replies[line] = [Reply(200, orjson.dumps([{"id": record(1), "success": True, "created": True}]))]
    assert run([change(1)], service).statuses() == {1: Status.DELIVERED}
    assert service.lines == [line]


def test_mode_insert_is_an_insert_job_and_mode_update_makes_nobody() -> None:
    """An insert job is exact: its results are there after a kill, too."""
    service = Service(ended(processed=2), successfulResults=written(1, 2))
    assert [o.created for o in run(two(), service, mode=Mode.INSERT).outcomes] == [True, True]
    assert service.bodies["POST /jobs/ingest"]["operation"] == "insert"
    service = Service(ended(processed=2), successfulResults=written(1, 2, created="false"))
    found = [{"Id": record(n), MATCH: f"c{n}@example.org"} for n in (1, 2)]
    service.replies["GET /query"] = [Reply(200, orjson.dumps({"totalSize": 2, "done": True, "records": found}))]
    seen = run([*two(), change(3)], service, mode=Mode.UPDATE)
    assert service.bodies["POST /jobs/ingest"]["operation"] == "update"
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}


# --- results --------------------------------------------------------------------------------------------------------


def test_failures_are_named_by_their_key_and_code() -> None:
    """CODE:message:fields, as the collections' codes; others are delivered."""
    errors = {
        "c1": "STRING_TOO_LONG:Title: data value too large: x (max length=128):Title --",
        "c3": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--",
    }
    service = Service(ended(processed=3, failed=2), successfulResults=written(2), failedResults=refused(**errors))
    seen = run([*two(), change(3)], service)
    assert seen.statuses() == {1: Status.REJECTED, 2: Status.DELIVERED, 3: Status.WAITING}
    (outcome,) = seen.of(change(1))
    assert (outcome.code, outcome.reason) == (
        "STRING_TOO_LONG",
        "Title: data value too large: x (max length=128):Title",
    )


def test_a_record_that_is_gone_is_upserted_by_its_external_id() -> None:
    """The remembered id is repaired by a call after the job."""
    changes = [change(n, remote_id=record(n), created=True) for n in (1, 2)]
    failed = refused(c2="ENTITY_IS_DELETED:entity is deleted:--")
    service = Service(ended(processed=2, failed=1), successfulResults=written(1, created="false"), failedResults=failed)
    line = f"PATCH /composite/sobjects/Contact/{MATCH}"
    service.replies[line] = [Reply(200, orjson.dumps([{"id": record(9), "success": True, "created": True}]))]
    assert {o.change.seq: o.remote_id for o in run(changes, service).outcomes} == {1: record(1), 2: record(9)}


def test_rows_that_nobody_names_are_unknown() -> None:
    """The job counts two, its sheets name one: the other may have been written."""
    service = Service(ended(processed=2), successfulResults=written(1))
    assert run(two(), service).statuses() == {1: Status.DELIVERED, 2: Status.UNKNOWN}


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b'"sf__Id","other"\n"x","y"\n'), (200, b'"sf__Id'), (200, b"\xff\xfe"), (500, b""), (404, b"[]")],
)
def test_a_sheet_that_cannot_be_read_proves_nothing(status: int, body: bytes) -> None:
    """Another table, half a line, no text, no sheet."""
    service = Service(ended(processed=2))
    service.replies[f"GET {JOB}/successfulResults/"] = [Reply(status, body)]
    seen = run(two(), service)
    assert isinstance(seen.unreadable, UnreadableReply)
    assert seen.outcomes == []


def test_an_empty_sheet_has_no_rows() -> None:
    """204, or nothing in it."""
    assert bulk.rows_of(Reply(204), MATCH) == bulk.rows_of(Reply(200, b"\n"), MATCH) == []
