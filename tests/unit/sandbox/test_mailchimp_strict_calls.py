"""Credentials, the batch call and the account, as the published API demands them of the stand-in."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import orjson
import pytest

from revetl.sandbox.mailchimp import Mailchimp
from revetl.sandbox.server import serve
from tests.unit.sandbox.mailchimp_caller import LIST, Api, md5, only_error, person


@pytest.fixture
def api() -> Api:
    """Return a caller of a fresh account."""
    return Api(Mailchimp())


@pytest.mark.parametrize(
    "credentials",
    [
        "Bearer sandbox-us1",
        "Basic " + base64.b64encode(b"anystring:sandbox-us1").decode(),
        "Basic " + base64.b64encode(b":sandbox-us1").decode(),
    ],
)
def test_key_is_taken_as_basic_password_or_bearer(api: Api, credentials: str) -> None:
    """Any user name goes with the key; a bearer token goes alone."""
    status, _, _ = api.raw("GET", "/3.0/ping", authorization=credentials)
    assert status == 200


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer wrong-us1", "Basic " + base64.b64encode(b"sandbox-us1:").decode(), "Basic ???", "sandbox-us1"],
)
def test_wrong_credentials_are_401(api: Api, credentials: str) -> None:
    """A wrong, missing or garbled key is told as a problem, on every path."""
    for path in ("/3.0/", LIST, "/3.0/nowhere"):
        status, headers, body = api.raw("GET", path, authorization=credentials)
        assert status == 401
        assert headers["content-type"].startswith("application/problem+json")
        assert orjson.loads(body)["status"] == 401


def test_root_tells_the_account_and_respects_fields(api: Api) -> None:
    """GET /3.0/ names the account; ``fields`` narrows it."""
    whole = orjson.loads(api.raw("GET", "/3.0/")[2])
    assert {"account_id", "account_name"} <= set(whole)
    assert set(orjson.loads(api.raw("GET", "/3.0/?fields=account_id")[2])) == {"account_id"}


@pytest.mark.parametrize("path", ["", "/members", "/merge-fields", "/segments", f"/members/{md5('a@example.org')}"])
def test_unknown_list_is_404(api: Api, path: str) -> None:
    """Whatever is asked of a list that is not there."""
    status, headers, body = api.raw("GET", "/3.0/lists/nowhere" + path)
    assert status == 404
    assert headers["content-type"].startswith("application/problem+json")
    assert orjson.loads(body)["title"] == "Resource Not Found"


def test_batch_to_unknown_list_is_404(api: Api) -> None:
    """Nobody is written to a list that is not there."""
    status, _, _ = api.raw("POST", "/3.0/lists/nowhere", {"members": []})
    assert status == 404


def test_wrong_method_is_405(api: Api) -> None:
    """A path that exists under another method."""
    api.call("PUT", "/segments", {}, want=405)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"members": 1}', b"{}", b'{"members": ["a@example.org"]}'])
def test_body_that_is_no_batch_is_400(api: Api, body: bytes) -> None:
    """JSON that is broken or of another shape refuses the call as a whole."""
    status, headers, _ = api.raw("POST", LIST, body)
    assert status == 400
    assert headers["content-type"].startswith("application/problem+json")


def test_500_are_taken_and_501_refused_whole(api: Api) -> None:
    """Up to 500 members a call; one more writes nobody."""
    people = [person(f"p{number}@example.org") for number in range(501)]
    api.call("POST", "", {"members": people, "update_existing": True}, want=400)
    assert api.call("GET", "/members")["total_items"] == 0
    answered = api.batch(*people[:500])
    assert (answered["total_created"], answered["error_count"]) == (500, 0)
    assert len(answered["new_members"]) == 500


def test_new_and_updated_are_told_apart(api: Api) -> None:
    """Each person is named where the work was done, by address and hash."""
    api.batch(person("old@example.org"))
    answered = api.batch(person("old@example.org"), person("New@example.org"))
    assert [(m["email_address"], m["id"]) for m in answered["new_members"]] == [
        ("New@example.org", md5("new@example.org"))
    ]
    assert [m["email_address"] for m in answered["updated_members"]] == ["old@example.org"]
    assert (answered["total_created"], answered["total_updated"], answered["error_count"]) == (1, 1, 0)


def test_new_member_without_status_is_a_row_error(api: Api) -> None:
    """A status is demanded of people who are not there yet, and harms no one else."""
    answered = api.batch(person("a@example.org", None), person("b@example.org"))
    assert answered["total_created"] == 1
    assert [(e["email_address"], e["error_code"]) for e in answered["errors"]] == [("a@example.org", "ERROR_GENERIC")]


@pytest.mark.parametrize("status", ["archived", "Subscribed", "", 1])
def test_status_outside_the_list_is_refused(api: Api, status: Any) -> None:
    """Only the five statuses of the specification, spelled as there; ``archived`` is told, never set."""
    members = [{"email_address": "a@example.org", "status": status}]
    api.call("POST", "", {"members": members, "update_existing": True}, want=400)
    api.member("a@example.org", want=404)


def test_existing_member_without_status_keeps_it(api: Api) -> None:
    """Only what is sent changes."""
    api.batch(person("a@example.org", "unsubscribed", merge_fields={"FNAME": "Ada", "LNAME": "L"}))
    answered = api.batch(person("a@example.org", None, merge_fields={"FNAME": "Bea"}))
    assert answered["total_updated"] == 1
    found = api.member("a@example.org")
    assert (found["status"], found["merge_fields"]["FNAME"], found["merge_fields"]["LNAME"]) == (
        "unsubscribed",
        "Bea",
        "L",
    )


def test_without_update_existing_known_people_are_row_errors(api: Api) -> None:
    """``update_existing`` is off unless asked for; a known address then is ERROR_CONTACT_EXISTS and stays as it was."""
    api.batch(person("a@example.org", merge_fields={"FNAME": "Ada"}))
    for more in ({"update_existing": False}, {}):
        members = [person("A@example.org", merge_fields={"FNAME": "Bea"})]
        answered = api.call("POST", "", {"members": members, **more})
        assert only_error(answered)["error_code"] == "ERROR_CONTACT_EXISTS"
    assert api.member("a@example.org")["merge_fields"]["FNAME"] == "Ada"


def test_blank_address_refuses_the_call(api: Api) -> None:
    """An entry without an address has not the shape of one."""
    api.call("POST", "", {"members": [person(""), person("b@example.org")]}, want=400)
    api.member("b@example.org", want=404)


@pytest.mark.parametrize(
    "address", ["x", "x@", "@example.org", "a b@example.org", "a@example", "a@@example.org", "a@example.org\n"]
)
def test_invalid_address_is_a_row_error(api: Api, address: str) -> None:
    """An address that is none is told for its row alone."""
    assert only_error(api.batch(person(address)))["error_code"] == "ERROR_GENERIC"


@pytest.mark.parametrize("address", ["someone@example.com", "SOMEONE@EXAMPLE.COM"])
def test_example_com_looks_fake(api: Api, address: str) -> None:
    """Mailchimp knows example.com, whatever the case."""
    error = only_error(api.batch(person(address)))
    assert "fake or invalid" in error["error"]
    assert error["error_code"] == "ERROR_GENERIC"


def test_second_appearance_in_a_batch_is_a_row_error(api: Api) -> None:
    """The first of two spellings of one address is written, the second told."""
    answered = api.batch(
        person("a@example.org", merge_fields={"FNAME": "first"}),
        person("A@Example.org", merge_fields={"FNAME": "second"}),
    )
    assert (answered["total_created"], answered["error_count"]) == (1, 1)
    assert answered["errors"][0]["email_address"] == "A@Example.org"
    assert api.member("a@example.org")["merge_fields"]["FNAME"] == "first"


def test_same_entry_twice_refuses_the_call(api: Api) -> None:
    """Two entries that are the same in all are a list of non-unique items: 400, unless duplicates are skipped."""
    people = [person("a@example.org"), person("b@example.org"), person("b@example.org")]
    api.call("POST", "", {"members": people, "update_existing": True}, want=400)
    api.member("a@example.org", want=404)
    assert api.batch(*people, query="?skip_duplicate_check=true")["total_created"] == 2


def test_skip_duplicate_check_keeps_the_first_status(api: Api) -> None:
    """With ``skip_duplicate_check`` a second appearance is no error, and the first one's status is saved."""
    people = person("a@example.org", "unsubscribed"), person("a@example.org", "subscribed")
    answered = api.batch(*people, query="?skip_duplicate_check=true")
    assert answered["error_count"] == 0
    assert api.member("a@example.org")["status"] == "unsubscribed"


