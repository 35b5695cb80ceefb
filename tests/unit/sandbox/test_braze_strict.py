"""What Braze's documentation demands of its stand-in: refusals, minor errors by row, types for ever, rates."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Clock

HEADERS = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}


def call(box: Sandbox, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
    """Return status and answer."""
    content = b"" if body is None else orjson.dumps(body)
    status, _, answer = box.handle(method, path, query, HEADERS, content)
    return status, orjson.loads(answer)


def track(box: Sandbox, *rows: dict[str, Any]) -> tuple[int, Any]:
    """Write attributes."""
    return call(box, "POST", "/users/track", {"attributes": list(rows)})


def custom(box: Sandbox, name: str = "u1") -> dict[str, Any]:
    """Return a user's custom attributes."""
    return dict(box.store["users"][box.store["ids"][name]]["custom"])


@pytest.fixture
def box() -> Sandbox:
    """Return an empty workspace."""
    return make("braze")


def test_a_wrong_key_and_a_wrong_path_open_nothing(box: Sandbox) -> None:
    """401, 404."""
    assert box.handle("POST", "/users/track", "", {"Authorization": "Bearer other"}, b"{}")[0] == 401
    assert call(box, "POST", "/users/trace", {})[0] == 404


@pytest.mark.parametrize("body", [{}, [], {"attributes": []}, {"attributes": [1]}, {"events": []}])
def test_a_write_needs_rows(box: Sandbox, body: Any) -> None:
    """400, and nothing is made."""
    assert call(box, "POST", "/users/track", body)[0] == 400
    assert box.handle("POST", "/users/track", "", HEADERS, b"{")[0] == 400


def test_75_users_go_into_one_call(box: Sandbox) -> None:
    """76 are too many, and 50 are the most for accounts of the newer plan."""
    rows = [{"external_id": f"u{n}"} for n in range(76)]
    assert track(box, *rows) == (400, {"message": "Max Input Length Exceeded"})
    assert track(box, *rows[:75])[1]["attributes_processed"] == 75
    assert track(make("braze", most=50), *rows[:51])[0] == 400


def test_bad_rows_are_named_and_the_others_taken() -> None:
    """A bad address, a name with $, a blocked id, no id at all: by index, with 201."""
    box = make("braze", blocked=["dummy"])
    rows: list[dict[str, Any]] = [
        {"external_id": "u1", "email": "no"}, {"external_id": "u2", "$a": 1}, {"external_id": "dummy"}, {"a": 1},
        {"external_id": "u5", "a": 1},
    ]  # fmt: skip
    status, answer = track(box, *rows)
    assert (status, answer["attributes_processed"]) == (201, 1)
    assert [(one["input_array"], one["index"]) for one in answer["errors"]] == [("attributes", n) for n in range(4)]
    assert list(box.store["ids"]) == ["u5"]


def test_update_only_makes_nobody_and_says_nothing(box: Sandbox) -> None:
    """The row counts as processed."""
    assert track(box, {"external_id": "u1", "_update_existing_only": True})[1]["attributes_processed"] == 1
    assert box.store["users"] == {}


def test_the_first_value_fixes_the_type(box: Sandbox) -> None:
    """A value of another type is dropped without a word, which the stand-in flags; null clears."""
    track(box, {"external_id": "u1", "spent": 12, "seen": "2024-02-29", "city": "Brno"})
    track(box, {"external_id": "u1", "spent": "a lot", "seen": "never", "city": 7})
    assert custom(box) == {"spent": 12, "seen": "2024-02-29T00:00:00.000Z", "city": "Brno"}
    assert len(box.journal[-1]["flags"]) == 3
    track(box, {"external_id": "u1", "spent": None})
    assert "spent" not in custom(box)


def test_what_is_too_long_is_cut_and_flagged(box: Sandbox) -> None:
    """255 characters of a text."""
    track(box, {"external_id": "u1", "text": "x" * 300})
    assert len(custom(box)["text"]) == 255
    assert box.journal[-1]["flags"]


def test_arrays_are_sets_that_can_be_added_to(box: Sandbox) -> None:
    """Repeats go; add appends, remove takes out."""
    track(box, {"external_id": "u1", "list": ["a", "b", "a"]})
    track(box, {"external_id": "u1", "list": {"add": ["c"], "remove": ["a"]}})
    assert custom(box)["list"] == ["b", "c"]


def test_a_null_inside_voids_the_whole_object(box: Sandbox) -> None:
    """What stood there stays."""
    track(box, {"external_id": "u1", "object": {"a": 1}})
    track(box, {"external_id": "u1", "object": {"a": 2, "b": None}})
    assert custom(box)["object"] == {"a": 1}
    assert box.journal[-1]["flags"]


