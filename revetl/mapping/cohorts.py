"""Which cohorts a sync keeps in step, under which labels, and which cohorts limit who may leave."""

from __future__ import annotations

from collections.abc import Iterable

from revetl.config.schema import did_you_mean
from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.entities import Entity, reference
from revetl.mapping.fields import check_personal, options_of
from revetl.mapping.items import Item
from revetl.mapping.names import Names
from revetl.types import CohortPlan, FieldPlan, Guards, ModelRef, Write

ANY = "*"  # among a style's fields: every name is one


def resolve_cohorts(
    draft: Draft, entity: Entity, names: Names, guards: Guards, say: Complaints
) -> tuple[CohortPlan, ...]:
    """Return the cohorts of a sync; a cohort's own guards go over the sync's."""
    found: list[CohortPlan] = []
    by_label: dict[str, Item] = {}
    for item in entity.cohorts:
        said = names.pick(item.spec.to, draft.destination, draft.name)
        if not said:
            _fields_alone(draft, item, names, say)
            continue
        if len(said) > 1:
            what, remedy = (
                f"two groups say different things for {draft.name}",
                f"name {draft.destination} itself in `to`",
            )
            say.error("RVT-315", what, remedy, syncs=(draft.name,), node=item.node)
        label = said[0].label or item.spec.label or item.name
        other = by_label.setdefault(label.strip().casefold(), item)
        if other is not item:
            what = f"cohorts '{other.name}' and '{item.name}' are both called '{label}' in {draft.name}"
            say.error("RVT-326", what, "give one of them another label", syncs=(draft.name,), node=item.node)
        fields = membership_fields(draft, item, names, say)
        ref, limits = reference(item, entity), item.spec.guards.over(guards)
        found.append(CohortPlan(item.name, label, ref, limits, item.spec.was, fields))
        _label_length(draft, item, label, say)
    return tuple(found)


def membership_fields(draft: Draft, item: Item, names: Names, say: Complaints) -> tuple[FieldPlan, ...]:
    """Return what a membership of a cohort carries beside itself; say what the cohort's style cannot carry."""
    style = draft.thing.cohorts.get(style_of(draft) or "")
    known = {field.name for field in style.fields} if style else set()
    found: dict[str, FieldPlan] = {}
    for column in item.columns:
        options = options_of(draft, item, column, names, say)
        if options is None:
            continue
        field = options.field or column.name
        wrong = None
        if ANY not in known and field not in known:
            place = f"a {style.name} of {draft.type.title}" if style else f"'{draft.object}' of {draft.type.title}"
            wrong = f"{place} carries no '{field}' (column '{column.name}')", did_you_mean(field, known)
        elif options.write is not Write.ALWAYS:
            wrong = f"'{field}' of a membership is always written", "remove `write`"
        if wrong is not None:
            say.error("RVT-333", *wrong, syncs=(draft.name,), node=item.node, column=column.name)
        if field in found:
            what = f"columns '{found[field].property}' and '{column.name}' of '{item.name}' both go into {field}"
            say.error("RVT-304", what, "remove one", syncs=(draft.name,), node=item.node, column=column.name)
        check_personal(draft, item, column.name, column.pii, say)
        found[field] = FieldPlan(
            field, column.name, item.node.unique_id, column.pii, options.on_null, was=options.was, hash=options.hash
        )
    return tuple(found.values())


def _fields_alone(draft: Draft, item: Item, names: Names, say: Complaints) -> None:
    """Say where a column of a cohort names a sync that the cohort itself does not."""
    for column in item.columns:
        if names.pick(column.to, draft.destination, draft.name):
            what = f"column '{column.name}' of cohort '{item.name}' names {draft.name}, which the cohort does not"
            remedy = f"add {draft.destination} to the cohort's own `to`, or remove the column's"
            say.error("RVT-333", what, remedy, syncs=(draft.name,), node=item.node, column=column.name)


def _label_length(draft: Draft, item: Item, label: str, say: Complaints) -> None:
    style = draft.thing.cohorts.get(style_of(draft) or "")
    if style is not None and style.max_label is not None and len(label) > style.max_label:
        what = (
            f"label '{label}' has {len(label)} characters; a {style.name} of {draft.type.title} takes {style.max_label}"
        )
        remedy = f"write a `label` of at most {style.max_label} characters"
        say.error("RVT-326", what, remedy, syncs=(draft.name,), node=item.node)


def style_of(draft: Draft) -> str | None:
    """Return the cohort style that is asked for, or the object's first; None where it has none."""
    return draft.config.cohorts or next(iter(draft.thing.cohorts), None)


def check_style(draft: Draft, cohorts: Iterable[CohortPlan], say: Complaints) -> None:
    """Say where cohorts cannot land as asked."""
    thing, wanted = draft.thing, draft.config.cohorts
    place = f"'{draft.object}' of {draft.type.title}"
    if wanted is not None and wanted not in thing.cohorts:
        what = f"{place} has no cohorts as '{wanted}'"
        remedy = did_you_mean(wanted, thing.cohorts) or "remove `cohorts`"
        say.error("RVT-321", what, remedy, syncs=(draft.name,), file=draft.file)
    elif not thing.cohorts and (names := [cohort.name for cohort in cohorts]):
        what = f"{place} has no cohorts, but {', '.join(names)} name it"
        say.error("RVT-321", what, f"remove {draft.destination} from their `to`", syncs=(draft.name,), file=draft.file)


def limiting(
    draft: Draft, entity: Entity, which: str, items: tuple[Item, ...], say: Complaints
) -> tuple[ModelRef, ...]:
    """Return the cohorts that ``audience`` or ``exclude`` (``which``) names; say which names are none."""
    own = {item.name: item for item in entity.cohorts}
    found = []
    wanted = draft.config.audience if which == "audience" else draft.config.exclude
    for name in dict.fromkeys(wanted):
        if name in own:
            found.append(reference(own[name], entity))
            continue
        others = [item for item in items if item.name == name]
        if others:
            why = f"a {others[0].spec.kind} model of entity '{others[0].spec.entity}'"
        else:
            why = "no model with `revetl:` meta"
        what = f"{which} of {draft.name} names '{name[:60]}', {why}; a cohort of entity '{entity.name}' is wanted"
        remedy = did_you_mean(name, own) or f"write `revetl: {{kind: cohort, entity: {entity.name}, key: …}}` on it"
        say.error("RVT-328", what, remedy, syncs=(draft.name,), file=draft.file)
    return tuple(found)
