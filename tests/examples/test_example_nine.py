"""examples/nine-destinations: nine services in one run, against nine stand-ins over loopback."""

from __future__ import annotations

from math import ceil

import orjson
import pytest

from revetl.types import RunResult
from tests.e2e.house import House
from tests.examples.conftest import Settle, told
from tests.examples.nine import CALLED, NINE, READERS, seen, wanted, writes

# each firm and each person called is a search at Pipedrive, which lets ten in two seconds
FEWER = (
    "delete from companies where company_id > 10",
    "update customers set company_id = (company_id - 1) % 10 + 1",
    "delete from high_value_customers where customer_id > (select quantile_disc(customer_id, 0.6) "
    "from high_value_customers)",
)
ONE_EACH = dict.fromkeys(NINE, 1)


@pytest.fixture
def house(settle: Settle) -> House:
    """Return the shop with the example's meta and revetl.yml, and nine stand-ins."""
    house = settle("nine-destinations", *NINE)
    house.sql(*FEWER)
    return house


def changed(house: House, *statements: str) -> dict[str, int]:
    """Change the models and sync; everything must go well and stand everywhere. Return the write calls."""
    house.sql(*statements)
    agreed(house, house.sync())
    return writes(house)


def agreed(house: House, result: RunResult) -> None:
    """Assert that a run went well and that everything stands everywhere as the models say."""
    assert [one for one in result.syncs if one.exit_code or one.rejected or one.unknown or one.waiting] == []
    expected = wanted(house)
    for service in NINE:
        assert seen(house, service) == expected[service], service


def program(house: House, *words: str) -> str:
    """Run a command that must go well; return what it says."""
    done = house.program(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def least_calls(house: House) -> dict[str, int]:
    """Return sync → the calls of a first run: those of full batches, or one a person and membership."""
    people, firms = house.first(f"select count(*) from customers where {READERS}"), 10
    called = house.first(f"select count(*) from customers where {CALLED}")
    linked = house.first(f"select count(company_id) from customers where {READERS}")
    cohorts = ("high_value_customers", "churn_risk_customers")
    inside = [
        house.first(f"select count(*) from customers where {READERS} and customer_id in (from {c})") for c in cohorts
    ]
    labelled = [
        house.first(f"select count(*) from customers where {CALLED} and customer_id in (from {c})") for c in cohorts
    ]
    return {
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


@pytest.mark.timeout(300)
def test_nine_destinations(house: House) -> None:
    """Everybody stands everywhere for the calls it must take, then again for none; one customer costs the least."""
    least, first = least_calls(house), house.sync()
    agreed(house, first)
    made = {one.sync: one.calls for one in first.syncs}
    assert set(made) == set(least)
    # a call that comes a moment too early for a service's own clock is made again
    assert {name: calls for name, calls in made.items() if not least[name] <= calls <= least[name] * 1.1} == {}
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
    house.mark()
    told(house)
    assert writes(house) == {}
    verified = orjson.loads(program(house, "verify", "--output", "json"))["syncs"]
    assert len(verified) == 13
    assert [one for one in verified if one["rows"] == 0 or one["same"] != one["rows"] - one["unsent"]] == []
