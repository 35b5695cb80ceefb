"""The syncs that a target has: those that revetl.yml lists, and one per mapped entity where it lists none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from revetl.config import Config, Connection, DestinationConfig, SyncConfig
from revetl.config.schema import did_you_mean
from revetl.contract import Destination, Object
from revetl.mapping.complaints import Complaints
from revetl.mapping.items import Said
from revetl.mapping.names import Names


@dataclass(frozen=True, slots=True)
class Draft:
    """A sync before its models are known."""

    name: str  # destination.sync
    destination: str
    config: SyncConfig
    type: Destination
    object: str
    thing: Object
    connection: Connection
    file: str  # revetl.yml:LINE

    @property
    def entity(self) -> str:
        """Return the entity that the sync carries."""
        return self.config.entity


@dataclass(frozen=True, slots=True)
class _Site:
    """A destination whose type is known, at the target asked for."""

    config: Config
    destination: DestinationConfig
    kind: Destination
    connection: Connection

    def draft(self, short: str, sync: SyncConfig, say: Complaints) -> Draft | None:
        name = f"{self.destination.name}.{short}"
        file = self.config.where("destinations", self.destination.name, "syncs", short)
        chosen = sync.object or next(iter(self.kind.objects))
        thing = self.kind.objects.get(chosen)
        if thing is None:
            message = f"{self.kind.title} has no object '{chosen}'"
            say.error("RVT-320", message, did_you_mean(chosen, self.kind.objects), syncs=(name,), file=file)
            return None
        return Draft(name, self.destination.name, sync, self.kind, chosen, thing, self.connection, file)


def draft_syncs(
    names: Names, target: str, registry: Mapping[str, Destination], said: Said, say: Complaints
) -> tuple[Draft, ...]:
    """Return the syncs of one target whose destination, type and object are known; say why others are not."""
    found = []
    for site in _sites(names.config, target, registry, say):
        drafts = (site.draft(short, sync, say) for short, sync in _syncs(site.destination, said, names).items())
        found += [draft for draft in drafts if draft is not None]
    return tuple(found)


def _sites(config: Config, target: str, registry: Mapping[str, Destination], say: Complaints) -> Iterator[_Site]:
    for destination in config.destinations.values():
        if destination.name in config.broken:
            continue
        kind = registry.get(destination.type)
        connection = config.connection(destination.name, target)
        if kind is None:
            say.error(
                "RVT-124",
                f"destination '{destination.name}' has the type '{destination.type}', which is not installed",
                did_you_mean(destination.type, registry),
                syncs=(destination.name,),
                file=config.where("destinations", destination.name, "type"),
            )
        elif connection is not None:
            yield _Site(config, destination, kind, connection)


def _syncs(destination: DestinationConfig, said: Said, names: Names) -> Mapping[str, SyncConfig]:
    """Return the syncs listed, or one per entity that mentions the destination."""
    if destination.syncs is not None:
        return destination.syncs
    claims: list[tuple[str, Iterable[str]]] = [(item.spec.entity, item.destinations) for item in said.items]
    claims += [(fault.entity, fault.names) for fault in said.faults if fault.entity]
    entities = {
        entity
        for entity, mentioned in claims
        if names.reaches_any(mentioned, destination.name, f"{destination.name}.{entity}")
    }
    return {entity: SyncConfig(entity=entity) for entity in sorted(entities)}
