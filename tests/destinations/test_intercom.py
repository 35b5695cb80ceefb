"""Intercom's contacts: who is written to, who is made, and what a 409 comes to. Before the stand-in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from intercom_case import SETTINGS, Workspace

from revetl.contract import Fault, Http, Reply
from revetl.destinations.intercom import INTERCOM
from revetl.destinations.intercom.api import IntercomSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Change, Effect, Mode, OnLeave, Op, Status

SEARCH, CREATE = "POST /contacts/search", "POST /contacts"
PUT, GET, UNARCHIVE = (
    "PUT /contacts/{contact_id}",
    "GET /contacts/{contact_id}",
    "POST /contacts/{contact_id}/unarchive",
)


def one(seq: int = 1, **more: Any) -> Change:
    """Return a change of c-<seq>, by external id, with a value."""
    return change(seq, fields={"city": "Brno", **more.pop("fields", {})}, match=more.pop("match", f"c-{seq}"), **more)


# --- how many calls --------------------------------------------------------------------------------------------------


def test_one_search_finds_fifteen() -> None:
    """Sixteen new users: two searches, then a call each; a known user takes one call and no search."""
    there = Workspace()
    seen = there.run(*(one(n) for n in range(1, 17)))
    assert there.calls == [SEARCH] * 2 + [CREATE] * 16
    assert seen.side_by_side == 15
    known = [replace(o.change, remote_id=o.remote_id, created=True) for o in seen.outcomes]
    there.run(*known)
    assert there.calls == [PUT] * 16


def test_an_update_carries_what_changed_and_the_identity() -> None:
    """Custom attributes lie below their own key; null clears; times are epoch seconds; the role is not touched."""
    call = _calls([one(fields={"name": None, "signed_up_at": 1_709_200_800}, remote_id="7", created=True)])[0]
    assert orjson.loads(call.content or b"") == {
        "name": None, "signed_up_at": 1_709_200_800, "external_id": "c-1", "custom_attributes": {"city": "Brno"},
    }  # fmt: skip
    assert (call.path, call.effect) == ("/contacts/7", Effect.REPEATABLE)


def _calls(changes: list[Change], kind: str = "user", **more: Any) -> list[Http]:
    """Return the calls of an upsert to which every answer is that nobody is there, or an empty object."""
    match_field = INTERCOM.objects[kind].match[0]
    work = batch(changes, SETTINGS, Op.UPSERT, object=kind, match_field=match_field, **more)

    def answer(call: Any) -> Reply:
        return Reply(200, orjson.dumps({"data": []} if call.path.endswith("search") else {}))

    return [call for call in drive(INTERCOM.actions[Op.UPSERT].run(work), answer).calls if isinstance(call, Http)]


def test_a_new_contact_whose_consent_is_withdrawn_starts_opted_out() -> None:
    """Never opted in first; and nothing is said of consent for anybody else, or of who is there."""
    there = Workspace()
    seen = there.run(one(1, consent=False), one(2, consent=True), one(3))
    opted_out = {c["external_id"]: c["unsubscribed_from_emails"] for c in there.people()}
    assert opted_out == {"c-1": True, "c-2": False, "c-3": False}
    assert seen.statuses() == dict.fromkeys((1, 2, 3), Status.DELIVERED)
    bodies = [c.content or b"" for c in _calls([one(4), one(5, consent=False, remote_id="7")])]
    assert not [body for body in bodies if b"unsubscribed" in body]


# --- a creation is refused: somebody is there ------------------------------------------------------------------------


def test_who_the_index_does_not_know_yet_is_updated_all_the_same() -> None:
    """The search lags by minutes: the 409 names the contact, which is looked at and written; no second one is made."""
    there = Workspace(search_lag=300)
    contact = there.contact(external_id="c-1", name="old")
    (outcome,) = there.run(one(fields={"name": "new"})).outcomes
    assert there.calls == [SEARCH, CREATE, GET, PUT]
    assert (outcome.status, outcome.remote_id, outcome.created) == (Status.DELIVERED, contact, False)
    assert (there.shows(contact)["name"], len(there.people())) == ("new", 1)


def test_a_lost_answer_makes_no_second_user() -> None:
    """The creation was applied and its answer lost: the same change again, before and after the index knows."""
    there = Workspace(search_lag=300)
    for _ in range(2):
        assert there.run(one()).outcomes[0].status is Status.DELIVERED
    there.now += 301
    assert there.run(one()).outcomes[0].status is Status.DELIVERED
    assert there.calls == [SEARCH, PUT]
    assert len(there.people()) == 1


def test_a_409_about_somebody_else_writes_nothing() -> None:
    """By address, and the external id that goes along belongs to another person: refused by name, nobody touched."""
    there = Workspace(match="email")
    contact = there.contact(external_id="c-9", email="other@example.org", name="other")
    (outcome,) = there.run(one(match="new@example.org", fields={"external_id": "c-9"})).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, "CONFLICT")
    assert contact in outcome.reason
    assert there.shows(contact)["name"] == "other"
    assert PUT not in there.calls
    assert len(there.people()) == 1


def test_a_user_without_an_external_id_gets_ours() -> None:
    """Made by hand, with the same address and nothing else: taken over, and not ours."""
    words = "A contact matching those details already exists with id=a1"
    answers = iter([
        {"data": []},
        (409, {"errors": [{"code": "conflict", "message": words}]}),
        {"id": "a1", "role": "user", "external_id": None, "email": "Ada@example.org"},
        {"id": "a1"},
    ])  # fmt: skip

    def answer(_: Any) -> Reply:
        told: Any = next(answers)
        status, body = told if isinstance(told, tuple) else (200, told)
        return Reply(status, orjson.dumps(body))

    work = batch(
        [one(fields={"email": "ada@example.org"})], SETTINGS, Op.UPSERT, object="user", match_field="external_id"
    )
    seen = drive(INTERCOM.actions[Op.UPSERT].run(work), answer)
    assert [(o.status, o.remote_id, o.created) for o in seen.outcomes] == [(Status.DELIVERED, "a1", False)]
    assert isinstance(seen.calls[-1], Http)
    assert orjson.loads(seen.calls[-1].content or b"")["external_id"] == "c-1"


@pytest.mark.parametrize(
    ("policy", "created"), [(OnLeave.ARCHIVE, True), (OnLeave.DELETE, False), (OnLeave.KEEP, False)]
)
def test_an_archived_user_comes_back(policy: OnLeave, created: bool) -> None:
    """Unarchived, and written; it is ours to archive again, and nobody's to delete."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    there.call("POST", f"/contacts/{contact}/archive")
    (outcome,) = there.run(one(), on_leave=policy).outcomes
    assert there.calls == [SEARCH, CREATE, UNARCHIVE, GET, PUT]
    assert (outcome.remote_id, outcome.created) == (contact, created)
    assert there.shows(contact)["custom_attributes"] == {"city": "Brno"}


