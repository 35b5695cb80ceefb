"""Intercom's tags, consent and links: joined, parted, withdrawn, attached. Before the stand-in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from intercom_case import SETTINGS, Workspace

from revetl.contract import Reply
from revetl.destinations.intercom import INTERCOM
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Change, Cohort, Link, OnLeave, Op, Status

SEARCH, PUT = "POST /contacts/search", "PUT /contacts/{contact_id}"
TAG, UNTAG = "POST /contacts/{contact_id}/tags", "DELETE /contacts/{contact_id}/tags/{id}"
ATTACH, DETACH = "POST /contacts/{contact_id}/companies", "DELETE /contacts/{contact_id}/companies/{id}"
VIP = (("vip", "High Value"),)
CONSENT = Cohort("consent", "consent", "unsubscribe")


def prepared(there: Workspace, **more: Any) -> dict[str, Any]:
    """Return what is found or made for the cohort ``vip``."""
    assert INTERCOM.prepare
    found: dict[str, Any] = there.ask(INTERCOM.prepare(there.context(cohorts=VIP, cohort_style="tag", **more)))
    return found


def join(op: Op = Op.JOIN, seq: int = 1, **more: Any) -> Change:
    """Return a join or a part of c-<seq>."""
    return change(seq, op, match=more.pop("match", f"c-{seq}"), **more)


# --- tags -------------------------------------------------------------------------------------------------------------


def test_a_tag_is_found_whatever_its_case() -> None:
    """Names are compared in lower case there: the tag that is there is taken, and gets the label's own letters."""
    there = Workspace()
    tag = there.call("POST", "/tags", {"name": "high value"})["id"]
    assert prepared(there) == {"cohorts": {"vip": tag}}
    assert there.calls == ["GET /tags", "POST /tags"]
    assert prepared(there) == {"cohorts": {"vip": tag}}
    assert there.calls == ["GET /tags"]


def test_nothing_is_made_or_renamed_where_that_is_not_wished() -> None:
    """``create=False``: a missing tag is left out, a tag under another name keeps it."""
    there = Workspace()
    assert prepared(there, create=False) == {"cohorts": {}}
    tag = there.call("POST", "/tags", {"name": "Old Label"})["id"]
    assert prepared(there, create=False, ids={"vip": tag}) == {"cohorts": {"vip": tag}}
    assert there.calls == ["GET /tags"]


def test_a_tag_that_is_gone_is_made_again() -> None:
    """The stored id leads nowhere: found by its label or made."""
    there = Workspace()
    assert prepared(there, ids={"vip": "77"})["cohorts"]["vip"] != "77"
    assert there.calls == ["GET /tags", "POST /tags"]


def test_a_refused_tag_is_said() -> None:
    """RVT-651 with Intercom's own words."""
    told = {"type": "error.list", "errors": [{"code": "parameter_invalid", "message": "invalid tag parameters"}]}

    def answer(call: Any) -> Reply:
        return Reply(200, b'{"data": []}') if call.method == "GET" else Reply(400, orjson.dumps(told))

    assert INTERCOM.prepare
    context = Workspace().context(cohorts=VIP, cohort_style="tag")
    with pytest.raises(DestinationError, match="invalid tag parameters"):
        drive(INTERCOM.prepare(context), answer)


def test_members_of_known_id_take_one_call_each() -> None:
    """Side by side, without a search; to part is the same; and a tag that is not worn has ended."""
    there = Workspace()
    ids = [there.contact(external_id=f"c-{n}") for n in range(1, 4)]
    told = prepared(there)
    rows = [join(seq=n, remote_id=ids[n - 1]) for n in range(1, 4)]
    assert there.run(*rows, prepared=told).side_by_side == 3
    assert there.calls == [TAG] * 3
    parts = [replace(row, op=Op.PART) for row in rows]
    for _ in range(2):
        seen = there.run(*parts, prepared=told)
        assert there.calls == [UNTAG] * 3
        assert set(seen.statuses().values()) == {Status.DELIVERED}
    assert [one["tags"] for one in there.people()] == [[], [], []]


