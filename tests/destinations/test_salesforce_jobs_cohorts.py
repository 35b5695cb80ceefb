"""Salesforce's bulk jobs of cohorts: campaign members and boxes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from salesforce_jobs_case import JOIN, Service, Sheet, ended, record, work

from revetl.contract import Reply
from revetl.destinations.salesforce import SALESFORCE, jobs
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import change
from revetl.types import EMPTY, Change, Cohort, Op, Status


@pytest.fixture(autouse=True)
def _small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two rows be worth a job."""
    monkeypatch.setattr(jobs, "WORTH", 2)


# --- cohorts --------------------------------------------------------------------------------------------------------

VIP = "701000000000001AAA"
STATUSES = {VIP: ["Sent"]}


def joins(*numbers: int, fields: Any = EMPTY) -> list[Change]:
    """Return joins of people whose ids are known."""
    return [change(n, Op.JOIN, remote_id=record(n), fields=fields) for n in numbers]


def join(changes: list[Change], service: Service, style: str = "campaign", *, job: str = "") -> Driven:
    """Run the bulk form of a join, or go on with its job; then nothing is prepared."""
    assert JOIN is not None
    assert JOIN.resume is not None
    place = VIP if style == "campaign" else "Is_Vip__c"
    prepared = {} if job else {"cohorts": {"vip": place}, "statuses": STATUSES}
    told = work(changes, Op.JOIN, cohort=Cohort("vip", "High Value", style), prepared=prepared)
    return drive(JOIN.resume(job, told) if job else JOIN.run(told), service)


def members(*numbers: int) -> Sheet:
    """Return the sheet of memberships that were made."""
    rows = [(f"00v{n}", "true", VIP, record(n)) for n in reversed(numbers)]
    return [("sf__Id", "sf__Created", "CampaignId", "ContactId"), *rows]


@pytest.mark.parametrize("job", ["", "750A"])
def test_members_are_joined_by_the_person(job: str) -> None:
    """Rows of campaign and person; who is one already has joined. A resumed job says the same."""
    failed = [("sf__Id", "sf__Error", "CampaignId", "ContactId"),
              ("", "DUPLICATE_VALUE:Already a campaign member.:--", VIP, record(2)),
              ("", "FIELD_CUSTOM_VALIDATION_EXCEPTION:no:--", VIP, record(3))]  # fmt: skip
    service = Service(ended(processed=3, failed=2), successfulResults=members(1), failedResults=failed)
    seen = join(joins(1, 2, 3), service, job=job)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}
    assert seen.of(joins(1)[0])[0].remote_id == record(1)
    if not job:
        assert service.bodies["POST /jobs/ingest"] == {
            "object": "CampaignMember", "operation": "insert", "contentType": "CSV", "lineEnding": "LF",
        }  # fmt: skip
        assert service.rows()[0] == {"CampaignId": VIP, "ContactId": record(1)}


def test_members_get_their_status_after_the_job() -> None:
    """Whoever was a member already, by the membership's id; on a resumed job a later run does it."""
    failed = [("sf__Id", "sf__Error", "CampaignId", "ContactId", "Status"),
              ("", "DUPLICATE_VALUE:Already a campaign member.:--", VIP, record(2), "Sent")]  # fmt: skip
    sheets = {"successfulResults": members(1), "failedResults": failed}
    service = Service(ended(processed=2, failed=1), **sheets)
    found = {"totalSize": 1, "done": True, "records": [{"Id": "00v2", "CampaignId": VIP, "ContactId": record(2)}]}
    service.replies["GET /query"] = [Reply(200, orjson.dumps(found))]
    line = "PATCH /composite/sobjects"
    service.replies[line] = [Reply(200, b'[{"id": "00v2", "success": true}]')]
    assert join(joins(1, 2, fields={"Status": "Sent"}), service).statuses() == dict.fromkeys((1, 2), Status.DELIVERED)
    assert service.bodies[line]["records"][0]["Status"] == "Sent"
    again = join(joins(1, 2, fields={"Status": "Sent"}), Service(ended(processed=2, failed=1), **sheets), job="750A")
    assert again.statuses() == {1: Status.DELIVERED, 2: Status.WAITING}


@pytest.mark.parametrize(("style", "field"), [("field", "Is_Vip__c"), ("unsubscribe", "HasOptedOutOfEmail")])
def test_boxes_are_checked_by_a_job(style: str, field: str) -> None:
    """By record id; whose record is gone is refused by name."""
    sheets = {
        "successfulResults": [("sf__Id", "sf__Created", "Id", field), (record(1), "false", record(1), "true")],
        "failedResults": [("sf__Id", "sf__Error", "Id", field),
                          (record(2), "ENTITY_IS_DELETED:entity is deleted:--", record(2), "true")],
    }  # fmt: skip
    service = Service(ended(processed=2, failed=1), **sheets)
    seen = join(joins(1, 2), service, style)
    assert service.rows() == [{"Id": record(1), field: "true"}, {"Id": record(2), field: "true"}]
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    assert join(joins(1, 2), Service(ended(processed=2, failed=1), **sheets), style, job="750A").statuses() == (
        seen.statuses()
    )


def test_jobs_begin_at_2_000_changes() -> None:
    """Below that, collections; parts have no bulk form."""
    for op in (Op.UPSERT, Op.JOIN):
        action = SALESFORCE.actions[op]
        assert action.for_many(1_999) is action
        assert action.for_many(2_000).max_records == 10_000
        assert action.resumable.resume is not None
    assert SALESFORCE.actions[Op.PART].bulk is None


@pytest.mark.parametrize(("rows", "calls"), [(200, 1), (999, 5), (1_000, 5), (10_000, 5)])
def test_the_calls_of_a_batch_are_estimated(rows: int, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As few as a job can take."""
    monkeypatch.undo()
    assert jobs.calls(rows) == calls
