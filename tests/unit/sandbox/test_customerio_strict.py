"""What Customer.io's descriptions demand of its stand-in: keys, refusals, errors by index, bounds, rates."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Clock

BASIC = f"Basic {base64.b64encode(b'sandbox:sandbox').decode()}"


def call(box: Sandbox, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
    """Return status and answer, with the key of the API that the path is of."""
    key = BASIC if path.startswith("/api/") else "Bearer sandbox"
    content = b"" if body is None else orjson.dumps(body)
    headers = {"Authorization": key, "Content-Type": "application/json"}
    status, _, answer = box.handle(method, path, query, headers, content)
    return status, orjson.loads(answer)


def one(identifiers: Any, action: str = "identify", **more: Any) -> dict[str, Any]:
    """Return an operation on a person."""
    return {"type": "person", "identifiers": identifiers, "action": action, **more}


def write(box: Sandbox, *rows: Any) -> tuple[int, Any]:
    """Send a batch."""
    return call(box, "POST", "/api/v2/batch", {"batch": list(rows)})


@pytest.fixture
def box() -> Sandbox:
    """Return a workspace whose rates stand in nobody's way."""
    return make("customerio", rates={"track": 10**6, "app": 10**6})


def test_each_api_takes_its_own_key(box: Sandbox) -> None:
    """The other's key opens nothing; unknown paths and methods are 404 and 405."""
    assert box.handle("GET", "/v1/segments", "", {"Authorization": BASIC})[0] == 401
    assert box.handle("GET", "/api/v1/accounts/region", "", {"Authorization": "Bearer sandbox"})[0] == 401
    assert call(box, "GET", "/v1/nothing")[0] == 404
    assert call(box, "DELETE", "/v1/segments")[0] == 405


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": "x"}, [], {"batch": [{"x": "y" * 500_000}]}])
def test_a_batch_that_is_none_or_too_large_is_refused_whole(box: Sandbox, body: Any) -> None:
    """400 with errors; 500 KB are the bound."""
    status, answer = call(box, "POST", "/api/v2/batch", body)
    assert status == 400
    assert answer["errors"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"type": "object"}, "type"), (one({}), "identifiers"), (one({"id": "1", "email": "a@b.co"}), "identifiers"),
        (one({"id": 7}), "identifiers"), (one({"id": "x" * 151}), "identifiers"), (one({"id": "1"}, "dance"), "action"),
        (one({"id": "1"}, attributes=[]), "attributes"), (one({"id": "1"}, attributes={"email": "no"}), "email"),
        (one({"id": "1"}, attributes={"a": "x" * 5_000}), "a"), (one({"id": "1"}, attributes={"a": "x" * 33_000}), ""),
        (one({"id": "1"}, attributes={"n" * 151: 1}), "n" * 150),
    ],
)  # fmt: skip
def test_bad_operations_are_named_and_the_others_done(box: Sandbox, row: Any, field: str) -> None:
    """207, by index; the neighbour is there."""
    status, answer = write(box, one({"id": "good"}), row)
    assert (status, [(e["batch_index"], e["field"]) for e in answer["errors"]]) == (207, [(1, field)])
    assert list(box.store["index"]["id"]) == ["good"]


def test_empty_texts_and_nulls_clear(box: Sandbox) -> None:
    """The attribute is gone; the id stays."""
    write(box, one({"id": "1"}, attributes={"a": 1, "b": 2}))
    assert write(box, one({"id": "1"}, attributes={"a": "", "b": None, "id": ""})) == (200, {})
    (person,) = box.store["people"].values()
    assert person["attributes"] == {"id": "1"}


def test_an_identifier_of_somebody_else_is_not_taken(box: Sandbox) -> None:
    """Nothing is merged; the stand-in flags it."""
    write(box, one({"id": "1"}, attributes={"email": "a@example.org"}), one({"id": "2"}))
    write(box, one({"id": "2"}, attributes={"email": "A@example.org"}))
    assert box.journal[-1]["flags"] == ["email is somebody else's: it was not changed"]


