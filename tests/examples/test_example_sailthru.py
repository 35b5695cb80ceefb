"""examples/sailthru, against the stand-in over loopback."""

from __future__ import annotations

from tests.e2e.house import of
from tests.examples.conftest import Settle, told

SYNC = "sailthru.customer"
READERS = "from customers where email is not null and customer_id in (from newsletter_subscribers)"
NAMES = ("first_name", "ltv_band", "is_subscriber")


def test_sailthru(settle: Settle) -> None:
    """Users arrive with variables and list; again writes nothing; who leaves the audience is emptied, and stays."""
    house = settle("sailthru")
    told(house)
    users = {one["keys"]["email"]: one for one in house.boxes["sailthru"].store["users"].values()}
    rows = house.rows(f"select email, first_name, lifetime_value_band, is_subscriber {READERS}")
    wanted = {row[0]: {n: v for n, v in zip(NAMES, row[1:], strict=True) if v is not None} for row in rows}
    assert {address: one["vars"] for address, one in users.items()} == wanted
    members = {row[0] for row in house.rows(f"select email {READERS} and customer_id in (from high_value_customers)")}
    assert {address for address, one in users.items() if "High Value" in one["lists"]} == members != set()
    assert house.sync().exit_code == 0
    assert house.writes() == []
    customer, address = house.reader()
    house.sql(f"delete from newsletter_subscribers where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert (users[address]["vars"], users[address]["lists"]) == ({}, {})
