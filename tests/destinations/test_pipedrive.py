"""Pipedrive's nuances: who is found, made, repaired, renamed, ended, and how each type of field is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pipedrive_case import FIELDS, Company, upsert

from revetl.contract import Http, Reply
from revetl.destinations.pipedrive import PIPEDRIVE
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Cause, Link, Mode, OnLeave, Op, Person, RemoteField, Status

SEARCH, CREATE = "GET /v2/persons/search", "POST /v2/persons"


def statuses(seen: Any) -> list[tuple[Status, str]]:
    """Return status and code of each outcome."""
    return [(o.status, o.code) for o in seen.outcomes]


# --- who is there ---------------------------------------------------------------------------------------------------


def test_a_new_person_costs_a_search_and_a_create_and_a_known_one_an_update() -> None:
    """25 tokens, then 5: the id is remembered."""
    company = Company()
    (made,) = company.run(Op.UPSERT, [upsert()]).outcomes
    assert (company.lines, company.tokens, made.created) == ([SEARCH, CREATE], 25, True)
    (again,) = company.run(Op.UPSERT, [upsert(remote_id=made.remote_id, created=True)]).outcomes
    assert (company.lines, company.tokens) == ([f"PATCH /v2/persons/{made.remote_id}"], 5)
    assert (again.remote_id, again.created) == (made.remote_id, None)


def test_the_costs_told_are_those_of_the_service() -> None:
    """Tokens counted by the destination's limits are those that the company loses."""
    company = Company()
    prepared = company.prepare("VIP")
    seen = company.run(Op.UPSERT, [upsert(n) for n in (1, 2)], prepared=prepared)
    told = company.tokens
    assert told == 2 * 25
    known = [upsert(o.change.seq, remote_id=o.remote_id, created=True) for o in seen.outcomes]
    before, told = _left(company), 0
    for op, more in ((Op.JOIN, {"cohort": "VIP"}), (Op.LEAVE, {"on_leave": OnLeave.DELETE})):
        company.run(op, [replace(c, op=op, body=b"{}") for c in known], prepared=prepared, **more)
        told += company.tokens
    assert told == before - 2 - _left(company)  # asking costs 2


def _left(company: Company) -> int:
    """Return what the day has before the question."""
    return int(company(Http("GET", "/v1/users/me")).headers["x-daily-ratelimit-token-remaining"]) + 2


def test_a_person_found_is_not_ours_and_case_is_no_difference() -> None:
    """The search ignores case; who stood there before is never taken for revetl's own."""
    company = Company()
    there = company.add("Somebody", "C1@Example.org")
    (found,) = company.run(Op.UPSERT, [upsert(fields={"City": "Brno"})]).outcomes
    assert (found.remote_id, found.created, company.living) == (str(there), False, [there])
    assert company.stands(there)["City"] == "Brno"


def test_of_several_the_oldest_is_taken() -> None:
    """Any number of records may share an address, and hits come in no order."""
    company = Company()
    ids = [company.add(f"Twin {n}", "c1@example.org") for n in range(3)]
    (found,) = company.run(Op.UPSERT, [upsert()]).outcomes
    assert found.remote_id == str(ids[0])


def test_a_hit_that_does_not_show_the_address_is_nobody() -> None:
    """The search may answer more than was asked for: a record is taken only if the address stands in it."""
    hit = {"item": {"id": 7, "emails": ["else@example.org"]}}
    answers = [{"items": [hit]}, {"id": 8}]
    seen = drive(PIPEDRIVE.actions[Op.UPSERT].run(_work([upsert()])), lambda _: Reply(200, _ok(answers.pop(0))))
    assert [(o.remote_id, o.created) for o in seen.outcomes] == [("8", True)]


def _work(changes: Any, **more: Any) -> Any:
    company = Company()
    return batch(
        changes, company.context().settings, object="persons", match_field="email", prepared=company.prepare(), **more
    )


def _ok(data: Any) -> bytes:
    return orjson.dumps({"success": True, "data": data})


