"""Intercom's identities, endings, companies and reads. Before the stand-in."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from intercom_case import Workspace

from revetl.contract import Reply
from revetl.destinations.intercom import INTERCOM
from revetl.destinations.intercom.read import same
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import Change, Mode, OnLeave, Op, Person, RemoteField, Status

SEARCH, PUT = "POST /contacts/search", "PUT /contacts/{contact_id}"
ARCHIVE, DELETE = "POST /contacts/{contact_id}/archive", "DELETE /contacts/{contact_id}"
FIND = "GET /companies"


def rename(to: str, before: str, **more: Any) -> Change:
    """Return a change of identity."""
    return change(1, Op.IDENTITY, match=to, before_match=before, **more)


# --- identities -------------------------------------------------------------------------------------------------------


def test_a_rename_is_an_update_by_id() -> None:
    """One search for the new identity, one call for the rename; without an id another search finds the old one."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    there.run(rename("c-2", "c-1", remote_id=contact, created=True))
    assert there.calls == [SEARCH, PUT]
    (outcome,) = there.run(rename("c-3", "c-2", created=True)).outcomes
    assert there.calls == [SEARCH, SEARCH, PUT]
    assert (outcome.remote_id, there.shows(contact)["external_id"]) == (contact, "c-3")


def test_a_holder_whom_the_index_does_not_know_is_found_by_the_refusal() -> None:
    """409 names it: ours is archived, the holder stands and is not ours; without ownership the change is refused."""
    there = Workspace(search_lag=300)
    ours = there.contact(external_id="c-1")
    there.now += 301
    holder = there.contact(external_id="c-2")
    (outcome,) = there.run(rename("c-2", "c-1", remote_id=ours, created=False)).outcomes
    assert (outcome.code, there.state(ours)) == ("IDENTITY_TAKEN", "active")
    (outcome,) = there.run(rename("c-2", "c-1", remote_id=ours, created=True)).outcomes
    assert there.calls == [SEARCH, PUT, ARCHIVE]
    assert (outcome.remote_id, outcome.created, there.state(ours)) == (holder, False, "archived")


def test_an_archived_holder_is_said_and_touches_nobody() -> None:
    """Refused in Intercom's words: a person decides what becomes of the archived one."""
    there = Workspace()
    ours, holder = there.contact(external_id="c-1"), there.contact(external_id="c-2")
    there.call("POST", f"/contacts/{holder}/archive")
    (outcome,) = there.run(rename("c-2", "c-1", remote_id=ours, created=True)).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, "conflict")
    assert "archived" in outcome.reason
    assert there.state(ours) == "active"


def test_leads_may_share_an_address_but_ours_do_not() -> None:
    """Intercom would let two leads have it: the search finds the holder, and no double is made."""
    there = Workspace("lead")
    ours, holder = (there.contact("lead", email=f"{name}@example.org") for name in ("a", "b"))
    (outcome,) = there.run(rename("b@example.org", "a@example.org", remote_id=ours, created=True)).outcomes
    assert (outcome.remote_id, there.state(ours)) == (holder, "archived")


def test_companies_keep_their_id_for_ever() -> None:
    """There is no call: refused by name."""
    there = Workspace("company")
    (outcome,) = there.run(rename("k-2", "k-1", remote_id="7", created=True)).outcomes
    assert (outcome.code, there.calls) == ("IDENTITY_FIXED", [])


# --- endings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "call", "state"), [(OnLeave.ARCHIVE, ARCHIVE, "archived"), (OnLeave.DELETE, DELETE, "deleted")]
)
def test_who_leaves_is_ended_by_id(policy: OnLeave, call: str, state: str) -> None:
    """One call, and again is done; of several leads of one address none is ended at random."""
    there = Workspace("lead")
    contact = there.contact("lead", email="ada@example.org")
    for _ in range(2):
        (outcome,) = there.run(
            change(1, Op.LEAVE, match="ada@example.org", remote_id=contact, created=True), on_leave=policy
        ).outcomes
        assert (outcome.status, there.calls, there.state(contact)) == (Status.DELIVERED, [call], state)
    leads = [there.contact("lead", email="bob@example.org") for _ in range(2)]
    (outcome,) = there.run(change(1, Op.LEAVE, match="bob@example.org", created=True), on_leave=policy).outcomes
    assert outcome.code == "SEVERAL_CONTACTS"
    assert {there.state(lead) for lead in leads} == {"active"}


