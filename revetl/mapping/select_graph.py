"""What a selection looks at: the nodes and exposures of a project as one graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from revetl.mapping.select_grammar import Criterion
from revetl.types import EMPTY, JSON, BuildResult, Node, Project

Edges = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """A project's nodes and exposures by unique id, with their edges, and what states and results are held against."""

    project: Project
    nodes: Mapping[str, Node]
    parents: Edges
    children: Edges
    before: Project | None = None
    results: Mapping[str, BuildResult] | None = None

    @classmethod
    def of(
        cls, project: Project, before: Project | None = None, results: Mapping[str, BuildResult] | None = None
    ) -> Self:
        """Return the graph of ``project``."""
        exposures = {key: exposure_node(key, raw) for key, raw in project.exposures.items()}
        nodes = {**project.nodes, **exposures}
        parents = {key: tuple(parent for parent in node.parents if parent in nodes) for key, node in nodes.items()}
        children: dict[str, tuple[str, ...]] = {}
        for key, found in parents.items():
            for parent in found:
                children[parent] = (*children.get(parent, ()), key)
        return cls(project, nodes, parents, children, before, results)

    def expand(self, found: Iterable[str], criterion: Criterion) -> frozenset[str]:
        """Return ``found`` and the relatives that the criterion's operators ask for, as dbt walks them."""
        start = frozenset(found)
        if criterion.around:
            start |= walk(start, self.children)
            return start | walk(start, self.parents)
        return start | walk(start, self.parents, criterion.up) | walk(start, self.children, criterion.down)


def walk(start: frozenset[str], edges: Edges, steps: float = float("inf")) -> frozenset[str]:
    """Return all that ``edges`` lead to from ``start`` in at most ``steps`` steps."""
    seen: set[str] = set()
    layer: set[str] = set(start)
    while layer and steps > 0:
        layer = {there for here in layer for there in edges.get(here, ())} - seen
        seen |= layer
        steps -= 1
    return frozenset(seen)


def exposure_node(unique_id: str, raw: Mapping[str, JSON]) -> Node:
    """Return an exposure in the shape of a node, so that methods see one thing."""
    return Node(
        unique_id=unique_id,
        name=raw.get("name") or unique_id.rpartition(".")[2],
        resource_type="exposure",
        package=raw.get("package_name") or "",
        file=raw.get("original_file_path") or "",
        patch_file=None,
        relation=None,
        materialized="",
        meta=raw.get("meta") or EMPTY,
        config=raw.get("config") or EMPTY,
        tags=tuple(raw.get("tags") or ()),
        fqn=tuple(raw.get("fqn") or ()),
        parents=tuple((raw.get("depends_on") or {}).get("nodes") or ()),
    )
