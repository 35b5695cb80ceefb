"""What state knows and revetl.yml or meta no longer names: removed syncs, mappings and cohorts, and renames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from revetl.types import SyncPlan


@dataclass(frozen=True, slots=True)
class KnownSync:
    """What state knows of a sync: the fields it delivered, the cohorts (model names) with members, what those carry."""

    name: str
    fields: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = ()
    memberships: tuple[tuple[str, str], ...] = ()  # (cohort, field)


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something that stays at the destination until it is settled.

    ``now`` is its new name where ``was`` carries the history over: a rename, with nothing to settle.
    """

    sync: str  # as state knows it
    kind: str  # sync | field | cohort | membership field
    name: str  # of the sync, field or cohort; COHORT.FIELD
    now: str | None = None

    @property
    def renamed(self) -> bool:
        """Return whether it lives on under another name."""
        return self.now is not None


def orphans(
    known: Mapping[str, KnownSync], syncs: Sequence[SyncPlan], still: Collection[str] = ()
) -> tuple[Orphan, ...]:
    """Return what is orphaned or renamed, by sync, kind and name.

    ``still`` names syncs and destinations that revetl.yml does name but that have no plan now (broken, or not part of
    the target): nothing of them is orphaned, because nothing is known of what they want.
    """
    plans = {sync.name: sync for sync in syncs}
    heirs = {sync.was: sync for sync in syncs if sync.was and sync.was not in plans and sync.name not in known}
    found: list[Orphan] = []
    for name, before in known.items():
        plan = plans.get(name) or heirs.get(name)
        if plan is None:
            if name not in still and name.partition(".")[0] not in still:
                found.append(Orphan(name, "sync", name))
            continue
        if plan.name != name:
            found.append(Orphan(name, "sync", name, plan.name))
        found += _parts(before, plan)
    return tuple(sorted(found, key=lambda o: (o.sync, o.kind, o.name)))


def _parts(before: KnownSync, plan: SyncPlan) -> Iterator[Orphan]:
    mapped = plan.mapped
    fields = {part.field for part in mapped} | {constant.field for constant in plan.constants}
    moved = {part.was: part.field for part in mapped if part.was}
    for field in before.fields:
        if field not in fields:
            yield Orphan(before.name, "field", field, moved.get(field))
    cohorts = {cohort.name for cohort in plan.cohorts} | ({plan.consent.cohort} if plan.consent else set())
    renamed = {cohort.was: cohort.name for cohort in plan.cohorts if cohort.was}
    for cohort in before.cohorts:
        if cohort not in cohorts:
            yield Orphan(before.name, "cohort", cohort, renamed.get(cohort))
    yield from _carried(before, plan)


def _carried(before: KnownSync, plan: SyncPlan) -> Iterator[Orphan]:
    """Yield the fields that memberships carry no more; what a cohort that is gone carried goes with the cohort."""
    for cohort in plan.cohorts:
        now = {field.field for field in cohort.fields}
        moved = {field.was: f"{cohort.name}.{field.field}" for field in cohort.fields if field.was}
        for name, field in before.memberships:
            if name == cohort.name and field not in now:
                yield Orphan(before.name, "membership field", f"{name}.{field}", moved.get(field))
