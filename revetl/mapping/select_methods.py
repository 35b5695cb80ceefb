"""The methods of a selection over dbt nodes, one table: what each one finds, and what could have been meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from revetl.errors import UsageError
from revetl.mapping.select_grammar import Criterion, unreadable
from revetl.mapping.select_graph import Graph, exposure_node
from revetl.mapping.select_names import by_config, by_file, by_name, by_path
from revetl.mapping.select_state import STATES, failing
from revetl.types import Node

RESOURCES = ("model", "seed", "snapshot", "source", "exposure")


@dataclass(frozen=True, slots=True)
class Method:
    """``find`` returns unique ids; ``known`` what one may write there, for "did you mean"; ``fleeting`` where finding
    nothing is an answer, not a slip.
    """

    find: Callable[[Graph, Criterion], Iterable[str]]
    known: Callable[[Graph], Iterable[str]]
    fleeting: bool = False


def _each(matches: Callable[[Node, str], bool]) -> Callable[[Graph, Criterion], Iterable[str]]:
    return lambda graph, wanted: (key for key, node in graph.nodes.items() if matches(node, wanted.value))


def _values(values: Callable[[Node], Iterable[str]]) -> Callable[[Graph], Iterable[str]]:
    return lambda graph: {value for node in graph.nodes.values() for value in values(node)}


def _globbed(value: Callable[[Node], str | None]) -> Method:
    return Method(
        _each(lambda node, wanted: fnmatchcase(value(node) or "", wanted)),
        _values(lambda node: filter(None, [value(node)])),
    )


def _config(graph: Graph, wanted: Criterion) -> Iterable[str]:
    if not wanted.path:
        raise unreadable(wanted.raw, "config needs the name of a key", "write config.materialized:table, for example")
    return (key for key, node in graph.nodes.items() if by_config(node, wanted.path, wanted.value))


def _package(graph: Graph, wanted: Criterion) -> Iterable[str]:
    value = graph.project.name if wanted.value == "this" else wanted.value
    return (key for key, node in graph.nodes.items() if fnmatchcase(node.package, value))


def _resource_type(graph: Graph, wanted: Criterion) -> Iterable[str]:
    if wanted.value not in RESOURCES:
        raise unreadable(wanted.raw, f"no resource type {wanted.value!r} here", f"write one of {', '.join(RESOURCES)}")
    return (key for key, node in graph.nodes.items() if node.resource_type == wanted.value)


def _dotted(kind: str, size: int, names: Callable[[Node], tuple[str, ...]]) -> Callable[[Graph, Criterion], list[str]]:
    """Return a finder of ``[package.]name`` among nodes of ``kind``; ``names`` are package first, ``size`` of them."""

    def find(graph: Graph, wanted: Criterion) -> list[str]:
        parts = wanted.value.split(".")
        if len(parts) > size:
            raise unreadable(wanted.raw, f"more than {size} parts", f"write {kind}:name, from the package on at most")
        patterns = _padded(parts, size)
        return [
            key
            for key, node in graph.nodes.items()
            if node.resource_type == kind and all(map(fnmatchcase, names(node), patterns))
        ]

    return find


def _padded(parts: list[str], size: int) -> list[str]:
    """Return ``parts`` with wildcards for what was left out: the package first, then (of a source) the table."""
    if size == 3 and len(parts) == 1:
        return ["*", *parts, "*"]
    return ["*"] * (size - len(parts)) + parts


def _source_names(node: Node) -> tuple[str, ...]:
    return (node.package, *node.fqn[-2:])


def _exposure_names(node: Node) -> tuple[str, ...]:
    return (node.package, node.name)


def _state(graph: Graph, wanted: Criterion) -> Iterable[str]:
    check = STATES.get(wanted.value)
    if check is None:
        raise unreadable(wanted.raw, f"no state {wanted.value!r}", f"write one of {', '.join(STATES)}")
    if graph.before is None:
        raise UsageError(
            "RVT-113",
            f"the selection {wanted.raw!r} compares with an earlier manifest, and none was given",
            hint="add --state DIR, the folder that holds it",
        )
    exposures = {key: exposure_node(key, raw) for key, raw in graph.before.exposures.items()}
    before = {**graph.before.nodes, **exposures}
    return (key for key, node in graph.nodes.items() if check(before.get(key), node))


def _result(graph: Graph, wanted: Criterion) -> Iterable[str]:
    """Find nodes whose last result, or that of a test of theirs, is the one wanted."""
    if graph.results is None:
        raise UsageError(
            "RVT-113",
            f"the selection {wanted.raw!r} asks for results of dbt's last build, and there are none",
            hint="run dbt build, or add --state DIR, a folder that holds run_results.json",
        )
    found = frozenset(key for key, result in graph.results.items() if result.status == wanted.value)
    return (found | failing(graph.project, found)) & graph.nodes.keys()


def _accessible(node: Node, value: str) -> bool:
    return node.resource_type == "model" and node.access == value


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "fqn": Method(_each(by_name), _values(lambda node: [node.name] if node.resource_type != "source" else [])),
        "tag": Method(
            _each(lambda node, wanted: any(fnmatchcase(tag, wanted) for tag in node.tags)),
            _values(lambda node: node.tags),
        ),
        "path": Method(_each(by_path), _values(lambda node: filter(None, [node.file, node.patch_file]))),
        "file": Method(_each(by_file), _values(lambda node: [node.file.rpartition("/")[2]])),
        "package": Method(_package, _values(lambda node: [node.package])),
        "resource_type": Method(_resource_type, lambda _: RESOURCES),
        "config": Method(_config, lambda _: ()),
        "source": Method(
            _dotted("source", 3, _source_names),
            _values(lambda node: [node.name, *node.fqn[-2:-1]] if node.resource_type == "source" else []),
        ),
        "exposure": Method(
            _dotted("exposure", 2, _exposure_names),
            _values(lambda node: [node.name] if node.resource_type == "exposure" else []),
        ),
        "group": _globbed(lambda node: node.group),
        "access": Method(_each(_accessible), lambda _: ("private", "protected", "public")),
        "state": Method(_state, lambda _: STATES, fleeting=True),
        "result": Method(_result, lambda _: (), fleeting=True),
    }
)
