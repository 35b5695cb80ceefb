"""Consent, single contacts and reading many: no opt-out is overwritten, no two people become one."""

from __future__ import annotations

import orjson
import pytest

from revetl.sandbox.mailchimp import Mailchimp
from tests.unit.sandbox.mailchimp_caller import Api, md5, only_error, person


@pytest.fixture
def api() -> Api:
    """Return a caller of a fresh account."""
    return Api(Mailchimp())


@pytest.mark.parametrize("state", ["unsubscribed", "cleaned"])
def test_compliance_state_cannot_be_subscribed_again(api: Api, state: str) -> None:
    """Who left or bounced stays so: a row error in a batch, 400 alone; the rest of the record can still change."""
    api.batch(person("a@example.org", state))
    error = only_error(api.batch(person("a@example.org", "subscribed", merge_fields={"FNAME": "Ada"})))
    assert "compliance state" in error["error"].lower()
    for method in ("PUT", "PATCH"):
        problem = api.call(method, f"/members/{md5('a@example.org')}", person("a@example.org"), want=400)
        assert problem["title"] == "Member In Compliance State"
    found = api.member("a@example.org")
    assert (found["status"], found["merge_fields"]["FNAME"]) == (state, "")
    assert api.batch(person("a@example.org", None, merge_fields={"FNAME": "Ada"}))["total_updated"] == 1


