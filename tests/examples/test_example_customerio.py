"""examples/customerio, against the stand-in over loopback."""

from __future__ import annotations

from tests.e2e.house import of
from tests.examples.conftest import Settle, told

SYNC = "customerio.customer"
NAMES = ("email", "ltv_band", "is_subscriber")


def test_customerio(settle: Settle) -> None:
    """People arrive with attributes and segment; again writes nothing; a change goes alone; nobody was made unasked."""
    house = settle("customerio")
    told(house)
    box = house.boxes["customerio"]
    found = {one["attributes"]["id"]: one["attributes"] for one in box.store["people"].values()}
    rows = house.rows("select customer_id, email, lifetime_value_band, is_subscriber from customers")
    assert found == {
        str(row[0]): {"id": str(row[0]), **{n: v for n, v in zip(NAMES, row[1:], strict=True) if v is not None}}
        for row in rows
    }
    (segment,) = box.store["segments"].values()
    members = {box.store["people"][number]["attributes"]["id"] for number in segment["members"]}
    assert segment["name"] == "High Value"
    assert members == {str(row[0]) for row in house.rows("select customer_id from high_value_customers")} != set()
    assert house.sync().exit_code == 0
    assert [entry for entry in house.writes("customerio") if entry["path"].startswith("/api/")] == []
    first = house.first("select min(customer_id) from customers")
    house.sql(f"update customers set lifetime_value_band = 'gold+' where customer_id = {first}")
    assert of(house.sync(), SYNC).delivered == 1
    assert [entry["path"] for entry in house.writes("customerio")].count("/api/v2/batch") == 1
    assert not [note for entry in box.journal for note in entry["flags"]]
