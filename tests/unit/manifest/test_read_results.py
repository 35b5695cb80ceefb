"""run_results.json, sources.json and catalog.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from revetl.errors import ManifestError
from revetl.manifest import read_catalog, read_run_results, read_sources

Build = Callable[..., bytes]
EARLY, LATE = "2026-03-01T08:00:00.000001Z", "2026-03-01T09:00:00Z"


def statuses(*files: bytes) -> dict[str, tuple[str, str]]:
    """Return status and command of each node over ``files``."""
    named = [(f"{number}.json", data) for number, data in enumerate(files)]
    return {key: (result.status, result.which) for key, result in read_run_results(named).items()}


@pytest.mark.parametrize("reverse", [False, True])
def test_newest_per_node(run_results: Build, reverse: bool) -> None:
    """Over several files each node has its newest result, in whatever order they are read."""
    build = run_results(("model.a", "success", EARLY), ("test.t", "fail", EARLY))
    test = run_results(("test.t", "pass", LATE), which="test")
    files = (test, build) if reverse else (build, test)
    assert statuses(*files) == {"model.a": ("success", "build"), "test.t": ("pass", "test")}


def test_without_timing_the_file_counts(run_results: Build) -> None:
    """A skipped node has no timing: it is as new as the file."""
    built = run_results(("model.a", "success", LATE), at=LATE)
    skipped = run_results(("model.a", "skipped", None), at="2026-03-01T10:00:00Z")
    assert statuses(skipped, built) == {"model.a": ("skipped", "build")}
    found = read_run_results([("r.json", skipped)])["model.a"]
    assert found.at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (found.invocation_id, found.message, found.failures) == ("i-2", "", None)


@pytest.mark.parametrize("which", ["compile", "generate", "docs", "ls", "list", "parse", "show"])
def test_commands_that_build_nothing(run_results: Build, which: str) -> None:
    """dbt compile and dbt docs generate say success of nodes that they never built: not heard."""
    failed = run_results(("model.a", "error", EARLY))
    assert statuses(failed, run_results(("model.a", "success", LATE), which=which)) == {"model.a": ("error", "build")}


@pytest.mark.parametrize("which", ["build", "run", "test", "seed", "snapshot", "retry"])
@pytest.mark.parametrize("version", [4, 5, 6])
def test_commands_that_build(run_results: Build, which: str, version: int) -> None:
    """What was built is heard, in each schema version."""
    assert statuses(run_results(("model.a", "success", LATE), which=which, version=version)) == {
        "model.a": ("success", which)
    }


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"empty": True}, "--empty"),
        ({"sample": "3 days"}, "--sample"),
        ({"sample": {"start": "x", "end": "y"}}, "--sample"),
        ({"empty": False, "sample": None}, None),
        ({"__other__": {"empty": True}}, "--empty"),
        ({"__other__": None}, None),
    ],
)
def test_partial_builds(run_results: Build, args: dict[str, object], expected: str | None) -> None:
    """A build of no rows or of a window of them says so, in the arguments of dbt-core and of Fusion."""
    assert read_run_results([("r", run_results(("model.a", "success", LATE), **args))])["model.a"].partial == expected


def test_partial_stays_through_a_test_run(run_results: Build) -> None:
    """Testing after dbt build --empty does not make the model whole; building it again does."""
    empty = run_results(("model.a", "success", EARLY), empty=True)
    tested = run_results(("test.t", "pass", LATE), which="test")
    assert read_run_results([("1", empty), ("2", tested)])["model.a"].partial == "--empty"
    built = run_results(("model.a", "success", LATE))
    assert read_run_results([("1", empty), ("2", built)])["model.a"].partial is None


def test_fusion_arguments(run_results: Build) -> None:
    """Fusion names the command among its few arguments, and in a nested object."""
    data = run_results(("model.a", "success", LATE), which=None, __other__={"which": "compile"})
    assert statuses(data) == {}


def test_unknown_version_names_the_file(run_results: Build) -> None:
    """The refusal names the file, among several."""
    with pytest.raises(ManifestError, match=r"RVT-202 b\.json .* v4 .* v5 .* v6") as caught:
        read_run_results([("a.json", run_results()), ("b.json", run_results(version=9))])
    assert caught.value.code == "RVT-202"


def test_status_is_needed(run_results: Build) -> None:
    """A result without a status is refused, never taken for a success."""
    with pytest.raises(ManifestError, match=r"results\.0\.status"):
        statuses(run_results(("model.a", "", LATE)))


def test_sources() -> None:
    """A source's freshness is its status when dbt looked, or why it could not look."""
    results = [
        {"unique_id": "source.a", "status": "warn", "max_loaded_at": EARLY, "snapshotted_at": LATE},
        {"unique_id": "source.b", "status": "runtime error", "error": "no such table"},
    ]
    metadata = {"dbt_schema_version": "https://schemas.getdbt.com/dbt/sources/v3.json", "generated_at": EARLY}
    found = read_sources(json.dumps({"metadata": metadata, "results": results}).encode(), "sources.json")
    assert [(r.status, r.at.hour, r.message, r.which) for r in found.values()] == [
        ("warn", 9, EARLY, "freshness"),
        ("runtime error", 8, "no such table", "freshness"),
    ]


def test_catalog() -> None:
    """A catalog is columns and types by unique id, sources included."""
    metadata = {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json", "generated_at": EARLY}
    document = {
        "metadata": metadata,
        "nodes": {"model.a": {"columns": {"ID": {"type": "NUMBER", "index": 1, "name": "ID"}}}},
        "sources": {"source.b": {"columns": {}}},
    }
    found = read_catalog(json.dumps(document).encode(), "catalog.json")
    assert found == {"model.a": {"ID": "NUMBER"}, "source.b": {}}