def test_status_if_new_does_not_touch_someone_known(api: Api) -> None:
    """PUT with ``status_if_new`` alone changes fields and leaves an opt-out alone."""
    api.batch(person("a@example.org", "unsubscribed"))
    body = {"email_address": "a@example.org", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    assert api.call("PUT", f"/members/{md5('a@example.org')}", body)["status"] == "unsubscribed"


def test_pending_is_allowed_after_an_opt_out(api: Api) -> None:
    """Only a confirmation mail brings an opt-out back."""
    api.batch(person("a@example.org", "unsubscribed"))
    assert api.batch(person("a@example.org", "pending"))["total_updated"] == 1
    assert api.member("a@example.org")["status"] == "pending"


def test_archived_people_come_back_subscribed(api: Api) -> None:
    """DELETE archives (204) and once more is 405; the batch call may bring the person back with what was known."""
    api.batch(person("a@example.org", merge_fields={"FNAME": "Ada"}))
    where = f"/members/{md5('a@example.org')}"
    assert api.call("DELETE", where, want=204) is None
    api.call("DELETE", where, want=405)
    assert api.member("a@example.org")["status"] == "archived"
    answered = api.batch(person("a@example.org"))
    assert (answered["total_created"] + answered["total_updated"], answered["error_count"]) == (1, 0)
    found = api.member("a@example.org")
    assert (found["status"], found["merge_fields"]["FNAME"]) == ("subscribed", "Ada")


def test_archiving_a_stranger_is_404(api: Api) -> None:
    """There is nobody to archive."""
    api.call("DELETE", f"/members/{md5('nobody@example.org')}", want=404)


def test_deleted_for_good_cannot_be_imported_again(api: Api) -> None:
    """``delete-permanent`` (204) erases; no later write by batch or PUT brings the address back."""
    api.batch(person("a@example.org"))
    where = f"/members/{md5('a@example.org')}"
    assert api.call("POST", where + "/actions/delete-permanent", want=204) is None
    api.member("a@example.org", want=404)
    api.call("POST", where + "/actions/delete-permanent", want=404)
    assert "permanently deleted" in only_error(api.batch(person("a@example.org")))["error"]
    api.call("PUT", where, {"email_address": "a@example.org", "status_if_new": "subscribed"}, want=400)
    api.member("a@example.org", want=404)
    assert b"a@example.org" not in orjson.dumps(api.box.dump())


@pytest.mark.parametrize("key", [md5("a@example.org"), "a@example.org", "A%40EXAMPLE.org", "contact_id"])
def test_person_is_found_by_hash_address_and_contact_id(api: Api, key: str) -> None:
    """The path takes all three."""
    made = api.batch(person("a@example.org"))["new_members"][0]
    known = api.member("a@example.org")["contact_id"] if key == "contact_id" else key
    assert api.call("GET", f"/members/{known}")["id"] == made["id"]


def test_put_creates_and_updates(api: Api) -> None:
    """PUT is an upsert: created with ``status_if_new``, updated with nothing but what is sent."""
    where = f"/members/{md5('a@example.org')}"
    body = {"email_address": "a@example.org", "status_if_new": "pending", "merge_fields": {"FNAME": "Ada"}}
    assert api.call("PUT", where, body)["status"] == "pending"
    body = {"email_address": "a@example.org", "status_if_new": "subscribed", "merge_fields": {"LNAME": "L"}}
    updated = api.call("PUT", where, body)
    assert (updated["status"], updated["merge_fields"]["FNAME"]) == ("pending", "Ada")
    assert api.call("GET", "/members")["total_items"] == 1


def test_put_of_a_stranger_needs_a_status(api: Api) -> None:
    """Someone new has neither ``status_if_new`` nor ``status``: 400."""
    api.call("PUT", f"/members/{md5('a@example.org')}", {"email_address": "a@example.org"}, want=400)


def test_put_tells_wrong_fields(api: Api) -> None:
    """A wrong merge value is a 400 that names the field."""
    api.field("AGE", "number")
    body = {"email_address": "a@example.org", "status_if_new": "subscribed", "merge_fields": {"AGE": "x"}}
    problem = api.call("PUT", f"/members/{md5('a@example.org')}", body, want=400)
    assert [error["field"] for error in problem["errors"]] == ["AGE"]
    assert problem["errors"][0]["message"]


def test_patch_of_a_stranger_is_404(api: Api) -> None:
    """PATCH never creates."""
    api.call("PATCH", f"/members/{md5('a@example.org')}", {"merge_fields": {"FNAME": "Ada"}}, want=404)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_rename_keeps_the_person(api: Api, method: str) -> None:
    """A new address moves the record with its tags: a new hash, the same contact_id, and nobody at the old one."""
    api.batch(person("old@example.org", tags=["vip"]))
    contact = api.member("old@example.org")["contact_id"]
    renamed = api.call(method, f"/members/{md5('old@example.org')}", {"email_address": "new@example.org"})
    assert (renamed["id"], renamed["contact_id"]) == (md5("new@example.org"), contact)
    api.member("old@example.org", want=404)
    assert api.tags("new@example.org") == {"vip"}
    (segment,) = api.call("GET", "/segments")["segments"]
    members = api.call("GET", f"/segments/{segment['id']}/members")["members"]
    assert [member["email_address"] for member in members] == ["new@example.org"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_rename_to_someone_elses_address_is_member_exists(api: Api, method: str) -> None:
    """Two people never become one by a new address."""
    api.batch(person("a@example.org"), person("b@example.org"))
    body = {"email_address": "B@example.org", "merge_fields": {"FNAME": "x"}}
    problem = api.call(method, f"/members/{md5('a@example.org')}", body, want=400)
    assert problem["title"] == "Member Exists"
    assert api.member("a@example.org")["merge_fields"]["FNAME"] == ""


def test_rename_to_a_fake_address_is_refused(api: Api) -> None:
    """A new address is checked as any other."""
    api.batch(person("a@example.org"))
    api.call("PATCH", f"/members/{md5('a@example.org')}", {"email_address": "a@example.com"}, want=400)
    assert api.member("a@example.org")["email_address"] == "a@example.org"


def test_members_are_paged_and_filtered(api: Api) -> None:
    """Ten a page unless asked; ``status`` filters, archived people too; ``total_items`` counts what matches."""
    api.batch(*(person(f"p{number}@example.org") for number in range(12)), person("gone@example.org", "unsubscribed"))
    api.call("DELETE", f"/members/{md5('p0@example.org')}", want=204)
    page = api.call("GET", "/members?status=subscribed")
    assert (len(page["members"]), page["total_items"]) == (10, 11)
    rest = api.call("GET", "/members?status=subscribed&count=1000&offset=10")
    assert len(rest["members"]) == 1
    assert len({member["id"] for member in page["members"] + rest["members"]}) == 11
    for status, address in (("unsubscribed", "gone@example.org"), ("archived", "p0@example.org")):
        assert [m["email_address"] for m in api.call("GET", f"/members?status={status}")["members"]] == [address]
    api.call("GET", "/members?status=nonsense", want=400)


def test_fields_and_exclude_fields_narrow_the_answer(api: Api) -> None:
    """Dotted names choose or drop parts of each member."""
    api.batch(person("a@example.org", merge_fields={"FNAME": "Ada"}))
    narrow = api.call("GET", "/members?fields=members.email_address,members.merge_fields.FNAME,total_items")
    assert narrow == {
        "members": [{"email_address": "a@example.org", "merge_fields": {"FNAME": "Ada"}}],
        "total_items": 1,
    }
    wide = api.call("GET", "/members?exclude_fields=members.merge_fields,total_items")
    assert "total_items" not in wide
    assert "merge_fields" not in wide["members"][0]
    assert wide["members"][0]["email_address"] == "a@example.org"
