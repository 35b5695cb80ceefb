"""manifest.json → Project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from revetl.manifest.artifact import read_artifact
from revetl.manifest.checks import read_test, read_unit_test
from revetl.manifest.meta import inherits_column_meta, node_meta
from revetl.manifest.nodes import KINDS, kind_of, posix, read_node
from revetl.manifest.part import Part
from revetl.types import JSON, Check, Node, Project

# https://schemas.getdbt.com/dbt/manifest/v12.json; v12 added unit tests to v11 and changed nothing that is read here.
VERSIONS: Final[Mapping[int, str]] = MappingProxyType({11: "dbt 1.7", 12: "dbt 1.8 and later, Fusion"})


def read_manifest(data: bytes, path: str) -> Project:
    """Return what revetl takes from a manifest; ``path`` is where ``data`` came from, for messages.

    Nodes are models, seeds, snapshots and sources; what is disabled stands apart. Exposures are dbt's own objects with
    ``meta`` and ``original_file_path`` resolved.

    Raises:
        ManifestError: RVT-201 if it is no manifest, truncated or misshapen; RVT-202 if its schema version is unknown.
    """
    artifact = read_artifact(data, path, "manifest", VERSIONS)
    body, metadata = artifact.body, artifact.metadata
    nodes = _read_nodes(body, inherits=inherits_column_meta(metadata))
    return Project(
        name=metadata.text("project_name"),
        dbt_version=metadata.text("dbt_version"),
        adapter=metadata.text("adapter_type"),
        generated_at=artifact.generated_at,
        invocation_id=metadata.text("invocation_id"),
        nodes={key: node for key, node in nodes.items() if node.enabled},
        disabled={key: node for key, node in nodes.items() if not node.enabled},
        checks={check.unique_id: check for check in _checks(body)},
        exposures=_exposures(body),
        path=path,
    )


def _read_nodes(body: Part, *, inherits: bool) -> dict[str, Node]:
    """Return all nodes by id; one that is enabled hides a disabled one of the same id (another file's, or another
    package's).
    """
    found = {key: read_node(key, part, inherits=inherits, enabled=False) for key, part in _disabled(body)}
    for section in ("nodes", "sources"):
        for key, part in body.parts(section):
            if kind_of(key, part) in KINDS:
                found[key] = read_node(key, part, inherits=inherits)
    return found


def _disabled(body: Part) -> Iterator[tuple[str, Part]]:
    """Yield the disabled nodes: an id may have been disabled in several places, and the first one stands for all."""
    section = body.part("disabled")
    for key in section.value:
        first = next(section.listed(key), None)
        if first is not None and kind_of(key, first) in KINDS:
            yield key, first


def _checks(body: Part) -> Iterator[Check]:
    for key, part in body.parts("nodes"):
        if kind_of(key, part) == "test":
            yield read_test(key, part)
    for key, part in body.parts("unit_tests"):
        yield read_unit_test(key, part)


def _exposures(body: Part) -> Mapping[str, Mapping[str, JSON]]:
    body.free("exposures")  # refuses what is nested too deep: what revetl does not know of it is kept as it is
    return {key: _exposure(part) for key, part in body.parts("exposures")}


def _exposure(part: Part) -> Mapping[str, JSON]:
    resolved = {
        "name": part.text("name"),
        "package_name": part.text("package_name"),
        "fqn": list(part.texts("fqn")),
        "tags": list(part.texts("tags")),
        "original_file_path": posix(part.text("original_file_path")),
        "depends_on": {"nodes": list(part.part("depends_on").texts("nodes"))},
        "meta": node_meta(part),
        "config": part.free("config"),
    }
    return {**part.value, **resolved}