def test_fields_are_cleared_where_they_stand() -> None:
    """Custom attributes too; who has nothing to clear needs no call, and a company that is gone is not made again."""
    there = Workspace()
    contact = there.contact(external_id="c-1", name="n", custom_attributes={"city": "Brno", "spent": 1.5})
    rows = [
        change(1, Op.LEAVE, match="c-1", fields={"name": None, "city": None}, remote_id=contact),
        change(2, Op.LEAVE, match="c-2"),
    ]
    there.run(*rows, on_leave=OnLeave.CLEAR)
    assert there.calls == [PUT]
    assert (there.shows(contact)["name"], there.shows(contact)["custom_attributes"]) == (None, {"spent": 1.5})
    shop = Workspace("company")
    (outcome,) = shop.run(
        change(1, Op.LEAVE, match="k-1", fields={"name": None}, remote_id="0" * 24), on_leave=OnLeave.CLEAR
    ).outcomes
    assert (outcome.status, shop.box.store["companies"]) == (Status.DELIVERED, {})


# --- companies --------------------------------------------------------------------------------------------------------


def firm(number: int = 1, **more: Any) -> Change:
    """Return a change of company k-<number>."""
    return change(number, match=f"k-{number}", fields=more.pop("fields", {"name": "n", "city": "Brno"}), **more)


def test_a_company_takes_one_call_unless_it_must_be_known_whose_it_is() -> None:
    """The policy to archive asks who is new, once; without it nobody is taken for ours."""
    there = Workspace("company")
    assert [o.created for o in there.run(firm()).outcomes] == [False]
    assert there.calls == ["POST /companies"]
    seen = there.run(firm(1), firm(2), firm(3, created=True), on_leave=OnLeave.ARCHIVE)
    assert there.calls == [FIND, FIND] + ["POST /companies"] * 3
    assert {o.change.seq: o.created for o in seen.outcomes} == {1: False, 2: True, 3: None}
    kept = next(iter(there.box.store["companies"].values()))
    assert (kept["name"], kept["custom_attributes"]) == ("n", {"city": "Brno"})


@pytest.mark.parametrize(
    ("mode", "codes"),
    [(Mode.INSERT, {1: "COMPANY_EXISTS", 2: ""}), (Mode.UPDATE, {1: "", 2: "COMPANY_MISSING"})],
)
def test_modes_look_first(mode: Mode, codes: dict[int, str]) -> None:
    """A read each, and a write for those who are meant."""
    there = Workspace("company")
    there.run(firm(1))
    seen = there.run(firm(1), firm(2), mode=mode)
    assert {o.change.seq: o.code for o in seen.outcomes} == codes
    assert there.calls == [FIND, FIND, "POST /companies"]


def test_a_company_that_leaves_is_archived() -> None:
    """By id, or found by ours; its contacts are detached, and again is done."""
    there = Workspace("company")
    (made,) = there.run(firm(), on_leave=OnLeave.ARCHIVE).outcomes
    for known in (None, made.remote_id, None):
        leave = change(1, Op.LEAVE, match="k-1", created=True, remote_id=known)
        assert there.run(leave, on_leave=OnLeave.ARCHIVE).outcomes[0].status is Status.DELIVERED
    assert [one["archived"] for one in there.box.store["companies"].values()] == [True]


# --- reads ------------------------------------------------------------------------------------------------------------


def read(there: Workspace, *identities: str, **more: Any) -> dict[str, Any]:
    """Return identity → record."""
    assert INTERCOM.read_back
    found = there.ask(INTERCOM.read_back.run(there.context(**more), identities))
    return {record.identity: record for record in found}


def test_records_are_read_back_fifteen_a_call() -> None:
    """Fields flat, tags by label, who opted out; who is archived or shares an identity is not among them."""
    there = Workspace(match="email")
    people = [there.contact(email=f"c{n}@example.org", name=f"n{n}") for n in range(16)]
    tag = there.call("POST", "/tags", {"name": "High Value"})["id"]
    there.call("POST", f"/contacts/{people[0]}/tags", {"id": tag})
    there.call("PUT", f"/contacts/{people[1]}", {"unsubscribed_from_emails": True, "custom_attributes": {"city": "B"}})
    there.call("POST", f"/contacts/{people[2]}/archive")
    found = read(there, *(f"C{n}@example.org" for n in range(16)), cohorts=(("vip", "High Value"),), ids={"vip": tag})
    assert there.calls == [SEARCH] * 2
    assert set(found) == {f"c{n}@example.org" for n in range(16)} - {"c2@example.org"}
    assert (found["c0@example.org"].cohorts, found["c0@example.org"].remote_id) == ({"High Value"}, people[0])
    assert (found["c1@example.org"].opted_out, found["c1@example.org"].fields["city"]) == (True, "B")
    assert found["c3@example.org"].fields["name"] == "n3"


