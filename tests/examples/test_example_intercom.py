"""examples/intercom, against the stand-in over loopback."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.e2e.house import of
from tests.examples.conftest import Settle, told

SYNC = "intercom.customer"
PEOPLE = "from customers where customer_id not in (from employees)"


def test_intercom(settle: Settle) -> None:
    """Users and companies arrive with attributes and tag; again writes nothing; who leaves is archived, and returns."""
    house = settle("intercom")
    told(house)
    store = house.boxes["intercom"].store
    users = {one["external_id"]: one for one in store["contacts"].values()}
    rows = house.rows(f"select customer_id, email, lifetime_value_band, first_order_at, is_subscriber {PEOPLE}")
    wanted = {str(row[0]): (row[1], row[2], _epoch(row[3]), row[4]) for row in rows}
    assert {who: _told(one) for who, one in users.items()} == wanted
    (tag,) = store["tags"].values()
    highest = f"select customer_id {PEOPLE} and customer_id in (from high_value_customers)"
    members = {str(row[0]) for row in house.rows(highest)}
    assert {who for who, one in users.items() if tag["id"] in one["tags"]} == members != set()
    firms = {one["company_id"]: one["custom_attributes"]["shop_customers"] for one in store["companies"].values()}
    assert firms == {str(row[0]): row[1] for row in house.rows("select company_id, customer_count from companies")}
    searches = [entry for entry in house.received("intercom") if entry["path"].endswith("/contacts/search")]
    assert len(searches) <= 2 * (len(users) / 15 + 4)  # of both targets, which are one stand-in here
    assert house.sync().exit_code == 0
    assert house.writes() == []
    verified = house.program("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    customer, _ = house.reader()
    house.sql(f"create table away as from customers where customer_id = {customer}")
    house.sql(f"delete from customers where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert users[str(customer)]["state"] == "archived"
    house.sql("insert into customers from away")
    assert of(house.sync(), SYNC).exit_code == 0
    assert users[str(customer)]["state"] == "active"


def _told(one: dict[str, object]) -> tuple[object, ...]:
    custom = one["custom_attributes"]
    assert isinstance(custom, dict)
    return one["email"], *(custom.get(name) for name in ("ltv_band", "first_order_at", "is_subscriber"))


def _epoch(value: datetime | None) -> int | None:
    if value is None:
        return None
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
