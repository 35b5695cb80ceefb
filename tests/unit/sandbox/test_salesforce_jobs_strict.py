"""What Salesforce's pages on the Bulk API 2.0 demand of its stand-in."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.unit.sandbox.test_salesforce_strict import ROOT, Org

WISH = {"object": "Contact", "operation": "upsert", "externalIdFieldName": "Key__c", "contentType": "CSV"}
JOBS = "/jobs/ingest"


class Bulk(Org):
    """An org whose jobs take ten seconds."""

    def __init__(self, **options: Any) -> None:
        """Log in."""
        super().__init__(**{"bulk": {"seconds": 10}, **options})

    def begin(self, **wish: Any) -> str:
        """Return the id of a new job."""
        told = {name: value for name, value in {**WISH, **wish}.items() if value is not None}
        status, job = self("POST", JOBS, told)
        assert (status, job["state"]) == (200, "Open"), job
        return str(job["id"])

    def put(self, job: str, text: str, media: str = "text/csv") -> int:
        """Upload rows; return the status."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": media}
        return self.box.handle("PUT", f"{ROOT}{JOBS}/{job}/batches", "", headers, text.encode())[0]

    def turn(self, job: str, state: str) -> tuple[int, Any]:
        """Close or abort a job."""
        return self("PATCH", f"{JOBS}/{job}", {"state": state})

    def look(self, job: str) -> tuple[str, int, int]:
        """Return state, rows processed and rows failed."""
        _, told = self("GET", f"{JOBS}/{job}")
        return told["state"], told["numberRecordsProcessed"], told["numberRecordsFailed"]

    def sheet(self, job: str, name: str) -> list[dict[str, str]]:
        """Return the rows of a result."""
        headers = {"authorization": f"Bearer {self.token}"}
        status, _, body = self.box.handle("GET", f"{ROOT}{JOBS}/{job}/{name}/", "", headers)
        assert status == 200, body
        return list(csv.DictReader(io.StringIO(body.decode(), newline="")))

    def done(self, text: str, **wish: Any) -> str:
        """Run a job to its end and return its id."""
        job = self.begin(**wish)
        assert self.put(job, text) == 201
        assert self.turn(job, "UploadComplete")[0] == 200
        self.clock.at += 10
        return job


@pytest.fixture
def org() -> Bulk:
    """Return a new org."""
    return Bulk()


def test_a_job_works_through_its_rows_in_time(org: Bulk) -> None:
    """Queued, half done, done; counts go with it, and results are there in the end only."""
    job = org.begin()
    assert org.put(job, "Key__c,LastName\na,A\nb,B\n") == 201
    assert org.look(job) == ("Open", 0, 0)
    assert org.turn(job, "UploadComplete")[1]["state"] == "UploadComplete"
    assert org.look(job) == ("UploadComplete", 0, 0)
    org.clock.at += 5
    assert org.look(job) == ("InProgress", 1, 0)
    assert org("GET", f"{JOBS}/{job}/successfulResults/")[0] == 400
    org.clock.at += 5
    assert org.look(job) == ("JobComplete", 2, 0)
    rows = org.sheet(job, "successfulResults")
    assert [(row["Key__c"], row["sf__Created"]) for row in rows] == [("b", "true"), ("a", "true")]
    assert org.sheet(job, "failedResults") == org.sheet(job, "unprocessedrecords") == []


def test_rows_fail_one_by_one(org: Bulk) -> None:
    """Each with its code, its own cells beside it; a value of the wrong type fails its row, not the job."""
    job = org.done('Key__c,LastName,Spent__c\na,A,1.5\nb,,2\nc,C,"a lot"\nd,"D, ""x""",#N/A\n')
    assert org.look(job) == ("JobComplete", 4, 2)
    failed = {row["Key__c"]: row["sf__Error"].partition(":")[0] for row in org.sheet(job, "failedResults")}
    assert failed == {"b": "REQUIRED_FIELD_MISSING", "c": "INVALID_TYPE_ON_FIELD_IN_RECORD"}
    kept = {row["Key__c"]: row["LastName"] for row in org.sheet(job, "successfulResults")}
    assert kept == {"a": "A", "d": 'D, "x"'}


def test_an_empty_cell_leaves_alone_and_na_clears(org: Bulk) -> None:
    """And false is not nothing."""
    org.write({"Key__c": "a", "LastName": "A", "Title": "x", "FirstName": "y", "Vip__c": True})
    org.done("Key__c,Title,FirstName,Vip__c\na,,#N/A,false\n")
    _, found = org.ask("SELECT Title, FirstName, Vip__c FROM Contact WHERE Key__c = 'a'")
    (row,) = found["records"]
    assert (row["Title"], row["FirstName"], row["Vip__c"]) == ("x", None, False)


