"""What Marketo's pages and recorded answers demand of its stand-in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from revetl.errors import UsageError
from revetl.sandbox import make
from tests.unit.sandbox.sandbox_caller import Clock

LEADS = "/rest/v1/leads.json"
FORM = "application/x-www-form-urlencoded"
LOGIN = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}
FIELDS = {
    "spent": "float",
    "visits": "integer",
    "since": "date",
    "seenAt": "datetime",
    "gift": "boolean",
    "key": "string",
}


class Instance:
    """An instance and a token for it."""

    def __init__(self, **options: Any) -> None:
        """Log in."""
        self.clock = Clock()
        self.box = make("marketo", fields=FIELDS, clock=self.clock, now=self.clock, **options)
        self.token = self.login()[1]["access_token"]

    def login(self, **form: str) -> tuple[int, Any]:
        """Ask for a token."""
        body = urlencode({**LOGIN, **form}).encode()
        status, _, answer = self.box.handle("POST", "/identity/oauth/token", body=body)
        return status, orjson.loads(answer)

    def raw(self, method: str, path: str, body: bytes = b"", kind: str = "application/json", query: str = "") -> Any:
        """Return status and body of an answer."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": kind}
        status, _, answer = self.box.handle(method, path, query, headers, body)
        return status, answer

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the answer parsed; its status must be 200."""
        content = b"" if body is None else orjson.dumps(body)
        status, answer = self.raw(method, path, content, query=urlencode(query, doseq=True))
        assert status == 200
        return orjson.loads(answer)

    def write(self, *rows: dict[str, Any], **told: Any) -> list[Any]:
        """Write people; return the rows of the answer."""
        answer = self("POST", LEADS, {**told, "input": list(rows)})
        assert answer["success"], answer
        found: list[Any] = answer["result"]
        return found

    def form(self, path: str, **fields: str) -> Any:
        """Post a form; return the answer parsed."""
        return orjson.loads(self.raw("POST", path, urlencode(fields).encode(), FORM)[1])

    def upload(self, text: str, **query: str) -> Any:
        """Import a file; return the answer parsed."""
        head = 'Content-Disposition: form-data; name="file"; filename="f.csv"'
        body = f"--b\r\n{head}\r\nContent-Type: text/csv\r\n\r\n{text}\r\n--b--\r\n".encode()
        told = urlencode({"format": "csv", **query})
        return orjson.loads(self.raw("POST", "/bulk/v1/leads.json", body, "multipart/form-data; boundary=b", told)[1])

    def look(self, number: int, what: str = "") -> Any:
        """Look at an import."""
        return self("GET", f"/bulk/v1/leads/batch/{number}{what}.json")


@pytest.fixture
def instance() -> Instance:
    """Return a new instance."""
    return Instance()


def code(answer: Any) -> str:
    """Return the code of a refusal."""
    assert answer["success"] is False
    assert answer["requestId"]
    return str(answer["errors"][0]["code"])


def reasons(rows: list[Any]) -> list[str]:
    """Return each row's status, or the code that it was skipped for."""
    return [row["reasons"][0]["code"] if row["status"] == "skipped" else row["status"] for row in rows]


# --- being let in ----------------------------------------------------------------------------------------------------


def test_a_token_lives_an_hour_and_is_the_same_meanwhile(instance: Instance) -> None:
    """Asked again, it is the same with the seconds left; afterwards 602, and a new one."""
    instance.clock.at += 1_000
    again = instance.login()[1]
    assert (again["access_token"], again["expires_in"], again["token_type"]) == (instance.token, 2_600, "bearer")
    instance.clock.at += 2_600
    assert code(instance("GET", "/rest/v1/leads/partitions.json")) == "602"
    instance.token = instance.login()[1]["access_token"]
    assert instance("GET", "/rest/v1/leads/partitions.json")["success"]


def test_a_token_counts_in_the_header_alone(instance: Instance) -> None:
    """In the query it is none: 601; the wrong secret is the identity's own 401."""
    token, instance.token = instance.token, "other"
    assert code(instance("GET", "/rest/v1/leads/partitions.json", access_token=token)) == "601"
    assert instance.login(client_secret="x")[0] == 401
    assert instance.login(grant_type="password")[0] == 400


