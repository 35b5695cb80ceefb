"""What Pipedrive's pages and recorded answers demand of its stand-in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Clock

FIELDS = {
    "City": "varchar", "Notes": "text", "Spent": "double", "Since": "date", "Stay": "daterange", "Wakes": "time",
    "Turnover": "monetary", "Home": "address", "Band": {"type": "enum", "options": ["Gold"]},
    "Interests": {"type": "set", "options": ["Tea"]}, "Buddy": "people",
}  # fmt: skip


class Company:
    """A company, called with a good token."""

    def __init__(self, **options: Any) -> None:
        """Open it."""
        self.clock = Clock()
        self.box = make("pipedrive", fields={"persons": FIELDS}, clock=self.clock, now=self.clock, **options)
        self.token = {"x-api-token": "sandbox"}
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """Return the status and the answer parsed; a second passes."""
        self.clock.at += 1
        headers = {**self.token, "content-type": "application/json"}
        content = b"" if body is None else orjson.dumps(body)
        status, self.headers, answer = self.box.handle(method, f"/api{path}", urlencode(query), headers, content)
        return status, orjson.loads(answer)

    def person(self, **fields: Any) -> dict[str, Any]:
        """Make a person who must be taken."""
        status, answer = self("POST", "/v2/persons", {"name": "Somebody", **fields})
        assert status == 201, answer
        found: dict[str, Any] = answer["data"]
        return found

    def key(self, name: str) -> str:
        """Return the key of a custom field."""
        return str(next(r["field_code"] for r in self.box.store["fields"]["persons"] if r["field_name"] == name))

    def search(self, term: str, **more: str) -> list[int]:
        """Return the ids that a search by address finds."""
        status, answer = self("GET", "/v2/persons/search", term=term, exact_match="true", **{"fields": "email", **more})
        assert status == 200, answer
        return [item["item"]["id"] for item in answer["data"]["items"]]


def test_a_token_is_needed_and_says_no_more_than_that() -> None:
    """401 in the gateway's words, for a wrong token as for none."""
    company = Company()
    for token in ({}, {"x-api-token": "wrong"}, {"authorization": "Bearer sandbox"}):
        company.token = token
        status, answer = company("GET", "/v2/persons")
        assert (status, answer["error"], answer["success"]) == (401, "unauthorized access", False)


def test_an_app_trades_its_refresh_token() -> None:
    """Basic credentials of the app; the access token lives for an hour."""
    company = Company()
    basic = {"authorization": "Basic c2FuZGJveDpzYW5kYm94"}
    form = urlencode({"grant_type": "refresh_token", "refresh_token": "sandbox"}).encode()
    assert company.box.handle("POST", "/oauth/token", body=form)[0] == 401
    assert company.box.handle("POST", "/oauth/token", headers=basic, body=b"grant_type=password")[0] == 400
    status, _, body = company.box.handle("POST", "/oauth/token", headers=basic, body=form)
    told = orjson.loads(body)
    assert (status, told["expires_in"], told["api_domain"]) == (200, 3_600, "https://sandbox.pipedrive.com")
    company.token = {"authorization": f"Bearer {told['access_token']}"}
    assert company("GET", "/v2/persons")[0] == 200
    company.clock.at += 3_600
    assert company("GET", "/v2/persons")[0] == 401


def test_calls_cost_what_the_reference_says() -> None:
    """Search 20, lists 10, writes 5, deletion 3, the user 2, one record 1; and the headers say what is left."""
    company = Company(daily=46)
    person = company.person(emails=[{"value": "a@example.org"}])
    steps = [("GET", f"/v2/persons/{person['id']}", 1), ("GET", "/v2/persons", 10), ("GET", "/v1/users/me", 2)]
    left = 41
    for method, path, cost in steps:
        assert company(method, path)[0] == 200
        left -= cost
        assert company.headers["x-daily-ratelimit-token-remaining"] == str(left)
    assert company.search("a@example.org") == [person["id"]]
    assert company("DELETE", f"/v2/persons/{person['id']}")[0] == 200
    status, answer = company("GET", "/v2/persons")
    assert (status, company.headers["x-daily-ratelimit-token-remaining"]) == (429, "0")
    assert answer["success"] is False
    company.clock.at += 86_400
    assert company("GET", "/v2/persons")[0] == 200