def test_updates_inserts_and_deletions(org: Bulk) -> None:
    """By Id; an unknown one fails its row."""
    (row,) = org.write({"Key__c": "a", "LastName": "A"})
    job = org.done(f"Id,LastName\n{row['id']},B\n003000000000999AAA,C\n", operation="update", externalIdFieldName=None)
    assert org.look(job) == ("JobComplete", 2, 1)
    assert org.sheet(job, "failedResults")[0]["sf__Error"].startswith("INVALID_CROSS_REFERENCE_KEY:")
    assert org.sheet(job, "successfulResults")[0]["sf__Created"] == "false"
    job = org.done("Key__c,LastName\na,A\nb,B\n", operation="insert", externalIdFieldName=None)
    assert [one["sf__Error"].partition(":")[0] for one in org.sheet(job, "failedResults")] == ["DUPLICATE_VALUE"]
    org.done(f"Id\n{row['id']}\n", operation="delete", externalIdFieldName=None)
    assert org.ask("SELECT Id FROM Contact WHERE Key__c = 'a'")[1]["totalSize"] == 0


def test_an_external_id_comes_once_in_200_rows(org: Bulk) -> None:
    """The later one fails."""
    job = org.done("Key__c,LastName\na,A\nA,B\n")
    (row,) = org.sheet(job, "failedResults")
    assert (row["Key__c"], row["sf__Error"].partition(":")[0]) == ("A", "DUPLICATE_VALUE")


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"object": "Invoice"}, "INVALIDENTITY"),
        ({"operation": "merge"}, "INVALIDOPERATION"),
        ({"externalIdFieldName": "Email"}, "INVALIDJOB"),
        ({"externalIdFieldName": None}, "INVALIDJOB"),
        ({"contentType": "JSON"}, "INVALIDJOB"),
        ({"columnDelimiter": "TAB"}, "INVALIDJOB"),
        ({"rows": []}, "JSON_PARSER_ERROR"),
    ],
)
def test_wishes_that_are_refused(org: Bulk, wish: dict[str, Any], code: str) -> None:
    """400, and there is no job."""
    told = {name: value for name, value in {**WISH, **wish}.items() if value is not None}
    status, (answer,) = org("POST", JOBS, told)
    assert (status, answer["errorCode"]) == (400, code)
    assert org.box.store["jobs"] == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Key__c,Nope__c\na,b\n", "Field name not found : Nope__c"),
        ("LastName\nA\n", "Field name not found : Key__c"),
        ("Key__c,LastName\na\n", "another number of cells"),
        ("Key__c,Key__c\na,a\n", "Field name not found : Key__c"),
        ("Key__c,LastName\r\na,A\r\n", "LineEnding is invalid"),
        ("", "Field name not found : Key__c"),
    ],
)
def test_uploads_that_fail_the_job(org: Bulk, text: str, words: str) -> None:
    """Before any row; all of them are unprocessed."""
    job = org.done(text)
    assert org.look(job) == ("Failed", 0, 0)
    assert words in org("GET", f"{JOBS}/{job}")[1]["errorMessage"]
    assert len(org.sheet(job, "unprocessedrecords")) == max(0, len(text.splitlines()) - 1)


def test_one_upload_makes_a_job(org: Bulk) -> None:
    """A second one is taken, and then the job cannot be closed; nor can one without any. Both can be aborted."""
    job = org.begin()
    assert org.turn(job, "UploadComplete")[1][0]["errorCode"] == "INVALIDJOB"
    assert [org.put(job, "Key__c\na\n"), org.put(job, "Key__c\na\n")] == [201, 201]
    status, (answer,) = org.turn(job, "UploadComplete")
    assert (status, answer["errorCode"]) == (400, "INVALIDJOB")
    assert org.turn(job, "Aborted")[0] == 200
    assert org.look(job) == ("Aborted", 0, 0)


def test_an_abort_keeps_what_is_done(org: Bulk) -> None:
    """The other rows are unprocessed, and stay so."""
    job = org.begin()
    org.put(job, "Key__c,LastName\na,A\nb,B\n")
    org.turn(job, "UploadComplete")
    org.clock.at += 5
    assert org.turn(job, "Aborted")[0] == 200
    org.clock.at += 100
    assert org.look(job) == ("Aborted", 1, 0)
    assert [row["Key__c"] for row in org.sheet(job, "unprocessedrecords")] == ["b"]


def test_states_go_forwards_only(org: Bulk) -> None:
    """A closed job takes no upload, an ended one nothing; only then may it be deleted."""
    job = org.begin()
    assert org("DELETE", f"{JOBS}/{job}")[0] == 400
    assert org.turn(job, "JobComplete")[0] == 400
    org.put(job, "Key__c,LastName\na,A\n")
    org.turn(job, "UploadComplete")
    assert org.put(job, "Key__c\na\n") == 400
    org.clock.at += 10
    assert [org.turn(job, state)[0] for state in ("UploadComplete", "Aborted")] == [400, 400]
    assert org("DELETE", f"{JOBS}/{job}")[0] == 204
    assert org("GET", f"{JOBS}/{job}")[0] == 404


