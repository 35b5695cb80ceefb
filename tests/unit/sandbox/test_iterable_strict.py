"""What Iterable's description demands of its stand-in: refusals, failures by row, types for ever, rates."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Clock

HEADERS = {"Api-Key": "sandbox", "Content-Type": "application/json"}
BULK = "/api/users/bulkUpdate"
ADA = "ada@example.org"


def call(box: Sandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and answer."""
    content = b"" if body is None else orjson.dumps(body)
    status, _, answer = box.handle(method, path, "", HEADERS, content)
    return status, orjson.loads(answer)


def write(box: Sandbox, *users: dict[str, Any], **more: Any) -> tuple[int, Any]:
    """Update in bulk."""
    return call(box, "POST", BULK, {"users": list(users), **more})


def user(email: str = ADA, **fields: Any) -> dict[str, Any]:
    """Return one row."""
    return {"email": email, "dataFields": fields}


@pytest.fixture
def box() -> Sandbox:
    """Return an email-based project whose rates stand in nobody's way."""
    return make("iterable", rates=dict.fromkeys(("bulk", "lists", "fields", "users"), 10**6))


def test_a_wrong_key_opens_nothing(box: Sandbox) -> None:
    """401 BadApiKey."""
    status, _, answer = box.handle("GET", "/api/lists", "", {"Api-Key": "other"})
    assert (status, orjson.loads(answer)["code"]) == (401, "BadApiKey")


def test_the_first_value_fixes_a_type_for_ever(box: Sandbox) -> None:
    """A decimal after an integer refuses the whole request, names the field, and writes nobody."""
    assert write(box, user(ltv=12))[1]["createdFields"] == ["ltv"]
    status, answer = write(box, user("bob@example.org"), user(ltv=12.5))
    assert (status, answer["code"]) == (400, "RequestFieldsTypesMismatched")
    wrong = answer["params"]["validationErrors"]["ltv"]
    assert (wrong["expectedType"], wrong["offendingValue"]) == ("long", 12.5)
    assert call(box, "GET", "/api/users/bob@example.org") == (200, {})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2024-02-29 10:00:00 +00:00", "date"), ("2024-02-29T10:00:00Z", "date"), ("2024-02-29", "string"),
        ("2024-02-30 10:00:00 +00:00", "string"), (True, "boolean"), (1, "long"), (1.5, "double"),
        ({"a": 1}, "object"), ([1], "array"), ("x", "string"),
    ],
)  # fmt: skip
def test_types_follow_the_value(box: Sandbox, value: Any, kind: str) -> None:
    """As getFields shows them; a bare day is text."""
    write(box, user(seen=value))
    assert call(box, "GET", "/api/users/getFields")[1]["fields"]["seen"] == kind


def test_fields_are_dropped_where_none_may_be_made(box: Sandbox) -> None:
    """createNewFields false: the row counts as a success and the field is filtered out."""
    status, answer = write(box, user(brand_new=1), createNewFields=False)
    assert (status, answer["successCount"], answer["filteredOutFields"]) == (200, 1, ["brand_new"])
    assert "brand_new" not in call(box, "GET", f"/api/users/{ADA}")[1]["user"]["dataFields"]


def test_null_clears_and_what_is_left_out_stays(box: Sandbox) -> None:
    """Top-level fields that a row omits are not touched."""
    write(box, user(city="Brno", tier="gold"))
    write(box, user(city=None))
    held = call(box, "GET", f"/api/users/{ADA}")[1]["user"]["dataFields"]
    assert "city" not in held
    assert held["tier"] == "gold"


def test_failures_are_named_by_kind(box: Sandbox) -> None:
    """Malformed, erased, and in conflict: counted, named, and nobody else is hurt."""
    write(box, {**user("eve@example.org"), "dataFields": {"userId": "u-1"}})
    call(box, "POST", "/api/users/forget", {"email": "gone@example.org"})
    rows = [user("nonsense"), user("gone@example.org"), user("bob@example.org", userId="u-1"), user()]
    status, answer = write(box, *rows)
    failed = {name: named for name, named in answer["failedUpdates"].items() if named}
    assert (status, answer["successCount"], answer["failCount"]) == (200, 1, 3)
    assert failed == {
        "invalidEmails": ["nonsense"],
        "forgottenEmails": ["gone@example.org"],
        "conflictUserIds": ["u-1"],
    }


