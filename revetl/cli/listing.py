"""What ``ls`` lists: syncs, properties and cohorts as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from revetl.types import SyncPlan


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
    """A column and one field in which it lands."""

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


def sync_rows(plans: Iterable[SyncPlan]) -> list[SyncRow]:
    """Return the syncs, as given."""
    return [
        SyncRow(
            p.name, p.type, p.object, p.entity, f"{p.match_field} ← {p.match_property}",
            tuple(ref.model for ref in (p.base, *p.joined)), len(p.fields), len(p.cohorts), str(p.mode),
            str(p.on_leave), p.sandbox,
        )
        for p in plans
    ]  # fmt: skip


def property_rows(plans: Iterable[SyncPlan]) -> list[PropertyRow]:
    """Return every mapped property, by model, column and sync."""
    found = [
        PropertyRow(_short(f.model), f.property, p.name, f.field, f.pii, str(f.on_null), str(f.write))
        for p in plans
        for f in p.fields
    ]
    return sorted(found, key=lambda r: (r.model, r.column, r.sync, r.field))


def cohort_rows(plans: Iterable[SyncPlan]) -> list[CohortRow]:
    """Return every cohort that the syncs use, by name."""
    found: dict[str, CohortRow] = {}

    def known(name: str, plan: SyncPlan, key: tuple[str, ...]) -> CohortRow:
        return found.setdefault(name, CohortRow(name, plan.entity, key))

    for plan in plans:
        for cohort in plan.cohorts:
            shown = known(cohort.name, plan, cohort.ref.key)
            shown.label = cohort.label
            shown.syncs.append(plan.name)
        for ref in plan.audience:
            known(ref.model, plan, ref.key).audience_of.append(plan.name)
        for ref in plan.exclude:
            known(ref.model, plan, ref.key).excluded_from.append(plan.name)
    return [found[name] for name in sorted(found)]


def _short(unique_id: str) -> str:
    return unique_id.split(".", 2)[-1]
