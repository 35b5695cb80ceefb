"""Tags and static segments are one thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from revetl.sandbox.mailchimp import Mailchimp
from tests.unit.sandbox.mailchimp_caller import Api, md5, person


@pytest.fixture
def api() -> Api:
    """Return a caller of a fresh account."""
    return Api(Mailchimp())


def test_tag_creates_a_static_segment(api: Api) -> None:
    """An active tag that is unknown becomes one; 204; told as tag and as segment; inactive takes it away."""
    api.batch(person("a@example.org"))
    where = f"/members/{md5('a@example.org')}/tags"
    assert api.call("POST", where, {"tags": [{"name": "High Value", "status": "active"}]}, want=204) is None
    assert api.tags("a@example.org") == {"High Value"}
    (segment,) = api.call("GET", "/segments?type=static")["segments"]
    assert (segment["name"], segment["type"], segment["member_count"]) == ("High Value", "static", 1)
    found = api.call("GET", "/tag-search?name=High%20Val")
    assert [(tag["id"], tag["name"]) for tag in found["tags"]] == [(segment["id"], "High Value")]
    api.call("POST", where, {"tags": [{"name": "High Value", "status": "inactive"}]}, want=204)
    assert api.tags("a@example.org") == set()
    assert api.call("GET", f"/segments/{segment['id']}/members")["members"] == []


def test_inactive_unknown_tag_creates_nothing(api: Api) -> None:
    """Only an active tag makes one."""
    api.batch(person("a@example.org"))
    body = {"tags": [{"name": "never", "status": "inactive"}]}
    api.call("POST", f"/members/{md5('a@example.org')}/tags", body, want=204)
    assert api.call("GET", "/segments")["total_items"] == 0


def test_tag_names_are_compared_without_case(api: Api) -> None:
    """One tag, however it is spelled."""
    api.batch(person("a@example.org", tags=["vip"]), person("b@example.org", tags=["VIP"]))
    assert api.call("GET", "/segments")["total_items"] == 1


def test_tags_of_a_stranger_are_404(api: Api) -> None:
    """There is nobody to tag."""
    where = f"/members/{md5('nobody@example.org')}/tags"
    api.call("POST", where, {"tags": [{"name": "vip", "status": "active"}]}, want=404)
    api.call("GET", where, want=404)
    assert api.call("GET", "/segments")["total_items"] == 0


@pytest.mark.parametrize("tags", [None, "vip", [{"name": "vip"}], [{"name": "vip", "status": "on"}], ["vip"]])
def test_tags_of_another_shape_are_400(api: Api, tags: Any) -> None:
    """Both name and status are required, and the status is one of two."""
    api.batch(person("a@example.org"))
    api.call("POST", f"/members/{md5('a@example.org')}/tags", {"tags": tags}, want=400)


def test_batch_adds_tags_and_sync_tags_replaces_them(api: Api) -> None:
    """``tags`` adds; with ``sync_tags`` it is the whole set."""
    api.batch(person("a@example.org", tags=["one"]))
    api.batch(person("a@example.org", tags=["two"]))
    assert api.tags("a@example.org") == {"one", "two"}
    api.batch(person("a@example.org", tags=["three"]), sync_tags=True)
    assert api.tags("a@example.org") == {"three"}


def make_segment(api: Api, name: str, addresses: Iterable[str] = ()) -> int:
    """Create a static segment and return its id."""
    made = api.call("POST", "/segments", {"name": name, "static_segment": list(addresses)})
    assert (made["name"], made["type"]) == (name, "static")
    return int(made["id"])


def test_segment_takes_and_lets_go_by_address(api: Api) -> None:
    """Those in the audience are added and removed and named; strangers among them are ignored without a word."""
    api.batch(person("a@example.org"), person("b@example.org"))
    segment = make_segment(api, "vip", ["a@example.org", "nobody@example.org"])
    assert api.tags("a@example.org") == {"vip"}
    body = {"members_to_add": ["B@example.org", "nobody@example.org"], "members_to_remove": ["a@example.org"]}
    answered = api.call("POST", f"/segments/{segment}", body)
    assert [m["email_address"] for m in answered["members_added"]] == ["b@example.org"]
    assert [m["email_address"] for m in answered["members_removed"]] == ["a@example.org"]
    assert (answered["total_added"], answered["total_removed"]) == (1, 1)
    assert (answered["errors"], answered["error_count"]) == ([], 0)
    assert (api.tags("a@example.org"), api.tags("b@example.org")) == (set(), {"vip"})
    members = api.call("GET", f"/segments/{segment}/members")
    assert ([m["email_address"] for m in members["members"]], members["total_items"]) == (["b@example.org"], 1)


@pytest.mark.parametrize("side", ["members_to_add", "members_to_remove"])
@pytest.mark.parametrize("told", [True, False])
def test_segment_change_that_is_there_already_changes_nothing(side: str, told: bool) -> None:
    """Whoever is in (or out) already is told once among the errors, or not at all; the others are changed."""
    api = Api(Mailchimp(segment_errors=told))
    api.batch(person("a@example.org"), person("b@example.org"))
    segment = make_segment(api, "vip", ["a@example.org" if side == "members_to_add" else "b@example.org"])
    answered = api.call("POST", f"/segments/{segment}", {side: ["a@example.org", "b@example.org", "a@example.org"]})
    changed = answered["members_added"] + answered["members_removed"]
    assert [one["email_address"] for one in changed] == ["b@example.org"]
    assert answered["total_added"] + answered["total_removed"] == 1
    assert [error["email_addresses"] for error in answered["errors"]] == ([["a@example.org"]] if told else [])
    assert answered["error_count"] == len(answered["errors"])


@pytest.mark.parametrize("side", ["members_to_add", "members_to_remove"])
def test_segment_change_of_strangers_alone_does_nothing(api: Api, side: str) -> None:
    """Strangers are ignored: nobody is changed, and nobody is told."""
    segment = make_segment(api, "vip")
    answered = api.call("POST", f"/segments/{segment}", {side: ["x@example.org"]})
    assert (answered["total_added"], answered["total_removed"], answered["error_count"]) == (0, 0, 0)
    assert answered["members_added"] == answered["members_removed"] == answered["errors"] == []


@pytest.mark.parametrize("side", ["members_to_add", "members_to_remove"])
def test_segment_change_of_strangers_alone_may_be_refused(side: str) -> None:
    """With ``segment_errors`` a list that knows nobody is a 400, and the call's other list is not done either."""
    api = Api(Mailchimp(segment_errors=True))
    api.batch(person("a@example.org"))
    segment = make_segment(api, "vip", ["a@example.org"])
    other = "members_to_remove" if side == "members_to_add" else "members_to_add"
    problem = api.call("POST", f"/segments/{segment}", {side: ["x@example.org"], other: ["a@example.org"]}, want=400)
    assert [error["field"] for error in problem["errors"]] == [side]
    assert api.tags("a@example.org") == {"vip"}