def test_ids_change_by_cio_id(box: Sandbox) -> None:
    """The old id names nobody any more; an unknown cio_id does nothing."""
    write(box, one({"id": "old"}))
    (number,) = box.store["people"]
    write(box, one({"cio_id": number}, attributes={"id": "new"}), one({"cio_id": "a3ffff"}, attributes={"id": "x"}))
    assert box.store["index"]["id"] == {"new": number}


def test_subscribing_again_is_flagged(box: Sandbox) -> None:
    """It is done, and nobody should."""
    write(box, one({"id": "1"}, attributes={"unsubscribed": True}))
    write(box, one({"id": "1"}, attributes={"unsubscribed": False}))
    assert box.journal[-1]["flags"] == ["somebody unsubscribed was subscribed again"]


def test_people_are_shown_as_texts_100_at_a_time(box: Sandbox) -> None:
    """Who is not there is left out; 101 are too many."""
    write(box, one({"id": "1"}, attributes={"n": 1.5, "on": True, "unsubscribed": True}))
    status, answer = call(box, "POST", "/v1/customers/attributes", {"ids": ["1", "2"]})
    (found,) = answer["customers"]
    assert (status, found["attributes"]["n"], found["attributes"]["on"], found["unsubscribed"]) == (
        200,
        "1.5",
        "true",
        True,
    )
    for wrong in ([], ["x"] * 101, [7]):
        assert call(box, "POST", "/v1/customers/attributes", {"ids": wrong})[0] == 400


def test_segments_take_1000_ids_and_only_manual_ones(box: Sandbox) -> None:
    """Unknown ids become people, which is flagged; a deleted person leaves."""
    made = call(box, "POST", "/v1/segments", {"segment": {"name": "VIP"}})[1]["segment"]
    path = f"/api/v1/segments/{made['id']}"
    assert call(box, "POST", f"{path}/add_customers", {"ids": ["1"]}) == (200, {})
    assert box.journal[-1]["flags"]
    assert call(box, "GET", f"/v1/segments/{made['id']}/membership")[1]["ids"] == ["1"]
    write(box, one({"id": "1"}, "delete"))
    assert call(box, "GET", f"/v1/segments/{made['id']}/membership")[1]["ids"] == []
    wishes: tuple[Any, ...] = ({"ids": []}, {"ids": ["x"] * 1_001}, {})
    for wrong in wishes:
        assert call(box, "POST", f"{path}/add_customers", wrong)[0] == 400
    assert call(box, "POST", "/api/v1/segments/99/add_customers", {"ids": ["1"]})[0] == 400
    driven = make("customerio", segments=[{"name": "Clever", "type": "dynamic"}])
    assert call(driven, "POST", "/api/v1/segments/1/remove_customers", {"ids": ["1"]})[0] == 400
    assert call(box, "POST", "/v1/segments", {"segment": {}})[0] == 400


def test_members_come_in_pages(box: Sandbox) -> None:
    """As many as the limit says, and where to go on."""
    call(box, "POST", "/v1/segments", {"segment": {"name": "VIP"}})
    call(box, "POST", "/api/v1/segments/1/add_customers", {"ids": ["1", "2", "3"]})
    first = call(box, "GET", "/v1/segments/1/membership", query="limit=2")[1]
    rest = call(box, "GET", "/v1/segments/1/membership", query=f"limit=2&start={first['next']}")[1]
    assert (first["ids"], rest["ids"], rest["next"]) == (["1", "2"], ["3"], "")
    assert call(box, "GET", "/v1/segments/1/membership", query="limit=30001")[0] == 400


def test_rates_are_ten_and_a_hundred_a_second() -> None:
    """The eleventh read of a second is 429; the next second is free."""
    clock = Clock()
    box = make("customerio", clock=clock)
    assert [call(box, "GET", "/v1/segments")[0] for _ in range(11)] == [200] * 10 + [429]
    assert call(box, "GET", "/api/v1/accounts/region")[0] == 200
    clock.at += 1.01
    assert call(box, "GET", "/v1/segments")[0] == 200