def test_an_archived_stranger_goes_back_into_the_archive() -> None:
    """It holds our external id, and has another address, which is what is matched: refused, and archived as before."""
    there = Workspace(match="email")
    contact = there.contact(external_id="c-9", email="other@example.org")
    there.call("POST", f"/contacts/{contact}/archive")
    (outcome,) = there.run(one(match="new@example.org", fields={"external_id": "c-9"})).outcomes
    assert (outcome.code, there.state(contact)) == ("CONFLICT", "archived")


def test_who_was_deleted_blocks_the_identity_for_some_days() -> None:
    """Refused by name, so that it is tried again with growing gaps; after a week it goes through."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    there.call("DELETE", f"/contacts/{contact}")
    (outcome,) = there.run(one()).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, "DELETED_THERE")
    there.now += 8 * 86_400
    assert there.run(one()).outcomes[0].created is True


# --- whose id is not there any more -----------------------------------------------------------------------------------


def test_a_lead_that_was_merged_is_the_user_it_ended_in() -> None:
    """The stored id answers 404; the address finds the user, who is written as a user, and is not ours."""
    there = Workspace("lead")
    address = "ada@example.org"
    (made,) = there.run(one(match=address)).outcomes
    user = there.contact(email=address)
    there.call("POST", "/contacts/merge", {"from": made.remote_id, "into": user})
    known = one(2, match=address, fields={"city": "Oslo"}, remote_id=made.remote_id, created=True)
    (outcome,) = there.run(known).outcomes
    assert there.calls == [PUT, SEARCH, PUT]
    assert (outcome.remote_id, outcome.created) == (user, False)
    assert (there.shows(user)["custom_attributes"], there.shows(user)["role"]) == ({"city": "Oslo"}, "user")


def test_who_vanished_is_made_again() -> None:
    """A lead that somebody deleted: the id is forgotten, and a new lead is ours."""
    there = Workspace("lead")
    (made,) = there.run(one(match="ada@example.org")).outcomes
    there.call("DELETE", f"/contacts/{made.remote_id}")
    (outcome,) = there.run(one(match="ada@example.org", remote_id=made.remote_id, created=True)).outcomes
    assert there.calls == [PUT, SEARCH, CREATE]
    assert (outcome.created, outcome.remote_id != made.remote_id) == (True, True)


def test_who_the_index_still_shows_but_is_gone_is_made_again() -> None:
    """The index lags behind deletions, too: the contact that it shows answers 404."""
    there = Workspace("lead", search_lag=300)
    contact = there.contact("lead", email="ada@example.org")
    there.now += 301
    there.call("DELETE", f"/contacts/{contact}")
    (outcome,) = there.run(one(match="ada@example.org")).outcomes
    assert there.calls == [SEARCH, PUT, CREATE]
    assert outcome.created is True


# --- leads and users --------------------------------------------------------------------------------------------------


def test_a_lead_is_created_alone_and_once() -> None:
    """Nothing there refuses a second one: no creation is repeated, and none goes out beside another."""
    calls = _calls([one(n, match=f"c{n}@example.org") for n in (1, 2)], "lead")
    assert [c.effect for c in calls] == [Effect.READ, Effect.ONCE, Effect.ONCE]
    there = Workspace("lead")
    assert there.run(*(one(n, match=f"c{n}@example.org") for n in (1, 2))).side_by_side == 1
    assert {c["role"] for c in there.people()} == {"lead"}


def test_a_user_may_be_created_again() -> None:
    """Its external id, or its address, is a key: a repeat is refused there, not doubled."""
    assert [c.effect for c in _calls([one()])] == [Effect.READ, Effect.REPEATABLE]


def test_one_lead_of_that_address_becomes_the_user() -> None:
    """No user is there: the lead is made one, and keeps its conversations; the reverse is impossible."""
    there = Workspace(match="email")
    lead = there.contact("lead", email="ada@example.org")
    (outcome,) = there.run(one(match="ada@example.org", fields={"external_id": "c-1"})).outcomes
    assert (outcome.remote_id, outcome.created) == (lead, False)
    assert (there.shows(lead)["role"], there.shows(lead)["external_id"]) == ("user", "c-1")


def test_of_two_leads_neither_is_the_user() -> None:
    """No arbitrary winner: a user is made beside them."""
    there = Workspace(match="email")
    leads = [there.contact("lead", email="ada@example.org") for _ in range(2)]
    (outcome,) = there.run(one(match="ada@example.org")).outcomes
    assert outcome.created is True
    assert outcome.remote_id not in leads


def test_a_user_goes_before_leads_of_the_same_address() -> None:
    """For a sync of users and for one of leads alike: it is the same person."""
    for kind in ("user", "lead"):
        there = Workspace(kind, match="email")
        user = there.contact(email="ada@example.org")
        there.contact("lead", email="ada@example.org")
        (outcome,) = there.run(one(match="ada@example.org")).outcomes
        assert outcome.remote_id == user


def test_two_leads_of_one_address_are_settled_by_a_person() -> None:
    """Refused by name, and neither is written; nor do their neighbours suffer."""
    there = Workspace("lead")
    for _ in range(2):
        there.contact("lead", email="ada@example.org")
    seen = there.run(one(1, match="ada@example.org"), one(2, match="bob@example.org"))
    codes = {o.change.seq: o.code for o in seen.outcomes}
    assert codes == {1: "SEVERAL_CONTACTS", 2: ""}


def test_an_update_makes_no_user_of_a_lead() -> None:
    """Mode update writes users who are there; a lead is none."""
    there = Workspace(match="email")
    lead = there.contact("lead", email="ada@example.org")
    (outcome,) = there.run(one(match="ada@example.org"), mode=Mode.UPDATE).outcomes
    assert (outcome.code, there.shows(lead)["role"]) == ("CONTACT_MISSING", "lead")


# --- modes ------------------------------------------------------------------------------------------------------------


def test_mode_insert_leaves_alone_who_is_there() -> None:
    """Found, or refused by the creation, or archived: refused by name; only the new one is written."""
    there = Workspace(search_lag=300)
    there.contact(external_id="c-1")
    there.now += 301
    there.contact(external_id="c-2")
    archived = there.contact(external_id="c-3")
    there.call("POST", f"/contacts/{archived}/archive")
    seen = there.run(*(one(n) for n in range(1, 5)), mode=Mode.INSERT)
    assert {o.change.seq: o.code or o.created for o in seen.outcomes} == {
        1: "CONTACT_EXISTS", 2: "CONTACT_EXISTS", 3: "CONTACT_EXISTS", 4: True,
    }  # fmt: skip
    assert there.state(archived) == "archived"


def test_mode_update_creates_nobody() -> None:
    """Who is there is written; who is not, is refused by name."""
    there = Workspace()
    there.contact(external_id="c-1")
    seen = there.run(one(1), one(2), mode=Mode.UPDATE)
    assert {o.change.seq: o.code for o in seen.outcomes} == {1: "", 2: "CONTACT_MISSING"}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_value_that_is_no_option_refuses_its_row_alone() -> None:
    """By Intercom's code and words; a text beyond 255 characters and an unknown attribute likewise."""
    there = Workspace()
    rows = [one(1), one(2, fields={"tier": "tin"}), one(3, fields={"city": "x" * 256}), one(4, fields={"shoe": 44})]
    seen = there.run(*rows)
    assert {o.change.seq: o.code for o in seen.outcomes} == {
        1: "", 2: "parameter_invalid", 3: "parameter_invalid", 4: "parameter_invalid",
    }  # fmt: skip
    assert "'tin' is not an option" in next(o.reason for o in seen.outcomes if o.change.seq == 2)