def test_bursts_are_refused_searches_sooner() -> None:
    """Lite: 20 calls in any 2 seconds, 10 of them searches."""
    company = Company(plan="lite")
    company.clock.at -= 1
    now = company.clock.at + 1

    def at_once(path: str, **query: str) -> int:
        company.clock.at = now - 1
        return company("GET", path, **query)[0]

    searches = [at_once("/v2/persons/search", term="a@example.org", exact_match="true") for _ in range(11)]
    assert (searches.count(200), searches[-1]) == (10, 429)
    reads = [at_once("/v1/users/me") for _ in range(11)]
    assert (reads.count(200), reads[-1]) == (10, 429)
    assert company.headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 5},
        {"name": "A", "email": "a@example.org"},
        {"name": "A", "emails": "a@example.org"},
        {"name": "A", "emails": [{"primary": True}]},
        {"name": "A", "emails": [{"value": "a@example.org", "primary": 1}]},
        {"name": "A", "org_id": "1"},
        {"name": "A", "org_id": 99},
        {"name": "A", "label_ids": ["Customer"]},
        {"name": "A", "label_ids": [999]},
        {"name": "A", "owner_id": "1"},
        {"name": "A", "marketing_status": "unsubscribed"},
        {"name": "A", "first_name": "B"},
        {"name": "A", "custom_fields": {"City": "Brno"}},
        {"name": "A", "custom_fields": []},
    ],
)
def test_bodies_that_are_refused(body: Any) -> None:
    """API v2 converts nothing and knows no name that its reference lacks; nothing is made."""
    company = Company()
    status, answer = company("POST", "/v2/persons", body)
    assert (status, answer["code"]) == (400, "ERR_SCHEMA_VALIDATION_FAILED")
    assert company.box.store["records"]["persons"] == {}


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("City", [5, True, "x" * 256, {"value": "Brno"}], "Brno"),
        ("Notes", [["a"], "x" * 65_536], "x" * 65_535),
        ("Spent", ["5", True, {}], 12.5),
        ("Since", ["2024-02-30", "2024-02-01T00:00:00Z", 20240201], "2024-02-29"),
        ("Stay", ["2024-01-01", {"value": "2024-01-01"}], {"value": "2024-01-01", "until": "2024-02-01"}),
        ("Wakes", ["07:30", {"value": "25:00:00"}], {"value": "07:30:00"}),
        ("Turnover", [5, {"value": 5}, {"value": "5", "currency": "EUR"}], {"value": 5, "currency": "EUR"}),
        ("Band", ["Gold", 999, [9]], None),
        ("Interests", [[], "Tea", [999]], None),
        ("Buddy", ["1", 99], None),
    ],
)
def test_values_of_custom_fields(name: str, bad: list[Any], good: Any) -> None:
    """The wrong type is refused with the field's key; the right one is kept; null clears."""
    company = Company()
    key = company.key(name)
    person = company.person()
    path = f"/v2/persons/{person['id']}"
    for value in bad:
        status, answer = company("PATCH", path, {"custom_fields": {key: value}})
        assert (status, key in answer["error"]) == (400, True)
    status, answer = company("PATCH", path, {"custom_fields": {key: good}})
    assert status == 200
    assert answer["data"]["custom_fields"].get(key) == good
    company("PATCH", path, {"custom_fields": {key: None}})
    assert key not in company("GET", path)[1]["data"]["custom_fields"]


def test_contact_sync_fields_are_forbidden() -> None:
    """403 without contact sync, by the reference of POST /persons."""
    assert Company()("POST", "/v2/persons", {"name": "A", "job_title": "B"})[0] == 403


def test_lists_and_pages() -> None:
    """100 ids, 15 custom fields, 500 a page at the most; a cursor leads on; the deleted are left out."""
    company = Company()
    ids = [str(company.person()["id"]) for _ in range(3)]
    company("DELETE", f"/v2/persons/{ids[0]}")
    status, answer = company("GET", "/v2/persons", ids=",".join(ids))
    assert (status, [row["id"] for row in answer["data"]]) == (200, [2, 3])
    for query in ({"ids": ",".join(map(str, range(101)))}, {"limit": "501"}, {"sort_by": "name"}, {"cursor": "x"},
                  {"custom_fields": ",".join("abcdefghijklmnop")}, {"include_fields": "marketing_status"},
                  {"label": "1"}):  # fmt: skip
        assert company("GET", "/v2/persons", **query)[0] == 400
    first = company("GET", "/v2/persons", limit="1", sort_by="add_time", sort_direction="desc")[1]
    assert first["data"][0]["id"] == 3
    after = company("GET", "/v2/persons", limit="1", sort_by="add_time", sort_direction="desc",
                    cursor=first["additional_data"]["next_cursor"])[1]  # fmt: skip
    assert (after["data"][0]["id"], after["additional_data"]["next_cursor"]) == (2, None)


def test_searches() -> None:
    """Whole values, whatever their case; two characters, or one with exact_match; custom fields of some types."""
    company = Company()
    person = company.person(
        emails=[{"value": "A@Example.org"}],
        custom_fields={company.key("City"): "Brno", company.key("Since"): "2024-01-01"},
    )
    assert company.search("a@example.ORG") == [person["id"]]
    assert company.search("a@example") == []
    assert company.search("brno", fields="custom_fields") == [person["id"]]
    assert company.search("2024-01-01", fields="custom_fields") == []
    for query in ({"term": "", "exact_match": "true"}, {"term": "a"}, {"term": "ab", "fields": "address"},
                  {"term": "ab", "limit": "101"}, {"term": "ab", "match": "exact"}):  # fmt: skip
        assert company("GET", "/v2/persons/search", **query)[0] == 400


