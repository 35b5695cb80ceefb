"""The demo project built by dbt into a real server: every stand-in ends as it does from DuckDB, row for row."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import house
from tests.warehouse import postgres_server, snowflake_server

pytestmark = pytest.mark.dbt
SHOP = Path(__file__).parents[2] / "dbt_project"


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
def from_duckdb(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what arrives from DuckDB."""
    root = copied(tmp_path_factory.mktemp("duckdb") / "shop")
    house.built(root, "build")
    with house.lived_in(root, root.parent / "lived") as one:
        assert one.sync().exit_code == 0
        return arrived(one)


def same(root: Path, from_duckdb: dict[str, Any]) -> None:
    """Sync twice: the first brings what arrives from DuckDB, the second sends nothing."""
    with house.lived_in(root, root.parent / "lived") as shop:
        result = shop.sync()
        assert (result.exit_code, [one.error for one in result.syncs if one.error]) == (0, [])
        found = arrived(shop)
        assert found["members"]
        assert found == from_duckdb
        again = shop.sync()
        assert (again.exit_code, shop.writes()) == (0, [])


@pytest.mark.xdist_group("postgres")
def test_from_postgres(postgres: postgres_server.Server, tmp_path: Path, from_duckdb: dict[str, Any]) -> None:
    """Built by dbt-postgres into a real server: the same people, fields, tags, lists and files."""
    root = copied(tmp_path / "shop", {**postgres.output, "schema": "shop"})
    house.built(root, "build")
    same(root, from_duckdb)


@pytest.mark.xdist_group("snowflake")
def test_from_snowflake(snowflake: snowflake_server.Server, tmp_path: Path, from_duckdb: dict[str, Any]) -> None:
    """Built by dbt-snowflake into a local server, read by the real connector: the same again."""
    root = copied(tmp_path / "shop", snowflake.output)
    program = [str(snowflake.python.parent / "dbt"), "build", "--profiles-dir", "."]
    env = house.environment(DBT_SEND_ANONYMOUS_USAGE_STATS="false")
    env.pop("PYTHONPATH", None)
    done = subprocess.run(program, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    same(root, from_duckdb)
