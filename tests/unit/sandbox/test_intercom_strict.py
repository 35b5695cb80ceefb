"""What Intercom's description and recorded traffic demand of its stand-in."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from revetl.errors import UsageError
from revetl.sandbox import make
from tests.unit.sandbox.intercom_caller import ADA, HEADERS, There

NOT_FOUND = (404, "User Not Found")


# --- the door ---------------------------------------------------------------------------------------------------------


def test_credentials_version_and_types_are_looked_at() -> None:
    """401, an unknown version, 406 and 415, 404 and 405: each in the list of errors, with its request id."""
    there = There()
    assert there("GET", "/me", Authorization="Bearer other") == (401, "Access Token Invalid")
    assert there("GET", "/me", **{"Intercom-Version": "9.9"})[0] == 400
    assert there("GET", "/me", Accept="text/html")[0] == 406
    assert there("POST", "/contacts", {"email": ADA}, **{"Content-Type": "text/plain"})[0] == 415
    assert (there("GET", "/nothing")[0], there("PATCH", "/contacts")[0]) == (404, 405)
    status, headers, body = there.box.handle("GET", "/contacts/7", "", HEADERS)
    told = orjson.loads(body)
    assert (status, told["type"], told["errors"][0]["code"]) == (404, "error.list", "not_found")
    assert told["request_id"] == headers["X-Request-Id"]


def test_a_slice_of_ten_seconds_lets_so_many_through() -> None:
    """Headers count down on each answer; 429 says what was exceeded, and the reset is when the next slice begins."""
    there = There(per_slice=3)
    left = [there.box.handle("GET", "/me", "", HEADERS)[1]["X-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    status, headers, body = there.box.handle("GET", "/me", "", HEADERS)
    assert (status, orjson.loads(body)["errors"][0]["code"]) == (429, "rate_limit_exceeded")
    assert "Exceeded rate limit of 3 in 10_seconds" in body.decode()
    assert headers["X-RateLimit-Limit"] == "3"
    assert there.clock.at < int(headers["X-RateLimit-Reset"]) <= there.clock.at + 11
    there.clock.at = float(headers["X-RateLimit-Reset"])
    assert there("GET", "/me")[0] == 200
    _, headers, _ = there.box.handle("GET", "/me", "", {**HEADERS, "Authorization": "Bearer x"})
    assert "X-RateLimit-Limit" not in headers


# --- contacts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {}, {"role": "admin"}, {"email": "nobody"}, {"email": 7}, {"external_id": 7}, {"email": ADA, "user_id": "7"},
        {"email": ADA, "signed_up_at": "2024-02-29"}, {"email": ADA, "signed_up_at": 1.5}, {"email": ADA, "name": 7},
        {"email": ADA, "owner_id": 99}, {"email": ADA, "unsubscribed_from_emails": "true"}, {"email": ADA, "id": "7"},
        {"email": ADA, "name": "x" * 256}, {"email": ADA, "custom_attributes": []},
        {"email": ADA, "custom_attributes": {"nope": 1}}, {"email": ADA, "custom_attributes": {"visits": 1.5}},
        {"email": ADA, "custom_attributes": {"visits": "1"}}, {"email": ADA, "custom_attributes": {"gift": "true"}},
        {"email": ADA, "custom_attributes": {"since": "2024-02-29"}}, {"email": ADA, "custom_attributes": {"city": 7}},
        {"email": ADA, "custom_attributes": {"city": "x" * 256}}, {"email": ADA, "custom_attributes": {"city": ["x"]}},
        {"email": ADA, "custom_attributes": {"city": {"x": 1}}}, {"email": ADA, "custom_attributes": {"tier": "tin"}},
        {"email": ADA, "custom_attributes": {"shut": "x"}}, {"email": ADA, "custom_attributes": {"spent": True}},
    ],
)  # fmt: skip
def test_what_a_contact_cannot_be_made_of(body: Any) -> None:
    """400, and nobody is made."""
    there = There()
    assert there("POST", "/contacts", body)[0] == 400
    assert there.box.store["contacts"] == {}


def test_null_clears_and_absence_leaves_alone() -> None:
    """Of Intercom's own fields and of attributes."""
    there = There()
    contact = there.contact(email=ADA, name="Ada", phone="1", custom_attributes={"city": "Brno", "visits": 3})
    there("PUT", f"/contacts/{contact}", {"name": None, "email": None, "custom_attributes": {"city": None}})
    found = there("GET", f"/contacts/{contact}")[1]
    assert (found["name"], found["email"], found["phone"]) == (None, None, "1")
    assert found["custom_attributes"] == {"visits": 3}


