"""examples/webhook: the receiver as a program, fed by revetl as a program."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.e2e.house import House, Row
from tests.examples.conftest import Settle, told
from tests.shared import ROOT

RECEIVER = ROOT / "examples/webhook/receiver.py"
SECRET = "a-secret-of-these-tests"


@contextmanager
def receiving(store: Path) -> Iterator[str]:
    """Run the receiver on a free port; yield where it listens."""
    command = [sys.executable, str(RECEIVER), str(store), "0"]
    env = os.environ | {"ORDERS_APP_SECRET": SECRET}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def kept(store: Path, query: str) -> list[Row]:
    """Ask the receiver's database."""
    with closing(sqlite3.connect(store)) as con:
        return con.execute(query).fetchall()


def moved_in(settle: Settle, url: str) -> House:
    """Return the example with its variables set."""
    house = settle("webhook")
    house.variables |= {"ORDERS_APP_URL": url, "ORDERS_APP_SECRET": SECRET}
    return house


def test_webhook(settle: Settle, tmp_path: Path) -> None:
    """Held until told --first; then customers and cohort arrive; a change, a leave and a part follow."""
    store = tmp_path / "customers.sqlite"
    with receiving(store) as url:
        house = moved_in(settle, url)
        assert house.program("check", "--strict").returncode == 0
        assert house.program("sync").returncode == 3
        first = house.program("sync", "--first", "orders_app")
        assert first.returncode == 0, first.stderr
        agree(house, store)
        house.sql(
            "update customers set lifetime_value_band = 'low' where customer_id = 5",
            "delete from customers where customer_id = 9",
            "delete from high_value_customers where customer_id = (select min(customer_id) from high_value_customers)",
        )
        assert house.program("sync").returncode == 0
        agree(house, store)


def test_its_page(settle: Settle) -> None:
    """The receiver in the background and a first sync, as the README types them: everybody is there."""
    house = settle("webhook")
    house.variables["ORDERS_APP_SECRET"] = "of-the-check-alone"
    told(house)
    agree(house, house.root / "customers.sqlite")


def agree(house: House, store: Path) -> None:
    """Assert that the receiver holds what the models say."""
    people = "select customer_id::varchar, email, lifetime_value_band from customers"
    assert set(kept(store, "select id, email, band from customers")) == set(house.rows(people))
    cohort = "select customer_id::varchar from high_value_customers"
    assert set(kept(store, "select id from members where cohort = 'high_value_customers'")) == set(house.rows(cohort))


def test_a_wrong_signature_is_refused(tmp_path: Path) -> None:
    """A body that is not signed with the secret changes nothing."""
    store = tmp_path / "customers.sqlite"
    with receiving(store) as url:
        body = b'{"op": "upsert", "records": [{"id": "1", "match": "1", "fields": {}}]}'
        answer = httpx.post(url, content=body, headers={"x-revetl-signature": "sha256=00"})
    assert answer.status_code == 401
    assert kept(store, "select * from customers") == []