def test_a_search_that_is_refused_as_a_whole_is_halved() -> None:
    """An empty identity spoils the query of fifteen: it is found, and the others are written."""
    there = Workspace()
    seen = there.run(*(one(n) for n in range(1, 6)), replace(one(6), match="", identity=""))
    assert {s for s, status in seen.statuses().items() if status is not Status.DELIVERED} == {6}


def error(code: str) -> bytes:
    """Return a body of errors."""
    return orjson.dumps({"type": "error.list", "errors": [{"code": code, "message": "no"}]})


@pytest.mark.parametrize(
    ("reply", "fault", "after"),
    [
        (Reply(429, error("rate_limit_exceeded"), {"x-ratelimit-reset": "1004"}, at=1000.0), Fault.THROTTLED, 4.0),
        (Reply(429, error("rate_limit_exceeded"), {"x-ratelimit-reset": "990"}, at=1000.0), Fault.THROTTLED, 1.0),
        (Reply(429, error("rate_limit_exceeded"), {"x-ratelimit-reset": "99999"}, at=1000.0), Fault.THROTTLED, 60.0),
        (Reply(429, b"busy", {}, at=1000.0), Fault.THROTTLED, 10.0),
        (Reply(401, error("unauthorized")), Fault.FATAL, None),
        (Reply(403, error("api_plan_restricted")), Fault.FATAL, None),
        (Reply(400, error("intercom_version_invalid")), Fault.FATAL, None),
        (Reply(400, error("parameter_invalid")), None, None),
        (Reply(409, error("conflict")), None, None),
        (Reply(503, b"<html>"), None, None),
    ],
)
def test_what_a_reply_means(reply: Reply, fault: Fault | None, after: float | None) -> None:
    """429 lasts until the reset, never less than a second nor more than a minute; what is about a row is not judged."""
    found = INTERCOM.diagnose(reply)
    assert (found.fault if found else None, found.after if found else None) == (fault, after)


@pytest.mark.parametrize(("region", "host"), [("us", "api"), ("eu", "api.eu"), ("au", "api.au")])
def test_calls_go_where_the_data_is_hosted(region: str, host: str) -> None:
    """Each region has its host, the list allows it, and each call says its version."""
    settings = IntercomSettings.model_validate({"access_token": "t", "region": region, "calls_per_minute": 1_000})
    assert INTERCOM.base_url(settings) == f"https://{host}.intercom.io"
    assert f"{host}.intercom.io" in INTERCOM.hosts
    assert INTERCOM.auth
    headers = dict(INTERCOM.auth.apply(settings, None, Http("GET", "/me")).headers)
    assert headers == {"authorization": "Bearer t", "intercom-version": "2.15", "accept": "application/json"}
    (limit,) = INTERCOM.limits(settings)
    assert (limit.allowance, limit.seconds) == (166, 10.0)
