"""examples/braze, against the stand-in over loopback."""

from __future__ import annotations

from tests.e2e.house import of
from tests.examples.conftest import Settle, told

SYNC = "braze.customer"
NAMES = ("email", "first_name", "ltv_band", "is_subscriber")


def test_braze(settle: Settle) -> None:
    """Users arrive with fields and cohort; again writes nothing; a change goes alone; nothing was dropped or cut."""
    house = settle("braze")
    told(house)
    box = house.boxes["braze"]
    users = {one["external_id"]: one for one in box.store["users"].values()}
    rows = house.rows("select customer_id, email, first_name, lifetime_value_band, is_subscriber from customers")
    wanted = {
        str(row[0]): {name: value for name, value in zip(NAMES, row[1:], strict=True) if value is not None}
        for row in rows
    }
    found = {key: {**one["fields"], **one["custom"]} for key, one in users.items()}
    members = {str(row[0]) for row in house.rows("select customer_id from high_value_customers")}
    assert {key for key, one in found.items() if one.pop("High Value", None) is True} == members != set()
    assert found == wanted
    assert house.sync().exit_code == 0
    assert [entry for entry in house.writes("braze") if entry["path"] == "/users/track"] == []
    first = house.first("select min(customer_id) from customers")
    house.sql(f"update customers set lifetime_value_band = 'gold+' where customer_id = {first}")
    assert of(house.sync(), SYNC).delivered == 1
    assert len([entry for entry in house.writes("braze") if entry["path"] == "/users/track"]) == 1
    assert not [note for entry in box.journal for note in entry["flags"]]
