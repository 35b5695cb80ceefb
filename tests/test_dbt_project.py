"""The demo project, built for real by dbt as a program, and its generator."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_project import generate
from revetl.config.load import load_config
from revetl.destinations import registry
from revetl.manifest.project import read_manifest
from revetl.mapping import build
from revetl.mapping.build import Resolved
from tests.e2e.house import dbt
from tests.shared import ROOT

Connection = duckdb.DuckDBPyConnection
SHOP = ROOT / "dbt_project"
LEFT_BY_DBT = shutil.ignore_patterns("target", "logs", "*.duckdb*", ".user.yml", ".revetl", "exports", "__pycache__")
KEYS = {
    "customers": "customer_id",
    "customer_engagement": "customer_id",
    "companies": "company_id",
    "high_value_customers": "customer_id",
    "newsletter_subscribers": "customer_id",
    "churn_risk_customers": "customer_id",
    "employees": "customer_id",
}

pytestmark = [pytest.mark.dbt, pytest.mark.xdist_group("dbt_project")]


def dbt_build(project: Path) -> subprocess.CompletedProcess[str]:
    """Run ``dbt build`` in ``project`` with warnings as errors."""
    return dbt(project, "--warn-error", "build")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project that dbt built from the committed seeds."""
    copy = tmp_path_factory.mktemp("shop") / "dbt_project"
    shutil.copytree(SHOP, copy, ignore=LEFT_BY_DBT)
    done = dbt_build(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.fixture(scope="module")
def rows(shop: Path) -> Iterator[Connection]:
    """Return a connection to what was built."""
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def day_after(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Return a connection to the same shop a day later, built anew."""
    copy = tmp_path_factory.mktemp("later") / "dbt_project"
    shutil.copytree(shop, copy, ignore=LEFT_BY_DBT)
    generate.write_seeds(copy / "seeds", 200, 7, day_after=True)
    done = dbt_build(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(str(copy / "shop.duckdb"), read_only=True) as connection:
        yield connection


def column(connection: Connection, query: str) -> set[Any]:
    """Return the first column as a set."""
    return {row[0] for row in connection.execute(query).fetchall()}


def count(connection: Connection, what: str) -> int:
    """Return the number of rows of ``what``."""
    ((number,),) = connection.execute(f"select count(*) from {what}").fetchall()
    return int(number)


@pytest.mark.parametrize("model", KEYS)
def test_keys_are_unique_and_there(rows: Connection, model: str) -> None:
    """Every model has rows, and its key is unique and never null."""
    key = KEYS[model]
    ((total, distinct),) = rows.execute(f"select count(*), count(distinct {key}) from {model}").fetchall()
    assert total == distinct > 0


def test_shop_has_what_the_rules_need(rows: Connection) -> None:
    """200 customers, 20 companies; some without address, some without orders, some outside every cohort."""
    assert (count(rows, "customers"), count(rows, "companies")) == (200, 20)
    assert 0 < count(rows, "customers where email is null") < 20
    assert 0 < count(rows, "customer_engagement") < 200
    for cohort in ("high_value_customers", "newsletter_subscribers", "churn_risk_customers", "employees"):
        assert 0 < count(rows, cohort) < 200
    both = "select customer_id from high_value_customers intersect select customer_id from newsletter_subscribers"
    assert column(rows, both)


def test_bands_follow_from_orders_less_refunds(rows: Connection) -> None:
    """The band is recomputed here from the seeds alone, by the description's words."""
    orders = {r["id"]: r for r in read(SHOP / "seeds/raw_orders.csv")}
    cents = dict.fromkeys(range(1, 201), 0)
    for order in orders.values():
        cents[int(order["customer_id"])] += round(float(order["amount"]) * 100)
    for refund in read(SHOP / "seeds/raw_refunds.csv"):
        cents[int(orders[refund["order_id"]]["customer_id"])] -= round(float(refund["amount"]) * 100)
    limits = [(0, "none"), (9_999, "low"), (74_999, "mid")]
    expected = {k: next((band for most, band in limits if value <= most), "high") for k, value in cents.items()}
    assert dict(rows.execute("select customer_id, lifetime_value_band from customers").fetchall()) == expected
    assert column(rows, "from high_value_customers") == {k for k, band in expected.items() if band == "high"}


def test_types_are_those_that_travel(rows: Connection) -> None:
    """Money is a decimal, an instant knows its zone, a day is a date."""
    types = {(r[0], r[1]): r[2] for r in rows.execute(
        "select table_name, column_name, data_type from information_schema.columns"
    ).fetchall()}  # fmt: skip
    assert types["customers", "lifetime_value"] == "DECIMAL(12,2)"
    assert types["customers", "updated_at"] == types["customers", "first_order_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["customer_engagement", "last_order_on"] == "DATE"
    assert types["customers", "is_subscriber"] == "BOOLEAN"


def resolve(shop: Path, target: str) -> Resolved:
    """Return the syncs of ``target`` as the built manifest and revetl.yml describe them."""
    project = read_manifest((shop / "target/manifest.json").read_bytes(), "manifest.json")
    config = load_config((shop / "revetl.yml").read_text(encoding="utf-8"), path="revetl.yml")
    return build(project, config, target, registry())


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_revetl_has_nothing_to_complain_about(shop: Path, target: str) -> None:
    """Meta and revetl.yml resolve into four syncs without an error or a warning."""
    resolved = resolve(shop, target)
    assert resolved.problems == ()
    names = {"mailchimp.customer", "hubspot.customer", "hubspot.company", "exports.company"}
    assert {sync.name for sync in resolved.syncs} == names


def test_personal_data_leave_only_where_they_should(shop: Path) -> None:
    """The phone number goes to the sales tool alone, and the exact lifetime value nowhere."""
    sent = {sync.name: {field.property for field in sync.fields} for sync in resolve(shop, "prod").syncs}
    assert {name for name, properties in sent.items() if "phone" in properties} == {"hubspot.customer"}
    assert not any("lifetime_value" in properties for properties in sent.values())


def test_a_day_later_four_things_happened(rows: Connection, day_after: Connection) -> None:
    """One subscriber leaves High Value by a refund, one address changes, one customer is gone, one is new."""
    before, after = (dict(c.execute("select customer_id, email from customers").fetchall()) for c in (rows, day_after))
    (gone,), (new,) = set(before) - set(after), set(after) - set(before)
    (renamed,) = {key for key in set(before) & set(after) if before[key] != after[key]}
    moved = column(rows, "from high_value_customers") - column(day_after, "from high_value_customers") - {gone}
    readers = column(rows, "from newsletter_subscribers")
    assert len(moved) == 1
    assert new in column(day_after, "from newsletter_subscribers")
    assert {gone, renamed, *moved} <= readers - column(rows, "from employees")
    assert len({gone, renamed, new, *moved}) == 4
    changed = "select customer_id from customers where updated_at > timestamptz '2026-06-30 00:00:00+00'"
    assert column(day_after, changed) == {renamed, new, *moved}


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_committed_seeds_are_the_generators(tmp_path: Path) -> None:
    """The generator's defaults give the committed seeds, byte for byte, in every Python."""
    generate.write_seeds(tmp_path, 200, 7)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (SHOP / "seeds").glob("*.csv")}


def test_a_larger_shop_begins_with_the_smaller(tmp_path: Path) -> None:
    """Any size: what holds of 40 customers holds of the first 40 among 90, and another seed is another shop."""
    for name, count, seed in (("small", 40, 1), ("large", 90, 1), ("other", 40, 2)):
        generate.write_seeds(tmp_path / name, count, seed)
    for path in (tmp_path / "small").iterdir():
        assert read(tmp_path / "large" / path.name)[: len(read(path))] == read(path)
    assert read(tmp_path / "other/raw_orders.csv") != read(tmp_path / "small/raw_orders.csv")


def test_addresses_are_nobodys(tmp_path: Path) -> None:
    """Every address lies in a domain that RFC 2606 reserves, and none in example.com, which Mailchimp refuses."""
    generate.write_seeds(tmp_path, 500, 3)
    addresses = [row["email"] for row in read(tmp_path / "raw_customers.csv") if row["email"]]
    assert len(set(addresses)) == len(addresses)
    assert all(address.endswith(("example.org", "example.net")) for address in addresses)


def test_too_small_a_shop_says_so() -> None:
    """A shop without the people for a next day is refused, not silently left as it is."""
    with pytest.raises(ValueError, match="too small"):
        generate.next_day([generate.make_customer(1, 7)], 7)
