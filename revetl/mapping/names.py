"""Who is meant by a name in ``to``: a sync, a destination or a group of destinations; the most specific wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from revetl.config import Config

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Names:
    """Every name that ``to`` may use."""

    config: Config
    entities: frozenset[str]  # the names of syncs that a destination without ``syncs:`` gets

    def destinations(self, name: str) -> frozenset[str]:
        """Return the destinations that a name means, none where nothing is called so."""
        if name in self.config.destinations:
            return frozenset({name})
        if name in self.config.groups:
            return frozenset(self.config.groups[name]) & set(self.config.destinations)
        destination, dot, sync = name.partition(".")
        return frozenset({destination}) if dot and self._is_sync(destination, sync) else frozenset()

    def _is_sync(self, destination: str, sync: str) -> bool:
        found = self.config.destinations.get(destination)
        if found is None:
            return False
        if f"{destination}.{sync}" in self.config.broken or destination in self.config.broken:
            return True  # it stands there, and is complained of already
        return sync in (self.entities if found.syncs is None else found.syncs)

    @property
    def known(self) -> frozenset[str]:
        """Return every name, for "did you mean"."""
        found = set(self.config.destinations) | set(self.config.groups)
        for name, destination in self.config.destinations.items():
            syncs = self.entities if destination.syncs is None else destination.syncs
            found |= {f"{name}.{sync}" for sync in syncs}
        return frozenset(found)

    def reaches(self, name: str, destination: str, sync: str) -> bool:
        """Return whether a name means this sync (``destination.sync``)."""
        return name == sync if "." in name else destination in self.destinations(name)

    def pick(self, to: Mapping[str, T], destination: str, sync: str) -> tuple[T, ...]:
        """Return what ``to`` says of a sync: nothing, one thing, or several where groups disagree."""
        if sync in to:
            return (to[sync],)
        if destination in to:
            return (to[destination],)
        said: list[T] = []
        for group in to:
            if group in self.config.groups and destination in self.config.groups[group] and to[group] not in said:
                said.append(to[group])
        return tuple(said)

    def reaches_any(self, names: Iterable[str], destination: str, sync: str) -> bool:
        """Return whether any of the names means this sync."""
        return any(self.reaches(name, destination, sync) for name in names)


def unknown(names: Names, mentioned: Collection[str]) -> tuple[str, ...]:
    """Return the names that mean nothing, in order."""
    return tuple(sorted(name for name in mentioned if name not in names.config.groups and not names.destinations(name)))