def test_an_answer_about_another_record_proves_nothing() -> None:
    """The update of 7 answered with 8, or with a list, is not understood."""
    for data in ({"id": 8}, [{"id": 7}], {}, None):
        work = _work([upsert(remote_id="7", created=True)])
        seen = drive(PIPEDRIVE.actions[Op.UPSERT].run(work), lambda _, told=data: Reply(200, _ok(told)))  # type: ignore[misc]
        assert (seen.outcomes, seen.unreadable is not None) == ([], True)


def test_mode_update_creates_nobody_and_mode_insert_changes_nobody() -> None:
    """Both look first; each refuses by name."""
    company = Company()
    there = company.add("Somebody", "c1@example.org")
    seen = company.run(Op.UPSERT, [upsert(1), upsert(2)], mode=Mode.UPDATE)
    assert sorted(statuses(seen)) == [(Status.DELIVERED, ""), (Status.REJECTED, "NOT_FOUND")]
    seen = company.run(Op.UPSERT, [upsert(1), upsert(2)], mode=Mode.INSERT)
    assert sorted(statuses(seen)) == [(Status.DELIVERED, ""), (Status.REJECTED, "EXISTS")]
    assert len(company.living) == 2
    assert company.stands(there)["name"] == "Person 1"  # as mode update left it


def test_a_person_by_a_field_of_their_own() -> None:
    """The value must stand in that very field: a hit in another one is nobody; a number is found by its digits."""
    company = Company(match="Customer id")
    company.add("Stranger", custom_fields={company.key("Old id"): "K-1"})
    change_ = upsert(match="K-1", fields={"Customer id": "K-1"})
    (made,) = company.run(Op.UPSERT, [change_]).outcomes
    assert made.created is True
    (again,) = company.run(Op.UPSERT, [change_]).outcomes
    assert (again.remote_id, again.created) == (made.remote_id, False)
    numbers = Company({"Number": "double"}, match="Number")
    there = numbers.add("Somebody", custom_fields={numbers.key("Number"): 5})
    assert numbers.run(Op.UPSERT, [upsert(match="5")]).outcomes[0].remote_id == str(there)


# --- the index lags -------------------------------------------------------------------------------------------------


def test_a_create_whose_answer_was_lost_is_looked_for_beyond_the_index() -> None:
    """Sent again, a change finds among the newest records what the search does not know yet: there is no second one."""
    company = Company(lag=600)
    (first,) = company.run(Op.UPSERT, [upsert()]).outcomes
    company.add("Somebody else", "else@example.org")
    (again,) = company.run(Op.UPSERT, [upsert(cause=Cause.RETRY)]).outcomes
    assert (again.remote_id, len(company.living)) == (first.remote_id, 2)
    assert company.lines == [SEARCH, "GET /v2/persons", f"PATCH /v2/persons/{first.remote_id}"]


def test_only_what_may_be_young_is_looked_through() -> None:
    """After an hour the index is believed: the list ends at the first older record, and the person is made."""
    company = Company()
    company.add("Old", "old@example.org")
    company.at += 4_000
    young = company.add("Young", "young@example.org")
    seen = company.run(Op.UPSERT, [upsert(1, cause=Cause.RETRY), upsert(2, match="young@example.org")])
    assert {o.change.seq: o.created for o in seen.outcomes} == {1: True, 2: False}
    assert company.lines.count("GET /v2/persons") == 1
    assert young in company.living


# --- ids that vanish ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shows_deleted", [False, True])
def test_a_deleted_record_is_made_anew(shows_deleted: bool) -> None:
    """404, or an answer that says is_deleted: the person is looked for, and made whole again."""
    company = Company(shows_deleted=shows_deleted)
    (made,) = company.run(Op.UPSERT, [upsert()]).outcomes
    company.ask("DELETE", f"/v2/persons/{made.remote_id}")
    (again,) = company.run(Op.UPSERT, [upsert(remote_id=made.remote_id, created=True)]).outcomes
    assert (again.status, again.created, again.remote_id != made.remote_id) == (Status.DELIVERED, True, True)
    assert company.living == [int(again.remote_id or 0)]


def test_a_merged_record_is_followed_to_the_one_that_stayed() -> None:
    """The survivor has both addresses: it is found, updated, and not ours."""
    company = Company()
    (made,) = company.run(Op.UPSERT, [upsert()]).outcomes
    other = company.add("Winner", "other@example.org")
    company.box.merge("persons", int(made.remote_id or 0), other)  # type: ignore[attr-defined]
    (again,) = company.run(Op.UPSERT, [upsert(remote_id=made.remote_id, created=True)]).outcomes
    assert (again.remote_id, again.created, company.living) == (str(other), False, [other])


