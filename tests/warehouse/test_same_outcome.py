"""The demo project built by dbt into a real server: every stand-in ends as it does from DuckDB, row for row."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import house
from tests.warehouse import postgres_server, snowflake_server

pytestmark = pytest.mark.dbt
SHOP = Path(__file__).parents[2] / "dbt_project"
CHANGES = (  # of six customers; the keys 1 to 3 are named, and 3 is gone
    "UPDATE customers SET lifetime_value_band = 'mid', first_name = 'one', updated_at = '2030-01-01' "
    "WHERE customer_id IN (1, 2, 4, 5)",
    "DELETE FROM customers WHERE customer_id IN (3, 6)",
    "DELETE FROM high_value_customers WHERE customer_id IN (1, 4)",
    "INSERT INTO churn_risk_customers SELECT customer_id FROM customers WHERE customer_id IN (1, 4) "
    "AND customer_id NOT IN (SELECT customer_id FROM churn_risk_customers)",
)


def copied(root: Path, output: Mapping[str, object] | None = None) -> Path:
    """Copy the shop, with another warehouse as its target where one is given."""
    ignore = shutil.ignore_patterns("target", "logs", ".revetl", "*.duckdb*", ".user.yml", "exports")
    shutil.copytree(SHOP, root, ignore=ignore)
    if output is not None:
        profile = {"shop": {"target": "dev", "outputs": {"dev": dict(output)}}}
        (root / "profiles.yml").write_text(yaml.safe_dump(profile))
    return root


def arrived(one: house.House) -> dict[str, Any]:
    """Return what stands in the stand-ins, without what differs from run to run (ids, times)."""
    timeless = {"createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id"}
    labels = ("High Value", "Churn Risk")
    return {
        "members": {who: (m["status"], m["merge_fields"]) for who, m in one.members(None).items()},
        "contacts": {
            who: {name: text for name, text in c.items() if name not in timeless} for who, c in one.contacts().items()
        },
        "tagged": {label: one.tagged(label) for label in labels},
        "listed": {label: one.listed(label) for label in labels},
        "files": sorted(
            line
            for path in (one.root / ".revetl").rglob("*.csv")
            for line in path.read_text().splitlines()
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def from_duckdb(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what arrives from DuckDB, step by step."""
    root = copied(tmp_path_factory.mktemp("duckdb") / "shop")
    house.built(root, "build")
    with house.lived_in(root, root.parent / "lived") as shop:
        return synced(shop, shop.sql)


def build_snowflake(snowflake: snowflake_server.Server, root: Path) -> None:
    """Run dbt build with dbt-snowflake, which lives in the server's environment."""
    program = [str(snowflake.python.parent / "dbt"), "build", "--profiles-dir", "."]
    env = house.environment(**house.TACIT)
    env.pop("PYTHONPATH", None)
    done = subprocess.run(program, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def synced(shop: house.House, change: Callable[..., object], *, read: int | None = None) -> list[dict[str, Any]]:
    """Return what stands there after a first sync, one of a few keys after many changes, and another of all.

    ``read``: in how many of the last run's rows there may be something new, where not all are read.
    """
    result = shop.sync()
    assert (result.exit_code, [one.error for one in result.syncs if one.error]) == (0, [])
    found = [arrived(shop)]
    assert found[0]["members"]
    assert (shop.sync().exit_code, shop.writes()) == (0, [])
    change(*CHANGES)
    assert shop.sync(keys=["1", "2", "3"], partial=True, select=[house.MAIL, house.CRM]).exit_code == 0
    written = {row.get("id") or row.get("email_address") for row in house.sent_rows(shop.writes())}
    assert written
    assert len(written) <= 6  # three people in two tools
    found.append(arrived(shop))
    notes = next(one.notes for one in shop.plan(offline=True).previews if one.sync == house.CRM)
    counted = [int(note.partition(" ")[0]) for note in notes if note.endswith("keys were read")]
    assert counted == [] if read is None else 5 <= counted[0] <= read
    assert shop.sync().exit_code == 0
    found.append(arrived(shop))
    assert len({repr(one) for one in found}) == 3
    return found


def same(root: Path, change: Callable[..., object], from_duckdb: list[dict[str, Any]]) -> None:
    """Assert that each step brings what it brings from DuckDB, though after the first run rows are read by need."""
    with (root / "revetl.yml").open("a") as file:
        file.write("incremental: true\n")
    with house.lived_in(root, root.parent / "lived") as shop:
        assert synced(shop, change, read=25) == from_duckdb


@pytest.mark.xdist_group("postgres")
def test_from_postgres(postgres: postgres_server.Server, tmp_path: Path, from_duckdb: list[dict[str, Any]]) -> None:
    """Built by dbt-postgres into a real server: the same people, fields, tags, lists and files."""
    root = copied(tmp_path / "shop", {**postgres.output, "schema": "shop"})
    house.built(root, "build")
    same(root, partial(postgres.run, "SET search_path = shop"), from_duckdb)


@pytest.mark.xdist_group("snowflake")
def test_from_snowflake(snowflake: snowflake_server.Server, tmp_path: Path, from_duckdb: list[dict[str, Any]]) -> None:
    """Built by dbt-snowflake into a local server, read by the real connector: the same again."""
    root = copied(tmp_path / "shop", snowflake.output)
    build_snowflake(snowflake, root)
    same(root, snowflake.run, from_duckdb)
