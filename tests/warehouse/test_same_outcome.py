"""The demo project built by dbt into a real server: every stand-in ends as it does from DuckDB, row for row."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import house
from tests.warehouse.postgres_server import Server

pytestmark = [pytest.mark.dbt, pytest.mark.xdist_group("postgres")]
SHOP = Path(__file__).parents[2] / "dbt_project"


def copied(root: Path, output: Mapping[str, object] | None) -> Path:
    """Copy the shop, with another warehouse as its target where one is given, and build it with dbt."""
    ignore = shutil.ignore_patterns("target", "logs", ".revetl", "*.duckdb*", ".user.yml", "exports")
    shutil.copytree(SHOP, root, ignore=ignore)
    if output is not None:
        profile = {"shop": {"target": "dev", "outputs": {"dev": dict(output)}}}
        (root / "profiles.yml").write_text(yaml.safe_dump(profile))
    house.built(root, "build")
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
    root = copied(tmp_path_factory.mktemp("duckdb") / "shop", None)
    with house.lived_in(root, root.parent / "lived") as one:
        assert one.sync().exit_code == 0
        return arrived(one)


@pytest.fixture(scope="module")
def shop(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[house.House]:
    """Return the shop, built by dbt-postgres into the server."""
    root = copied(tmp_path_factory.mktemp("postgres") / "shop", {**postgres.output, "schema": "shop"})
    with house.lived_in(root, root.parent / "lived") as one:
        yield one


def test_from_postgres_as_from_duckdb(shop: house.House, from_duckdb: dict[str, Any]) -> None:
    """A first sync brings the same people, fields, tags, lists and files; a second one sends nothing."""
    result = shop.sync()
    assert (result.exit_code, [one.error for one in result.syncs if one.error]) == (0, [])
    found = arrived(shop)
    assert found["members"]
    assert found == from_duckdb
    again = shop.sync()
    assert (again.exit_code, shop.writes()) == (0, [])