@pytest.mark.parametrize("op", [Op.JOIN, Op.PART])
def test_a_merged_member_is_followed(op: Op) -> None:
    """The lead's id is gone and its tag went along to the user: who is looked up by address, and tagged or untagged."""
    there = Workspace("lead")
    lead, user = (there.contact(role, email="ada@example.org") for role in ("lead", "user"))
    told = prepared(there)
    there.call("POST", f"/contacts/{lead}/tags", {"id": told["cohorts"]["vip"]})
    there.call("POST", "/contacts/merge", {"from": lead, "into": user})
    if op is Op.JOIN:
        there.call("DELETE", f"/contacts/{user}/tags/{told['cohorts']['vip']}")
    (outcome,) = there.run(join(op, match="ada@example.org", remote_id=lead), prepared=told).outcomes
    write = TAG if op is Op.JOIN else UNTAG
    assert there.calls == [write, SEARCH, write]
    assert (outcome.status, outcome.remote_id) == (Status.DELIVERED, user)
    assert there.shows(user)["tags"]["total_count"] == (1 if op is Op.JOIN else 0)


def test_a_tag_that_vanishes_meanwhile_is_no_missing_person() -> None:
    """404 about the tag: refused in Intercom's words, without a search for the contact."""
    there = Workspace()
    told = prepared(there)
    contact = there.contact(external_id="c-1")
    there.call("DELETE", f"/tags/{told['cohorts']['vip']}")
    (outcome,) = there.run(join(remote_id=contact), prepared=told).outcomes
    assert there.calls == [TAG]
    assert (outcome.status, outcome.reason) == (Status.REJECTED, "Resource Not Found")
    (outcome,) = there.run(join(Op.PART, remote_id=contact), prepared=told).outcomes
    assert outcome.status is Status.DELIVERED


def test_several_of_one_address_are_not_tagged_at_random() -> None:
    """Refused by name."""
    there = Workspace("lead")
    for _ in range(2):
        there.contact("lead", email="ada@example.org")
    (outcome,) = there.run(join(match="ada@example.org"), prepared=prepared(there)).outcomes
    assert outcome.code == "SEVERAL_CONTACTS"


def test_companies_are_tagged_by_our_own_id() -> None:
    """One read of the tag's name, then one call each; a company that is not there is refused, or has parted."""
    there = Workspace("company")
    there.call("POST", "/companies", {"company_id": "k-1"})
    told = prepared(there)
    seen = there.run(join(match="k-1"), join(seq=2, match="k-2"), prepared=told)
    assert there.calls == ["GET /tags/{tag_id}", "POST /tags", "POST /tags"]
    assert {o.change.seq: o.code for o in seen.outcomes} == {1: "", 2: "company_not_found"}
    seen = there.run(*(join(Op.PART, seq=n, match=f"k-{n}") for n in (1, 2)), prepared=told)
    assert set(seen.statuses().values()) == {Status.DELIVERED}
    assert [one["tags"] for one in there.box.store["companies"].values()] == [[]]


# --- consent ----------------------------------------------------------------------------------------------------------