def test_all_rows_failed_is_still_200(api: Api) -> None:
    """The status of the answer says nothing about its rows."""
    answered = api.batch(person("x"), person("someone@example.com"))
    assert (answered["error_count"], len(answered["errors"])) == (2, 2)


def test_dump_and_load_carry_everything(api: Api) -> None:
    """A store goes through JSON to another process and works on there."""
    api.field("AGE", "number")
    api.batch(person("a@example.org", merge_fields={"AGE": 3}, tags=["vip"]), person("b@example.org", "unsubscribed"))
    api.batch(person("gone@example.org"))
    api.call("POST", f"/members/{md5('gone@example.org')}/actions/delete-permanent", want=204)
    other = Api(Mailchimp())
    other.box.load(orjson.loads(orjson.dumps(api.box.dump())))
    assert other.member("a@example.org") == api.member("a@example.org")
    assert other.tags("a@example.org") == {"vip"}
    contact = api.member("a@example.org")["contact_id"]
    assert other.call("GET", f"/members/{contact}")["email_address"] == "a@example.org"
    assert only_error(other.batch(person("gone@example.org")))
    other.batch(person("c@example.org"))
    api.member("c@example.org", want=404)


def test_eleventh_simultaneous_request_is_429(api: Api) -> None:
    """Ten connections at once; one more is told so and nothing of it is applied."""
    body = orjson.dumps({"members": [person("a@example.org")]})
    headers = {"authorization": "Bearer sandbox-us1"}
    for _ in range(9):
        api.box.in_flight += 1
    assert api.box.handle("GET", "/3.0/ping", "", headers)[0] == 200
    api.box.in_flight += 1
    status, told, content = api.box.handle("POST", LIST, "", headers, body)
    assert status == 429
    assert told["content-type"].startswith("application/problem+json")
    assert orjson.loads(content)["title"] == "Too Many Requests"
    api.box.in_flight = 0
    api.member("a@example.org", want=404)


def test_strict_over_http(api: Api) -> None:
    """The same through a server on this machine: a batch, a refusal, a page."""
    with serve([api.box]) as server, httpx.Client(base_url=server.origin("mailchimp"), auth=("x", api.key)) as client:
        done = client.post(LIST, json={"members": [person("a@example.org", merge_fields={"FNAME": "Ada"})]})
        assert (done.status_code, done.json()["total_created"]) == (200, 1)
        assert client.get(f"{LIST}/members/a%40example.org").json()["full_name"] == "Ada"
        refused = client.get("/3.0/lists/nowhere")
        assert (refused.status_code, refused.headers["content-type"].partition(";")[0]) == (
            404,
            "application/problem+json",
        )
        gone = client.delete(f"{LIST}/members/{md5('a@example.org')}")
        assert (gone.status_code, gone.content) == (204, b"")


def test_no_rate_headers_at_all(api: Api) -> None:
    """Mailchimp tells nothing about its limits."""
    _, headers, _ = api.raw("GET", LIST)
    assert not [name for name in headers if "rate" in name.lower() or name.lower() == "retry-after"]