def test_an_index_that_still_shows_the_deleted_leads_nowhere() -> None:
    """The hit is gone, too: a new record, not a loop."""
    company = Company()
    company.add("Somebody", "c1@example.org")
    company.run(Op.UPSERT, [upsert()])
    company.box.options = {**company.box.options, "lag": 600}
    company.ask("DELETE", "/v2/persons/1")
    (made,) = company.run(Op.UPSERT, [upsert()]).outcomes
    assert (made.status, made.created) == (Status.DELIVERED, True)


# --- fields ---------------------------------------------------------------------------------------------------------


def discovered(company: Company, *names: str, match: str = "email") -> dict[str, RemoteField]:
    """Return the fields as discovery names them for a mapping of ``names``."""
    assert PIPEDRIVE.discover is not None
    found = drive(PIPEDRIVE.discover(company.context(fields=names, match_field=match)), company).value
    return {field.name: field for field in found}


def test_fields_go_by_name_or_by_key() -> None:
    """A custom field is offered by its name; a mapping by key finds it under its key; built-in ones by their code."""
    company = Company()
    found = discovered(company)
    assert {"name", "email", "phone", "City", "Band"} <= set(found)
    assert found["Band"].options == ("Gold", "Silver")
    assert (found["Spent"].type, found["Interests"].type, found["City"].max_length) == ("number", "list", 255)
    key = company.key("City")
    by_key = discovered(company, key)
    assert key in by_key
    assert "City" not in by_key
    assert {"City", key} <= set(discovered(company, key, "City"))
    assert not found["label_ids"].writable
    assert found["name"].required


def test_fields_that_share_a_name_go_by_their_keys() -> None:
    """Two fields called alike, and one called like a built-in one: their names say nothing."""
    company = Company({"City": "varchar", "email": "varchar"})
    rows = company.box.store["fields"]["persons"]
    rows.append({**rows[-2], "field_code": "f" * 40})
    found = discovered(company)
    assert "City" not in found
    assert "f" * 40 in found
    assert found["email"].label == "Email"


def test_fields_come_page_by_page() -> None:
    """All pages are read."""
    company = Company(field_page=3)
    assert set(FIELDS) <= set(discovered(company))
    assert company.lines.count("GET /v2/personFields") > 3


def test_each_type_is_written_as_pipedrive_takes_it() -> None:
    """Options by id, money with the user's currency, times and addresses as objects; and cleared by null."""
    company = Company()
    buddy = company.add("Buddy")
    values = {
        "Band": "Gold", "Interests": ["Coffee", "Tea"], "Turnover": 12.5, "Wakes": "07:30:00", "Home": "Main St 1",
        "Stay": {"value": "2024-01-01", "until": "2024-02-01"}, "Buddy": buddy, "phone": "+420 1",
    }  # fmt: skip
    (made,) = company.run(Op.UPSERT, [upsert(fields=values)]).outcomes
    there = company.stands(made.remote_id or "")
    assert there["Band"] == company.option("Band", "Gold")
    assert there["Interests"] == [company.option("Interests", label) for label in ("Coffee", "Tea")]
    assert there["Turnover"] == {"value": 12.5, "currency": "EUR"}
    assert (there["Wakes"]["value"], there["Home"]["value"]) == ("07:30:00", "Main St 1")
    assert (there["Stay"], there["Buddy"]) == ({"value": "2024-01-01", "until": "2024-02-01"}, buddy)
    gone = upsert(fields=dict.fromkeys(values), remote_id=made.remote_id, created=True)
    assert statuses(company.run(Op.UPSERT, [gone])) == [(Status.DELIVERED, "")]
    cleared = company.stands(made.remote_id or "")
    assert not set(values) & set(cleared)
    assert cleared["phones"] == []


def test_an_empty_list_clears() -> None:
    """Pipedrive refuses []: null is sent."""
    company = Company()
    there = company.add("Somebody", "c1@example.org")
    for chosen in (["Tea"], []):
        assert company.run(Op.UPSERT, [upsert(fields={"Interests": chosen})]).outcomes[0].status is Status.DELIVERED
    assert "Interests" not in company.stands(there)