def test_the_window_turns_away_without_counting() -> None:
    """The call beyond is 606 with HTTP 200; refused calls do not make it longer."""
    instance = Instance(allow={"burst": 3})
    for _ in range(3):
        assert instance("GET", "/rest/v1/leads/partitions.json")["success"]
    for _ in range(5):
        assert code(instance("GET", "/rest/v1/leads/partitions.json")) == "606"
    instance.clock.at += 20
    assert instance("GET", "/rest/v1/leads/partitions.json")["success"]


def test_a_day_begins_at_midnight_in_the_central_united_states() -> None:
    """The quota is 607 until 06:00 UTC; refusals are not counted."""
    instance = Instance(allow={"daily": 2}, seconds={"token": 10**6})
    instance.clock.at = 20 * 86_400.0 + 5 * 3_600
    instance.token = instance.login()[1]["access_token"]
    assert code(instance("GET", "/rest/v1/nothing.json")) == "610"
    answers = [instance("GET", "/rest/v1/leads/partitions.json") for _ in range(3)]
    assert [one["success"] for one in answers] == [True, True, False]
    assert code(answers[2]) == "607"
    instance.clock.at += 3_600
    assert instance("GET", "/rest/v1/leads/partitions.json")["success"]


def test_ten_at_once_are_enough(instance: Instance) -> None:
    """The eleventh is 615."""
    instance.box.in_flight = 10
    assert code(instance("GET", "/rest/v1/leads/partitions.json")) == "615"


def test_sizes_types_and_paths(instance: Instance) -> None:
    """1 MB of body, 8 KB of URL, JSON where it is JSON, methods that exist; JSON that can be read."""
    assert instance.raw("POST", LEADS, b"x" * 1_000_001)[0] == 413
    assert instance.raw("GET", LEADS, query="filterValues=" + "x" * 9_000)[0] == 414
    assert code(orjson.loads(instance.raw("POST", LEADS, b"{}", "text/plain")[1])) == "612"
    assert code(orjson.loads(instance.raw("POST", LEADS, b"{")[1])) == "609"
    assert code(instance("DELETE", LEADS)) == "605"
    assert code(instance("GET", "/rest/v1/lead/7.json")) == "610"
    assert code(instance("GET", "/rest/v1/leads/partitions")) == "610"


# --- people ----------------------------------------------------------------------------------------------------------


def test_rows_are_answered_by_position(instance: Instance) -> None:
    """Created, updated whatever the case of the address, skipped with a reason and without an id."""
    first = instance.write({"email": "a@example.org", "firstName": "A"}, {"email": "b@example.org", "visits": "x"})
    assert reasons(first) == ["created", "1003"]
    assert "id" not in first[1]
    (again,) = instance.write({"email": "A@example.org ", "lastName": "B"})
    assert (again["id"], again["status"]) == (first[0]["id"], "updated")


def test_actions(instance: Instance) -> None:
    """createOnly skips who is there, updateOnly who is not; createDuplicate doubles, whereupon the key is no key."""
    instance.write({"email": "a@example.org"})
    assert reasons(instance.write({"email": "a@example.org"}, action="createOnly")) == ["1005"]
    assert reasons(instance.write({"email": "b@example.org"}, action="updateOnly")) == ["1004"]
    assert reasons(instance.write({"email": "a@example.org"}, action="createDuplicate")) == ["created"]
    assert reasons(instance.write({"email": "a@example.org"})) == ["1007"]
    assert code(instance("POST", LEADS, {"action": "upsert", "input": [{"email": "a@example.org"}]})) == "1001"


