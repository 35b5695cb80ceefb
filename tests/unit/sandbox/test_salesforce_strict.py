"""What Salesforce's pages and recorded answers demand of its stand-in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Clock

ROOT = "/services/data/v68.0"
FIELDS = {
    "Key__c": {"externalId": True, "unique": True},
    "Loose__c": {"externalId": True},
    "Spent__c": "double",
    "Since__c": "date",
    "Seen__c": "datetime",
    "Vip__c": "boolean",
    "Tier__c": {"type": "picklist", "options": ["Gold"], "restrictedPicklist": True},
}
COLLECTION = "/composite/sobjects"
UPSERT = f"{COLLECTION}/Contact/Key__c"


class Org:
    """An org and a session in it."""

    def __init__(self, **options: Any) -> None:
        """Log in."""
        self.clock = Clock()
        self.box = make("salesforce", fields={"Contact": FIELDS}, clock=self.clock, now=self.clock, **options)
        self.token = self.login()[1]["access_token"]
        self.headers: dict[str, str] = {}

    def login(self, **form: str) -> tuple[int, Any]:
        """Ask for a token."""
        told = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox", **form}
        status, _, body = self.box.handle("POST", "/services/oauth2/token", body=urlencode(told).encode())
        return status, orjson.loads(body)

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """Return the status and the answer parsed."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        content = b"" if body is None else orjson.dumps(body)
        status, self.headers, answer = self.box.handle(method, ROOT + path, urlencode(query), headers, content)
        return status, orjson.loads(answer) if answer else None

    def write(self, *rows: dict[str, Any], method: str = "PATCH", path: str = UPSERT, whole: bool = False) -> Any:
        """Write contacts; return the rows of the answer, which must be 200."""
        records = [{"attributes": {"type": "Contact"}, **row} for row in rows]
        status, answer = self(method, path, {"allOrNone": whole, "records": records})
        assert status == 200, answer
        return answer

    def ask(self, text: str) -> tuple[int, Any]:
        """Return the answer to a query."""
        return self("GET", "/query", q=text)


@pytest.fixture
def org() -> Org:
    """Return a new org."""
    return Org()


def codes(rows: list[Any]) -> list[str]:
    """Return each row's code, empty where it was written."""
    return ["" if row["success"] else row["errors"][0]["statusCode"] for row in rows]


def test_upsert_answers_by_position_and_says_what_it_created(org: Org) -> None:
    """A second upsert finds the same record, whatever the case of its external id."""
    first, second = org.write({"Key__c": "A", "LastName": "A"}, {"Key__c": "b", "LastName": "B"})
    assert (first["success"], first["created"], first["errors"]) == (True, True, [])
    assert len(first["id"]) == 18
    (again,) = org.write({"Key__c": "B", "Title": "x"})
    assert (again["id"], again["created"]) == (second["id"], False)


def test_an_external_id_twice_in_a_call_fails_the_later_row(org: Org) -> None:
    """The first one stands."""
    assert codes(org.write({"Key__c": "A", "LastName": "A"}, {"Key__c": "a", "LastName": "B"})) == [
        "",
        "DUPLICATE_VALUE",
    ]


def test_an_external_id_of_several_records_is_refused(org: Org) -> None:
    """It is not unique, and names nobody."""
    rows = [{"Loose__c": "x", "LastName": "A"}] * 2
    assert codes(org.write(*rows, method="POST", path=COLLECTION)) == ["", ""]
    assert codes(org.write(rows[0], path=f"{COLLECTION}/Contact/Loose__c")) == ["DUPLICATE_EXTERNAL_ID"]


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({}, "REQUIRED_FIELD_MISSING", "LastName"),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", "LastName"),
        ({"LastName": "x", "Email": "nobody"}, "INVALID_EMAIL_ADDRESS", "Email"),
        ({"LastName": "x", "Tier__c": "Tin"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Tier__c"),
        ({"LastName": "x", "Spent__c": 10**16}, "NUMBER_OUTSIDE_VALID_RANGE", "Spent__c"),
        ({"LastName": "x", "CreatedDate": "2020-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "CreatedDate"),
        ({"LastName": "x", "Vip__c": None}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Vip__c"),
        ({"LastName": "x", "AccountId": "acme"}, "MALFORMED_ID", "AccountId"),
    ],
)
def test_a_bad_row_fails_alone(org: Org, row: dict[str, Any], code: str, field: str) -> None:
    """200, and the neighbour is written."""
    rows = org.write({"Key__c": "1", **row}, {"Key__c": "2", "LastName": "B"})
    assert codes(rows) == [code, ""]
    assert rows[0]["errors"][0]["fields"] == [field]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"Nope__c": 1}, "INVALID_FIELD"),
        ({"Spent__c": "a lot"}, "JSON_PARSER_ERROR"),
        ({"Since__c": "30.8.2020"}, "JSON_PARSER_ERROR"),
        ({"Seen__c": "2020-08-30 05:49:48"}, "JSON_PARSER_ERROR"),
        ({"Vip__c": "true"}, "JSON_PARSER_ERROR"),
    ],
)
def test_what_cannot_be_read_refuses_the_call(org: Org, row: dict[str, Any], code: str) -> None:
    """400, an array of one, and nothing is written."""
    good = {"attributes": {"type": "Contact"}, "Key__c": "1", "LastName": "A"}
    status, answer = org("PATCH", UPSERT, {"records": [good, {**good, "Key__c": "2", **row}]})
    assert (status, answer[0]["errorCode"]) == (400, code)
    assert org.ask("SELECT Id FROM Contact")[1]["totalSize"] == 0


