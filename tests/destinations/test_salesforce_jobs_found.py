"""Salesforce's bulk jobs in every state that they may be found in: failed, aborted, open, running, gone."""

from __future__ import annotations

import pytest
from salesforce_jobs_case import (
    CLOSE,
    DONE,
    LOOK,
    MATCH,
    UPLOAD,
    Service,
    ended,
    record,
    refused,
    resume,
    run,
    two,
    written,
)

from revetl.contract import Reply
from revetl.destinations.salesforce import jobs
from revetl.testing.seeds import change
from revetl.types import Status


@pytest.fixture(autouse=True)
def _small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two rows be worth a job."""
    monkeypatch.setattr(jobs, "WORTH", 2)


# --- jobs that do not end well, and jobs that are found ---------------------------------------------------------------


def test_a_failed_job_leaves_waiting_what_it_did_not_do() -> None:
    """What it wrote and refused is believed; the rest provably was not processed."""
    service = Service(
        ended("Failed", 2, 1, errorMessage="InternalServerError"),
        successfulResults=written(1),
        failedResults=refused(c2="INVALID_FIELD:no:--"),
        unprocessedrecords=[(MATCH,), ("c3@example.org",)],
    )
    seen = run([*two(), change(3)], service)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED, 3: Status.WAITING}
    assert (seen.of(change(3))[0].code, seen.of(change(3))[0].reason) == ("JOB_FAILED", "InternalServerError")


def test_a_job_that_fails_before_its_first_row_leaves_all_waiting() -> None:
    """A column that is not there: its words are the reason."""
    service = Service(ended("Failed", 0, 0, errorMessage="InvalidBatch : Field name not found : X__c"))
    seen = run(two(), service)
    assert seen.statuses() == {1: Status.WAITING, 2: Status.WAITING}
    assert "X__c" in seen.outcomes[0].reason


def test_an_aborted_job_is_believed_as_far_as_it_came() -> None:
    """Somebody aborted it in Setup."""
    service = Service(
        ended("Aborted", 1), successfulResults=written(1), unprocessedrecords=[(MATCH,), ("c2@example.org",)]
    )
    assert resume(two(), service).statuses() == {1: Status.DELIVERED, 2: Status.WAITING}


def test_a_job_found_open_is_aborted_and_its_rows_wait() -> None:
    """Nobody knows whether the upload arrived, and a second one would spoil the job."""
    service = Service({"state": "Open"}, ended("Aborted"))
    seen = resume(two(), service)
    assert service.lines == [LOOK, CLOSE, LOOK]
    assert service.bodies[CLOSE] == {"state": "Aborted"}
    assert seen.statuses() == {1: Status.WAITING, 2: Status.WAITING}


def test_a_job_that_cannot_be_aborted_stays_open_and_does_nothing() -> None:
    """It is closed by nobody, so no row of it is written."""
    service = Service({"state": "Open"})
    service.replies[CLOSE] = [Reply(400, b'[{"errorCode": "INVALIDJOBSTATE", "message": "no"}]')]
    assert resume(two(), service).statuses() == {1: Status.WAITING, 2: Status.WAITING}
    assert service.lines == [LOOK, CLOSE, LOOK]


@pytest.mark.parametrize("state", ["UploadComplete", "InProgress"])
def test_a_running_job_is_waited_for(state: str) -> None:
    """And its results are what a first run would have got."""
    service = Service({"state": state}, ended(processed=2), successfulResults=written(1, 2))
    seen = resume(two(), service)
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [(record(1), True), (record(2), True)]


def test_a_job_that_is_not_there_any_more_leaves_all_unknown() -> None:
    """Jobs are kept for 7 days."""
    service = Service(DONE)
    service.replies[LOOK] = [Reply(404, b'[{"errorCode": "NOT_FOUND", "message": "gone"}]')]
    assert resume(two(), service).statuses() == {1: Status.UNKNOWN, 2: Status.UNKNOWN}


def test_a_resumed_job_of_known_records_knows_them_by_id() -> None:
    """Results of an update name the ids that state knows; a stranger's id is not believed."""
    changes = [change(n, remote_id=record(n), created=True) for n in (1, 2)]
    service = Service(ended(processed=2), successfulResults=written(1, 2, created="false"))
    assert [o.created for o in resume(changes, service).outcomes] == [None, None]
    service.sheets["successfulResults"] = [
        ("sf__Id", "sf__Created", MATCH),
        (record(7), "false", "c1@example.org"),
        (record(2), "false", "c2@example.org"),
    ]
    assert resume(changes, service).unreadable is not None


def test_rows_that_a_resumed_job_never_had_wait() -> None:
    """The kill came before their own call: the job's count says that it never had them."""
    service = Service(ended(processed=1), successfulResults=written(1))
    assert resume(two(), service).statuses() == {1: Status.DELIVERED, 2: Status.WAITING}


@pytest.mark.parametrize("line", [UPLOAD, CLOSE])
def test_a_refused_upload_or_closing_aborts_the_job(line: str) -> None:
    """Two uploads, after a lost answer, make a job that cannot be closed; the reason is what the refusal says."""
    service = Service({"state": "Open"}, ended("Aborted"))
    service.replies[line] = [Reply(400, b'[{"errorCode": "INVALIDJOB", "message": "Found multiple contents"}]')]
    seen = run(two(), service)
    assert service.lines[-3:] == [LOOK, CLOSE, LOOK]
    assert [(o.status, o.code, o.reason) for o in seen.outcomes] == [
        (Status.WAITING, "INVALIDJOB", "Found multiple contents"),
    ] * 2


def test_a_job_that_is_refused_leaves_all_waiting() -> None:
    """A spent allowance of jobs has nothing to do with any row: no halving."""
    service = Service(DONE)
    service.replies["POST /jobs/ingest"] = [Reply(400, b'[{"errorCode": "EXCEEDEDQUOTA", "message": "spent"}]')]
    seen = run(two(), service)
    assert (seen.rejected, seen.jobs) == (None, [])
    assert {(o.status, o.code) for o in seen.outcomes} == {(Status.WAITING, "EXCEEDEDQUOTA")}


def test_an_unknown_state_proves_nothing() -> None:
    """A word that the documentation does not know, or counts that are none."""
    assert resume(two(), Service({"state": "Paused"})).unreadable is not None
    assert resume(two(), Service({"state": "JobComplete"})).unreadable is not None