def test_an_id_is_for_updates_by_id_alone(instance: Instance) -> None:
    """Elsewhere it is invalid data; by id, an address may become one that somebody else has."""
    (one, two) = instance.write({"email": "a@example.org"}, {"email": "b@example.org"})
    assert reasons(instance.write({"id": one["id"], "email": "a@example.org"})) == ["1003"]
    by_id = {"action": "updateOnly", "lookupField": "id"}
    assert reasons(instance.write({"id": two["id"], "email": "a@example.org"}, {"id": 7}, **by_id)) == [
        "updated",
        "1004",
    ]
    assert reasons(instance.write({"email": "a@example.org"})) == ["1007"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"nothing": 1}, "1006"), ({"createdAt": "2024-01-01T00:00:00Z"}, "1003"), ({"company": "x"}, "1021"),
        ({"firstName": "x" * 256}, "1003"), ({"firstName": True}, "1003"), ({"visits": 1.5}, "1003"),
        ({"visits": 2**31}, "1003"), ({"visits": "7"}, "1003"), ({"spent": "a lot"}, "1003"), ({"gift": "yes"}, "1003"),
        ({"since": "29.02.2024"}, "1003"), ({"since": "2023-02-29"}, "1003"), ({"seenAt": "2024-02-29"}, "1003"),
        ({"seenAt": "2024-02-29T10:00:00"}, "1003"), ({"email": "ž@example.org"}, "1003"), ({"email": "none"}, "1003"),
    ],
)  # fmt: skip
def test_values_that_are_refused(instance: Instance, values: dict[str, Any], reason: str) -> None:
    """Unknown, read-only and company fields, wrong types, texts too long, addresses beyond ASCII."""
    assert reasons(instance.write({"key": "k", **values}, lookupField="key")) == [reason]
    assert instance.box.store["people"] == {}


def test_null_and_empty_text_clear(instance: Instance) -> None:
    """Both; what is empty is left out of reads."""
    instance.write({"email": "a@example.org", "firstName": "A", "lastName": "B", "visits": 1})
    instance.write({"email": "a@example.org", "firstName": None, "lastName": ""})
    asked = {"filterType": "email", "filterValues": "a@example.org", "fields": "firstName,lastName,visits"}
    assert instance("GET", LEADS, **asked)["result"] == [{"id": 1001, "visits": 1}]


def test_calls_that_are_refused_as_a_whole(instance: Instance) -> None:
    """Nothing, too much, unknown parameters, fields that nobody is looked up by, partitions that are not there."""
    row = {"email": "a@example.org"}
    for body, told in (
        ({}, "1002"), ({"input": []}, "1002"), ({"input": [row] * 301}, "1003"), ({"input": [row], "x": 1}, "1003"),
        ({"input": [row], "lookupField": "firstName"}, "1011"), ({"input": [row], "partitionName": "EU"}, "1008"),
        ({"input": [row], "partitionName": "Default", "action": "updateOnly"}, "1008"),
    ):  # fmt: skip
        assert code(instance("POST", LEADS, body)) == told
    assert instance.box.store["people"] == {}


def test_a_row_without_its_key_is_skipped(instance: Instance) -> None:
    """Nobody is made without one; a key twice in a call is written twice, and flagged."""
    assert reasons(instance.write({"firstName": "A"}, {"email": ""})) == ["1003", "1003"]
    assert reasons(instance.write({"email": "a@example.org"}, {"email": "A@example.org"})) == ["created", "updated"]
    assert instance.box.journal[-1]["flags"]


def test_people_are_found_by_up_to_300_values(instance: Instance) -> None:
    """By GET, or by a POST that stands for one; pages follow a token; fields must exist."""
    instance.write(*({"email": f"a{n}@example.org"} for n in range(200)))
    values = ",".join(f"a{n}@example.org" for n in range(300))
    asked = {"filterType": "email", "filterValues": values, "batchSize": "150"}
    answer = orjson.loads(instance.raw("POST", LEADS, urlencode(asked).encode(), FORM, "_method=GET")[1])
    assert (len(answer["result"]), set(answer["result"][0])) == (150, {"id", "email", "createdAt", "updatedAt"})
    asked["nextPageToken"] = answer["nextPageToken"]
    answer = orjson.loads(instance.raw("POST", LEADS, urlencode(asked).encode(), FORM, "_method=GET")[1])
    assert (len(answer["result"]), "nextPageToken" in answer) == (50, False)
    assert instance("GET", LEADS, filterType="id", filterValues="1001,1,1002")["result"][1]["email"] == "a1@example.org"
    assert instance("GET", LEADS, filterType="email", filterValues="z@example.org")["result"] == []
    for more, told in (({"filterType": "firstName"}, "1011"), ({"filterValues": ""}, "1002"),
                       ({"filterValues": ",".join("x" * 301)}, "1003"), ({"fields": "nothing"}, "1006")):  # fmt: skip
        assert code(instance("GET", LEADS, **{"filterType": "email", "filterValues": "a", **more})) == told


