"""examples/salesforce, against the stand-in over loopback."""

from __future__ import annotations

from typing import Any

from tests.e2e.house import House
from tests.examples.conftest import Settle, told


def kept(house: House, kind: str) -> dict[str, dict[str, Any]]:
    """Return the org's records of a kind by external id."""
    rows = house.boxes["salesforce"].dump()["store"]["records"].get(kind, {}).values()
    return {row["External_Id__c"]: row for row in rows}


def test_salesforce(settle: Settle) -> None:
    """Contacts and accounts arrive by their keys, the cohort is a campaign; a second sync writes nothing."""
    house = settle("salesforce")
    told(house)
    contacts = kept(house, "Contact")
    wanted = house.rows("select customer_id, email, last_name, lifetime_value from customers")
    assert {key: (row.get("Email"), row["LastName"]) for key, row in contacts.items()} == {
        str(key): (email, name) for key, email, name, _ in wanted
    }
    assert {key: row["Lifetime_Value__c"] for key, row in contacts.items()} == {str(r[0]): float(r[3]) for r in wanted}
    assert {row["LeadSource"] for row in contacts.values()} == {"Web"}
    names = {str(key): name for key, name in house.rows("select company_id, company_name from companies")}
    assert {key: row["Name"] for key, row in kept(house, "Account").items()} == names
    accounts = {row["Id"]: key for key, row in kept(house, "Account").items()}
    firms = {str(key): str(firm) for key, firm in house.rows("select customer_id, company_id from customers") if firm}
    assert {key: accounts[row["AccountId"]] for key, row in contacts.items() if row.get("AccountId")} == firms != {}
    silent = {str(row[0]) for row in house.rows("select customer_id from customers where not marketing_opt_in")}
    assert {key for key, row in contacts.items() if row["HasOptedOutOfEmail"]} == silent != set()
    store = house.boxes["salesforce"].dump()["store"]["records"]
    people = {row["Id"]: key for key, row in contacts.items()}
    members = {people[row["ContactId"]] for row in store["CampaignMember"].values()}
    assert members == {str(row[0]) for row in house.rows("from high_value_customers")} != set()
    assert [row["Name"] for row in store["Campaign"].values()] == ["High Value"]
    assert house.sync().exit_code == 0
    assert [entry["path"] for entry in house.writes("salesforce") if "oauth2" not in entry["path"]] == []
    house.sql("update customers set last_name = 'Ngo' where customer_id = 102")
    assert house.sync().exit_code == 0
    assert kept(house, "Contact")["102"]["LastName"] == "Ngo"
