"""The column that says who may be written to, and how a person's no is made good at the destination."""

from __future__ import annotations

from revetl.config.schema import did_you_mean
from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.entities import Entity
from revetl.mapping.items import Item
from revetl.types import ConsentPlan


def consent_of(draft: Draft, entity: Entity, say: Complaints) -> ConsentPlan | None:
    """Return how a sync withdraws consent, None where it does not; say what the object cannot do."""
    spec, thing, place = draft.config.consent, draft.thing, f"'{draft.object}' of {draft.type.title}"
    if spec is None:
        return None

    def error(what: str, remedy: str) -> None:
        say.error("RVT-334", what, remedy, syncs=(draft.name,), file=draft.file)

    if not thing.consent:
        error(f"{place} has no consent that could be withdrawn", "remove `consent`")
        return None
    way = spec.on_false or next(iter(thing.consent))
    if way not in thing.consent:
        error(f"{place} cannot '{way}' people", did_you_mean(way, thing.consent))
    if spec.new_as is not None and spec.new_as not in thing.new_as:
        remedy = did_you_mean(spec.new_as, thing.new_as) or "remove `new_as`"
        error(f"{place} makes no records as '{spec.new_as}'", remedy)
    having = [item for item in entity.properties if _has(item, spec.column)]
    if len(having) > 1 and entity.base not in having:
        names = ", ".join(item.name for item in having)
        error(f"column '{spec.column}' of `consent` stands in several models: {names}", "let one of them have it")
    if not having and entity.base.node.columns:
        columns = [name for item in entity.properties for name in item.node.columns]
        near = did_you_mean(spec.column, columns)
        error(f"column '{spec.column}' of `consent` is in no properties model of '{entity.name}'", near)
    item = entity.base if entity.base in having or not having else having[0]
    return ConsentPlan(spec.column, item.node.unique_id, way, spec.new_as)


def _has(item: Item, column: str) -> bool:
    return column.casefold() in {name.casefold() for name in item.node.columns}
