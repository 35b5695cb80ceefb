"""One dbt exposure for each sync: what it should say, by models, mapping and destination."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from revetl.contract import Destination
from revetl.types import JSON, ModelRef, Node, Project, SyncPlan

_JINJA = re.compile(r"\{(?=[{%#])")  # dbt renders the YAML of exposures


@dataclass(frozen=True, slots=True)
class Exposure:
    """A sync as dbt's exposures say it. ``depends_on`` and ``meta`` follow the sync; the rest is people's to edit."""

    sync: str
    name: str
    label: str
    description: str
    owner: str
    url: str
    depends_on: tuple[str, ...]
    meta: Mapping[str, JSON]


def exposures(project: Project, syncs: Iterable[SyncPlan], registry: Mapping[str, Destination]) -> tuple[Exposure, ...]:
    """Return one exposure for each sync, by name."""
    names: set[str] = set()
    return tuple(_exposure(project, sync, registry[sync.type], names) for sync in sorted(syncs, key=lambda s: s.name))


def _exposure(project: Project, sync: SyncPlan, destination: Destination, names: set[str]) -> Exposure:
    name = _free(f"revetl_{re.sub(r'[^A-Za-z0-9_]', '_', sync.name)}", names)
    names.add(name)
    return Exposure(
        sync=sync.name,
        name=name,
        label=f"{destination.title}: {sync.entity}",
        description=f"Each {sync.entity} of {sync.base.model} that leaves, as {sync.object} of {destination.title}.",
        owner=_owner(project, sync),
        url=destination.docs,
        depends_on=tuple(sorted(_depends(project, ref) for ref in sync.models)),  # partial parsing moves nodes
        meta=_meta(sync),
    )


def _free(name: str, taken: Collection[str]) -> str:
    number = 2
    found = name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _owner(project: Project, sync: SyncPlan) -> str:
    """Return who owns the base model: its meta's owner, else its dbt group, else the project."""
    node = project.nodes[sync.base.unique_id]
    said = node.meta.get("owner")
    return said if isinstance(said, str) and said.strip() else node.group or project.name


def _depends(project: Project, ref: ModelRef) -> str:
    node = project.nodes[ref.unique_id]
    if node.resource_type == "source":
        source, _, table = node.name.partition(".")
        return f"source({_quoted(source)}, {_quoted(table)})"
    package = "" if node.package == project.name else f"{_quoted(node.package)}, "
    return f"ref({package}{_quoted(node.name)}{_version(node)})"


def _version(node: Node) -> str:
    return f", v={node.version if node.version.isdigit() else _quoted(node.version)}" if node.version else ""


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "") + "'"


def _meta(sync: SyncPlan) -> dict[str, JSON]:
    personal = sorted({field.pii for field in sync.mapped if field.pii})
    told = {
        "sync": sync.name, "destination": sync.type, "object": sync.object, "entity": sync.entity,
        "match": sync.match_field, "fields": sorted(field.field for field in sync.mapped),
        "cohorts": sorted(cohort.label for cohort in sync.cohorts), "pii": personal,
    }  # fmt: skip
    return {key: _plain(value) for key, value in told.items() if value}


def _plain(value: JSON) -> JSON:
    """Return texts in which nothing begins an expression of Jinja's."""
    return [_plain(part) for part in value] if isinstance(value, list) else _JINJA.sub("{ ", value)
