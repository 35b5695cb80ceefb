"""``state:`` compares nodes with an earlier manifest's, ``result:`` asks the last build.

revetl holds what it knows of a node against the node before. dbt's own ``state:modified`` also sees macros, but not
column meta, where revetl's mappings stand. Where a target puts a relation (database, schema, alias) is left out, so
that production's manifest can stand for the state of a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from revetl.types import JSON, Node, Project

_PLACES = frozenset({"database", "schema", "alias", "meta", "tags", "enabled"})  # by target, or compared on their own


def _body(node: Node) -> JSON:
    """Return what the node is made of: its code, of a seed its checksum; as dbt compares bodies."""
    return node.code or node.checksum


def _configs(node: Node) -> JSON:
    """Return the config without empty values: each dbt version adds keys whose default is empty."""
    return {key: value for key, value in node.config.items() if key not in _PLACES and value not in (None, {}, [], "")}


def _meta(node: Node) -> JSON:
    return node.meta, {name: column.meta for name, column in node.columns.items() if column.meta}


def _rest(node: Node) -> JSON:
    columns = [(c.name, c.data_type, c.description, c.tags) for c in node.columns.values()]
    said = (node.description, node.tags, node.fqn, node.access, node.group, node.contract)
    return columns, said, sorted(node.parents)


Comparison = Callable[[Node | None, Node], bool]


def _differs(*views: Callable[[Node], JSON]) -> Comparison:
    return lambda old, new: old is None or any(view(old) != view(new) for view in views)


_modified = _differs(_body, _configs, _meta, _rest)

STATES: Final[Mapping[str, Comparison]] = MappingProxyType(
    {
        "new": lambda old, _: old is None,
        "old": lambda old, _: old is not None,
        "modified": _modified,
        "unmodified": lambda old, new: not _modified(old, new),
        "modified.body": _differs(_body),
        "modified.configs": _differs(_configs, _meta),
        "modified.meta": _differs(_meta),
    }
)


def failing(project: Project, checks: frozenset[str]) -> frozenset[str]:
    """Return the nodes that ``checks`` (unique ids) guard: the one each is attached to, else all that it reads."""
    found: set[str] = set()
    for key in checks & project.checks.keys():
        check = project.checks[key]
        found.update([check.attached_node] if check.attached_node else check.parents)
    return frozenset(found)
