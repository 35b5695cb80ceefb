"""Manifests and run results as dbt 1.8 to 1.12 and Fusion wrote them, of one fixture project and two real ones."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

import pytest

from revetl.manifest import read_manifest, read_run_results
from revetl.types import Relation

Read = Callable[[str], bytes]

FIXTURE = {
    "meta_fixture.core1.8": "plan_top",
    "meta_fixture.core1.9": "plan_top",
    "meta_fixture.core1.10": "plan_cfg",
    "meta_fixture.core1.11": "plan_cfg",
    "meta_fixture.v12.core1.12.0": "plan_top_level",
    "meta_fixture.core1.12.6-v2parser": "plan_cfg",
    "meta_fixture.fusion-2.0.0rc196": "plan_cfg",
}
JAFFLE = ["jaffle_shop_duckdb.v12.core1.12.0", "jaffle_shop_duckdb.fusion-2.0.0rc196.build"]


@pytest.mark.parametrize(("name", "plan"), FIXTURE.items())
def test_fixture_project(real: Read, name: str, plan: str) -> None:
    """Every writer's manifest of the fixture project says the same of its models; only columns with meta have any."""
    project = read_manifest(real(name), "m.json")
    users, cohort = project.nodes["model.metaproj.users"], project.nodes["model.metaproj.pro_users"]
    assert users.meta == {"revetl": {"from": "sqlconfig", "kind": "profile", "key": "user_id"}}
    assert {column: c.meta for column, c in users.columns.items() if c.meta} == {
        "email": {"revetl": {"property": "email"}, "pii": True},
        "plan": {"revetl": {"property": plan}},
    }
    assert users.columns["email"].tags == ("pii",)
    assert cohort.meta == {"revetl": {"kind": "cohort", "key": "user_id"}}
    assert cohort.relation == Relation("mp", "main", "pro_users")
    assert (users.group, users.access, users.contract, users.tags) == ("growth", "public", True, ("crm",))
    assert (users.file, users.patch_file) == ("models/marts/users.sql", "models/schema.yml")
    assert project.nodes["model.metaproj.eph"].relation is None
    assert project.nodes["model.metaproj.versioned.v2"].version == "2"
    assert project.exposures["exposure.metaproj.hubspot_contacts"]["meta"]["revetl"]["destination"] == "hubspot"


@pytest.mark.parametrize("name", FIXTURE)
def test_fixture_checks(real: Read, name: str) -> None:
    """Every test of the fixture project is attached to its own model, the unit test too."""
    checks = read_manifest(real(name), "m.json").checks.values()
    attached = {check.kind: check.attached_node for check in checks}
    assert attached["unit"] == "model.metaproj.pro_users"
    assert attached.get("relationships", "model.metaproj.pro_users") == "model.metaproj.pro_users"
    assert None not in attached.values()
    assert {check.severity for check in checks if check.name == "not_null_pro_users_user_id"} <= {"warn"}


def test_fixture_source(real: Read) -> None:
    """A source of dbt-core and of Fusion is the same node."""
    found = [
        read_manifest(real(name), "m.json").nodes["source.metaproj.raw.raw_users"]
        for name in ("meta_fixture.v12.core1.12.0", "meta_fixture.fusion-2.0.0rc196")
    ]
    for node in found:
        assert (node.name, node.resource_type, node.meta) == ("raw.raw_users", "source", {"s": 1, "st": 1})
        assert node.fqn == ("metaproj", "raw", "raw_users")


def test_jaffle_shop(real: Read) -> None:
    """dbt-core and Fusion agree on a real project: nodes, relations, parents and tests."""
    core, fusion = (read_manifest(real(name), "m.json") for name in JAFFLE)
    assert Counter(node.resource_type for node in core.nodes.values()) == {"model": 5, "seed": 3}
    assert len(core.checks) == len(fusion.checks) == 20
    for key, node in core.nodes.items():
        other = fusion.nodes[key]
        assert (node.relation, node.file, set(node.parents)) == (other.relation, other.file, set(other.parents))


def test_large_snowflake_project(real: Read) -> None:
    """A large project with mixed quoting reads whole: nothing is lost, nothing falls back to unparsed names."""
    data = real("mattermost.snowflake.v12.core1.12.0")
    raw, project = json.loads(data), read_manifest(data, "m.json")
    assert Counter(node.resource_type for node in project.nodes.values()) == {"model": 302, "seed": 7, "source": 563}
    assert (len(project.checks), len(project.exposures), len(project.disabled)) == (460, 12, 1)
    for key, node in project.nodes.items():
        written = (raw["nodes"].get(key) or raw["sources"][key])["relation_name"]
        if node.relation is None:
            assert written is None
        else:
            assert node.relation.quoted == (True, False, False)
            assert written == f'"{node.relation.database}".{node.relation.schema}.{node.relation.identifier}'


def test_reading_costs_little_more_than_parsing(real: Read) -> None:
    """Reading a manifest of 1,300 nodes takes at most some times what the standard library takes to parse it."""
    data = real("mattermost.snowflake.v12.core1.12.0")

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)

    assert best(lambda: read_manifest(data, "m.json")) <= 10 * best(lambda: json.loads(data))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jaffle_shop_duckdb.run_results", {"success": 8, "pass": 20}),
        ("jaffle_shop_duckdb.fusion-2.0.0rc196.run_results", {"success": 8, "pass": 20}),
        ("meta_fixture.run_results", {"success": 7, "pass": 7, "no-op": 1}),
        ("meta_fixture.fusion-2.0.0rc196.run_results", {"skipped": 10, "success": 4, "error": 1}),
    ],
)
def test_run_results(real: Read, name: str, expected: dict[str, int]) -> None:
    """Every result of a build by dbt-core or Fusion is read, whole builds all."""
    found = read_run_results([("run_results.json", real(name))]).values()
    assert Counter(result.status for result in found) == expected
    assert {(result.which, result.partial) for result in found} == {("build", None)}
