"""What ``ls`` lists: syncs, properties and cohorts as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revetl.types import FieldPlan, SyncPlan

if TYPE_CHECKING:
    from revetl.engine.sizes import Glance


@dataclass(frozen=True, slots=True)
class SyncRow:
    """A sync and how much it carries."""

    sync: str
    type: str
    object: str
    entity: str
    match: str  # field ← column
    models: tuple[str, ...]
    fields: int
    cohorts: int
    mode: str
    on_leave: str
    sandbox: bool


@dataclass(frozen=True, slots=True)
class PropertyRow:
    """A column and a field in which it lands; ``field`` of a link names its target, that of a membership its cohort."""

    model: str
    column: str
    sync: str
    field: str
    pii: str | None
    on_null: str
    write: str


@dataclass(slots=True)
class CohortRow:
    """A cohort model, the syncs that show it and those whose audience it limits."""

    cohort: str
    entity: str
    key: tuple[str, ...]
    label: str = ""
    syncs: list[str] = field(default_factory=list)
    audience_of: list[str] = field(default_factory=list)
    excluded_from: list[str] = field(default_factory=list)
    sizes: tuple[int, ...] = ()  # members where it is biggest, oldest first; none where nothing is known


def sync_rows(plans: Iterable[SyncPlan]) -> list[SyncRow]:
    """Return the syncs, as given."""
    return [
        SyncRow(
            p.name, p.type, p.object, p.entity, f"{p.match_field} ← {p.match_property}",
            tuple(ref.model for ref in (p.base, *p.joined)), len(p.fields), len(p.cohorts), str(p.mode),
            p.leaving, p.sandbox,
        )
        for p in plans
    ]  # fmt: skip


def property_rows(plans: Iterable[SyncPlan]) -> list[PropertyRow]:
    """Return every mapped property, by model, column and sync."""
    found = [_row(p, f, f.field) for p in plans for f in p.fields]
    found += [_row(p, f, f"{c.name}: {f.field}") for p in plans for c in p.cohorts for f in c.fields]
    found += [
        PropertyRow(_short(k.model), k.property, p.name, f"{k.field} → {k.target}", k.pii, str(k.on_null), "always")
        for p in plans
        for k in p.links
    ]
    return sorted(found, key=lambda r: (r.model, r.column, r.sync, r.field))


def _row(plan: SyncPlan, part: FieldPlan, name: str) -> PropertyRow:
    return PropertyRow(_short(part.model), part.property, plan.name, name, part.pii, str(part.on_null), str(part.write))


def cohort_rows(plans: Iterable[SyncPlan], sizes: Glance) -> list[CohortRow]:
    """Return every cohort that the syncs use, by name; ``sizes`` by sync and cohort, as far as they are known."""
    found: dict[str, CohortRow] = {}

    def known(name: str, plan: SyncPlan, key: tuple[str, ...]) -> CohortRow:
        return found.setdefault(name, CohortRow(name, plan.entity, key))

    for plan in plans:
        for cohort in plan.cohorts:
            shown = known(cohort.name, plan, cohort.ref.key)
            shown.label = cohort.label
            shown.syncs.append(plan.name)
            shown.sizes = max(shown.sizes, sizes.get((plan.name, cohort.name), ()), key=lambda over: over[-1:])
        for ref in plan.audience:
            known(ref.model, plan, ref.key).audience_of.append(plan.name)
        for ref in plan.exclude:
            known(ref.model, plan, ref.key).excluded_from.append(plan.name)
    return [found[name] for name in sorted(found)]


def _short(unique_id: str) -> str:
    return unique_id.split(".", 2)[-1]
