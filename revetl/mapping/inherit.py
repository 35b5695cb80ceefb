"""Tags of personal data follow a column through dbt's lineage as far as it is passed along under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from revetl.config.schema import as_mapping
from revetl.types import JSON, Node, Project


def inherited(project: Project, node: Node, column: str) -> tuple[str, str] | None:
    """Return the tag that the nearest models above give a column of this name, and the model; None: none does.

    ``pii: false`` on the way ends it: there the column is something else under the same name. What a model passes along
    is not read from its SQL, so a column that YAML does not describe on the way is taken to be passed along.
    """
    seen = {node.unique_id}
    layer = list(node.parents)
    while layer:
        nodes = [project.nodes[key] for key in dict.fromkeys(layer) if key in project.nodes and key not in seen]
        seen.update(other.unique_id for other in nodes)
        said = {other.unique_id: _tag(other, column) for other in nodes}
        for other in sorted(nodes, key=lambda one: one.name):
            tag = said[other.unique_id]
            if tag:
                return tag, other.name
        layer = [parent for other in nodes if said[other.unique_id] is None for parent in other.parents]
    return None


def _tag(node: Node, column: str) -> str | None:
    """Return a column's tag in a model, "" where it is said to be none, None where nothing is said."""
    for raw in _said(node, column):
        if "pii" in raw:
            value = raw["pii"]
            return "true" if value is True else value if isinstance(value, str) else ""
    return None


def _said(node: Node, column: str) -> Iterator[Mapping[str, JSON]]:
    """Yield revetl's meta of a column: its own, then what the model's says of it."""
    wanted = column.casefold()
    yield from (as_mapping(c.meta.get("revetl")) for c in node.columns.values() if c.name.casefold() == wanted)
    whole = node.meta.get("revetl")
    for part in whole if isinstance(whole, list) else [whole]:
        columns = as_mapping(as_mapping(part).get("columns"))
        yield from (as_mapping(raw) for name, raw in columns.items() if str(name).casefold() == wanted)
