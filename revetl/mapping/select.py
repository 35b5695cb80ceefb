"""``--select`` and ``--exclude``: which nodes, and which syncs.

dbt's grammar and methods over dbt's nodes, and three methods of syncs: ``sync:``, ``destination:``, ``entity:``. A bare
name that is a sync's (``mailchimp.customer``) or a destination's (``mailchimp``), wildcards allowed, means syncs;
``fqn:`` before it means nodes. A slip is an error here where dbt only warns: a misspelt ``--exclude`` would send what
was to stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import reduce

from revetl.errors import UsageError
from revetl.mapping.select_grammar import Criterion, parse, unreadable
from revetl.mapping.select_graph import Graph
from revetl.mapping.select_methods import METHODS
from revetl.types import BuildResult, Project, SyncPlan

_SYNC_METHODS = ("sync", "destination", "entity")


def select_nodes(
    project: Project,
    select: Sequence[str],
    exclude: Sequence[str] = (),
    *,
    before: Project | None = None,
    results: Mapping[str, BuildResult] | None = None,
) -> frozenset[str]:
    """Return the unique ids of the nodes and exposures selected; without ``select`` all of them.

    ``before`` is the project that ``state:`` compares with, ``results`` what ``result:`` looks at.

    Raises:
        UsageError: RVT-110 a criterion finds nothing (``state:`` and ``result:`` may), RVT-111 unknown method,
            RVT-112 not to be read, RVT-113 ``before`` or ``results`` is wanted and missing.
    """
    graph = Graph.of(project, before, results)
    chosen = _union(graph, select) if _any(select) else frozenset(graph.nodes)
    return chosen - _union(graph, exclude)


def select_syncs(
    project: Project,
    syncs: Sequence[SyncPlan],
    select: Sequence[str],
    exclude: Sequence[str] = (),
    *,
    before: Project | None = None,
    results: Mapping[str, BuildResult] | None = None,
) -> tuple[SyncPlan, ...]:
    """Return the syncs selected, in their order; without ``select`` all of them.

    A sync is meant when it is named, or when any model that it reads is among the nodes meant; ``exclude`` leaves out
    every sync that it means, in that sense.

    Raises:
        UsageError: as :func:`select_nodes`; RVT-110 also where nodes are found but no sync reads any of them.
    """
    scope = _Scope(Graph.of(project, before, results), syncs)
    wanted = scope.chosen(select) if _any(select) else frozenset(sync.name for sync in syncs)
    left_out = scope.union(exclude)
    return tuple(sync for sync in syncs if sync.name in wanted and sync.name not in left_out)


class _Scope:
    """A graph and the syncs that read it."""

    def __init__(self, graph: Graph, syncs: Sequence[SyncPlan]) -> None:
        self.graph = graph
        self.syncs = syncs

    def union(self, values: Sequence[str]) -> frozenset[str]:
        """Return the names of the syncs meant."""
        return frozenset(name for group in parse(values) for name in self._intersection(group))

    def chosen(self, values: Sequence[str]) -> frozenset[str]:
        """Return the names of the syncs to run, of which there must be some unless ``values`` ask for a state."""
        found = self.union(values)
        if not found and not any(_fleeting(criterion) for group in parse(values) for criterion in group):
            raise UsageError(
                "RVT-110",
                f"the selection {' '.join(values)!r} leaves no sync: none reads what it finds",
                hint="add a + (name+ takes what is built from it, +name what it is built from), or see revetl ls",
            )
        return found

    def _intersection(self, group: tuple[Criterion, ...]) -> frozenset[str]:
        """Return the syncs that all of ``group`` means: nodes are intersected as nodes, then their syncs with syncs."""
        named, others = [], []
        for criterion in group:
            found = self._named(criterion)
            if found is None:
                others.append(_find(self.graph, criterion, self._names()))
            else:
                named.append(found)
        if others:
            named.append(self._reading(_all(others)))
        return _all(named)

    def _reading(self, nodes: frozenset[str]) -> frozenset[str]:
        return frozenset(s.name for s in self.syncs if not nodes.isdisjoint(ref.unique_id for ref in s.models))

    def _named(self, wanted: Criterion) -> frozenset[str] | None:
        """Return the syncs that ``wanted`` names, None where it speaks of nodes."""
        if wanted.named and wanted.method not in _SYNC_METHODS:
            return None
        found = frozenset(s.name for s in self.syncs if _is_sync(s, wanted))
        if not found and not wanted.named:
            return None
        if not found:
            raise _nothing(wanted, self._known(wanted.method))
        if wanted.walks:
            hint = f"write {wanted.value} alone, or put + to a model"
            raise unreadable(wanted.raw, "a sync has no parents and children", hint)
        return found

    def _known(self, method: str) -> Iterable[str]:
        return self._names() if method == "sync" else {getattr(sync, method) for sync in self.syncs}

    def _names(self) -> set[str]:
        return {name for sync in self.syncs for name in (sync.name, sync.destination)}


def _is_sync(sync: SyncPlan, wanted: Criterion) -> bool:
    if wanted.method in {"destination", "entity"}:
        return fnmatchcase(getattr(sync, wanted.method), wanted.value)
    return fnmatchcase(sync.name, wanted.value) or fnmatchcase(sync.destination, wanted.value)


def _any(values: Sequence[str]) -> bool:
    return any(value.strip() for value in values)


def _all(sets: Sequence[frozenset[str]]) -> frozenset[str]:
    return reduce(frozenset.intersection, sets)


def _union(graph: Graph, values: Sequence[str]) -> frozenset[str]:
    groups = ((_find(graph, criterion) for criterion in group) for group in parse(values))
    return frozenset(key for group in groups for key in _all(list(group)))


def _find(graph: Graph, wanted: Criterion, others: Iterable[str] | None = None) -> frozenset[str]:
    """Return the nodes that one criterion means; ``others`` are names of syncs, for "did you mean"."""
    method = METHODS.get(wanted.method)
    if method is None:
        raise _unknown_method(wanted, () if others is None else _SYNC_METHODS)
    found = frozenset(method.find(graph, wanted))
    if not found and not method.fleeting:
        raise _nothing(wanted, [*method.known(graph), *(others or () if not wanted.named else ())], _prefixed(graph))
    return graph.expand(found, wanted)


def _fleeting(wanted: Criterion) -> bool:
    return wanted.method in METHODS and METHODS[wanted.method].fleeting


def _prefixed(graph: Graph) -> Mapping[str, str]:
    """Return how to write what a bare name does not reach: source table → its selection."""
    return {node.name: f"source:{node.name}" for node in graph.nodes.values() if node.resource_type == "source"}


def _nothing(wanted: Criterion, known: Iterable[str], other: Mapping[str, str] | None = None) -> UsageError:
    instead = other or {}
    close = get_close_matches(wanted.value, {*known, *(instead if not wanted.named else ())}, n=3, cutoff=0.6)
    guesses = " or ".join(instead.get(guess, guess) for guess in sorted(set(close), key=close.index))
    return UsageError(
        "RVT-110",
        f"the selection {wanted.raw!r} matches nothing",
        kept="nothing was sent",
        hint=f"did you mean {guesses}?" if guesses else "see revetl ls for what there is",
    )


def _unknown_method(wanted: Criterion, more: Iterable[str]) -> UsageError:
    known = sorted((*METHODS, *more))
    close = get_close_matches(wanted.method, known, n=1)
    return UsageError(
        "RVT-111",
        f"the selection {wanted.raw!r} uses the method {wanted.method!r}, which revetl does not know",
        hint=f"did you mean {close[0]}:?" if close else f"write one of {', '.join(known)}",
    )
