"""Entities: which models describe each, which one says who exists, and how keys line up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from revetl.config.schema import as_mapping
from revetl.mapping.complaints import Complaints
from revetl.mapping.items import Item
from revetl.types import ModelRef, Relation

Users = Callable[[Item], tuple[str, ...]]  # an item → the names of the syncs that read it


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity and its models; ``properties`` has the base model first."""

    name: str
    key: tuple[str, ...]  # names as in the base model
    base: Item
    properties: tuple[Item, ...]
    cohorts: tuple[Item, ...]


def find_entities(items: Iterable[Item], users: Users, say: Complaints) -> dict[str, Entity]:
    """Return every entity that has a properties model; say where the base model is not exactly one."""
    by_name: dict[str, list[Item]] = {}
    for item in items:
        known = by_name.setdefault(item.spec.entity, [])
        if any(other.node.unique_id == item.node.unique_id for other in known):
            message = f"model '{item.name}' serves entity '{item.spec.entity}' twice"
            say.error("RVT-300", message, "one item per entity in `revetl:`", syncs=users(item), node=item.node)
        else:
            known.append(item)
    return {name: entity for name, known in by_name.items() if (entity := _entity(name, known, users, say))}


def _entity(name: str, items: list[Item], users: Users, say: Complaints) -> Entity | None:
    properties = [item for item in items if item.spec.kind == "properties"]
    if not properties:
        return None
    base = _base(name, properties, users, say)
    key = tuple(alias or column for alias, column in base.spec.key)
    ordered = (base, *(item for item in properties if item is not base))
    return Entity(name, key, base, ordered, tuple(item for item in items if item.spec.kind == "cohort"))


def _base(name: str, properties: list[Item], users: Users, say: Complaints) -> Item:
    """Return the base model; where it is not exactly one, the first, so that the rest can be looked at too."""
    marked = [item for item in properties if item.spec.base]
    if len(properties) == 1 or len(marked) == 1:
        return (marked or properties)[0]
    several = ", ".join(item.name for item in marked or properties)
    first = (marked or properties)[0]
    stopped = sorted({sync for item in properties for sync in users(item)})
    if marked:
        what, remedy = f"entity '{name}' has several base models: {several}", "keep `base: true` on one of them"
    else:
        what = f"entity '{name}' has several properties models and no base: {several}"
        remedy = "write `base: true` on the one that says who exists"
    say.error("RVT-310", what, remedy, syncs=stopped, node=first.node)
    return first


def align(item: Item, key: tuple[str, ...]) -> tuple[str, ...] | str:
    """Return the model's key columns in the entity's order, or why they do not line up."""
    pairs = item.spec.key
    columns = item.key_columns
    if len(pairs) != len(key):
        return f"has {len(pairs)} key column(s) where the entity has {len(key)} ({', '.join(key)})"
    if all(alias for alias, _ in pairs):
        named = dict(pairs)
        if set(named) != set(key):
            return f"names {', '.join(named)} where the entity's key is {', '.join(key)}"
        return tuple(named[name] for name in key)
    if set(columns) == set(key):
        return key
    moved = [name for place, name in enumerate(columns) if name in key and key.index(name) != place]
    if moved:
        return f"has '{moved[0]}' in another place than the entity's key ({', '.join(key)})"
    return columns


def check_keys(entity: Entity, users: Users, say: Complaints) -> None:
    """Say which models' keys do not line up with the entity's."""
    for item in (*entity.properties, *entity.cohorts):
        why = None if item is entity.base else align(item, entity.key)
        if isinstance(why, str):
            remedy = "write `key: {" + ", ".join(f"{name}: …" for name in entity.key) + "}` with this model's columns"
            message = f"the key of model '{item.name}' {why}"
            say.error("RVT-311", message, remedy, syncs=users(item), node=item.node)


def reference(item: Item, entity: Entity) -> ModelRef:
    """Return how a model is read; only for items that nothing is said against."""
    aligned = item.key_columns if item is entity.base else align(item, entity.key)
    relation = item.node.relation or Relation(None, None, item.node.name)
    key = item.key_columns if isinstance(aligned, str) else aligned
    return ModelRef(item.name, item.node.unique_id, relation, key, item.spec.updated_at, valid_to(item))


def valid_to(item: Item) -> str | None:
    """Return the column that is null in a dbt snapshot's current rows, None for other nodes.

    dbt calls it dbt_valid_to unless ``snapshot_meta_column_names`` renames it:
    https://docs.getdbt.com/reference/resource-configs/snapshot_meta_column_names
    """
    if item.node.resource_type != "snapshot":
        return None
    renamed = as_mapping(item.node.config.get("snapshot_meta_column_names")).get("dbt_valid_to")
    return renamed if isinstance(renamed, str) and renamed else "dbt_valid_to"
