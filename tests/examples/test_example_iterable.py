"""examples/iterable, against the stand-in over loopback."""

from __future__ import annotations

from typing import Any

from tests.e2e.house import House, of
from tests.examples.conftest import Settle, told

SYNC = "iterable.customer"
READERS = "from customers where email is not null and customer_id in (from newsletter_subscribers)"


def users(house: House) -> dict[str, dict[str, Any]]:
    """Return address → user."""
    return {one["email"]: one for one in house.boxes["iterable"].dump()["store"]["users"].values()}


def test_iterable(settle: Settle) -> None:
    """Users arrive with fields and list; again writes nothing; who moves stays one; who says no is out and emptied."""
    house = settle("iterable")
    told(house)
    rows = house.rows(f"select email, first_name, lifetime_value::double, first_order_at {READERS}")
    wanted = {row[0]: (row[1], row[2], row[3] and f"{row[3]:%Y-%m-%d %H:%M:%S} +00:00") for row in rows}
    names = ("firstName", "lifetimeValue", "firstOrderAt")
    assert {who: tuple(one["dataFields"].get(n) for n in names) for who, one in users(house).items()} == wanted
    members = {row[0] for row in house.rows(f"select email {READERS} and customer_id in (from high_value_customers)")}
    assert {who for who, one in users(house).items() if one["lists"]} == members != set()
    assert house.sync().exit_code == 0
    assert house.writes() == []
    assert house.program("verify", SYNC).returncode == 0
    customer, address = house.reader()
    number = users(house)[address]["id"]
    house.sql(f"update customers set email = 'moved@example.org' where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert set(users(house)) == (set(wanted) - {address}) | {"moved@example.org"}
    assert users(house)["moved@example.org"]["id"] == number
    assert users(house)["moved@example.org"]["optouts"] == []
    house.sql(
        f"update customers set marketing_opt_in = false where customer_id = {customer}",
        f"delete from newsletter_subscribers where customer_id = {customer}",
    )
    assert of(house.sync(), SYNC).exit_code == 0
    left = users(house)["moved@example.org"]
    assert ({n: left["dataFields"].get(n) for n in names}, left["lists"]) == (dict.fromkeys(names), [])
    assert left["optouts"]
    assert house.sync().exit_code == 0
    assert house.writes() == []
