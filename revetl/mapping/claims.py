"""Whether every name in ``to`` means something, and something that takes the model's entity."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from revetl.config.schema import did_you_mean
from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.items import Item
from revetl.mapping.names import Names, unknown
from revetl.types import Node


def check_claims(items: tuple[Item, ...], drafts: tuple[Draft, ...], names: Names, say: Complaints) -> None:
    """Say which names mean nothing, and which mean a sync or destination that does not take the entity."""
    served: dict[str, set[str]] = {}
    for item in items:
        served.setdefault(item.node.unique_id, set()).add(item.spec.entity)
    for item in items:
        for claim in _claims(item, frozenset(served[item.node.unique_id])):
            strange = unknown(names, claim.to)
            for name in strange:
                _unknown(claim, name, drafts, names, say)
            for name in sorted(set(claim.to) - set(strange)):
                _entity(claim, name, names, say)


@dataclass(frozen=True, slots=True)
class _Claim:
    """One ``to``, and the entities that it may be about: a column's own meta serves every item of its model."""

    node: Node
    column: str | None
    to: Collection[str]
    entities: frozenset[str]

    @property
    def thing(self) -> str:
        """Return what claims, in words."""
        what = "cohort" if self.column is None else f"column '{self.column}'"
        return f"{what} of entity '{' or '.join(sorted(self.entities))}'"


def _claims(item: Item, entities: frozenset[str]) -> Iterator[_Claim]:
    yield _Claim(item.node, None, tuple(item.spec.to), frozenset({item.spec.entity}))
    for mapped in item.columns:
        yield _Claim(item.node, mapped.name, tuple(mapped.to), entities)


def _unknown(claim: _Claim, name: str, drafts: tuple[Draft, ...], names: Names, say: Complaints) -> None:
    """Complain, and stop the syncs that were probably meant: they would silently send less."""
    remedy = did_you_mean(name, names.known)
    meant = remedy.split("'")[1] if remedy.startswith("did") else ""
    stopped = [
        draft.name
        for draft in drafts
        if meant and draft.entity in claim.entities and names.reaches(meant, draft.destination, draft.name)
    ]
    what = f"`to` names '{name[:60]}', which is no destination, sync or group"
    say.error("RVT-302", what, remedy, syncs=stopped, node=claim.node, column=claim.column)


def _entity(claim: _Claim, name: str, names: Names, say: Complaints) -> None:
    takes = [_takes(destination, name, claim.entities, names) for destination in names.destinations(name)]
    if any(takes) or not takes:
        return
    entity = min(claim.entities)
    if "." in name:
        what, remedy = f"{claim.thing} names sync '{name}' of another entity", f"name a sync of entity '{entity}'"
        say.error("RVT-309", what, remedy, syncs=(name,), node=claim.node, column=claim.column)
    else:
        what = f"{claim.thing} names '{name}', which has no sync of it"
        remedy = f"add a sync with `entity: {entity}` to it, or remove it from `to`"
        say.error("RVT-314", what, remedy, node=claim.node, column=claim.column)


def _takes(destination: str, name: str, entities: frozenset[str], names: Names) -> bool:
    """Return whether a destination has a sync of one of the entities (the very sync, where ``name`` is one)."""
    config = names.config
    syncs = config.destinations[destination].syncs
    if destination in config.broken or any(broken.startswith(f"{destination}.") for broken in config.broken):
        return True  # what it takes is not known before it is mended
    sync = name.partition(".")[2]
    if syncs is None:
        return not sync or sync in entities
    return any(found.entity in entities for short, found in syncs.items() if sync in {"", short})
