"""examples/pardot, against the stand-in over loopback."""

from __future__ import annotations

from typing import Any

from tests.e2e.house import House, of
from tests.examples.conftest import Settle, told

SYNC = "pardot.customer"
READERS = "from customers where email is not null and customer_id in (from newsletter_subscribers)"


def prospects(house: House) -> dict[str, dict[str, Any]]:
    """Return address → prospect that is not in the recycle bin."""
    found = house.boxes["pardot"].store["prospects"].values()
    return {one["email"]: one for one in found if not one["isDeleted"]}


def listed(house: House) -> set[str]:
    """Return the addresses on the cohort's list."""
    store = house.boxes["pardot"].store
    (found,) = [one for one in store["lists"].values() if one["name"] == "High Value"]
    on = (one["prospectId"] for one in store["memberships"].values() if one["listId"] == found["id"])
    return {store["prospects"][str(number)]["email"] for number in on}


def written(house: House) -> list[str]:
    """Return method and path of calls since the mark that can change something there."""
    return [f"{e['method']} {e['path']}" for e in house.writes("pardot") if not e["path"].endswith("/token")]


def test_pardot(settle: Settle) -> None:
    """Prospects arrive with fields and list; again writes nothing; who moves stays one, who leaves is deleted."""
    house = settle("pardot")
    told(house)
    wanted = {row[0]: row[1:] for row in house.rows(f"select email, first_name, lifetime_value_band {READERS}")}
    assert {who: (one.get("firstName"), one.get("LTV_Band__c")) for who, one in prospects(house).items()} == wanted
    members = {row[0] for row in house.rows(f"select email {READERS} and customer_id in (from high_value_customers)")}
    assert listed(house) == members != set()
    assert house.sync().exit_code == 0
    assert written(house) == []
    assert house.program("verify", SYNC).returncode == 0
    customer, address = house.reader()
    number = prospects(house)[address]["id"]
    house.sql(f"update customers set email = 'moved@example.org' where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert prospects(house)["moved@example.org"]["id"] == number
    house.sql(f"delete from newsletter_subscribers where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert set(prospects(house)) == set(wanted) - {address}
    assert written(house) == [f"DELETE /api/v5/objects/prospects/{number}"]
