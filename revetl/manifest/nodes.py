"""Models, seeds, snapshots and sources of a manifest."""

from __future__ import annotations

from revetl.manifest.meta import merged_tags, node_meta, read_columns
from revetl.manifest.part import Part
from revetl.manifest.relation import node_relation
from revetl.types import Node

KINDS = frozenset({"model", "seed", "snapshot", "source"})
# Fusion leaves ``config.materialized`` out where a node cannot be anything else.
_MATERIALIZED = {"model": "view", "seed": "seed", "snapshot": "snapshot", "source": "source"}


def kind_of(unique_id: str, node: Part) -> str:
    """Return the resource type; Fusion omits it from sources and exposures, whose ids begin with it."""
    return node.text("resource_type") or unique_id.partition(".")[0]


def read_node(unique_id: str, node: Part, *, inherits: bool, enabled: bool = True) -> Node:
    """Return one model, seed, snapshot or source.

    A source is named ``source_name.table_name``, as ``source:`` selectors spell it, and the last two parts of its
    ``fqn`` are these two. ``inherits``: see :func:`revetl.manifest.meta.inherits_column_meta`.

    Raises:
        ManifestError: RVT-201, it is not shaped like a node.
    """
    kind = kind_of(unique_id, node)
    name = node.text("name") or unique_id.rpartition(".")[2]
    shown = f"{node.text('source_name')}.{name}" if kind == "source" else name
    config = node.part("config")
    contract = node.part("contract") if node.value.get("contract") else config.part("contract")
    return Node(
        unique_id=unique_id,
        name=shown,
        resource_type=kind,
        package=node.text("package_name"),
        file=posix(node.text("original_file_path")),
        patch_file=_patch_file(node),
        relation=node_relation(node, name),
        materialized=config.text("materialized") or _MATERIALIZED[kind],
        columns=read_columns(node, inherits=inherits),
        meta=node_meta(node),
        config=node.free("config"),
        tags=merged_tags(node, config),
        fqn=_fqn(node, kind, name),
        parents=node.part("depends_on").texts("nodes"),
        description=node.text("description"),
        checksum=_checksum(node),
        code=node.text("raw_code"),
        access=node.text("access") or config.text("access") or "protected",
        group=node.maybe("group") or config.maybe("group"),
        contract=contract.flag("enforced", default=False),
        primary_key=node.texts("primary_key"),
        version=_version(node),
        enabled=enabled and config.flag("enabled", default=True),
    )


def posix(path: str) -> str:
    """Return ``path`` with forward slashes: dbt on Windows writes its own."""
    return path.replace("\\", "/")


def _patch_file(node: Part) -> str | None:
    """Return ``models/x.yml`` of ``package://models/x.yml``; Fusion writes sources' without the package."""
    path = node.text("patch_path")
    return posix(path.rpartition("://")[2]) or None


def _fqn(node: Part, kind: str, name: str) -> tuple[str, ...]:
    found = node.texts("fqn")
    if found:
        return found
    middle = (node.text("source_name"),) if kind == "source" else ()
    return (node.text("package_name"), *middle, name)


def _checksum(node: Part) -> str:
    """Return the checksum, an object in dbt-core's nodes and a text in its unit tests."""
    found = node.value.get("checksum")
    return found if isinstance(found, str) else node.part("checksum").text("checksum")


def _version(node: Part) -> str | None:
    """Return the model's version as text: YAML has it as a number or a text."""
    found = node.value.get("version")
    if isinstance(found, str | int | float) and not isinstance(found, bool):
        return str(found)
    return node.maybe("version")