def test_standard_fields_take_what_fits(box: Sandbox) -> None:
    """A country is two letters; who unsubscribed and is subscribed again is flagged."""
    track(box, {"external_id": "u1", "country": "Czechia", "email_subscribe": "unsubscribed"})
    track(box, {"external_id": "u1", "email_subscribe": "subscribed"})
    assert box.journal[-1]["flags"] == ["somebody unsubscribed was subscribed again"]
    (one,) = box.store["users"].values()
    assert "country" not in one["fields"]


def test_an_export_names_its_fields_and_those_who_are_not_there(box: Sandbox) -> None:
    """As little as can be is shown; 51 ids are too many, no fields are refused."""
    track(box, {"external_id": "u1", "a": 1, "first_name": "Ada"})
    body = {"external_ids": ["u1", "u2"], "fields_to_export": ["external_id", "custom_attributes", "email"]}
    assert call(box, "POST", "/users/export/ids", body) == (
        201,
        {
            "message": "success",
            "users": [{"external_id": "u1", "custom_attributes": {"a": 1}}],
            "invalid_user_ids": ["u2"],
        },
    )
    for wrong in (
        {"external_ids": ["u1"]},
        {**body, "fields_to_export": ["shoe_size"]},
        {**body, "external_ids": [f"u{n}" for n in range(51)]},
        {**body, "external_ids": [7]},
    ):
        assert call(box, "POST", "/users/export/ids", wrong)[0] == 400


def test_a_renamed_id_is_good_until_it_is_removed(box: Sandbox) -> None:
    """Rename errors and removal errors name their index; only old ids can be removed."""
    track(box, {"external_id": "old"}, {"external_id": "other"})
    wishes = [("old", "new"), ("nobody", "x"), ("other", "new")]
    body = [{"current_external_id": a, "new_external_id": b} for a, b in wishes]
    answer = call(box, "POST", "/users/external_ids/rename", {"external_id_renames": body})[1]
    assert (answer["external_ids"], [one[0] for one in answer["rename_errors"]]) == (["new"], [1, 2])
    assert box.store["ids"]["old"] == box.store["ids"]["new"]
    answer = call(box, "POST", "/users/external_ids/remove", {"external_ids": ["old", "other"]})[1]
    assert (answer["removed_ids"], [one[0] for one in answer["removal_errors"]]) == (["old"], [1])
    assert call(box, "POST", "/users/external_ids/rename", {"external_id_renames": []})[0] == 400


def test_a_deletion_takes_one_kind_of_id(box: Sandbox) -> None:
    """Deleting by an old id deletes the user; two kinds at once are refused."""
    track(box, {"external_id": "u1"})
    assert call(box, "POST", "/users/delete", {"external_ids": ["u1"], "braze_ids": ["x"]})[0] == 400
    assert call(box, "POST", "/users/delete", {"external_ids": ["u1"]}) == (201, {"message": "success", "deleted": 1})
    assert (box.store["users"], box.store["ids"]) == ({}, {})


def test_attributes_come_in_fifties() -> None:
    """By name, with a link to the next page."""
    box = make("braze", attributes={f"a{n:03}": "String" for n in range(60)})
    status, headers, answer = box.handle("GET", "/custom_attributes", "", HEADERS)
    assert (status, len(orjson.loads(answer)["attributes"])) == (200, 50)
    cursor = headers["link"].partition("cursor=")[2].partition(">")[0]
    rest = call(box, "GET", "/custom_attributes", query=f"cursor={cursor}")[1]["attributes"]
    assert [one["name"] for one in rest][-1] == "a059"
    assert call(box, "GET", "/custom_attributes", query="cursor=x")[0] == 400


def test_rates_are_counted_and_told() -> None:
    """One call too many is 429, and the window slides."""
    clock = Clock()
    box = make("braze", clock=clock, rates={"track": (2, 3.0)})
    row = orjson.dumps({"attributes": [{"external_id": "u1"}]})
    answers = [box.handle("POST", "/users/track", "", HEADERS, row) for _ in range(3)]
    assert [(status, headers["x-ratelimit-remaining"]) for status, headers, _ in answers] == [
        (201, "1"),
        (201, "0"),
        (429, "0"),
    ]
    clock.at += 3.1
    assert box.handle("POST", "/users/track", "", HEADERS, row)[0] == 201


def test_maintenance_queues_writes() -> None:
    """202, and nothing shows."""
    box = make("braze", maintenance=True)
    assert track(box, {"external_id": "u1"}) == (202, {"message": "queued"})
    assert box.store["users"] == {}
