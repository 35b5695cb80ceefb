"""examples/nine-destinations: nine services in one run, against nine stand-ins over loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import orjson
import pytest

from tests.e2e.house import House, built, lived_in
from tests.examples.nine import CALLED, NINE, READERS, seen, wanted, writes
from tests.shared import ROOT

ONE_EACH = dict.fromkeys(NINE, 1)


@pytest.fixture
def house(shop: Path, tmp_path: Path) -> Iterator[House]:
    """Return the shop with the example's meta and revetl.yml, and nine stand-ins."""
    with lived_in(shop, tmp_path / "nine", **{name: {} for name in NINE}) as house:
        for path in (house.root / "models/marts").glob("*.yml"):
            path.unlink()
        shutil.copy(ROOT / "examples/nine-destinations/models.yml", house.root / "models/marts")
        shutil.copy(ROOT / "examples/nine-destinations/revetl.yml", house.root)
        built(house.root, "parse")
        yield house


def changed(house: House, *statements: str) -> dict[str, int]:
    """Change the models and sync; everything must go well and stand everywhere. Return the write calls."""
    house.sql(*statements)
    result = house.sync()
    assert [one for one in result.syncs if one.exit_code or one.rejected or one.unknown or one.waiting] == []
    for service in NINE:
        assert seen(house, service) == wanted(house, service), service
    return writes(house)


def program(house: House, *words: str) -> str:
    """Run a command that must go well; return what it says."""
    done = house.program(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_nine_destinations(house: House) -> None:
    """Everybody stands everywhere; again sends nothing; each change of one customer costs the least calls."""
    program(house, "check", "--strict")
    assert set(changed(house)) == set(NINE)
    assert changed(house) == {}
    assert house.received() == []
    program(house, "debug")
    (customer, firm), (other, _) = house.rows(
        f"select customer_id, company_id from customers where {CALLED} and company_id is not null "
        "and customer_id not in (from churn_risk_customers) order by customer_id limit 2"
    )
    one = f"where customer_id = {customer}"
    assert changed(house, f"update customers set lifetime_value = lifetime_value + 1.25 {one}") == ONE_EACH
    assert changed(house, f"insert into churn_risk_customers values ({customer})") == ONE_EACH
    assert changed(house, f"delete from churn_risk_customers {one}") == ONE_EACH
    assert changed(house, f"update customers set email = 'moved@example.org' {one}") == ONE_EACH
    # the new company, and where a link is no field, the end of the old one
    move = {"hubspot": 2, "intercom": 2, "pipedrive": 1, "salesforce": 1}
    assert changed(house, f"update customers set company_id = {1 if firm != 1 else 2} {one}") == move
    # out of the cohort, and the record's end
    assert changed(house, f"delete from newsletter_subscribers {one}") == dict.fromkeys(NINE, 2)
    no = f"update customers set marketing_opt_in = false where customer_id = {other}"
    gone = f"delete from newsletter_subscribers where customer_id = {other}"
    # the withdrawal before both; Pipedrive has no consent in this example
    assert changed(house, no, gone) == dict.fromkeys(NINE, 3) | {"pipedrive": 2}
    opted_out = house.boxes["salesforce"].dump()["store"]["records"]["Contact"].values()
    assert {row["External_Id__c"] for row in opted_out if row["HasOptedOutOfEmail"]} == {str(other)}
    assert changed(house) == {}
    verified = orjson.loads(program(house, "verify", "--output", "json"))["syncs"]
    assert len(verified) == 13
    assert [one for one in verified if one["rows"] == 0 or one["same"] != one["rows"] - one["unsent"]] == []


def test_the_first_run_makes_the_calls_it_must(house: House) -> None:
    """Each sync makes the calls of full batches, or one a person and membership where there are none."""
    result = house.sync()
    people, firms = house.first(f"select count(*) from customers where {READERS}"), 20
    called = house.first(f"select count(*) from customers where {CALLED}")
    linked = house.first(f"select count(company_id) from customers where {READERS}")
    cohorts = ("high_value_customers", "churn_risk_customers")
    inside = [
        house.first(f"select count(*) from customers where {READERS} and customer_id in (from {c})") for c in cohorts
    ]
    labelled = [
        house.first(f"select count(*) from customers where {CALLED} and customer_id in (from {c})") for c in cohorts
    ]
    least = {
        "hubspot.company": 1,
        "hubspot.customer": 2 * ceil(people / 100) + 2,  # records, links; two lists
        "intercom.company": firms,
        "intercom.customer": people + ceil(people / 15) + linked + sum(inside),
        "iterable.customer": 1 + 2,
        "mailchimp.customer": 1 + 2,
        "marketo.customer": 1 + 2,
        "pardot.customer": people + sum(inside),
        "pipedrive.company": 2 * firms,  # a search and a write
        "pipedrive.customer": 2 * called + sum(n + 1 for n in labelled),
        "sailthru.customer": people + sum(inside),
        "salesforce.account": 1,
        "salesforce.contact": 1 + 2,
    }
    made = {one.sync: one.calls for one in result.syncs}
    assert set(made) == set(least)
    # a call that comes a moment too early for a service's own clock is made again
    assert {name: calls for name, calls in made.items() if not least[name] <= calls <= least[name] * 1.1} == {}