def test_the_deleted_are_gone_from_everywhere(instance: Instance) -> None:
    """Their ids, keys and memberships; again is 1004, as is an id that is no number refused."""
    (one,) = instance.write({"email": "a@example.org"})
    instance.form("/rest/asset/v1/staticLists.json", name="L", folder='{"id":1,"type":"Folder"}')
    instance("POST", "/rest/v1/lists/2001/leads.json", {"input": [{"id": one["id"]}]})
    rows = instance(
        "POST", "/rest/v1/leads/delete.json", {"input": [{"id": one["id"]}, {"id": one["id"]}, {"id": "7"}]}
    )
    assert reasons(rows["result"]) == ["deleted", "1004", "1003"]
    assert instance.box.store["lists"]["2001"]["members"] == {}
    assert reasons(instance.write({"email": "a@example.org"})) == ["created"]


# --- fields ----------------------------------------------------------------------------------------------------------


def test_fields_are_made_once_and_by_rule(instance: Instance) -> None:
    """Name, label and type must fit and be free; the new field takes values, and people are looked up by it."""
    path = "/rest/v1/leads/schema/fields.json"
    good = {"name": "band", "displayName": "Band", "dataType": "string"}
    made = instance("POST", path, {"input": [good]})
    assert made["result"] == [{"name": "band", "status": "created"}]
    assert reasons(instance.write({"band": "x"}, lookupField="band")) == ["created"]
    for more, told in (({}, "1017"), ({"name": "b2"}, "1017"), ({"name": "2b", "displayName": "B2"}, "1003"),
                       ({"name": "b2", "displayName": "B-2"}, "1003"),
                       ({"name": "b2", "displayName": "B2", "dataType": "text"}, "1001")):  # fmt: skip
        assert code(instance("POST", path, {"input": [{**good, **more}]})) == told


def test_describe2_says_what_can_be_written_and_looked_up(instance: Instance) -> None:
    """System fields cannot; custom texts and whole numbers are searchable, dates are not."""
    (found,) = instance("GET", "/rest/v1/leads/describe2.json")["result"]
    fields = {one["name"]: one for one in found["fields"]}
    assert ["key"] in found["searchableFields"]
    assert ["since"] not in found["searchableFields"]
    assert (fields["id"]["updateable"], fields["firstName"]["updateable"]) == (False, True)
    assert (fields["firstName"]["length"], fields["email"]["dataType"]) == (255, "email")


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lists_are_assets_with_names_of_their_own(instance: Instance) -> None:
    """Not found is success with a warning and no result; a taken name, no folder, no JSON are refused."""
    nothing = instance("GET", "/rest/asset/v1/staticList/byName.json", name="VIP")
    assert (nothing["success"], "result" in nothing, len(nothing["warnings"])) == (True, False, 1)
    create, folder = "/rest/asset/v1/staticLists.json", '{"id":1,"type":"Folder"}'
    (made,) = instance.form(create, name="VIP", folder=folder)["result"]
    assert (made["id"], made["name"], made["folder"]) == (2001, "VIP", {"id": 1, "type": "Folder"})
    assert instance("GET", "/rest/asset/v1/staticList/byName.json", name="VIP")["result"][0]["id"] == 2001
    assert code(instance.form(create, name="vip", folder=folder)) == "709"
    assert code(instance.form(create, name="New", folder='{"id":9,"type":"Folder"}')) == "710"
    assert code(instance.form(create, name="New", folder="1")) == "1001"
    assert code(instance.form(create, folder=folder)) == "701"
    assert code(orjson.loads(instance.raw("POST", create, b'{"name": "x"}')[1])) == "612"
    assert instance.form("/rest/asset/v1/staticList/2001.json", name="Top")["result"][0]["name"] == "Top"
    assert code(instance.form("/rest/asset/v1/staticList/9.json", name="Top")) == "702"


