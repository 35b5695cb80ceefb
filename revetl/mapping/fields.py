"""Which property lands in which field of a sync, what identifies a record there, and whether it may leave."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.entities import Entity
from revetl.mapping.items import Item, Mapped
from revetl.mapping.meta import FieldOptions
from revetl.mapping.names import Names
from revetl.types import FieldPlan, Hash, Write


@dataclass(frozen=True, slots=True)
class Landing:
    """One field of a sync and the model and column that it comes from."""

    plan: FieldPlan
    item: Item


def land(draft: Draft, entity: Entity, names: Names, say: Complaints) -> tuple[Landing, ...]:
    """Return the fields of a sync, base model's columns first; say where two columns or two groups collide."""
    found: dict[str, Landing] = {}
    for item in entity.properties:
        for column in item.columns:
            landing = _landing(draft, item, column, names, say)
            if landing is None:
                continue
            other = found.setdefault(landing.plan.field, landing)
            if other is not landing:
                what = (
                    f"columns '{other.plan.property}' of '{other.item.name}' and '{column.name}' of '{item.name}' "
                    f"both go into {draft.name}.{landing.plan.field}"
                )
                remedy = "give one of them another field"
                say.error("RVT-304", what, remedy, syncs=(draft.name,), node=item.node, column=column.name)
    return tuple(found.values())


def _landing(draft: Draft, item: Item, column: Mapped, names: Names, say: Complaints) -> Landing | None:
    options = options_of(draft, item, column, names, say)
    if options is None or lands_as_link(draft, column):
        return None
    if options.write is Write.IF_EMPTY and not draft.thing.if_empty:
        what = f"`write: if_empty` of {draft.name}: '{draft.object}' of {draft.type.title} does not tell what is empty"
        say.error("RVT-335", what, "write always or create", syncs=(draft.name,), node=item.node, column=column.name)
    field = options.field or column.name
    node = item.node.unique_id
    plan = FieldPlan(
        field, column.name, node, column.pii, options.on_null, options.write, options.was, options.hash
    )  # fmt: skip
    return Landing(plan, item)


def options_of(draft: Draft, item: Item, column: Mapped, names: Names, say: Complaints) -> FieldOptions | None:
    """Return what a column's ``to`` says of a sync, None for nothing; say where two groups disagree."""
    said = names.pick(column.to, draft.destination, draft.name)
    if len(said) > 1:
        what = f"two groups say different things of column '{column.name}' for {draft.name}"
        remedy = f"name {draft.destination} itself in `to`"
        say.error("RVT-315", what, remedy, syncs=(draft.name,), node=item.node, column=column.name)
    if not said:
        return None
    for what, remedy in _unhashable(draft, column, said[0]):
        say.error("RVT-336", what, remedy, syncs=(draft.name,), node=item.node, column=column.name)
    return said[0]


def _unhashable(draft: Draft, column: Mapped, options: FieldOptions) -> Iterator[tuple[str, str]]:
    """Yield why a column cannot be hashed as asked, and the remedy."""
    if options.hash is None:
        return
    if lands_as_link(draft, column):
        yield f"column '{column.name}' is a link in {draft.name}, and a link is no value to hash", "remove `hash`"
    elif options.hash.kinds and column.pii not in options.hash.kinds:
        kinds = ", ".join(options.hash.kinds)
        what = f"`hash: {options.hash}` of column '{column.name}' has no rule for {_said(column.pii)}"
        yield what, f"say what it is: {{pii: …}}, one of {kinds}; or write `hash: {Hash.PLAIN}`"


def _said(pii: str | None) -> str:
    return "a column without a kind" if pii in {None, "true"} else f"`pii: {pii}`"


def lands_as_link(draft: Draft, column: Mapped) -> bool:
    """Return whether a column is a link in this sync; where the object has no links, its value is a field."""
    return column.link is not None and bool(draft.thing.links)