def test_an_unknown_option_is_refused_by_name_before_any_call() -> None:
    """The others of the batch are written; the reason lists what there is."""
    company = Company()
    rows = [upsert(1, fields={"Band": "gold"}), upsert(2, fields={"Band": "Gold"})]
    seen = company.run(Op.UPSERT, rows)
    (refused,) = seen.of(rows[0])
    assert (refused.code, "Gold, Silver" in refused.reason) == ("VALUE_UNFIT", True)
    assert seen.of(rows[1])[0].status is Status.DELIVERED


def test_a_new_phone_number_keeps_the_others() -> None:
    """The primary number is revetl's; what the sales team added stays, also when ours goes."""
    company = Company()
    numbers = [{"value": "1", "primary": True, "label": "work"}, {"value": "2", "primary": False, "label": "home"}]
    there = company.add("Somebody", "c1@example.org", phones=numbers)
    company.run(Op.UPSERT, [upsert(fields={"phone": "3"})])
    kept = [(one["value"], one["primary"], one["label"]) for one in company.stands(there)["phones"]]
    assert kept == [("3", True, "work"), ("2", False, "home")]
    company.run(Op.UPSERT, [upsert(fields={"phone": None}, remote_id=str(there), created=False)])
    assert [one["value"] for one in company.stands(there)["phones"]] == ["2"]


def test_a_known_person_keeps_further_addresses() -> None:
    """The address that identifies is not written again."""
    company = Company()
    there = company.add("Somebody", emails=[{"value": "c1@example.org"}, {"value": "home@example.org"}])
    company.run(Op.UPSERT, [upsert()])
    assert [one["value"] for one in company.stands(there)["emails"]] == ["c1@example.org", "home@example.org"]


def test_a_person_belongs_to_an_organization_and_leaves_it() -> None:
    """The link is a field of the person: the organization's id, or null."""
    company = Company()
    org = company.ask("POST", "/v2/organizations", {"name": "Acme"})["id"]
    linked = upsert(links={"org_id": Link(str(org))})
    (made,) = company.run(Op.UPSERT, [linked]).outcomes
    assert company.stands(made.remote_id or "")["org_id"] == org
    ended = upsert(links={"org_id": Link(None, str(org))}, remote_id=made.remote_id, created=True)
    company.run(Op.UPSERT, [ended])
    assert company.stands(made.remote_id or "")["org_id"] is None


def test_fields_are_made_once_and_never_by_key() -> None:
    """A boolean becomes an option field; a name that is there is taken; a key cannot be chosen."""
    company = Company()
    assert PIPEDRIVE.create_field is not None
    made = drive(PIPEDRIVE.create_field(company.context(), RemoteField("Vip", "boolean")), company).value
    assert made.options == ("true", "false")
    drive(PIPEDRIVE.create_field(company.context(), RemoteField("Vip", "boolean")), company)
    names = [row["field_name"] for row in company.box.store["fields"]["persons"]]
    assert names.count("Vip") == 1
    with pytest.raises(DestinationError, match="RVT-651"):
        drive(PIPEDRIVE.create_field(company.context(), RemoteField("a" * 40, "text")), company)


# --- identity, leave, erase -----------------------------------------------------------------------------------------


def test_a_renamed_person_keeps_further_addresses() -> None:
    """The old address is replaced where it stands; the primary one stays the primary one."""
    company = Company()
    rows = [{"value": "home@example.org", "primary": True}, {"value": "c1@example.org", "label": "work"}]
    there = company.add("Somebody", emails=rows)
    moved = change(1, Op.IDENTITY, match="n1@example.org", before_match="c1@example.org", remote_id=str(there))
    assert statuses(company.run(Op.IDENTITY, [moved])) == [(Status.DELIVERED, "")]
    found = [(one["value"], one["primary"]) for one in company.stands(there)["emails"]]
    assert found == [("home@example.org", True), ("n1@example.org", False)]