@pytest.mark.parametrize("side", ["members_to_add", "members_to_remove"])
def test_segment_change_of_501_is_refused(api: Api, side: str) -> None:
    """500 of each a call."""
    api.batch(person("p0@example.org"))
    segment = make_segment(api, "vip")
    addresses = [f"p{number}@example.org" for number in range(501)]
    api.call("POST", f"/segments/{segment}", {side: addresses}, want=400)
    api.call("POST", f"/segments/{segment}", {side: addresses[:500]})


def test_segment_is_renamed_and_its_tag_with_it(api: Api) -> None:
    """PATCH with a name alone keeps the members."""
    api.batch(person("a@example.org"))
    segment = make_segment(api, "vip", ["a@example.org"])
    renamed = api.call("PATCH", f"/segments/{segment}", {"name": "Very Important"})
    assert (renamed["id"], renamed["name"], renamed["member_count"]) == (segment, "Very Important", 1)
    assert api.tags("a@example.org") == {"Very Important"}


def test_segment_names_are_unique(api: Api) -> None:
    """A second segment of one name is refused, by creation and by renaming."""
    make_segment(api, "vip")
    other = make_segment(api, "other")
    api.call("POST", "/segments", {"name": "vip", "static_segment": []}, want=400)
    api.call("PATCH", f"/segments/{other}", {"name": "vip"}, want=400)


def test_unknown_segment_is_404(api: Api) -> None:
    """Whatever is asked of it."""
    api.call("POST", "/segments/99", {"members_to_add": []}, want=404)
    api.call("PATCH", "/segments/99", {"name": "x"}, want=404)
    api.call("GET", "/segments/99/members", want=404)
    api.call("GET", "/segments/x/members", want=404)


def test_archived_member_is_not_in_the_segment(api: Api) -> None:
    """A segment shows active people; the archived are none."""
    api.batch(person("a@example.org"), person("b@example.org"))
    segment = make_segment(api, "vip", ["a@example.org", "b@example.org"])
    api.call("DELETE", f"/members/{md5('a@example.org')}", want=204)
    members = api.call("GET", f"/segments/{segment}/members")["members"]
    assert [member["email_address"] for member in members] == ["b@example.org"]