def test_members_are_ids(instance: Instance) -> None:
    """Added once, removed once; who is unknown, or no member, is skipped by code; the list must be there."""
    (one,) = instance.write({"email": "a@example.org"})
    instance.form("/rest/asset/v1/staticLists.json", name="VIP", folder='{"id":1,"type":"Folder"}')
    path, body = "/rest/v1/lists/2001/leads.json", {"input": [{"id": one["id"]}, {"id": 7}]}
    assert reasons(instance("POST", path, body)["result"]) == ["added", "1004"]
    look = "/rest/v1/lists/2001/leads/ismember.json"
    assert reasons(instance("GET", look, id=[one["id"], 7])["result"]) == ["memberof", "1004"]
    assert reasons(instance("DELETE", path, body)["result"]) == ["removed", "1004"]
    assert reasons(instance("DELETE", path, body)["result"]) == ["1015", "1004"]
    assert reasons(instance("GET", look, id=[one["id"]])["result"]) == ["notmemberof"]
    assert code(instance("GET", look, id=["x"])) == "1001"
    assert code(instance("POST", "/rest/v1/lists/9/leads.json", body)) == "1013"
    assert reasons(instance("POST", path, {"input": [{"email": "a@example.org"}]})["result"]) == ["1003"]


# --- imports ---------------------------------------------------------------------------------------------------------


def test_an_import_runs_when_its_turn_comes() -> None:
    """Two at a time, ten in the queue, the eleventh is 1016; a list that is imported into is 1019 meanwhile."""
    instance = Instance(seconds={"import": 60})
    instance.form("/rest/asset/v1/staticLists.json", name="VIP", folder='{"id":1,"type":"Folder"}')
    jobs = [instance.upload(f"email\r\na{n}@example.org", listId="2001")["result"][0] for n in range(10)]
    assert {job["status"] for job in jobs} == {"Queued"}
    assert code(instance.upload("email\r\nb@example.org")) == "1016"
    states = [instance.look(job["batchId"])["result"][0]["status"] for job in jobs[:3]]
    assert states == ["Importing", "Importing", "Queued"]
    assert code(instance("POST", "/rest/v1/lists/2001/leads.json", {"input": [{"id": 1}]})) == "1019"
    for _ in range(5):
        instance.clock.at += 60
        done = instance.look(jobs[9]["batchId"])["result"][0]
    assert (done["status"], done["numOfLeadsProcessed"], done["numOfRowsFailed"]) == ("Complete", 1, 0)
    assert len(instance.box.store["lists"]["2001"]["members"]) == 10


def test_an_import_counts_and_names_what_went_wrong(instance: Instance) -> None:
    """Failures and warnings are files of the rows and a reason; there is no file where there is none."""
    text = (
        f'email,firstName,visits\r\na@example.org,"A, ""B""",1\r\nb@example.org,B,x\r\nc@example.org,{"y" * 300},3\r\n'
    )
    number = instance.upload(text)["result"][0]["batchId"]
    done = instance.look(number)["result"][0]
    assert [done[f"numOf{one}"] for one in ("LeadsProcessed", "RowsFailed", "RowsWithWarning")] == [2, 1, 1]
    failures = instance.raw("GET", f"/bulk/v1/leads/batch/{number}/failures.json")[1].decode().splitlines()
    assert failures[0] == "email,firstName,visits,Import Failure Reason"
    assert failures[1].startswith("b@example.org,B,x,")
    assert b"c@example.org" in instance.raw("GET", f"/bulk/v1/leads/batch/{number}/warnings.json")[1]
    assert {one["email"]: one.get("firstName") for one in instance.box.store["people"].values()} == {
        "a@example.org": 'A, "B"',
        "c@example.org": None,
    }
    fine = instance.upload("email\r\nd@example.org")["result"][0]["batchId"]
    assert code(instance.look(fine, "/failures")) == "1013"


def test_an_import_by_id_makes_nobody(instance: Instance) -> None:
    """An id that nobody has fails its row."""
    (one,) = instance.write({"email": "a@example.org"})
    number = instance.upload(
        f"id,email,city\r\n{one['id']},n@example.org,Brno\r\n7,x@example.org,Brno", lookupField="id"
    )
    done = instance.look(number["result"][0]["batchId"])["result"][0]
    assert (done["numOfLeadsProcessed"], done["numOfRowsFailed"]) == (1, 1)
    assert [person["email"] for person in instance.box.store["people"].values()] == ["n@example.org"]


