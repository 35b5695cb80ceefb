"""``revetl docs`` of the demo shop: what it tells is what was mapped and done, and no value of any row is in it."""

from __future__ import annotations

import stat

from revetl.engine.documenting import book
from revetl.engine.workspace import load
from tests.e2e.house import CRM, MAIL, House

PAGE = "revetl_docs.html"


def test_the_page_of_the_shop(house: House) -> None:
    """Glossary, cohorts with their sizes, syncs with their numbers, and what stays, as models and runs have it."""
    house.sql(
        "delete from high_value_customers where customer_id in (select min(customer_id) from high_value_customers)"
    )
    assert house.program("sync").returncode == 0
    told = book(load(house.options(), profile=False))
    terms = {(term.model, term.name): term for term in told.terms}
    band = terms["customers", "lifetime_value_band"]
    assert {(one.sync, one.field) for one in band.goes} == {(MAIL, "LTV_BAND"), (CRM, "ltv_band")}
    assert band.description.startswith("Band of all purchases")
    assert terms["customers", "email"].pii == "email"
    assert ("customers", "lifetime_value") not in terms
    vip = next(cohort for cohort in told.cohorts if cohort.name == "high_value_customers")
    sizes = {use.sync: [size.members for size in use.sizes] for use in vip.uses}
    assert sizes[CRM][-1] == len(house.listed("High Value"))
    assert sizes[CRM][-2] - sizes[CRM][-1] == 1
    mail = next(sync for sync in told.syncs if sync.name == MAIL)
    assert (mail.records, mail.rejected) == (len(house.wanted_members()), 0)
    assert mail.last.startswith("20")
    assert ("only", "newsletter_subscribers") in mail.facts
    kept = {one.model: [name for name, _ in one.columns] for one in told.kept}
    assert "lifetime_value" in kept["customers"]
    assert "email" not in kept["customers"]
    assert "stg_orders" in told.unread


def test_no_value_of_a_row(house: House) -> None:
    """Neither addresses nor names nor bands nor keys of people are in the page, which only its owner can read."""
    done = house.program("docs")
    assert done.returncode == 0, done.stderr
    path = house.root / "target" / PAGE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    for (value,) in house.rows(
        "select email from customers where email is not null union select first_name from customers "
        "union select phone from customers where phone is not null union select last_name from customers"
    ):
        assert value not in text
    assert "Band of all purchases" in text


def test_before_any_build_or_sync(fresh: House) -> None:
    """A project that was parsed has its page without a sync: numbers are left out, and never is said."""
    told = book(load(fresh.options(), profile=False))
    assert {sync.last for sync in told.syncs} == {""}
    assert {sync.records for sync in told.syncs} == {None}
    assert all(not use.sizes for cohort in told.cohorts for use in cohort.uses)
    assert fresh.program("docs", "--output", "json").returncode == 0
