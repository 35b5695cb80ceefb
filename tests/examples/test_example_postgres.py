"""examples/postgres, against a real server."""

from __future__ import annotations

import pytest

from tests.e2e.house import House
from tests.examples.conftest import Settle, told
from tests.warehouse.conftest import postgres
from tests.warehouse.postgres_server import PASSWORD, Server

__all__ = ["postgres"]

READERS = "from customers where customer_id in (from newsletter_subscribers)"


def program(house: House, *words: str) -> str:
    """Run a command that must go well; return what it says."""
    done = house.program(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_postgres(settle: Settle, postgres: Server) -> None:
    """Rows and memberships are as the models say, decimals with every digit; what somebody else wrote there stays."""
    house = settle("postgres")
    house.variables.update(CRM_PORT=str(postgres.port), CRM_PASSWORD=PASSWORD, **postgres.variables)
    assert "High Value" in told(house)
    rehearsed = house.program("sync", "--sandbox")
    assert (rehearsed.returncode, "there is no stand-in of Postgres" in rehearsed.stdout) == (2, True)
    program(house, "debug")

    def stands() -> None:
        columns = "customer_id, email, first_name, lifetime_value, is_subscriber"
        with postgres.connected() as con:
            there = con.execute(f"SELECT {columns} FROM crm.customers ORDER BY 1".encode()).fetchall()
            inside = con.execute("SELECT member, label FROM crm.customers_cohorts ORDER BY 1").fetchall()
        assert there == house.rows(f"select {columns} {READERS} order by 1")
        rich = f"select customer_id, 'High Value' {READERS} and customer_id in (from high_value_customers) order by 1"
        assert inside == house.rows(rich)
        assert len(inside) > 1

    stands()
    assert program(house, "sync").splitlines()[-1].startswith("0 changes delivered")
    ((first, other),) = house.rows(f"select min(customer_id), max(customer_id) {READERS}")
    postgres.run(f"UPDATE crm.customers SET note = 'call back' WHERE customer_id = {first}")
    house.sql(
        f"update customers set lifetime_value = 1234567890.12 where customer_id = {first}",
        f"delete from newsletter_subscribers where customer_id = {other}",
        f"delete from high_value_customers where customer_id = {first}",
    )
    program(house, "sync")
    stands()
    with postgres.connected() as con:
        assert con.execute("SELECT note FROM crm.customers WHERE note IS NOT NULL").fetchall() == [("call back",)]
    postgres.run(f"UPDATE crm.customers SET email = NULL WHERE customer_id = {first}")
    assert "email" in house.program("verify").stdout
    program(house, "forget", str(first), "--yes")
    with postgres.connected() as con:
        assert con.execute(f"SELECT 1 FROM crm.customers WHERE customer_id = {first}".encode()).fetchall() == []
