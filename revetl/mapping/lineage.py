"""What stands behind a mapping: each model's code and parents, and its columns' types, as data to compare later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from revetl.mapping.complaints import file_of, model_name
from revetl.mapping.select_graph import Edges, walk
from revetl.types import EMPTY, JSON, Node, Project, SyncPlan

Types = Mapping[str, Mapping[str, str]]  # unique id → column → type, as catalog.json has them
Models = Mapping[str, JSON]


def models(project: Project, syncs: Iterable[SyncPlan], types: Types = EMPTY) -> dict[str, JSON]:
    """Return every model that a sync reads, and all that these are made of, by unique id."""
    read = {ref.unique_id for sync in syncs for ref in sync.models}
    above = walk(frozenset(read), {key: node.parents for key, node in project.nodes.items()})
    found = sorted((read | above) & project.nodes.keys())
    return {key: _model(project.nodes[key], types.get(key), described=key in read) for key in found}


def _model(node: Node, types: Mapping[str, str] | None, *, described: bool) -> dict[str, JSON]:
    made = {"name": model_name(node), "file": file_of(node), "code": _digest(node), "parents": sorted(node.parents)}
    if not described:
        return made
    columns: Mapping[str, str | None] = types or {name: column.data_type for name, column in node.columns.items()}
    folded = {name.casefold(): kind or None for name, kind in columns.items()}
    return {**made, "columns": folded, "evidence": "catalog" if types else "manifest"}


def _digest(node: Node) -> str:
    """Return the hash of a model's SQL as it is written, of a seed's rows; macros and variables are not in it."""
    return hashlib.sha256((node.code or node.checksum).encode("utf-8", "surrogatepass")).hexdigest()


def altered(before: Models, after: Models, unique_id: str) -> tuple[str, ...]:
    """Return which models, of this one and all that it is made of, are written otherwise than before, by name."""
    if unique_id not in before or unique_id not in after:
        return ()
    edges: Edges = {key: tuple(model["parents"]) for key, model in after.items()}
    line = walk(frozenset({unique_id}), edges) | {unique_id}
    return tuple(sorted(after[key]["name"] for key in line if _differs(before.get(key), after.get(key))))


def _differs(old: JSON, new: JSON) -> bool:
    return old is not None and new is not None and old["code"] != new["code"]


def types_of(before: Models, after: Models, unique_id: str, column: str) -> tuple[str, str] | None:
    """Return a column's type before and after, by evidence of one kind; None where it is not told, or the same."""
    if unique_id not in before or unique_id not in after or _evidence(before, unique_id) != _evidence(after, unique_id):
        return None
    old, new = (known[unique_id].get("columns", {}).get(column.casefold()) for known in (before, after))
    return (old, new) if old and new and old.casefold() != new.casefold() else None


def dropped(before: Models, after: Models, unique_id: str, columns: Iterable[str]) -> str | None:
    """Return by which evidence a model lacks one of the columns that it had; None: it has them, or nobody can tell."""
    if unique_id not in before:
        return None
    if unique_id in after and (_evidence(before, unique_id), _evidence(after, unique_id)) == ("catalog", "manifest"):
        return None  # not to be described in YAML is not to be gone
    had, has = (set((known.get(unique_id) or {}).get("columns", {})) for known in (before, after))
    return _evidence(after, unique_id) if any(column.casefold() in had - has for column in columns) else None


def _evidence(models: Models, unique_id: str) -> str:
    return str((models.get(unique_id) or {}).get("evidence", "manifest"))
