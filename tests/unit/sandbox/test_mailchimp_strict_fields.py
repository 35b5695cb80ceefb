"""Merge fields: what each type takes and refuses, and how they are made and listed."""

from __future__ import annotations

from typing import Any

import pytest

from revetl.sandbox.mailchimp import Mailchimp
from tests.unit.sandbox.mailchimp_caller import Api, only_error, person


@pytest.fixture
def api() -> Api:
    """Return a caller of a fresh account."""
    return Api(Mailchimp())


def test_unknown_merge_tag_is_ignored_silently(api: Api) -> None:
    """A tag that the list lacks is dropped without a word."""
    answered = api.batch(person("a@example.org", merge_fields={"NOPE": "x", "FNAME": "Ada"}))
    assert (answered["total_created"], answered["error_count"]) == (1, 0)
    assert "NOPE" not in api.member("a@example.org")["merge_fields"]


def test_required_merge_field_blocks_unless_skipped(api: Api) -> None:
    """A required field that is missing fails its row, unless ``skip_merge_validation=true``."""
    api.field("PLAN", "text", required=True)
    error = only_error(api.batch(person("a@example.org")))
    assert (error["field"], error["error_code"]) == ("PLAN", "ERROR_GENERIC")
    assert error["field_message"]
    assert api.batch(person("a@example.org"), query="?skip_merge_validation=true")["total_created"] == 1


GOOD_ADDRESS = {"addr1": "1 Main St", "city": "Ghent", "state": "EF", "zip": "9000", "country": "BE"}
KINDS: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    ("number", {}, [1, 1.5, -2, 0], ["twelve", "12"]),
    ("date", {}, ["2024-02-29", "1999-12-31"], ["2024-02-30", "soon", "2024-02-29T10:00:00Z", 20240229]),
    ("birthday", {}, ["02/29", "12/31"], ["13/01", "02/30", "1990-02-01", "2/x"]),
    ("text", {}, ["é" * 127, "true"], ["é" * 128, "x" * 256]),
    ("dropdown", {"options": {"choices": ["one", "two"]}}, ["one", "two"], ["three", "ONE "]),
    ("radio", {"options": {"choices": ["one", "two"]}}, ["one"], ["three"]),
    ("address", {}, [GOOD_ADDRESS], [{"addr1": "1 Main St"}, 5]),
    ("url", {}, ["https://example.org/x"], ["no url"]),
]
TAKEN = [(kind, more, value) for kind, more, good, _ in KINDS for value in good]
REFUSED = [(kind, more, value) for kind, more, _, bad in KINDS for value in bad]


@pytest.mark.parametrize(("kind", "more", "value"), TAKEN)
def test_value_of_its_type_is_taken_and_cleared(api: Api, kind: str, more: dict[str, Any], value: Any) -> None:
    """What the type accepts is kept; the empty string clears it, and an absent tag leaves it."""
    api.field("EXTRA", kind, **more)
    before = api.batch(person("a@example.org"))["new_members"][0]["merge_fields"]["EXTRA"]
    assert api.batch(person("a@example.org", merge_fields={"EXTRA": value}))["error_count"] == 0
    kept = api.member("a@example.org")["merge_fields"]["EXTRA"]
    assert kept not in (before, "")
    api.batch(person("a@example.org", merge_fields={"FNAME": "Ada"}))
    assert api.member("a@example.org")["merge_fields"]["EXTRA"] == kept
    assert api.batch(person("a@example.org", merge_fields={"EXTRA": ""}))["error_count"] == 0
    assert api.member("a@example.org")["merge_fields"]["EXTRA"] == before == ""


@pytest.mark.parametrize(("kind", "more", "value"), REFUSED)
def test_value_of_another_type_is_a_row_error(api: Api, kind: str, more: dict[str, Any], value: Any) -> None:
    """What the type refuses fails its row, by name of the field, and writes nothing of it."""
    api.field("EXTRA", kind, **more)
    error = only_error(api.batch(person("a@example.org", merge_fields={"EXTRA": value})))
    assert (error["field"], error["error_code"]) == ("EXTRA", "ERROR_GENERIC")
    assert error["field_message"]
    api.member("a@example.org", want=404)


def test_bad_value_harms_no_other_row_and_keeps_the_old_record(api: Api) -> None:
    """One refused row of three: two are written, and the third stays as it was."""
    api.field("AGE", "number")
    api.batch(person("b@example.org", merge_fields={"AGE": 1, "FNAME": "Bea"}))
    rows = [person(f"{name}@example.org", merge_fields={"AGE": age}) for name, age in (("a", 2), ("b", "x"), ("c", 3))]
    rows[1]["merge_fields"]["FNAME"] = "changed"
    answered = api.batch(*rows)
    assert [(e["email_address"], e["field"]) for e in answered["errors"]] == [("b@example.org", "AGE")]
    assert (answered["total_created"], answered["total_updated"]) == (2, 0)
    kept = api.member("b@example.org")["merge_fields"]
    assert (kept["AGE"], kept["FNAME"]) == (1, "Bea")


@pytest.mark.parametrize("value", [None, True, [1]])
@pytest.mark.parametrize("tag", ["FNAME", "NOPE"])
def test_value_of_no_type_refuses_the_call(api: Api, tag: str, value: Any) -> None:
    """Null, booleans and lists fit no schema of a merge field: 400, naming the field and writing nobody."""
    members = [person("a@example.org"), person("b@example.org", merge_fields={tag: value})]
    problem = api.call("POST", "", {"members": members, "update_existing": True}, want=400)
    assert problem["errors"][0]["field"].endswith(f"merge_fields.{tag}")
    api.member("a@example.org", want=404)


def test_merge_fields_are_listed_in_pages(api: Api) -> None:
    """FNAME and LNAME are there from the start; pages are ten long by default and 1,000 at most."""
    for number in range(10):
        api.field(f"F{number}", "text")
    first = api.call("GET", "/merge-fields")
    assert (len(first["merge_fields"]), first["total_items"]) == (10, 12)
    assert {"FNAME", "LNAME"} <= {field["tag"] for field in first["merge_fields"]}
    second = api.call("GET", "/merge-fields?count=1000&offset=10")
    assert len(second["merge_fields"]) == 2
    assert {"merge_id", "tag", "name", "type", "required", "options"} <= set(first["merge_fields"][0])
    ids = [field["merge_id"] for field in first["merge_fields"] + second["merge_fields"]]
    assert len(set(ids)) == 12


@pytest.mark.parametrize("page", ["count=1001", "count=-1", "count=x", "offset=-1"])
def test_page_out_of_bounds_is_400(api: Api, page: str) -> None:
    """1,000 a page is the most; a page is a whole number."""
    for path in ("/members", "/merge-fields", "/segments"):
        api.call("GET", f"{path}?{page}", want=400)


@pytest.mark.parametrize(
    "body",
    [
        {"tag": "TOOLONGATAG", "name": "x", "type": "text"},
        {"tag": "X", "name": "x", "type": "datetime"},
        {"tag": "X", "name": "x", "type": "boolean"},
        {"tag": "X", "name": "x"},
        {"tag": "X", "type": "text"},
        {"tag": "FNAME", "name": "again", "type": "text"},
        {"tag": "BAD-TAG", "name": "x", "type": "text"},
        {"tag": "lower", "name": "x", "type": "text"},
    ],
)
def test_merge_field_that_cannot_be_is_400(api: Api, body: Any) -> None:
    """A tag that is not upper case or longer than ten, a type that is none, no name, a tag that is taken."""
    api.call("POST", "/merge-fields", body, want=400)
    assert api.call("GET", "/merge-fields")["total_items"] == 2
