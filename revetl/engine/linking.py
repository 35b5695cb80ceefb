"""The order among syncs that link to each other: who is linked to goes first, so that its ids are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from revetl.types import SyncPlan


def targets_first(plans: Sequence[SyncPlan]) -> tuple[SyncPlan, ...]:
    """Return the syncs, each after those it links to; in a cycle, whose links wait for the next run, as they came."""
    by_name = {plan.name: plan for plan in plans}
    done: dict[str, SyncPlan] = {}
    for plan in plans:
        for found in _with_targets(plan, by_name, frozenset()):
            done.setdefault(found.name, found)
    return tuple(done.values())


def _with_targets(plan: SyncPlan, by_name: dict[str, SyncPlan], above: frozenset[str]) -> Iterator[SyncPlan]:
    for link in plan.links:
        target = by_name.get(link.target)
        if target is not None and target.name not in above | {plan.name}:
            yield from _with_targets(target, by_name, above | {plan.name})
    yield plan