def test_uploads_are_csv_of_150_mb_in_base64(org: Bulk) -> None:
    """Another media type and a larger file are refused."""
    job = org.begin()
    assert org.put(job, "Key__c\na\n", "application/json") == 415
    assert org.put(job, "x" * 112_500_001) == 413


def test_batches_of_a_day_are_counted() -> None:
    """10,000 rows each, in any 24 hours; what is spent refuses to close."""
    org = Bulk(bulk={"batches": 1})
    org.done("Key__c,LastName\na,A\n")
    job = org.begin()
    org.put(job, "Key__c,LastName\nb,B\n")
    status, (answer,) = org.turn(job, "UploadComplete")
    assert (status, answer["errorCode"]) == (400, "EXCEEDEDQUOTA")
    org.clock.at += 86_400
    assert org.turn(job, "UploadComplete")[0] == 200


# --- campaigns, links, leads, tokens ----------------------------------------------------------------------------------


def test_a_campaign_begins_with_two_statuses_and_takes_more(org: Bulk) -> None:
    """A member has one of them, by default the first; a strange one is refused until the campaign has it."""
    campaign = org("POST", "/sobjects/Campaign", {"Name": "VIP"})[1]["id"]
    _, found = org.ask(f"SELECT Label, IsDefault FROM CampaignMemberStatus WHERE CampaignId = '{campaign}'")
    assert [(row["Label"], row["IsDefault"]) for row in found["records"]] == [("Sent", True), ("Responded", False)]
    people = org.write(*({"Key__c": str(n), "LastName": "A"} for n in (1, 2)))
    members = [{"CampaignId": campaign, "ContactId": one["id"]} for one in people]
    members[1]["Status"] = "Invited"
    told = [{"attributes": {"type": "CampaignMember"}, **one} for one in members]
    rows = org("POST", "/composite/sobjects", {"allOrNone": False, "records": told})[1]
    assert rows[1]["errors"][0]["statusCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert org.box.store["records"]["CampaignMember"][rows[0]["id"]]["Status"] == "Sent"
    status = {"CampaignId": campaign, "Label": "Invited"}
    assert [org("POST", "/sobjects/CampaignMemberStatus", status)[0] for _ in range(2)] == [201, 400]
    rows = org("POST", "/composite/sobjects", {"allOrNone": False, "records": told[1:]})[1]
    assert rows[0]["success"]


def test_a_link_must_lead_to_a_record_of_its_kind(org: Bulk) -> None:
    """Another kind's id and an unknown one fail the row."""
    account = org("POST", "/sobjects/Account", {"Name": "Acme"})[1]["id"]
    (person,) = org.write({"Key__c": "1", "LastName": "A", "AccountId": account})
    rows = org.write(
        {"Key__c": "2", "LastName": "B", "AccountId": person["id"]},
        {"Key__c": "3", "LastName": "C", "AccountId": "001000000000999AAA"},
        {"Key__c": "1", "AccountId": None},
    )
    codes = [row["errors"][0]["statusCode"] if row["errors"] else "" for row in rows]
    assert codes == ["FIELD_INTEGRITY_EXCEPTION", "INVALID_CROSS_REFERENCE_KEY", ""]


def test_a_converted_lead_stays_as_it_is(org: Bulk) -> None:
    """Its contact stands for it."""
    lead = org("POST", "/sobjects/Lead", {"LastName": "A", "Company": "Acme"})[1]["id"]
    org.box.store["records"]["Lead"][lead]["IsConverted"] = True
    status, (answer,) = org("PATCH", f"/sobjects/Lead/{lead}", {"Title": "x"})
    assert (status, answer["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")


@pytest.mark.parametrize(
    ("assertion", "words"), [("", "invalid assertion"), ("a.b.c", "invalid assertion"), ("e30.e30.e30", "invalid")]
)
def test_assertions_that_are_none(org: Bulk, assertion: str, words: str) -> None:
    """Nothing, no JSON, nothing claimed."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    status, _, body = org.box.handle("POST", "/services/oauth2/token", body=urlencode(form).encode())
    assert (status, orjson.loads(body)["error"]) == (400, "invalid_grant")
    assert words in orjson.loads(body)["error_description"]


def test_versions_are_told_to_anybody(org: Bulk) -> None:
    """The one page that needs no token."""
    status, _, body = org.box.handle("GET", "/services/data")
    assert (status, orjson.loads(body)[-1]["version"]) == (200, "68.0")