def resolve_match(
    draft: Draft, entity: Entity, landed: tuple[Landing, ...], say: Complaints
) -> tuple[str, tuple[Landing, ...]] | None:
    """Return the identity field and the fields with it among them; None, with the reason said, where there is none."""
    if draft.config.match is None:
        return _default_match(draft, entity, landed, say)
    (field, wanted) = next(iter(draft.config.match.items()))
    if field not in draft.thing.match:
        what = f"{draft.name} matches by '{field}'; {draft.type.title} knows {', '.join(draft.thing.match)}"
        if not draft.thing.any_field and "*" not in draft.thing.match:
            say.error(
                "RVT-305", what, f"match: {{{draft.thing.match[0]}: {wanted}}}", syncs=(draft.name,), file=draft.file
            )
            return None
    sources = [landing for landing in landed if landing.plan.property == wanted]
    if not sources:
        _unnamed(draft, entity, field, wanted, say)
        return None
    return _with_match(draft, field, sources, landed, say)


def _default_match(
    draft: Draft, entity: Entity, landed: tuple[Landing, ...], say: Complaints
) -> tuple[str, tuple[Landing, ...]] | None:
    mapped = {landing.plan.field for landing in landed}
    field = next((field for field in draft.thing.match if field in mapped), None)
    if field is None and draft.name not in say.broken:
        first = draft.thing.match[0]
        what = f"{draft.name} has no match: no column goes into {' or '.join(draft.thing.match)}"
        remedy = f"map a column to {draft.name}.{first}, or write `match: {{{first}: …}}` in revetl.yml"
        say.error("RVT-305", what, remedy, syncs=(draft.name,), node=entity.base.node, file=draft.file)
    return None if field is None else (field, landed)


def _unnamed(draft: Draft, entity: Entity, field: str, wanted: str, say: Complaints) -> None:
    if draft.name in say.broken:
        return  # the column may be one that could not be read
    what = f"{draft.name} matches by property '{wanted}', which does not itself name {draft.destination}"
    remedy = f"write `to: {{{draft.destination}: {field}}}` beside column '{wanted}'"
    say.error("RVT-306", what, remedy, syncs=(draft.name,), node=entity.base.node, column=wanted, file=draft.file)


def _with_match(
    draft: Draft, field: str, sources: list[Landing], landed: tuple[Landing, ...], say: Complaints
) -> tuple[str, tuple[Landing, ...]]:
    """Return the fields with the identity field among them, fed by the property that match names."""
    feeding = next((landing for landing in landed if landing.plan.field == field), None)
    if feeding is None:
        source = sources[0]
        said = source.plan
        plan = FieldPlan(field, said.property, said.model, said.pii, hash=said.hash)
        return field, (Landing(plan, source.item), *landed)
    if feeding not in sources:
        wanted = sources[0].plan.property
        what = f"{draft.name} matches {field} by '{wanted}', but column '{feeding.plan.property}' goes into it too"
        say.error(
            "RVT-304",
            what,
            "let match and `to` name the same column",
            syncs=(draft.name,),
            node=feeding.item.node,
            column=feeding.plan.property,
        )
    return field, landed


def check_pii(draft: Draft, landed: tuple[Landing, ...], say: Complaints) -> None:
    """Say which personal columns would leave although the sync does not allow it."""
    for landing in landed:
        check_personal(draft, landing.item, landing.plan.property, landing.plan.pii, say)


def check_personal(draft: Draft, item: Item, column: str, pii: str | None, say: Complaints) -> None:
    """Say where a column is personal and the sync does not allow it."""
    if pii is None or draft.config.allows(pii, column):
        return
    wanted = column if pii == "true" else pii
    what = f"column '{column}' is personal ({_kind(pii)}) and {draft.name} does not allow it"
    remedy = f"write `allow_pii: [{wanted}]` in sync {draft.name}, or remove the column's `to`"
    say.error("RVT-307", what, remedy, syncs=(draft.name,), node=item.node, column=column)


def _kind(pii: str) -> str:
    return "pii" if pii == "true" else pii


def joined(feeding: Collection[str], entity: Entity) -> Iterator[Item]:
    """Yield the models beside the base that feed a field or a link, each once; ``feeding`` holds unique ids."""
    for item in entity.properties[1:]:
        if item.node.unique_id in feeding:
            yield item
