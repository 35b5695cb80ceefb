"""Pipedrive's cohorts: labels, fields of their own, and consent that is withdrawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pipedrive_case import Company, upsert

from revetl.destinations.pipedrive import PIPEDRIVE
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import Op, RemoteRecord, Status


def people(company: Company, count: int) -> list[Any]:
    """Make so many people and return them as later runs know them."""
    seen = company.run(Op.UPSERT, [upsert(n) for n in range(1, count + 1)])
    return [change(o.change.seq, Op.JOIN, remote_id=o.remote_id, created=True) for o in seen.outcomes]


def labels(company: Company, record: Any) -> list[str]:
    """Return the labels of a record, by name."""
    rows = company.box.store["fields"]["persons"]
    known = {option["id"]: option["label"] for row in rows for option in row["options"] or ()}
    return [known[one] for one in company.stands(record)["label_ids"]]


def test_a_label_is_made_and_others_stay() -> None:
    """A record's labels are written as a whole: those that somebody gave it are kept."""
    company = Company()
    (person,) = people(company, 1)
    hot = company.option("Label", "Hot lead")
    company.ask("PATCH", f"/v2/persons/{person.remote_id}", {"label_ids": [hot]})
    company.run(Op.JOIN, [person], "High Value")
    assert labels(company, person.remote_id) == ["Hot lead", "High Value"]
    company.run(Op.PART, [replace(person, op=Op.PART)], "High Value")
    assert labels(company, person.remote_id) == ["Hot lead"]


def test_many_join_in_one_read_and_a_write_each() -> None:
    """30 people: one list read, 30 writes; those who are in already are not written."""
    company = Company()
    rows = people(company, 30)
    company.run(Op.JOIN, rows[:10], "High Value")
    company.run(Op.JOIN, rows, "High Value")
    assert len(company.calls) == 1 + 20
    company.run(Op.JOIN, rows, "High Value")
    assert company.lines == ["GET /v2/persons"]


def test_a_person_who_was_merged_joins_as_who_stayed() -> None:
    """The id is left out of the list: the person is found anew by address, and so is the membership."""
    company = Company()
    (person,) = people(company, 1)
    other = company.add("Winner", "other@example.org")
    company.box.merge("persons", int(person.remote_id), other)  # type: ignore[attr-defined]
    (joined,) = company.run(Op.JOIN, [person], "High Value").outcomes
    assert (joined.status, joined.remote_id, labels(company, other)) == (Status.DELIVERED, str(other), ["High Value"])


def test_a_row_that_a_list_leaves_out_has_not_joined() -> None:
    """The record was deleted for good: nobody is there to join, and parting is done."""
    company = Company()
    rows = people(company, 2)
    company.ask("DELETE", f"/v2/persons/{rows[0].remote_id}")
    seen = company.run(Op.JOIN, rows, "High Value")
    assert {o.change.seq: o.code for o in seen.outcomes} == {1: "RECORD_MISSING", 2: ""}
    seen = company.run(Op.PART, [replace(row, op=Op.PART) for row in rows], "High Value")
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}


@pytest.mark.parametrize("style", ["label", "field"])
def test_nothing_is_made_where_nothing_may_be(style: str) -> None:
    """create False: what is missing is left out, what is there is found, and nothing is renamed."""
    company = Company()
    company.style = style
    assert company.prepare("High Value", create=False)["cohorts"] == {}
    made = company.prepare("High Value")["cohorts"]
    assert company.prepare("High Value", create=False)["cohorts"] == made
    company.prepare("Top", create=False, ids={"top": made["high value"]})
    assert company.prepare("High Value", create=False)["cohorts"] == made


def test_labels_that_the_api_may_not_make_are_told() -> None:
    """The refusal names the label and what to do instead."""
    company = Company(labels_by_api=False)
    with pytest.raises(DestinationError, match=r"RVT-651.*High Value"):
        company.prepare("High Value")
    company.style = "field"
    assert company.prepare("High Value")["cohorts"]


