"""examples/pipedrive, against the stand-in over loopback."""

from __future__ import annotations

from typing import Any

from tests.e2e.house import House, of
from tests.examples.conftest import Settle, told

PEOPLE = "from customers where email is not null and customer_id in (from high_value_customers)"


def shown(house: House, kind: str) -> list[dict[str, Any]]:
    """Return the living records of the stand-in, custom fields and labels by name."""
    store = house.boxes["pipedrive"].dump()["store"]
    rows = store["fields"][kind]
    names = {row["field_code"]: row["field_name"] for row in rows}
    labels = {one["id"]: one["label"] for row in rows if row["field_code"] == "label_ids" for one in row["options"]}
    living = [record for record in store["records"][kind].values() if not record["is_deleted"]]
    return [
        {
            **one,
            "labels": {labels[i] for i in one["label_ids"]},
            **{names[c]: v for c, v in one["custom_fields"].items()},
        }
        for one in living
    ]


def test_pipedrive(settle: Settle) -> None:
    """Persons and organizations arrive, the label is the cohort; again writes nothing; who leaves is emptied."""
    house = settle("pipedrive")
    told(house)
    people = {one["emails"][0]["value"]: one for one in shown(house, "persons")}
    wanted = house.rows(f"select email, first_name, lifetime_value_band, lifetime_value::double {PEOPLE}")
    found = [(address, one["name"], one["Value band"], one["Lifetime value"]) for address, one in people.items()]
    assert sorted(found) == sorted(wanted)
    members = {row[0] for row in house.rows(f"select email {PEOPLE} and customer_id in (from churn_risk_customers)")}
    assert {address for address, one in people.items() if "Churn risk" in one["labels"]} == members != set()
    companies = {(one["Shop company id"], one["name"], one["Customers"]) for one in shown(house, "organizations")}
    assert companies == set(house.rows("select company_id::varchar, company_name, customer_count from companies"))
    assert house.sync().exit_code == 0
    assert house.writes() == []
    ((customer, address),) = house.rows(f"select customer_id, email {PEOPLE} and phone is not null limit 1")
    house.sql(f"delete from high_value_customers where customer_id = {customer}")
    assert of(house.sync(), "pipedrive.customer").exit_code == 0
    (left,) = [one for one in shown(house, "persons") if one["emails"][0]["value"] == address]
    assert "Value band" not in left
    assert left["name"]