def test_consent_is_withdrawn_from_who_is_there() -> None:
    """One call each, by id or by identity; again changes nothing; nobody is refused by name."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    for known in (contact, None):
        (outcome,) = there.run(join(remote_id=known), cohort=CONSENT).outcomes
        assert (outcome.status, outcome.remote_id) == (Status.DELIVERED, contact)
    assert there.calls == [SEARCH, PUT]
    assert there.shows(contact)["unsubscribed_from_emails"] is True
    assert there.run(join(seq=9), cohort=CONSENT).outcomes[0].code == "CONTACT_MISSING"


def test_an_update_never_subscribes_again() -> None:
    """Who opted out there stays so through updates, whatever our consent column says."""
    there = Workspace()
    contact = there.contact(external_id="c-1", unsubscribed_from_emails=True)
    for consent in (None, True):
        there.run(change(1, match="c-1", fields={"name": "n"}, remote_id=contact, consent=consent))
    assert there.shows(contact)["unsubscribed_from_emails"] is True


# --- links ------------------------------------------------------------------------------------------------------------


def company(there: Workspace, number: int) -> str:
    """Make a company; return its id."""
    return str(there.call("POST", "/companies", {"company_id": f"k-{number}"})["id"])


def linked(contact: str | None, to: str | None, before: str | None = None, **more: Any) -> Change:
    """Return an upsert of c-1 that points to a company."""
    link = Link(to, before)
    return change(1, match="c-1", remote_id=contact, links={"company": link}, created=more.pop("created", True), **more)


def companies_of(there: Workspace, contact: str) -> list[str]:
    """Return the companies that a contact is attached to."""
    return [row["id"] for row in there.call("GET", f"/contacts/{contact}/companies")["data"]]


def test_a_new_contact_is_attached_after_it_is_made() -> None:
    """The creation, then its company; the outcome is that of both."""
    there = Workspace()
    first = company(there, 1)
    (outcome,) = there.run(linked(None, first, created=None, fields={"name": "n"})).outcomes
    assert there.calls == [SEARCH, "POST /contacts", ATTACH]
    assert (outcome.status, outcome.created) == (Status.DELIVERED, True)
    assert companies_of(there, str(outcome.remote_id)) == [first]


def test_another_company_takes_the_place_of_the_former() -> None:
    """Attached first, then detached; a company that a person attached by hand stays."""
    there = Workspace()
    contact, (old, new, other) = there.contact(external_id="c-1"), (company(there, n) for n in (1, 2, 3))
    for one in (old, other):
        there.call("POST", f"/contacts/{contact}/companies", {"id": one})
    there.run(linked(contact, new, old, fields={"name": "n"}))
    assert there.calls == [PUT, ATTACH, DETACH]
    assert companies_of(there, contact) == [other, new]
    there.run(linked(contact, None, new, fields={"name": "n"}))
    assert there.calls == [PUT, DETACH]
    assert companies_of(there, contact) == [other]


def test_a_link_alone_takes_one_call() -> None:
    """Nothing else of a known contact changed: it is attached, and not written again."""
    there = Workspace()
    contact, first = there.contact(external_id="c-1"), company(there, 1)
    for _ in range(2):
        (outcome,) = there.run(linked(contact, first)).outcomes
        assert there.calls == [ATTACH]
        assert (outcome.status, outcome.remote_id) == (Status.DELIVERED, contact)


def test_a_link_of_a_contact_that_is_gone_is_made_with_its_successor() -> None:
    """The id answers 404: the contact is looked up, written and attached."""
    there = Workspace()
    contact, first = there.contact(external_id="c-1"), company(there, 1)
    (outcome,) = there.run(linked("0" * 24, first)).outcomes
    assert there.calls == [ATTACH, SEARCH, PUT, ATTACH]
    assert (outcome.remote_id, outcome.created) == (contact, False)


def test_who_is_cleared_is_detached_from_our_company() -> None:
    """The fields are emptied, our company is detached, another one stays; a contact that is gone is done."""
    there = Workspace()
    contact, (ours, other) = there.contact(external_id="c-1", name="n"), (company(there, n) for n in (1, 2))
    for fields, calls in (({"name": None}, [PUT, DETACH]), ({}, [DETACH])):
        for one in (ours, other):
            there.call("POST", f"/contacts/{contact}/companies", {"id": one})
        left = change(1, Op.LEAVE, match="c-1", remote_id=contact, fields=fields, links={"company": Link(None, ours)})
        (outcome,) = there.run(left, on_leave=OnLeave.CLEAR).outcomes
        assert (outcome.status, there.calls, companies_of(there, contact)) == (Status.DELIVERED, calls, [other])
    for fields in ({"name": None}, {}):
        left = change(1, Op.LEAVE, match="c-1", remote_id="0" * 24, fields=fields, links={"company": Link(None, ours)})
        (outcome,) = there.run(left, on_leave=OnLeave.CLEAR).outcomes
        assert (outcome.status, len(there.calls)) == (Status.DELIVERED, 1)


def test_a_company_that_is_gone_refuses_the_change_by_name() -> None:
    """The contact is written, and said to be; its former company, gone as well, is no hindrance."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    (outcome,) = there.run(linked(contact, "0" * 24, fields={"name": "n"})).outcomes
    assert (outcome.status, outcome.code, outcome.remote_id) == (Status.REJECTED, "company_not_found", contact)
    assert there.shows(contact)["name"] == "n"
    (outcome,) = there.run(linked(contact, None, "0" * 24)).outcomes
    assert outcome.status is Status.DELIVERED


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"id": "other"}'])
def test_an_odd_answer_to_a_link_proves_nothing(body: bytes) -> None:
    """No outcome: the sender holds the change as unknown."""
    work = batch([linked("7", "8")], SETTINGS, Op.UPSERT, object="user", match_field="external_id")
    assert drive(INTERCOM.actions[Op.UPSERT].run(work), lambda _: Reply(200, body)).outcomes == []
