"""A manifest read into nodes, checks and exposures: the traps of dbt's versions, one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from revetl.manifest import read_manifest
from revetl.types import Relation

Build = Callable[..., bytes]


def one(data: bytes) -> Any:
    """Return the only node of a manifest."""
    (node,) = read_manifest(data, "m.json").nodes.values()
    return node


def test_project_fields(manifest: Build) -> None:
    """The project carries what metadata says, its time in UTC."""
    project = read_manifest(manifest(), "target/manifest.json")
    assert (project.name, project.dbt_version, project.adapter) == ("shop", "1.12.0", "duckdb")
    assert project.generated_at == datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert (project.invocation_id, project.path) == ("i-1", "target/manifest.json")


def test_nanoseconds_of_fusion(manifest: Build) -> None:
    """Fusion writes nanoseconds, which are cut to microseconds."""
    data = manifest().replace(b"10:00:00.5Z", b"10:00:00.123456789Z")
    assert read_manifest(data, "m.json").generated_at.microsecond == 123456


def test_node_fields(manifest: Build) -> None:
    """A model carries its place, files, tags and columns."""
    node = one(manifest())
    assert node.relation == Relation("db", "main", "users", (True, True, True))
    assert (node.file, node.patch_file) == ("models/marts/users.sql", "models/schema.yml")
    assert (node.name, node.package, node.materialized, node.tags) == ("users", "shop", "table", ("crm",))
    assert node.parents == ("seed.shop.raw_users",)
    assert node.meta == {"revetl": {"kind": "properties"}}
    assert node.columns["email"].data_type == "varchar"
    assert node.columns["email"].tags == ("pii",)
    assert (node.access, node.group, node.version, node.contract, node.enabled) == (
        "protected",
        None,
        None,
        False,
        True,
    )


def test_windows_paths(manifest: Build) -> None:
    """Paths that dbt wrote on Windows compare with those of other systems."""
    node = one(manifest(original_file_path="models\\marts\\users.sql", patch_path="shop://models\\schema.yml"))
    assert (node.file, node.patch_file) == ("models/marts/users.sql", "models/schema.yml")


@pytest.mark.parametrize(
    ("meta", "config_meta", "expected"),
    [
        ({"a": 1}, {"b": 2}, {"b": 2}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
        ({}, {"b": 2}, {"b": 2}),
        (None, None, {}),
    ],
)
def test_node_meta_prefers_config(manifest: Build, meta: Any, config_meta: Any, expected: Any) -> None:
    """A node's meta is config.meta, and meta only where that is empty."""
    assert one(manifest(meta=meta, config={"meta": config_meta})).meta == expected


@pytest.mark.parametrize(
    ("dbt", "expected"),
    [("1.7.9", {"m": 1}), ("1.12.6", {"m": 1}), ("2.0.0-alpha.4", {}), ("2.0.0-preview.196", {}), ("10.1.0", {})],
)
def test_column_meta_that_may_be_the_models(manifest: Build, dbt: str, expected: Any) -> None:
    """dbt 2 copies the model's meta into columns without their own: only config.meta counts there."""
    columns = {"id": {"name": "id", "meta": {"m": 1}, "config": {}}}
    assert one(manifest(dbt=dbt, columns=columns)).columns["id"].meta == expected


@pytest.mark.parametrize("dbt", ["1.8.10", "2.0.0"])
def test_column_config_meta_wins(manifest: Build, dbt: str) -> None:
    """A column's config.meta is its meta in every version."""
    columns = {"id": {"name": "id", "meta": {"m": 1}, "config": {"meta": {"own": 1}}}}
    assert one(manifest(dbt=dbt, columns=columns)).columns["id"].meta == {"own": 1}


def test_keys_that_fusion_leaves_out(manifest: Build) -> None:
    """A node that has nothing but an id is still a node, and lies nowhere but under its name."""
    node = one(manifest(top={"nodes": {"seed.shop.raw": {}}}))
    assert (node.name, node.resource_type, node.materialized) == ("raw", "seed", "seed")
    assert node.relation == Relation(None, None, "raw")