def test_what_an_empty_cell_does_is_not_for_anybody_to_rely_on(instance: Instance) -> None:
    """An empty cell and NULL are flagged."""
    for text in ("email,city\r\na@example.org,", "email,city\r\na@example.org,NULL"):
        number = instance.upload(text)["result"][0]["batchId"]
        instance.look(number)
        assert instance.box.journal[-1]["flags"]


def test_files_that_are_refused(instance: Instance) -> None:
    """No format, no key to look up by, no multipart, a column that is no field; a job is kept for seven days."""
    assert code(instance.upload("email\r\na@example.org", format="xls")) == "1003"
    assert code(instance.upload("email\r\na@example.org", lookupField="city")) == "1011"
    assert code(instance.upload("email\r\na@example.org", listId="9")) == "1013"
    path = "/bulk/v1/leads.json"
    assert code(orjson.loads(instance.raw("POST", path, b"email", "text/csv", "format=csv")[1])) == "612"
    broken = instance.raw("POST", path, b"email", "multipart/form-data; boundary=b", "format=csv")[1]
    assert code(orjson.loads(broken)) == "613"
    assert instance.raw("POST", path, b"x" * 10_000_001, "multipart/form-data; boundary=b", "format=csv")[0] == 413
    number = instance.upload("email,nothing\r\na@example.org,1")["result"][0]["batchId"]
    assert instance.look(number)["result"][0]["status"] == "Failed"
    instance.clock.at += 8 * 86_400
    instance.token = instance.login()[1]["access_token"]
    assert code(instance.look(number)) == "1013"


def test_an_account_travels(instance: Instance) -> None:
    """Dumped and loaded, people are found, lists kept, and the token is good."""
    instance.write({"email": "a@example.org", "city": "Brno"})
    other = Instance()
    other.box.load(instance.box.dump())
    other.token = instance.token
    assert reasons(other.write({"email": "a@example.org"})) == ["updated"]


def test_bounds_that_are_rarely_met(instance: Instance) -> None:
    """1,000 people by one filter, 100 fields by the API, rows as wide as the header, partitions of imports, tokens."""
    for at in range(0, 1_001, 300):
        rows = [{"email": "a@example.org", "key": f"k{n}"} for n in range(at, min(at + 300, 1_001))]
        instance.write(*rows, action="createDuplicate")
    assert code(instance("GET", LEADS, filterType="email", filterValues="a@example.org")) == "1003"
    asked = {"filterType": "key", "filterValues": "k1"}
    assert code(instance("GET", LEADS, **asked, nextPageToken="x")) == "1003"
    wanted = [{"name": f"n{n}", "displayName": f"N{n}", "dataType": "string"} for n in range(101)]
    path = "/rest/v1/leads/schema/fields.json"
    assert code(instance("POST", path, {"input": wanted})) == "1028"
    assert instance("POST", path, {"input": wanted[:100]})["success"]
    assert code(instance("POST", path, {"input": wanted[100:]})) == "1028"
    assert code(instance("POST", path, {"input": []})) == "1002"
    assert code(instance.upload("email\r\nb@example.org", partitionName="EU")) == "1008"
    number = instance.upload("email,city\r\nb@example.org\r\nc@example.org,Brno")["result"][0]["batchId"]
    assert instance.look(number)["result"][0]["numOfRowsFailed"] == 1


def test_a_merge_ends_the_loser(instance: Instance) -> None:
    """Its id is gone, its values fill the winner's gaps; an unknown id is refused."""
    one, two = instance.write({"email": "a@example.org", "city": "Brno"}, {"email": "b@example.org", "title": "Dr"})
    path = f"/rest/v1/leads/{two['id']}/merge.json"
    assert instance("POST", path, leadId=one["id"])["success"]
    (left,) = instance.box.store["people"].values()
    assert (left["id"], left["email"], left["city"], left["title"]) == (two["id"], "b@example.org", "Brno", "Dr")
    assert code(instance("POST", path, leadId=one["id"])) == "1004"


def test_a_field_of_an_unknown_type_is_named() -> None:
    """A test's own mistake is told at once."""
    with pytest.raises(UsageError, match="RVT-681"):
        make("marketo", fields={"a": "varchar"})
