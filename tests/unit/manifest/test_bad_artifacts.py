"""Truncated, hostile and unknown artefacts are refused by name and place, never with a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.errors import CATALOG, ManifestError
from revetl.manifest import read_catalog, read_manifest, read_run_results, read_sources
from revetl.types import Project

Build = Callable[..., bytes]


def refusal(data: bytes) -> ManifestError:
    """Return how a manifest is refused."""
    with pytest.raises(ManifestError) as caught:
        read_manifest(data, "target/manifest.json")
    assert caught.value.exit_code == 2
    assert caught.value.code in CATALOG
    assert caught.value.hint
    return caught.value


def test_truncated_names_path_and_byte(manifest: Build) -> None:
    """A file that ends early is named with the byte at which it ends."""
    error = refusal(manifest()[:200])
    assert error.code == "RVT-201"
    assert "target/manifest.json cannot be read at byte 200 of 200" in error.what


def test_byte_is_not_character() -> None:
    """The place is counted in bytes, also behind letters of several bytes."""
    assert "byte 10 of 12" in refusal('{"é":"é"x}'.encode()).what


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b'{"a": "\xff"}', b"nonsense", b"NaN", b'{"a": "\\ud800"}'])
def test_not_json(data: bytes) -> None:
    """Empty files, broken UTF-8, NaN and half surrogates are not JSON."""
    error = refusal(data)
    assert error.code == "RVT-201"
    assert "byte" in error.what


def test_broken_utf8_names_its_byte() -> None:
    """The first byte that is not UTF-8 is the one named."""
    assert "byte 8 of" in refusal(b'{"ab": "\xff"}').what


@pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"1", b"{}", b'{"metadata": []}', b'{"metadata": {}}'])
def test_not_a_manifest(data: bytes) -> None:
    """JSON that is no artefact of dbt is refused."""
    assert refusal(data).code == "RVT-201"


def test_other_artefact(run_results: Build) -> None:
    """Run results given as the manifest are called what they are."""
    error = refusal(run_results())
    assert error.code == "RVT-201"
    assert "run-results/v6.json" in error.what


@pytest.mark.parametrize("version", [1, 7, 10, 13, 20])
def test_unknown_version(manifest: Build, version: int) -> None:
    """A schema version that is not known is refused with the list of those that are."""
    error = refusal(manifest().replace(b"v12.json", f"v{version}.json".encode()))
    assert error.code == "RVT-202"
    assert f"manifest v{version}, written by dbt 1.12.0" in error.what
    assert "v11 (dbt 1.7), v12 (dbt 1.8 and later, Fusion)" in error.what


def test_version_11_is_read(manifest: Build) -> None:
    """dbt 1.7 wrote v11, the same in all that is read."""
    data = manifest(dbt="1.7.19").replace(b"v12.json", b"v11.json")
    assert set(read_manifest(data, "m.json").nodes) == {"model.shop.users"}


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("columns", [], "nodes.model.shop.users.columns"),
        ("columns", {"a": []}, "nodes.model.shop.users.columns.a"),
        ("columns", {"a": {"config": 1}}, "nodes.model.shop.users.columns.a.config"),
        ("columns", {"a": {"meta": "x"}}, "nodes.model.shop.users.columns.a.meta"),
        ("config", "x", "nodes.model.shop.users.config"),
        ("config", {"meta": [1]}, "nodes.model.shop.users.config.meta"),
        ("config", {"enabled": "yes"}, "nodes.model.shop.users.config.enabled"),
        ("tags", [1], "nodes.model.shop.users.tags"),
        ("fqn", {"a": 1}, "nodes.model.shop.users.fqn"),
        ("name", 5, "nodes.model.shop.users.name"),
        ("version", True, "nodes.model.shop.users.version"),
        ("checksum", [1], "nodes.model.shop.users.checksum"),
        ("depends_on", ["x"], "nodes.model.shop.users.depends_on"),
        ("relation_name", {}, "nodes.model.shop.users.relation_name"),
    ],
)
def test_wrong_types_name_their_place(manifest: Build, key: str, value: Any, where: str) -> None:
    """A value of the wrong type is refused with its place in the document."""
    error = refusal(manifest(**{key: value}))
    assert error.code == "RVT-201"
    assert f"cannot be read at {where}:" in error.what


@pytest.mark.parametrize(
    "top",
    [
        {"nodes": []},
        {"nodes": {"model.a.b": []}},
        {"sources": "x"},
        {"disabled": []},
        {"disabled": {"model.a.b": {}}},
        {"exposures": [1]},
        {"unit_tests": 1},
    ],
)
def test_wrong_sections(manifest: Build, top: Any) -> None:
    """Lists where objects belong, and the other way round, are refused."""
    assert refusal(manifest(top=top)).code == "RVT-201"


@pytest.mark.parametrize("when", ["", "yesterday", "0001-01-01T00:00:00+23:00", 5, None])
def test_bad_time(manifest: Build, when: Any) -> None:
    """A manifest that does not say when it was written is refused."""
    data = json.loads(manifest())
    data["metadata"]["generated_at"] = when
    assert "metadata.generated_at" in refusal(json.dumps(data).encode()).what


@pytest.mark.parametrize("version", ["", "x", None])
def test_bad_dbt_version(manifest: Build, version: Any) -> None:
    """Which meta is a column's own hangs on the writer, so it is never guessed."""
    assert "metadata.dbt_version" in refusal(manifest(dbt=version)).what