def test_more_than_ten_tags_are_read_apart() -> None:
    """A contact shows ten and says that there are more: one call tells them all."""
    there = Workspace()
    contact = there.contact(external_id="c-1")
    tags = [there.call("POST", "/tags", {"name": f"t{n}"})["id"] for n in range(12)]
    for tag in tags:
        there.call("POST", f"/contacts/{contact}/tags", {"id": tag})
    labels = tuple((f"m{n}", f"t{n}") for n in range(12))
    found = read(there, "c-1", cohorts=labels, ids={f"m{n}": tag for n, tag in enumerate(tags)})
    assert there.calls == [SEARCH, "GET /contacts/{contact_id}/tags"]
    assert found["c-1"].cohorts == {f"t{n}" for n in range(12)}


def test_a_search_of_many_pages_is_read_to_its_end() -> None:
    """Two hundred leads share an address: two pages, and none of them is taken for the person."""
    there = Workspace("lead")
    for _ in range(200):
        there.contact("lead", email="ada@example.org")
    there.contact("lead", email="bob@example.org")
    assert set(read(there, "ada@example.org", "bob@example.org")) == {"bob@example.org"}
    assert there.calls == [SEARCH, SEARCH]


def test_erasure_takes_every_contact_of_the_person() -> None:
    """The user and the leads of the address, and an archived one by its id; a failure of one is one of the whole."""
    there = Workspace(match="email")
    archived = there.contact(email="ada@example.org", external_id="c-1")
    there.call("POST", f"/contacts/{archived}/archive")
    others = [there.contact(role, email="ada@example.org") for role in ("lead", "lead")]
    assert INTERCOM.erase
    (told,) = there.ask(INTERCOM.erase.run(there.context(), [Person("ada@example.org", archived)]))
    assert told.status == "erased"
    assert {there.state(one) for one in (archived, *others)} == {"deleted"}

    def answer(call: Any) -> Reply:
        if call.path.endswith("search"):
            return Reply(200, orjson.dumps({"data": [{"id": "a", "email": "ada@example.org"}]}))
        return Reply(200, b'{"id": "b"}') if call.path.endswith("/b") else Reply(403, b"{}")

    (told,) = drive(INTERCOM.erase.run(there.context(), [Person("ada@example.org", "b")]), answer).value
    assert told.status == "failed"


def test_fields_are_intercoms_own_and_the_workspaces() -> None:
    """Writable or not, with types, options and lengths; role and subscription are not to be mapped."""
    there = Workspace(attributes={"tier": {"options": ["gold", "silver"]}, "at": "date", "ro": {"api_writable": False}})
    assert INTERCOM.discover
    found = {field.name: field for field in there.ask(INTERCOM.discover(there.context()))}
    assert found["tier"] == RemoteField("tier", "text", "tier", options=("gold", "silver"), max_length=255)
    assert (found["at"].type, found["signed_up_at"].type, found["owner_id"].type) == (
        "timestamp", "timestamp", "integer",
    )  # fmt: skip
    assert not [n for n in ("role", "unsubscribed_from_emails", "id", "created_at", "ro") if found[n].writable]
    lead = {field.name: field for field in there.ask(INTERCOM.discover(Workspace("lead").context()))}
    assert not lead["external_id"].writable


def test_a_workspace_is_known_by_its_id() -> None:
    """GET /me; a token that opens none is said."""
    there = Workspace(workspace="abc123")
    assert INTERCOM.account
    assert there.ask(INTERCOM.account(there.context().settings)).id == "abc123"
    with pytest.raises(DestinationError, match="RVT-651"):
        drive(INTERCOM.account(there.context().settings), lambda _: Reply(200, b"{}"))


def test_a_list_attribute_is_made_with_its_options() -> None:
    """Options make a list; a name that is Intercom's own is refused with its words."""
    there = Workspace()
    assert INTERCOM.create_field
    made = there.ask(INTERCOM.create_field(there.context(), RemoteField("band", options=("a", "b"))))
    assert (made.name, made.options) == ("band", ("a", "b"))
    with pytest.raises(DestinationError, match="standard attributes"):
        there.ask(INTERCOM.create_field(there.context(), RemoteField("Browser", "text")))


def test_an_address_in_other_letters_is_the_same() -> None:
    """Intercom keeps addresses in lower case; anything else is compared as everywhere."""
    field = RemoteField("email", "text")
    assert same(field, "Ada@Example.org", "ada@example.org")
    assert not same(RemoteField("name", "text"), "Ada", "ada")
