"""Which columns land as links: to which sync's records they point, and how the other entity's key is read from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from revetl.config.schema import did_you_mean
from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.entities import Entity, reference
from revetl.mapping.fields import check_personal, lands_as_link, options_of
from revetl.mapping.items import Item, Mapped
from revetl.mapping.meta import FieldOptions, LinkSpec
from revetl.mapping.names import Names
from revetl.types import LinkPlan, Write

ANY = "*"  # among an object's links: every name is one


def links_of(
    draft: Draft,
    entity: Entity,
    drafts: tuple[Draft, ...],
    entities: Mapping[str, Entity],
    names: Names,
    say: Complaints,
) -> tuple[LinkPlan, ...]:
    """Return the links of a sync; say which columns cannot be one there, and where a target is not clear."""
    made = _Links(draft, drafts, entities, say)
    found: dict[str, LinkPlan] = {}
    for item in entity.properties:
        for column in item.columns:
            if column.link is None or not lands_as_link(draft, column):
                continue
            options = options_of(draft, item, column, names, say)
            link = made.link(item, column, column.link, options) if options else None
            if link is not None and found.setdefault(link.field, link) is not link:
                what = f"two columns both go into {draft.name}.{link.field}"
                made.error("RVT-304", what, "give one of them another link", item, column)
    return tuple(found.values())


class _Links:
    """What the links of one sync share while they are resolved."""

    def __init__(
        self, draft: Draft, drafts: tuple[Draft, ...], entities: Mapping[str, Entity], say: Complaints
    ) -> None:
        self.draft, self.drafts, self.entities, self.say = draft, drafts, entities, say

    def error(self, code: str, what: str, remedy: str, item: Item, column: Mapped) -> None:
        """Complain of a column; the sync cannot run."""
        self.say.error(code, what, remedy, syncs=(self.draft.name,), node=item.node, column=column.name)

    def link(self, item: Item, column: Mapped, spec: LinkSpec, options: FieldOptions) -> LinkPlan | None:
        """Return a column's link, None where something is said against it."""
        draft, field = self.draft, options.field or column.name
        style = draft.thing.links.get(field) or draft.thing.links.get(ANY)
        if style is None:
            what = f"'{draft.object}' of {draft.type.title} has no link '{field}' (column '{column.name}')"
            self.error("RVT-330", what, did_you_mean(field, draft.thing.links), item, column)
            return None
        if options.write is not Write.ALWAYS:
            self.error("RVT-332", "a link is always written", "remove `write`", item, column)
        check_personal(draft, item, column.name, column.pii, self.say)
        other = self.entities.get(spec.entity)
        if other is None:
            what = f"`link` of column '{column.name}' names entity '{spec.entity}', which no properties model describes"
            self.error("RVT-329", what, did_you_mean(spec.entity, self.entities), item, column)
            return None
        if len(column.names) != len(other.key):
            named = ", ".join(column.names)
            what = f"the key of entity '{spec.entity}' is {', '.join(other.key)}; `link` names {named}"
            remedy = f"write `link: {{entity: {spec.entity}, key: [one column for each of them, in that order]}}`"
            self.error("RVT-332", what, remedy, item, column)
            return None
        target = self._target(item, column, spec, style.to)
        if target is None:
            return None
        return LinkPlan(
            field, column.names, item.node.unique_id, target, reference(other.base, other), column.pii,
            options.on_null, options.was,
        )  # fmt: skip

    def _target(self, item: Item, column: Mapped, spec: LinkSpec, to: str) -> str | None:
        """Return the sync whose records the link points to."""
        fitting = [found.name for found in self._candidates(spec.entity, to)]
        if spec.sync is not None:
            named = spec.sync if "." in spec.sync else f"{self.draft.destination}.{spec.sync}"
            if named in fitting:
                return named
            what = f"`link` of column '{column.name}' names sync '{spec.sync}', which does not carry entity"
            what += f" '{spec.entity}' into {self.draft.destination}'s {to}"
            self.error("RVT-331", what, did_you_mean(named, fitting) or "remove `sync`", item, column)
            return None
        if len(fitting) == 1:
            return fitting[0]
        what = f"column '{column.name}' links {self.draft.name} to entity '{spec.entity}', which "
        if fitting:
            what += f"several syncs carry there: {', '.join(fitting)}"
            remedy = f"write `link: {{entity: {spec.entity}, sync: {fitting[0]}}}`"
        else:
            what += f"no sync of {self.draft.destination} carries into its {to}"
            remedy = f"add a sync `{{entity: {spec.entity}, object: {to}}}` to {self.draft.destination}"
        self.error("RVT-331", what, remedy, item, column)
        return None

    def _candidates(self, entity: str, to: str) -> Iterator[Draft]:
        for other in self.drafts:
            if (other.destination, other.entity, other.object) == (self.draft.destination, entity, to):
                yield other
