"""What a sync asks of its destination's object, against what the object can do."""

from __future__ import annotations

from collections.abc import Iterable

from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft
from revetl.mapping.fields import Landing
from revetl.types import Constant, OnLeave, Write


def check_policies(draft: Draft, say: Complaints) -> None:
    """Say which mode or leave policy the object does not know, and where deleting is not allowed."""
    config, thing, place = draft.config, draft.thing, f"'{draft.object}' of {draft.type.title}"
    if config.mode not in thing.modes:
        choice = _choices(thing.modes)
        say.error("RVT-324", f"{place} cannot {config.mode}", f"write {choice}", syncs=(draft.name,), file=draft.file)
    known = {*thing.on_leave, *(["drop"] if OnLeave.CLEAR in thing.on_leave else [])}
    if config.on_leave not in known:
        what = f"{place} cannot {config.on_leave} records that leave"
        say.error("RVT-322", what, f"write {_choices(known)}", syncs=(draft.name,), file=draft.file)
    elif config.on_leave is OnLeave.DELETE and not config.allow_delete:
        what = f"{draft.name} would delete records at the destination"
        say.error("RVT-323", what, "write `allow_delete: true` beside it", syncs=(draft.name,), file=draft.file)


def _choices(words: Iterable[str]) -> str:
    return " or ".join(sorted(str(word) for word in words))


def constants_of(
    draft: Draft, landed: tuple[Landing, ...], match_field: str | None, say: Complaints
) -> tuple[Constant, ...]:
    """Return the constants; say which of them go into a field that a column fills."""
    mapped = {landing.plan.field: landing for landing in landed}
    found = []
    for field, spec in draft.config.constants.items():
        found.append(Constant(field, spec.value, spec.write))
        if field in mapped or field == match_field:
            by = f"column '{mapped[field].plan.property}'" if field in mapped else "the match"
            what = f"constant '{field}' of {draft.name} goes into a field that {by} fills"
            say.error("RVT-327", what, "remove one of them", syncs=(draft.name,), file=draft.file)
        if spec.write is Write.IF_EMPTY and not draft.thing.if_empty:
            what = f"`write: if_empty` of {draft.name}: {draft.type.title} does not tell what is empty there"
            say.error("RVT-335", what, "write always or create", syncs=(draft.name,), file=draft.file)
    return tuple(found)


def check_required(draft: Draft, landed: tuple[Landing, ...], match_field: str | None, say: Complaints) -> None:
    """Say which fields the object wants and nothing fills."""
    filled = {landing.plan.field for landing in landed} | set(draft.config.constants) | {match_field}
    missing = [field for field in draft.thing.required if field not in filled]
    if missing and draft.name not in say.broken:
        what = (
            f"'{draft.object}' of {draft.type.title} requires {', '.join(missing)}, which nothing fills in {draft.name}"
        )
        remedy = f"map a column to {missing[0]}, or write `constants: {{{missing[0]}: …}}`"
        say.error("RVT-325", what, remedy, syncs=(draft.name,), file=draft.file)