def test_bounds_of_a_call(org: Org) -> None:
    """200 records, at least one, one object, no record ids in an upsert, a field marked External ID."""
    row = {"attributes": {"type": "Contact"}, "LastName": "A"}
    many = [{**row, "Key__c": str(n)} for n in range(201)]
    assert org("PATCH", UPSERT, {"records": many})[0] == 400
    assert org("PATCH", UPSERT, {"records": []})[0] == 400
    assert codes(org.write(*({"Key__c": str(n), "LastName": "A"} for n in range(200)))) == [""] * 200
    assert codes(org.write({"Key__c": "x", "LastName": "A", "Id": "003000000000001AAA"})) == [
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    ]
    lead = {"attributes": {"type": "Lead"}, "LastName": "A"}
    assert org("PATCH", UPSERT, {"records": [lead]})[1][0]["errors"][0]["statusCode"] == "INVALID_TYPE"
    assert org("PATCH", f"{COLLECTION}/Contact/Email", {"records": [row]})[0] == 404


def test_all_or_none_rolls_back(org: Org) -> None:
    """The innocent rows say so."""
    rows = org.write({"Key__c": "1", "LastName": "A"}, {"Key__c": "2"}, whole=True)
    assert codes(rows) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert org.ask("SELECT Id FROM Contact")[1]["totalSize"] == 0


def test_updates_and_deletions_go_by_id(org: Org) -> None:
    """Unknown, deleted and malformed ids each have their code; null clears, a required field cannot be cleared."""
    (made,) = org.write({"Key__c": "1", "LastName": "A", "Title": "x"})
    ids = [made["id"], "003000000000999AAA", "701000000000001AAA"]
    rows = org.write(*({"id": one, "Title": None} for one in ids), path=COLLECTION)
    assert codes(rows) == ["", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]
    assert org.ask("SELECT Title FROM Contact")[1]["records"][0]["Title"] is None
    assert codes(org.write({"id": made["id"], "LastName": None}, path=COLLECTION)) == ["REQUIRED_FIELD_MISSING"]
    assert codes(org("DELETE", COLLECTION, ids=f"{made['id']},{made['id']}")[1]) == ["", "ENTITY_IS_DELETED"]
    assert codes(org.write({"id": made["id"], "Title": "y"}, path=COLLECTION)) == ["ENTITY_IS_DELETED"]
    assert org.write({"Key__c": "1", "LastName": "A"})[0]["created"] is True


def test_a_unique_value_has_one_holder(org: Org) -> None:
    """An update to a taken value names who holds it."""
    first, second = org.write({"Key__c": "1", "LastName": "A"}, {"Key__c": "2", "LastName": "B"})
    (row,) = org.write({"id": second["id"], "Key__c": "1"}, path=COLLECTION)
    assert codes([row]) == ["DUPLICATE_VALUE"]
    assert first["id"] in row["errors"][0]["message"]


def test_campaign_members(org: Org) -> None:
    """Campaign and person are unique together, both must be there, and a deleted person is a member no more."""
    campaign = org("POST", "/sobjects/Campaign", {"Name": "VIP"})[1]["id"]
    (made,) = org.write({"Key__c": "1", "LastName": "A"})
    row = {"attributes": {"type": "CampaignMember"}, "CampaignId": campaign, "ContactId": made["id"]}
    strange = {**row, "ContactId": "003000000000999AAA"}
    status, rows = org("POST", COLLECTION, {"records": [row, row, strange]})
    assert (status, codes(rows)) == (200, ["", "DUPLICATE_VALUE", "INVALID_CROSS_REFERENCE_KEY"])
    org("DELETE", COLLECTION, ids=made["id"])
    assert org.ask("SELECT Id FROM CampaignMember")[1]["totalSize"] == 0


def test_queries(org: Org) -> None:
    """Case does not matter in a text, quotes are escaped, OR and AND do not mix, unknown names are refused."""
    org.write({"Key__c": "O'Brien", "LastName": "A"}, {"Key__c": "b", "LastName": "B"})
    status, found = org.ask("SELECT Id, LastName FROM Contact WHERE Key__c IN ('o\\'brien', 'x')")
    assert (status, found["totalSize"], found["done"]) == (200, 1, True)
    assert found["records"][0]["attributes"]["type"] == "Contact"
    assert found["records"][0]["LastName"] == "A"
    either = "SELECT Id FROM Contact WHERE LastName = 'a' OR LastName = 'B' ORDER BY CreatedDate, Id LIMIT 1"
    assert org.ask(either)[1]["totalSize"] == 1
    mixed = "SELECT Id FROM Contact WHERE LastName = 'A' OR LastName = 'B' AND LastName = 'C'"
    for bad, code in (
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id, Id FROM Contact", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
        (mixed, "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Spent__c = '1'", "INVALID_FIELD"),
    ):
        status, answer = org.ask(bad)
        assert (status, answer[0]["errorCode"]) == (400, code), bad
    assert org.ask(f"SELECT Id FROM Contact WHERE LastName = '{'x' * 17_000}'")[0] == 414