def test_the_index_lags() -> None:
    """A new person, a new address and a deletion show after a while, and not before."""
    company = Company(lag=60)
    person = company.person(emails=[{"value": "a@example.org"}])
    assert company.search("a@example.org") == []
    company.clock.at += 60
    assert company.search("a@example.org") == [person["id"]]
    company("PATCH", f"/v2/persons/{person['id']}", {"emails": [{"value": "b@example.org"}]})
    assert company.search("a@example.org") == [person["id"]]
    company.clock.at += 60
    assert (company.search("a@example.org"), company.search("b@example.org")) == ([], [person["id"]])
    company("DELETE", f"/v2/persons/{person['id']}")
    company.clock.at += 60
    assert company.search("b@example.org") == []


def test_the_deleted_are_kept_for_30_days() -> None:
    """Shown as deleted, never changed; then there is nothing."""
    company = Company()
    path = f"/v2/persons/{company.person()['id']}"
    assert company("DELETE", path)[0] == 200
    assert company("DELETE", path)[0] == 410
    assert company("PATCH", path, {"name": "B"})[0] == 404
    assert company("GET", path)[1]["data"]["is_deleted"] is True
    company.clock.at += 31 * 86_400
    assert company("GET", path)[0] == 404


def test_a_marketing_status_changes_once() -> None:
    """Nobody is subscribed again; without an address there is no status; a forbidden change is answered as success."""
    company = Company(campaigns=True)
    person = company.person(emails=[{"value": "a@example.org"}], marketing_status="subscribed")
    path = f"/v2/persons/{person['id']}"
    for status in ("unsubscribed", "subscribed"):
        assert company("PATCH", path, {"marketing_status": status})[1]["data"]["marketing_status"] == "unsubscribed"
    assert company.person(marketing_status="subscribed")["marketing_status"] == "no_consent"
    assert company("PATCH", path, {"marketing_status": "off"})[0] == 400


def test_fields_and_options() -> None:
    """Keys are Pipedrive's choice; enum and set need options; options of built-in fields stay, but for labels."""
    company = Company()
    for body in ({}, {"field_name": "A"}, {"field_name": "A", "field_type": "boolean"},
                 {"field_name": "A", "field_type": "enum"}, {"field_name": "A", "field_type": "varchar", "key": "k"},
                 {"field_name": "A", "field_type": "set", "options": [{"label": "x"}, {"label": "x"}]}):  # fmt: skip
        assert company("POST", "/v2/personFields", body)[0] == 400
    status, answer = company("POST", "/v2/personFields", {"field_name": "A", "field_type": "varchar"})
    code = answer["data"]["field_code"]
    assert (status, len(code), answer["data"]["is_custom_field"]) == (200, 40, True)
    assert company("POST", f"/v2/personFields/{code}/options", [{"label": "x"}])[0] == 400
    assert company("POST", "/v2/personFields/none/options", [{"label": "x"}])[0] == 404
    status, answer = company("POST", "/v2/personFields/label_ids/options", [{"label": "VIP"}])
    assert (status, [one["label"] for one in answer["data"]]) == (200, ["VIP"])
    assert company("POST", "/v2/personFields/label_ids/options", [{"label": "VIP"}])[0] == 400
    made = answer["data"][0]["id"]
    assert company("PATCH", "/v2/personFields/label_ids/options", [{"id": made, "label": "Top"}])[0] == 200
    assert company("PATCH", "/v2/personFields/label_ids/options", [{"id": 999, "label": "Top 2"}])[0] == 404
    assert company("PATCH", "/v2/personFields/name", {"field_name": "Full name"})[0] == 403
    assert Company(labels_by_api=False)("POST", "/v2/personFields/label_ids/options", [{"label": "x"}])[0] == 403


def test_json_alone_is_taken() -> None:
    """Forms and broken bodies are refused; an unknown path and method are told apart."""
    company = Company()
    form = {"x-api-token": "sandbox", "content-type": "application/x-www-form-urlencoded"}
    assert company.box.handle("POST", "/api/v2/persons", headers=form, body=b"name=A")[0] == 400
    good = {"x-api-token": "sandbox", "content-type": "application/json"}
    assert company.box.handle("POST", "/api/v2/persons", headers=good, body=b"{")[0] == 400
    assert company("PUT", "/v2/persons/1", {})[0] == 405
    assert company("GET", "/v2/deals")[0] == 404


def test_a_company_outlives_its_process() -> None:
    """Dumped and loaded, records, fields and index are as they were."""
    company = Company()
    person = company.person(emails=[{"value": "a@example.org"}])
    other = Company()
    other.box.load(company.box.dump())
    assert other.search("a@example.org") == [person["id"]]
