"""How a name, a path and a value are matched: dbt's rules (dbt/graph/selector_methods.py of dbt-core 1.12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import PurePosixPath

from revetl.types import JSON, Node

_WILD = "*?[]"


def by_name(node: Node, value: str) -> bool:
    """Return whether ``value`` is the node's name, or the beginning of its fqn with or without the package.

    Dots separate the parts; from the first wildcard on, the rest matches as one text. Sources have a method of their
    own, as in dbt.
    """
    if node.resource_type == "source":
        return False
    fqn = node.fqn or (node.package, node.name)
    return any(_leads(part, value, versioned=node.version is not None) for part in (fqn, fqn[1:]) if part)


def _leads(fqn: Sequence[str], value: str, *, versioned: bool) -> bool:
    wanted = value.split(".")
    if _is_leaf(fqn, value, wanted, versioned=versioned):
        return True
    flat = [item for segment in fqn for item in segment.split(".")]
    if len(flat) < len(wanted):
        return False
    plain = next((i for i, part in enumerate(wanted) if any(sign in part for sign in _WILD)), len(wanted))
    if flat[:plain] != wanted[:plain]:
        return False
    return plain == len(wanted) or fnmatchcase(".".join(flat[plain:]), ".".join(wanted[plain:]))


def _is_leaf(fqn: Sequence[str], value: str, wanted: Sequence[str], *, versioned: bool) -> bool:
    """Return whether ``value`` is the name alone; a versioned model ends in (name, v2) and answers to name, name.v2
    and name_v2.
    """
    if not versioned or len(fqn) < 2:
        return fqn[-1] == value
    return fqn[-2] == value or "_".join(fqn[-2:]) == "_".join(wanted[-2:])


def by_path(node: Node, value: str) -> bool:
    """Return whether ``value``, a glob with ``**``, is the node's file, a folder above it, or its YAML file."""
    pattern = [part for part in value.replace("\\", "/").split("/") if part not in {"", "."}]
    if _covers(pattern, node.file.split("/"), whole=False):
        return True
    return node.patch_file is not None and _covers(pattern, node.patch_file.split("/"), whole=True)


def _covers(pattern: Sequence[str], path: Sequence[str], *, whole: bool) -> bool:
    if not pattern:
        return not (whole and path)
    if not path:
        return all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _covers(pattern[1:], path, whole=whole) or _covers(pattern, path[1:], whole=whole)
    return fnmatchcase(path[0], pattern[0]) and _covers(pattern[1:], path[1:], whole=whole)


def by_file(node: Node, value: str) -> bool:
    """Return whether ``value``, a glob, is the file's name with or without its suffix."""
    path = PurePosixPath(node.file)
    return fnmatchcase(path.name, value) or fnmatchcase(path.stem, value)


def by_config(node: Node, path: Sequence[str], value: str) -> bool:
    """Return whether ``value`` stands at ``path`` of the config, or in the list there.

    Numbers and booleans compare as they are written in YAML. Where a list of objects stands on the way
    (``revetl:`` may be one), any of them may lead on. Column meta is not looked at, as in dbt.
    """
    root: JSON = {**node.config, "meta": node.meta}
    return value in {_written(found) for found in _descend([root], path)} or value.lower() in {
        _written(found) for found in _descend([root], path) if isinstance(found, bool)
    }


def _descend(values: Iterable[JSON], path: Sequence[str]) -> Iterable[JSON]:
    """Yield what stands at ``path``, with lists opened."""
    opened = list(chain.from_iterable(value if isinstance(value, list) else [value] for value in values))
    if not path:
        return opened
    return _descend([value[path[0]] for value in opened if isinstance(value, dict) and path[0] in value], path[1:])


def _written(value: JSON) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
