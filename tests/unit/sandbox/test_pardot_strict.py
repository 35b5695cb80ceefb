"""The stand-in of Account Engagement refuses what the service refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from revetl.sandbox import make

UNIT = "0Uv000000000001AAA"


class Client:
    """Calls a stand-in with a token of its org."""

    def __init__(self, **options: Any) -> None:
        """Make a business unit and get a token."""
        self.box = make("pardot", **options)
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        _, _, body = self.box.handle("POST", "/services/oauth2/token", "", headers, urlencode(form).encode())
        self.headers = {
            "authorization": f"Bearer {orjson.loads(body)['access_token']}",
            "pardot-business-unit-id": UNIT,
            "content-type": "application/json",
        }

    def __call__(self, method: str, path: str, body: Any = None, headers: Any = None, **query: str) -> tuple[int, Any]:
        """Return status and parsed body."""
        content = b"" if body is None else orjson.dumps(body)
        given = self.headers if headers is None else headers
        status, _, answer = self.box.handle(method, f"/api/v5{path}", urlencode(query), given, content)
        try:
            return status, orjson.loads(answer or b"null")
        except orjson.JSONDecodeError:
            return status, answer

    def upsert(self, email: str, **fields: Any) -> tuple[int, Any]:
        """Upsert one prospect."""
        told = {"matchEmail": email, "prospect": {"email": email, **fields}, "fields": ["id"]}
        return self("POST", "/objects/prospects/do/upsertLatestByEmail", told)


@pytest.fixture
def call() -> Client:
    """Return a client of a new business unit."""
    return Client()


def test_no_token_and_a_wrong_one(call: Client) -> None:
    """Without a token (49), or with one that is not valid (184), nothing is shown."""
    for authorization, code in (("", 49), ("Bearer nonsense", 184)):
        headers = {**call.headers, "authorization": authorization}
        status, body = call("GET", "/objects/lists", headers=headers, fields="id")
        assert (status, body["code"]) == (401, code)


def test_the_business_unit_must_be_named(call: Client) -> None:
    """A call without the header, or with another unit's id, opens nothing."""
    for unit in (None, "0Uv000000000009AAA"):
        headers = {name: text for name, text in call.headers.items() if name != "pardot-business-unit-id"}
        headers |= {} if unit is None else {"pardot-business-unit-id": unit}
        status, _ = call("GET", "/objects/lists", headers=headers, fields="id")
        assert status in (400, 401, 403)


def test_fields_must_be_asked_for(call: Client) -> None:
    """A read that asks for no field is refused, and so is a field that does not exist."""
    assert call("GET", "/objects/prospects")[0] == 400
    assert call("GET", "/objects/prospects", fields="id,nope")[0] == 400


@pytest.mark.parametrize(
    "fields", [{"nope": 1}, {"score": "many"}, {"isReviewed": "perhaps"}, {"createdAt": "2020-01-01T00:00:00+00:00"}]
)
def test_bad_fields_are_refused(call: Client, fields: dict[str, Any]) -> None:
    """Unknown and read-only fields and values of a wrong type refuse the prospect."""
    assert call.upsert("c1@example.org", **fields)[0] == 400


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.org"])
def test_bad_addresses_are_refused(call: Client, email: str) -> None:
    """An address must be one."""
    assert call.upsert(email)[0] == 400


def test_the_day_has_an_end() -> None:
    """Beyond the day's calls every answer is 122."""
    call = Client(daily=3)
    answers = [call("GET", "/objects/lists", fields="id")[1] for _ in range(5)]
    assert [body.get("code") for body in answers][-1] == 122


def test_a_double_is_refused(call: Client) -> None:
    """One address has one prospect, unless the account allows more; the recycle bin counts too."""
    assert call.upsert("c1@example.org")[0] == 200
    assert call("POST", "/objects/prospects", {"email": "c1@example.org"}, fields="id")[0] == 400


def test_an_import_begins_only_with_its_file(call: Client) -> None:
    """Made, it is open; told to begin without a file, it refuses; an unknown one is 404."""
    told = {
        "operation": "Upsert", "object": "Prospect", "restoreDeleted": False, "createOnNoMatch": True, "fields": [],
    }  # fmt: skip
    status, made = call("POST", "/imports", told, fields="id,status")
    assert (status, made["status"]) == (201, "Open")
    assert call("PATCH", f"/imports/{made['id']}", {"status": "Ready"}, fields="id")[0] == 400
    assert call("GET", "/imports/777", fields="id,status")[0] == 404


def test_a_dynamic_list_takes_nobody(call: Client) -> None:
    """Its members follow rules."""
    from revetl.sandbox.pardot import lists

    row = lists.add(call.box, "Rules", dynamic=True)
    _, prospect = call.upsert("c1@example.org")
    body = {"listId": row["id"], "prospectId": prospect["id"]}
    assert call("POST", "/objects/list-memberships", body, fields="id")[0] == 400
