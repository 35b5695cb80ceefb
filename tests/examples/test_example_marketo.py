"""examples/marketo, against the stand-in over loopback."""

from __future__ import annotations

from typing import Any

from tests.e2e.house import House, of
from tests.examples.conftest import Settle, told

SYNC = "marketo.customer"
READERS = "from customers where email is not null and customer_id in (from newsletter_subscribers)"


def people(house: House) -> dict[str, dict[str, Any]]:
    """Return address → person."""
    return {one["email"]: one for one in house.boxes["marketo"].store["people"].values()}


def listed(house: House) -> set[str]:
    """Return the addresses on the cohort's list."""
    store = house.boxes["marketo"].store
    (found,) = [one for one in store["lists"].values() if one["name"] == "High Value"]
    return {store["people"][number]["email"] for number in found["members"]}


def written(house: House) -> list[str]:
    """Return the paths of calls since the mark that can change something there."""
    calls = house.writes("marketo")
    return [e["path"] for e in calls if e["query"] != "_method=GET" and not e["path"].startswith("/identity/")]


def test_marketo(settle: Settle) -> None:
    """People arrive with fields and list; again writes nothing; drift is repaired; who moves stays, who leaves goes."""
    house = settle("marketo")
    told(house)
    wanted = {row[0]: row[1:] for row in house.rows(f"select email, first_name, lifetime_value_band {READERS}")}
    assert {who: (one.get("firstName"), one.get("ltvBand")) for who, one in people(house).items()} == wanted
    members = {row[0] for row in house.rows(f"select email {READERS} and customer_id in (from high_value_customers)")}
    assert listed(house) == members != set()
    assert house.sync().exit_code == 0
    assert written(house) == []
    assert house.program("verify", SYNC).returncode == 0
    next(one for one in people(house).values() if one["email"] not in members)["ltvBand"] = "typed over"
    drifted = house.program("verify", SYNC)
    assert (drifted.returncode, "ltvBand" in drifted.stdout) == (1, True)
    assert house.program("verify", SYNC, "--repair").returncode == 1
    assert of(house.sync(), SYNC).delivered == 1
    assert {who: (one.get("firstName"), one.get("ltvBand")) for who, one in people(house).items()} == wanted
    customer, address = house.reader()
    number = people(house)[address]["id"]
    house.sql(f"update customers set email = 'moved@example.org' where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert people(house)["moved@example.org"]["id"] == number
    house.sql(f"delete from newsletter_subscribers where customer_id = {customer}")
    assert of(house.sync(), SYNC).exit_code == 0
    assert set(people(house)) == set(wanted) - {address}
    assert written(house) == ["/rest/v1/leads/delete.json"]