def test_users_are_told_apart_by_external_id_and_only_then_by_address() -> None:
    """409 names the holder in its words alone; another external id makes another user of the same address."""
    there = There()
    first = there.contact(external_id="7", email=ADA)
    words = f"A contact matching those details already exists with id={first}"
    assert there("POST", "/contacts", {"external_id": "7"}) == (409, words)
    assert there("POST", "/contacts", {"email": "ADA@example.org"}) == (409, words)
    second = there.contact(external_id="8", email=ADA)
    assert there("PUT", f"/contacts/{second}", {"external_id": "7"}) == (409, words)
    assert there("PUT", f"/contacts/{second}", {"external_id": "8", "name": "n"})[0] == 200


def test_leads_have_an_external_id_of_intercoms_own() -> None:
    """What is sent is not listened to; two may share an address, with a user even; to be a user is for ever."""
    there = There()
    there.contact(email=ADA)
    lead, other = there.contact("lead", email=ADA, external_id="7"), there.contact("lead", email=ADA)
    ids = {there("GET", f"/contacts/{one}")[1]["external_id"] for one in (lead, other)}
    assert len(ids) == 2
    assert "7" not in ids
    assert there("PUT", f"/contacts/{lead}", {"role": "user", "external_id": "7"})[0] == 200
    assert there("PUT", f"/contacts/{lead}", {"role": "lead"}) == (400, "user role can't be converted to a lead")


def test_the_archived_are_not_found_and_hold_their_identity() -> None:
    """404 for each call about them; 409 says archived; unarchived they stand as before. A lead blocks nobody."""
    there = There()
    contact = there.contact(external_id="7", name="Ada")
    assert there("POST", f"/contacts/{contact}/archive")[1]["archived"] is True
    for method, path, body in (("GET", "", None), ("PUT", "", {}), ("POST", "/archive", None), ("POST", "/tags", {})):
        assert there(method, f"/contacts/{contact}{path}", body) == NOT_FOUND
    assert there.search(("external_id", "=", "7")) == []
    words = f"An archived contact matching those details already exists with id={contact}"
    assert there("POST", "/contacts", {"external_id": "7"}) == (409, words)
    assert there("POST", f"/contacts/{contact}/unarchive")[1]["archived"] is False
    assert there("GET", f"/contacts/{contact}")[1]["name"] == "Ada"
    lead = there.contact("lead", email=ADA)
    there("POST", f"/contacts/{lead}/archive")
    assert there.contact("lead", email=ADA) != lead


def test_the_deleted_block_their_identity_for_a_week() -> None:
    """Deleted from the archive, too; not restorable, and free again afterwards."""
    there = There()
    contact = there.contact(external_id="7")
    there("POST", f"/contacts/{contact}/archive")
    assert there("DELETE", f"/contacts/{contact}")[1] | {"external_id": "7"} == {
        "type": "contact", "id": contact, "external_id": "7", "deleted": True,
    }  # fmt: skip
    assert there("DELETE", f"/contacts/{contact}") == NOT_FOUND
    assert there("POST", "/contacts", {"external_id": "7"})[0] == 409
    status, words = there("POST", f"/contacts/{contact}/unarchive")
    assert (status, "permanent deletion" in words) == (400, True)
    there.clock.at += 7 * 86_400 + 1
    assert there("POST", "/contacts", {"external_id": "7"})[0] == 200


def test_a_merge_ends_the_lead_in_the_user() -> None:
    """Tags go along, the lead's id is not found; users are not merged."""
    there = There()
    lead, user = there.contact("lead", email=ADA), there.contact(external_id="7")
    tag = there("POST", "/tags", {"name": "t"})[1]["id"]
    there("POST", f"/contacts/{lead}/tags", {"id": tag})
    assert there("POST", "/contacts/merge", {"from": user, "into": lead})[0] == 400
    assert there("POST", "/contacts/merge", {"from": lead, "into": user})[1]["tags"]["total_count"] == 1
    assert there("GET", f"/contacts/{lead}") == NOT_FOUND
    assert there("GET", "/contacts/find_by_external_id/7")[1]["id"] == user


# --- search -----------------------------------------------------------------------------------------------------------


