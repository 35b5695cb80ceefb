"""examples/mailchimp and examples/hubspot, against the stand-ins over loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from revetl.engine.verifying import Wish, verify
from tests.e2e.house import CRM, MAIL, House, of
from tests.e2e.walk import nothing_to_build, stand_ins_alone, walk
from tests.examples.conftest import EXAMPLES, Settle, told
from tests.shared import ROOT

PEOPLE = "select email, lifetime_value_band from customers where email is not null"


def test_mailchimp(settle: Settle) -> None:
    """Subscribers who are no employees arrive with band and tag; again writes nothing; who opts out is archived."""
    house = settle("mailchimp")
    told(house)
    found = {address: one["merge_fields"]["LTV_BAND"] for address, one in house.members().items()}
    assert found == house.wanted_members()
    assert house.tagged("High Value") == house.wanted_cohort("high_value_customers", readers=True)
    assert {one["merge_fields"]["SOURCE"] for one in house.members().values()} == {"shop"}
    assert house.sync().exit_code == 0
    assert house.writes() == []
    customer, address = house.reader()
    house.sql(f"delete from newsletter_subscribers where customer_id = {customer}")
    assert of(house.sync(), MAIL).exit_code == 0
    assert house.members(None)[address]["status"] == "archived"


def test_hubspot(settle: Settle) -> None:
    """Contacts come from two models, companies from a third, the list is the cohort; a second sync writes nothing."""
    house = settle("hubspot")
    told(house)
    contacts = house.contacts()
    assert {address: one.get("ltv_band") for address, one in contacts.items()} == dict(house.rows(PEOPLE))
    orders: dict[str, int] = dict(house.rows(
        "select email, order_count from customers join customer_engagement using (customer_id) where email is not null"
    ))  # fmt: skip
    assert {address: int(contacts[address]["order_count"]) for address in orders} == orders
    members = {row[0] for row in house.rows(
        "select email from customers where email is not null and customer_id in (from churn_risk_customers)"
    )}  # fmt: skip
    assert house.listed("Churn Risk") == members != set()
    companies = house.boxes["hubspot"].dump()["store"]["objects"]["companies"]["records"]
    assert len(companies) == house.first("select count(*) from companies")
    names = {number: one["properties"]["shop_company_id"] for number, one in companies.items()}
    linked = {address: names.get(one.get("associatedcompanyid") or "") for address, one in contacts.items()}
    assert linked == {
        address: None if company is None else str(company)
        for address, company in house.rows("select email, company_id from customers where email is not null")
    }
    noes = {row[0] for row in house.rows(
        "select email from customers where email is not null and not marketing_opt_in"
    )}  # fmt: skip
    assert {address for address, one in contacts.items() if one.get("hs_email_optout") == "true"} == noes != set()
    assert of(house.sync(), CRM).exit_code == 0
    assert house.writes() == []
    moved_by_hand(house)


def moved_by_hand(house: House) -> None:
    """Whoever was put into another company there is drift of the link, and goes back after a repair."""
    store = house.boxes["hubspot"].store["objects"]["contacts"]["records"]
    number, firm = next((n, f) for n, one in store.items() if (f := one["properties"].get("associatedcompanyid")))
    links = house.boxes["hubspot"].store["associations"][number]
    other = next(n for n in house.boxes["hubspot"].store["objects"]["companies"]["records"] if n != firm)
    links[other] = links.pop(firm)
    store[number]["properties"]["associatedcompanyid"] = other
    (found,) = verify(house.options(), [CRM], Wish(repair=True))
    assert [(drift.name, drift.rows, drift.samples[0].ours) for drift in found.fields] == [
        ("associatedcompanyid", 1, firm)
    ]
    assert found.repaired == 1
    assert of(house.sync(), CRM).exit_code == 0
    assert store[number]["properties"]["associatedcompanyid"] == firm
    (again,) = verify(house.options(), [CRM])
    assert again.drift == 0


HIGHTOUCH = {
    "models/customers": {"name": "Customers", "primaryKey": "customer_id", "table": "main.customers"},
    "syncs/contacts": {
        "model": "customers",
        "destination": "hubspot",
        "config": {
            "object": "contacts",
            "mode": "upsert",
            "externalIdMapping": {"from": "email", "to": "email", "type": "standard"},
            "mappings": [{"from": "lifetime_value_band", "to": "ltv_band", "type": "standard"}],
        },
    },
}


def test_moving_from_hightouch(settle: Settle, tmp_path: Path) -> None:
    """Drafted, looked at, taken over and switched, where the portal has all of it: no contact is written."""
    house = settle("hubspot")
    assert house.sync().exit_code == 0
    shutil.rmtree(house.root / ".revetl")
    house.mark()
    drafted, own = house.root / "revetl.yml", EXAMPLES / "hubspot/revetl.yml"
    drafted.unlink()
    for place, data in HIGHTOUCH.items():
        path = tmp_path / "hightouch-workspace" / f"{place}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data), encoding="utf-8")

    def mended(project: Path) -> None:
        """Do what step 2 leaves to the reader: the draft becomes the example's revetl.yml."""
        if drafted.exists():
            assert "hubspot:" in drafted.read_text(encoding="utf-8")
            shutil.copy(own, drafted)
            stand_ins_alone(project)

    env = nothing_to_build(house.env, tmp_path / "bin")
    assert "exit 0" in walk(ROOT / "docs/moving-from-hightouch.md", house.root, env, between=mended)
    assert [entry["path"] for entry in house.writes() if "/objects/contacts" in entry["path"]] == []