@pytest.mark.parametrize("depth", [65, 500, 100_000])
def test_deep_nesting(manifest: Build, depth: int) -> None:
    """Meta nested beyond reason is refused, however deep."""
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    assert refusal(manifest(config={"meta": "MARK"}).replace(b'"MARK"', deep)).code == "RVT-201"


def test_deep_exposures(manifest: Build) -> None:
    """Exposures are kept as dbt wrote them, so nothing in them may be nested beyond reason either."""
    deep = b"[" * 100 + b"]" * 100
    data = manifest(top={"exposures": {"exposure.shop.e": {"owner": "MARK"}}}).replace(b'"MARK"', deep)
    assert refusal(data).code == "RVT-201"


def test_reasonable_nesting(manifest: Build) -> None:
    """Meta as deep as anyone nests is read."""
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    (node,) = read_manifest(manifest(config={"meta": deep}), "m.json").nodes.values()
    assert node.meta == deep


@given(cut=st.integers(0, 2000), flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4))
def test_fuzzed_bytes(manifest: Build, cut: int, flips: list[tuple[int, int]]) -> None:
    """A manifest cut anywhere, with any bytes changed, is a project or refused; nothing else."""
    data = bytearray(manifest()[: cut or None])
    for position, byte in flips:
        data[position % len(data)] = byte
    outcome: object
    try:
        outcome = read_manifest(bytes(data), "m.json")
    except ManifestError as error:
        outcome = error
    assert isinstance(outcome, Project | ManifestError)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(["metadata", "nodes", "sources", "disabled", "exposures", "unit_tests", "results", "args"])


@given(top=st.dictionaries(_KEYS, _ANY), model=_ANY, key=st.sampled_from(["model.a.b", "test.a.b", "x", ""]))
def test_any_shape(manifest: Build, run_results: Build, top: Any, model: Any, key: str) -> None:
    """Any JSON in any section of any artefact is read or refused; nothing else."""
    nodes = {"nodes": {key: model}, **top}
    results = {**json.loads(run_results()), "results": [model], **top}
    readers: list[Callable[[], object]] = [
        lambda: read_manifest(manifest(top=nodes), "m.json"),
        lambda: read_run_results([("r.json", json.dumps(results).encode())]),
        lambda: read_sources(json.dumps(results).replace("run-results/v6", "sources/v3").encode(), "s.json"),
        lambda: read_catalog(json.dumps({**results, **nodes}).replace("run-results/v6", "catalog/v1").encode(), "c"),
    ]
    for read in readers:
        try:
            read()
        except ManifestError as error:
            code = error.code
            assert code in {"RVT-201", "RVT-202"}