def test_searches_see_writes_after_a_while() -> None:
    """New, renamed and archived contacts: as they were until the index has caught up."""
    there = There(search_lag=120)
    contact = there.contact(external_id="7")
    assert there.search(("external_id", "=", "7")) == []
    there.clock.at += 121
    assert there.search(("external_id", "=", "7")) == [contact]
    there("PUT", f"/contacts/{contact}", {"external_id": "8"})
    assert there.search(("external_id", "IN", ["7"])) == [contact]
    there.clock.at += 121
    assert (there.search(("external_id", "=", "7")), there.search(("external_id", "=", "8"))) == ([], [contact])
    there("POST", f"/contacts/{contact}/archive")
    assert there.search(("id", "=", contact)) == [contact]
    there.clock.at += 121
    assert there.search(("id", "=", contact)) == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"query": []}, {"query": {"operator": "OR", "value": []}}, {"query": {"operator": "XOR", "value": [{}]}},
        {"query": {"field": "email", "operator": "==", "value": "a"}},
        {"query": {"field": "email", "operator": "=", "value": ""}},
        {"query": {"field": "email", "operator": "=", "value": 7}},
        {"query": {"field": "email", "operator": "IN", "value": "a"}},
        {"query": {"field": "email", "operator": "IN", "value": ["a"] * 16}},
        {"query": {"field": "shoe", "operator": "=", "value": "a"}},
        {"query": {"operator": "OR", "value": [{"field": "email", "operator": "=", "value": "a"}] * 16}},
        {"query": {"field": "email", "operator": "=", "value": "a"}, "pagination": {"per_page": 151}},
        {"query": {"field": "email", "operator": "=", "value": "a"}, "pagination": {"per_page": 0}},
        {"query": {"field": "email", "operator": "=", "value": "a"}, "page": 2},
        {"query": {"operator": "OR", "value": [{"operator": "OR", "value": [{"operator": "OR", "value": [
            {"field": "email", "operator": "=", "value": "a"}]}]}]}},
    ],
)  # fmt: skip
def test_queries_that_are_refused(body: Any) -> None:
    """400: no or odd filters, sixteen of them, three levels, pages beyond 150."""
    assert There()("POST", "/contacts/search", body)[0] == 400


def test_pages_follow_each_other() -> None:
    """By a cursor, each contact once."""
    there = There()
    made = [there.contact("lead", email=ADA) for _ in range(7)]
    query = {"field": "email", "operator": "=", "value": ADA.upper()}
    found, after = [], None
    while True:
        paging = {"per_page": 3, **({"starting_after": after} if after else {})}
        _, told = there("POST", "/contacts/search", {"query": query, "pagination": paging})
        found += [row["id"] for row in told["data"]]
        if "next" not in told["pages"]:
            break
        after = told["pages"]["next"]["starting_after"]
    assert found == made


# --- companies, tags, attributes --------------------------------------------------------------------------------------


def test_companies_are_found_or_made_by_our_id_which_is_fixed() -> None:
    """The same id again updates; another parameter, a wrong type, or the id in an update is refused."""
    there = There()
    made = there("POST", "/companies", {"company_id": "k", "name": "n", "plan": "pro"})[1]
    again = there("POST", "/companies", {"company_id": "k", "size": 3, "custom_attributes": {"visits": 1}})[1]
    assert (again["id"], again["name"], again["plan"]["name"], again["size"]) == (made["id"], "n", "pro", 3)
    for body in ({"name": "n"}, {"company_id": 7}, {"company_id": "k", "id": "x"}, {"company_id": "k", "size": "3"},
                 {"company_id": "k", "monthly_spend": 2**31}, {"company_id": "k", "monthly_spend": 1.5}):  # fmt: skip
        assert there("POST", "/companies", body)[0] == 400
    assert there("PUT", f"/companies/{made['id']}", {"company_id": "z"})[0] == 400
    assert there("GET", "/companies", query="company_id=k")[1]["id"] == made["id"]
    assert there("GET", "/companies", query="company_id=z") == (404, "Company Not Found")


def test_contacts_are_attached_and_detached() -> None:
    """Once each; a company that is archived lets them go, and its id makes a new one."""
    there = There()
    contact, made = there.contact(email=ADA), there("POST", "/companies", {"company_id": "k"})[1]["id"]
    for _ in range(2):
        assert there("POST", f"/contacts/{contact}/companies", {"id": made})[1]["user_count"] == 1
    assert there("GET", f"/companies/{made}/contacts")[1]["total_count"] == 1
    assert there("DELETE", f"/contacts/{contact}/companies/{made}")[0] == 200
    assert there("DELETE", f"/contacts/{contact}/companies/{made}") == (404, "Company Not Found")
    assert there("POST", f"/contacts/{contact}/companies", {"id": "7"}) == (404, "Company Not Found")
    assert there("POST", f"/contacts/{contact}/companies", {})[0] == 400
    there("POST", f"/contacts/{contact}/companies", {"id": made})
    assert there("DELETE", f"/companies/{made}")[1] == {"id": made, "object": "company", "deleted": True}
    assert there("GET", f"/contacts/{contact}/companies")[1]["total_count"] == 0
    assert there("POST", "/companies", {"company_id": "k"})[1]["id"] != made