def test_source(manifest: Build) -> None:
    """A source is named source.table, is found without a resource type, and lies under its identifier."""
    source = {
        "name": "orders",
        "source_name": "raw",
        "package_name": "shop",
        "identifier": "ORDERS_V2",
        "database": "db",
        "schema": "raw",
        "patch_path": "models/src.yml",
    }
    node = one(manifest(top={"nodes": {}, "sources": {"source.shop.raw.orders": source}}))
    assert (node.name, node.resource_type) == ("raw.orders", "source")
    assert node.fqn == ("shop", "raw", "orders")
    assert node.relation == Relation("db", "raw", "ORDERS_V2")
    assert node.patch_file == "models/src.yml"


def test_ephemeral_has_no_relation(manifest: Build) -> None:
    """An ephemeral model lies nowhere, whatever its relation_name says."""
    assert one(manifest(config={"materialized": "ephemeral"})).relation is None


def test_version_is_text(manifest: Build) -> None:
    """A version is a number or a text in YAML and a text here."""
    assert one(manifest(version=2)).version == "2"
    assert one(manifest(version="beta")).version == "beta"


def test_disabled_nodes_stand_apart(manifest: Build) -> None:
    """What is disabled, in either section, is no node of the project; tests among it are nothing."""
    other = {"resource_type": "model", "name": "old", "package_name": "shop"}
    top = {"disabled": {"model.shop.old": [other, other], "test.shop.t": [{"resource_type": "test"}], "model.x": []}}
    project = read_manifest(manifest(top=top, config={"enabled": False}), "m.json")
    assert not project.nodes
    assert set(project.disabled) == {"model.shop.old", "model.shop.users"}
    assert not any(node.enabled for node in project.disabled.values())


def test_enabled_hides_disabled_of_the_same_id(manifest: Build) -> None:
    """A model that is disabled in one file and enabled in another is enabled."""
    project = read_manifest(manifest(top={"disabled": {"model.shop.users": [{"resource_type": "model"}]}}), "m.json")
    assert set(project.nodes) == {"model.shop.users"}
    assert not project.disabled


def test_checks(manifest: Build) -> None:
    """Tests know what they guard: the attached node, the tested source, the unit test's model; else their parents."""
    call = "{{ get_where_subquery(source('raw', 'b')) }}"
    both = {"nodes": ["source.shop.raw.a", "source.shop.raw.b"]}
    nodes = {
        "test.shop.rel": {
            "resource_type": "test",
            "name": "rel",
            "attached_node": "model.shop.users",
            "column_name": "id",
            "test_metadata": {"name": "relationships", "kwargs": {}, "namespace": None},
            "depends_on": {"nodes": ["model.shop.orders", "model.shop.users"]},
            "config": {"severity": "WARN"},
        },
        "test.shop.single": {"resource_type": "test", "depends_on": {"nodes": ["model.shop.users"]}},
        "test.shop.src": {
            "resource_type": "test",
            "test_metadata": {"name": "equal", "namespace": "dbt_utils", "kwargs": {"model": call}},
            "depends_on": both,
        },
        "analysis.shop.a": {"resource_type": "analysis"},
    }
    unit = {"unit_test.shop.users.t": {"name": "t", "model": "users", "depends_on": {"nodes": ["model.shop.users"]}}}
    checks = read_manifest(manifest(top={"nodes": nodes, "unit_tests": unit}), "m.json").checks
    assert {key: (c.attached_node, c.kind, c.severity, c.column) for key, c in checks.items()} == {
        "test.shop.rel": ("model.shop.users", "relationships", "warn", "id"),
        "test.shop.single": (None, "singular", "error", None),
        "test.shop.src": ("source.shop.raw.b", "dbt_utils.equal", "error", None),
        "unit_test.shop.users.t": ("model.shop.users", "unit", "error", None),
    }


def test_exposure_meta_of_dbt_1_8(manifest: Build) -> None:
    """dbt 1.8 leaves an exposure's meta empty where config.meta was written."""
    exposure = {"name": "e", "package_name": "shop", "meta": {}, "config": {"meta": {"x": 1}}, "owner": {"name": "o"}}
    found = read_manifest(manifest(top={"exposures": {"exposure.shop.e": exposure}}), "m.json").exposures
    assert found["exposure.shop.e"]["meta"] == {"x": 1}
    assert found["exposure.shop.e"]["owner"] == {"name": "o"}
    assert found["exposure.shop.e"]["depends_on"] == {"nodes": []}