def test_a_cohort_as_a_field() -> None:
    """A single-option field of the cohort's name: Yes for members, empty for others; one call a member."""
    company = Company()
    company.style = "field"
    rows = people(company, 2)
    company.run(Op.JOIN, rows, "High Value")
    assert company.lines == [f"PATCH /v2/persons/{row.remote_id}" for row in rows]
    assert company.stands(rows[0].remote_id)["High Value"] == company.option("High Value", "Yes")
    company.run(Op.PART, [replace(rows[0], op=Op.PART)], "High Value")
    assert "High Value" not in company.stands(rows[0].remote_id)
    assert {r.identity: r.cohorts for r in read(company, rows)} == {
        rows[0].match: frozenset(),
        rows[1].match: frozenset({"High Value"}),
    }


def read(company: Company, rows: list[Any]) -> list[RemoteRecord]:
    """Return what is read back of these people and the cohort."""
    assert PIPEDRIVE.read_back is not None
    prepared = company.prepare("High Value")
    context = company.context("High Value", prepared=prepared)
    found: list[RemoteRecord] = drive(PIPEDRIVE.read_back.run(context, [row.match for row in rows]), company).value
    return found


def test_a_field_that_somebody_made_is_used() -> None:
    """An option field gets the option Yes, a text field the word true; any other type is refused."""
    fields = {"High Value": {"type": "enum", "options": ["No"]}, "Old": "varchar", "Number": "double"}
    company = Company(fields)
    company.style = "field"
    (person,) = people(company, 1)
    company.run(Op.JOIN, [person], "High Value")
    company.run(Op.JOIN, [person], "Old")
    there = company.stands(person.remote_id)
    assert (there["High Value"], there["Old"]) == (company.option("High Value", "Yes"), "true")
    with pytest.raises(DestinationError, match="RVT-652"):
        company.prepare("Number")


# --- consent --------------------------------------------------------------------------------------------------------


def withdraw(company: Company, rows: list[Any]) -> list[tuple[Status, str]]:
    """Withdraw the consent of these people."""
    company.style = "unsubscribe"
    seen = company.run(Op.JOIN, rows, "consent", prepared=company.prepare())
    company.style = "label"
    return [(o.status, o.code) for o in seen.outcomes]


def test_consent_is_withdrawn_for_good() -> None:
    """The marketing status becomes unsubscribed; again is as good; it is read back as an opt-out."""
    company = Company(campaigns=True)
    rows = people(company, 1)
    for _ in range(2):
        assert withdraw(company, rows) == [(Status.DELIVERED, "")]
    assert company.stands(rows[0].remote_id)["marketing_status"] == "unsubscribed"
    assert [record.opted_out for record in read(company, rows)] == [True]
    company.run(Op.UPSERT, [upsert(1, remote_id=rows[0].remote_id, created=True, consent=True)])
    assert company.stands(rows[0].remote_id)["marketing_status"] == "unsubscribed"


def test_a_new_person_without_consent_is_made_unsubscribed() -> None:
    """Never opted in first; where there are no Campaigns, there is no status to write."""
    for campaigns in (True, False):
        company = Company(campaigns=campaigns)
        (made,) = company.run(Op.UPSERT, [upsert(consent=False)]).outcomes
        assert made.status is Status.DELIVERED
        status = company.stands(made.remote_id or "")["marketing_status"]
        assert status == ("unsubscribed" if campaigns else "no_consent")


def test_a_status_that_stays_is_no_withdrawal() -> None:
    """Pipedrive answers success and leaves it: the row is refused, not called done."""
    company = Company(campaigns=True)
    (person,) = people(company, 1)
    company.ask("PATCH", f"/v2/persons/{person.remote_id}", {"marketing_status": "archived"})
    company.box.options = {**company.box.options, "consent_is_fixed": True}
    assert withdraw(company, [person]) == [(Status.REJECTED, "CONSENT_KEPT")]


def test_without_campaigns_there_is_no_consent_to_withdraw() -> None:
    """Said by name, without a call."""
    company = Company()
    assert withdraw(company, people(company, 1)) == [(Status.REJECTED, "NO_CAMPAIGNS")]
    assert company.calls == []