def test_tags_are_named_whatever_the_case_and_nobody_is_tagged_by_halves() -> None:
    """Found, renamed by id, put on several; one who is not there refuses all."""
    there = There()
    tag = there("POST", "/tags", {"name": "High Value"})[1]["id"]
    assert there("POST", "/tags", {"name": "HIGH value"})[1] == {"type": "tag", "id": tag, "name": "High Value"}
    assert there("POST", "/tags", {"id": tag, "name": "Top"})[1]["name"] == "Top"
    assert there("POST", "/tags", {"id": "77", "name": "x"}) == (404, "Resource Not Found")
    for body in ({}, {"name": ""}, {"name": "x", "people": []}, {"name": "x", "users": [7]}):
        assert there("POST", "/tags", body)[0] == 400
    contact = there.contact(email=ADA)
    assert there("POST", "/tags", {"name": "Top", "users": [{"id": contact}, {"id": "7"}]}) == NOT_FOUND
    assert there("GET", f"/contacts/{contact}/tags")[1]["data"] == []
    assert there("POST", f"/contacts/{contact}/tags", {"id": tag})[1]["id"] == tag
    assert there("POST", f"/contacts/{contact}/tags", {"id": 7})[0] == 400
    assert there("DELETE", f"/contacts/{contact}/tags/{tag}")[0] == 200
    assert there("DELETE", f"/contacts/{contact}/tags/{tag}") == (404, "Resource Not Found")


def test_a_contact_shows_ten_tags() -> None:
    """The rest is counted, and read apart."""
    there = There()
    contact = there.contact(email=ADA)
    for n in range(12):
        tag = there("POST", "/tags", {"name": f"t{n}"})[1]["id"]
        there("POST", f"/contacts/{contact}/tags", {"id": tag})
    tags = there("GET", f"/contacts/{contact}")[1]["tags"]
    assert (len(tags["data"]), tags["total_count"], tags["has_more"]) == (10, 12, True)
    assert len(there("GET", f"/contacts/{contact}/tags")[1]["data"]) == 12


def test_attributes_are_made_once_for_people_or_companies() -> None:
    """A list needs two options; names are plain; standard names and taken ones are refused; archived ones unseen."""
    there = There(company_attributes={})
    new = {"name": "band", "model": "contact", "data_type": "string"}
    for wrong in ({"data_type": "text"}, {"model": "lead"}, {"name": "a.b"}, {"name": "Email"}, {"name": "city"},
                  {"model": "company", "name": "city"}, {"data_type": "options", "options": [{"value": "a"}]},
                  {"options": [{"value": "a"}, {"value": "b"}]}, {"label": "Band"}):  # fmt: skip
        assert there("POST", "/data_attributes", {**new, **wrong})[0] == 400
    options = [{"value": "a"}, {"value": "b"}]
    made = there("POST", "/data_attributes", {**new, "data_type": "options", "options": options})[1]
    assert (made["full_name"], made["data_type"], made["options"]) == ("custom_attributes.band", "string", ["a", "b"])
    assert there("PUT", f"/data_attributes/{made['id']}", {"archived": True})[0] == 200
    names = {row["name"] for row in there("GET", "/data_attributes", query="model=contact")[1]["data"]}
    assert "band" not in names
    assert {"city", "email", "country"} <= names
    assert there("POST", "/contacts", {"email": ADA, "custom_attributes": {"band": "a"}})[0] == 400


def test_attributes_may_come_into_being_with_a_value() -> None:
    """An option, as some workspaces have it: the first value says the type for ever."""
    there = There(create_attributes=True)
    assert there("POST", "/contacts", {"email": ADA, "custom_attributes": {"shoe": 44}})[0] == 200
    assert there("POST", "/contacts", {"external_id": "8", "custom_attributes": {"shoe": "44"}})[0] == 400
    with pytest.raises(UsageError, match="RVT-681"):
        make("intercom", attributes={"x": "text"})