def test_batches_are_bounded(box: Sandbox) -> None:
    """1,000 users, 4 MB."""
    rows = [user(f"c{n}@example.org") for n in range(1_001)]
    assert write(box, *rows)[1]["code"] == "BatchTooLarge"
    assert write(box, *rows[:1_000])[1]["successCount"] == 1_000
    assert write(box, user(note="x" * 4_000_000))[0] == 413


def test_bulk_calls_are_five_a_second() -> None:
    """The sixth is refused without headers; a second later there is room again."""
    clock = Clock()
    box = make("iterable", clock=clock, now=clock)
    assert [write(box, user())[0] for _ in range(6)] == [200] * 5 + [429]
    clock.at += 1.0
    assert write(box, user())[0] == 200


def test_a_row_needs_an_identity(box: Sandbox) -> None:
    """Neither email nor userId: BadParams for all."""
    assert write(box, user("bob@example.org"), {"dataFields": {}})[1]["code"] == "BadParams"
    assert call(box, "GET", "/api/users/bob@example.org") == (200, {})


@pytest.mark.parametrize(("project", "made"), [("email", True), ("hybrid", False)])
def test_lists_make_users_in_email_based_projects(project: str, made: bool) -> None:
    """updateExistingUsersOnly is heard in userID-based and hybrid projects only."""
    box = make("iterable", project=project)
    number = call(box, "POST", "/api/lists", {"name": "VIP"})[1]["listId"]
    body = {"listId": number, "subscribers": [{"email": ADA}], "updateExistingUsersOnly": True}
    status, answer = call(box, "POST", "/api/lists/subscribe", body)
    assert (status, answer["failedUpdates"]["notFoundEmails"]) == (200, [] if made else [ADA])
    assert bool(call(box, "GET", f"/api/users/{ADA}")[1]) is made


def test_only_static_lists_take_members() -> None:
    """A dynamic list follows its query."""
    box = make("iterable", lists=[{"id": 3, "name": "VIP", "listType": "Dynamic"}])
    body = {"listId": 3, "subscribers": [{"email": ADA}], "updateExistingUsersOnly": True}
    assert call(box, "POST", "/api/lists/subscribe", body)[1]["code"] == "BadParams"


def test_a_global_opt_out_is_marked(box: Sandbox) -> None:
    """channelUnsubscribe is obeyed, and the journal says that no caller should."""
    write(box, user())
    number = call(box, "POST", "/api/lists", {"name": "VIP"})[1]["listId"]
    body = {"listId": number, "subscribers": [{"email": ADA}], "channelUnsubscribe": True}
    assert call(box, "POST", "/api/lists/unsubscribe", body)[0] == 200
    assert box.journal[-1]["flags"] == ["channelUnsubscribe: a global opt-out"]
    assert call(box, "GET", f"/api/users/{ADA}")[1]["user"]["dataFields"]["unsubscribedChannelIds"] == [1]


@pytest.mark.parametrize(
    ("new", "status", "code"),
    [
        ("n@example.org", 200, "Success"), ("bob@example.org", 409, "EmailAlreadyExists"),
        ("gone@example.org", 409, "ForgottenUserError"), ("nonsense", 400, "InvalidEmailAddressError"),
    ],
)  # fmt: skip
def test_a_new_address_must_be_free(box: Sandbox, new: str, status: int, code: str) -> None:
    """Taken, erased and malformed ones are refused; fields move along."""
    write(box, user(city="Brno"), user("bob@example.org"))
    call(box, "POST", "/api/users/forget", {"email": "gone@example.org"})
    found, answer = call(box, "POST", "/api/users/updateEmail", {"currentEmail": ADA, "newEmail": new})
    assert (found, answer["code"]) == (status, code)
    if code == "Success":
        assert call(box, "GET", f"/api/users/{ADA}") == (200, {})
        assert call(box, "GET", f"/api/users/{new}")[1]["user"]["dataFields"]["city"] == "Brno"


def test_a_store_survives_its_dump(box: Sandbox) -> None:
    """Another process finds users, types and lists."""
    write(box, user(ltv=12))
    other = make("iterable")
    other.load(box.dump())
    assert call(other, "GET", f"/api/users/{ADA}") == call(box, "GET", f"/api/users/{ADA}")
    assert write(other, user(ltv=1.5))[0] == 400