def test_pages() -> None:
    """nextRecordsUrl leads through all records."""
    org = Org(page=2)
    org.write(*({"Key__c": str(n), "LastName": "A"} for n in range(5)))
    _, page = org.ask("SELECT Id FROM Contact")
    seen = page["records"]
    while not page["done"]:
        _, page = org("GET", page["nextRecordsUrl"].removeprefix(ROOT))
        seen += page["records"]
    assert len({row["Id"] for row in seen}) == page["totalSize"] == 5


def test_values_as_they_are_kept(org: Org) -> None:
    """Texts are trimmed, instants kept in UTC to the second, empty texts are null, boxes are never null."""
    org.write(
        {"Key__c": "1", "LastName": " A ", "Title": "", "Seen__c": "2024-02-29T12:01:00.5+02:00", "Spent__c": 1.5}
    )
    (row,) = org.ask("SELECT LastName, Title, Seen__c, Spent__c, Vip__c FROM Contact")[1]["records"]
    del row["attributes"]
    kept = {"LastName": "A", "Title": None, "Seen__c": "2024-02-29T10:01:00.000+0000", "Spent__c": 1.5, "Vip__c": False}
    assert row == kept


def test_sessions_and_credentials(org: Org) -> None:
    """A session ends, another begins; wrong credentials and unknown grants get none."""
    org.box.store["sessions"] = []
    assert org.ask("SELECT Id FROM Contact") == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )
    org.token = org.login()[1]["access_token"]
    assert org.ask("SELECT Id FROM Contact")[0] == 200
    assert org.login(client_secret="guess")[0] == 400
    assert org.login(grant_type="password")[0] == 400
    assert org.login(grant_type="refresh_token", refresh_token="sandbox")[0] == 200


def test_the_day_is_spent() -> None:
    """Every answer counts; beyond the allowance 403 until 24 hours have passed."""
    org = Org(daily=2)
    org.ask("SELECT Id FROM Contact")
    assert org.headers["Sforce-Limit-Info"] == "api-usage=1/2"
    org.ask("SELECT Id FROM Contact")
    status, answer = org.ask("SELECT Id FROM Contact")
    assert (status, answer[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    org.clock.at += 86_401
    assert org.ask("SELECT Id FROM Contact")[0] == 200


def test_fields_are_described_and_added(org: Org) -> None:
    """A new custom field is there, and shown once it is granted; a name without __c is refused."""
    told = {
        "FullName": "Contact.Score__c",
        "Metadata": {"type": "Number", "label": "Score", "precision": 18, "scale": 0},
    }
    assert org("POST", "/tooling/sobjects/CustomField", told)[0] == 201
    assert org("POST", "/tooling/sobjects/CustomField", told)[0] == 400
    assert org("POST", "/tooling/sobjects/CustomField", {**told, "FullName": "Contact.Score"})[0] == 400
    assert "Score__c" not in {one["name"] for one in org("GET", "/sobjects/Contact/describe")[1]["fields"]}
    assert org.ask("SELECT Score__c FROM Contact")[0] == 400
    grant: dict[str, Any] = {"ParentId": "0PS000000000002AAA", "SobjectType": "Contact", "Field": "Contact.Score__c"}
    grant |= {"PermissionsRead": True, "PermissionsEdit": True}
    for wrong in ({"Field": "Contact.Nope__c"}, {"ParentId": "0PS000000000009AAA"}, {"PermissionsRead": False}):
        assert org("POST", "/sobjects/FieldPermissions", {**grant, **wrong})[0] in (400, 404)
    assert org("POST", "/sobjects/FieldPermissions", grant)[0] == 201
    fields = {one["name"]: one for one in org("GET", "/sobjects/Contact/describe")[1]["fields"]}
    assert (fields["Score__c"]["type"], fields["Score__c"]["scale"]) == ("double", 0)
    assert (fields["LastName"]["nillable"], fields["LastName"]["length"]) == (False, 80)
    assert org("GET", "/sobjects/Nope/describe")[0] == 404


def test_versions_and_paths(org: Org) -> None:
    """Retired and unknown versions are not found; a known path under another method is not allowed."""
    headers = {"authorization": f"Bearer {org.token}"}
    assert org.box.handle("GET", "/services/data/v31.0/query", "q=x", headers)[0] == 404
    assert org("PUT", "/composite/sobjects")[0] == 405
    assert org("GET", "/nowhere")[0] == 404