def test_a_rename_follows_a_merge() -> None:
    """The id is gone; who holds the old address is given the new one."""
    company = Company()
    there, other = company.add("Ours", "c1@example.org"), company.add("Winner", "other@example.org")
    company.box.merge("persons", there, other)  # type: ignore[attr-defined]
    moved = change(1, Op.IDENTITY, match="n1@example.org", before_match="c1@example.org", remote_id=str(there))
    (done,) = company.run(Op.IDENTITY, [moved]).outcomes
    assert (done.status, done.remote_id) == (Status.DELIVERED, str(other))
    assert {one["value"] for one in company.stands(other)["emails"]} == {"other@example.org", "n1@example.org"}


def test_a_cleared_record_keeps_what_is_not_ours() -> None:
    """Mapped fields are emptied, one call; the rest of the record stays."""
    company = Company()
    there = company.add("Somebody", "c1@example.org", custom_fields={company.key("City"): "Brno"})
    leave = change(1, Op.LEAVE, fields={"City": None, "name": None}, remote_id=str(there))
    company.run(Op.LEAVE, [leave], on_leave=OnLeave.CLEAR)
    assert (company.lines, "City" in company.stands(there)) == ([f"PATCH /v2/persons/{there}"], False)
    assert company.stands(there)["name"] == "Somebody"


def test_who_is_cleared_is_in_our_organization_no_more() -> None:
    """The link that revetl made ends with the fields, in the same call, or by itself."""
    company = Company()
    for fields in ({"City": None}, {}):
        org = company.ask("POST", "/v2/organizations", {"name": "Acme"})["id"]
        there = company.add("Somebody", "c1@example.org", org_id=org)
        leave = change(1, Op.LEAVE, fields=fields, remote_id=str(there), links={"org_id": Link(None, str(org))})
        company.run(Op.LEAVE, [leave], on_leave=OnLeave.CLEAR)
        assert (company.lines, company.stands(there)["org_id"]) == ([f"PATCH /v2/persons/{there}"], None)


def test_a_name_cannot_be_emptied() -> None:
    """Refused by name, with what to write instead; on leave it stays, by itself no reason for a call."""
    company = Company()
    there = company.add("Somebody", "c1@example.org")
    (refused,) = company.run(Op.UPSERT, [change(1, fields={"name": None}, remote_id=str(there))]).outcomes
    assert (refused.code, "on_null: keep" in refused.reason, company.calls) == ("VALUE_UNFIT", True, [])
    leave = change(1, Op.LEAVE, fields={"name": None}, remote_id=str(there))
    assert statuses(company.run(Op.LEAVE, [leave], on_leave=OnLeave.CLEAR)) == [(Status.DELIVERED, "")]
    assert company.stands(there)["name"] == "Somebody"


def test_an_erasure_takes_every_record_of_the_person() -> None:
    """Duplicates too; who is not there is absent; Pipedrive keeps the deleted for 30 days."""
    company = Company()
    for name in ("Twin 1", "Twin 2"):
        company.add(name, "c1@example.org")
    other = company.add("Somebody", "c2@example.org")
    assert PIPEDRIVE.erase is not None
    people = [Person("c1@example.org"), Person("c9@example.org")]
    found = drive(PIPEDRIVE.erase.run(company.context(), people), company).value
    assert [(one.identity, one.status) for one in found] == [
        ("c1@example.org", "archived"),
        ("c9@example.org", "absent"),
    ]
    assert company.living == [other]


def test_many_are_read_by_list_and_few_by_search() -> None:
    """26 identities cost a list of 10 tokens a page instead of 26 searches; both read the same."""
    company = Company()
    rows = [upsert(n, fields={"Band": "Gold", "Turnover": n, "phone": f"+{n}"}) for n in range(1, 31)]
    company.run(Op.UPSERT, rows)
    assert PIPEDRIVE.read_back is not None
    everybody = [row.match for row in rows]
    company.forget()
    many = drive(PIPEDRIVE.read_back.run(company.context(), everybody), company).value
    assert company.lines == ["GET /v2/personFields", "GET /v2/persons"]
    few = drive(PIPEDRIVE.read_back.run(company.context(), everybody[:2]), company).value
    assert [record for record in many if record.identity in everybody[:2]] == few
    assert few[0].fields["Band"] == "Gold"
    assert (few[0].fields["Turnover"], few[0].fields["phone"]) == (1, "+1")
