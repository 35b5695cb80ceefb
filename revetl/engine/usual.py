"""How much of each kind a run changes, against what earlier runs of the sync did; and kept for the next ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from revetl.diff import guard, habits
from revetl.diff.shape import Shape
from revetl.state.habits import load_habits
from revetl.state.store import Store
from revetl.types import SyncPlan

Counts = Mapping[str, int]


def nothing(plan: SyncPlan, shape: Shape) -> Counts | None:
    """Return a count of none for each kind that can be counted; None where a run is no measure of others.

    That is a first one, and one that asks for some keys.
    """
    if not shape.stored or not (shape.whole or shape.settled):
        return None
    cohorts = tuple(cohort.name for cohort in plan.cohorts)
    return {habits.name(kind, cohort): 0 for kind, cohort in habits.names(cohorts, whole=shape.whole)}


def counted(plan: SyncPlan, shape: Shape, store: Store) -> Counts | None:
    """Return how many changes of each kind there are, before any guard holds some of them."""
    counts = nothing(plan, shape)
    if counts is None:
        return None
    found = {habits.name(kind, cohort): n for kind, cohort, n in store.rows(habits.counting(shape))}
    return {name: found.get(name, 0) for name in counts}


def watches(plan: SyncPlan, shape: Shape, store: Store, counts: Counts | None, now: datetime) -> Iterable[guard.Watch]:
    """Return a guard for each kind of which there is more than usual."""
    if counts is None or not any(counts.values()):
        return ()
    return guard.unusual(plan, shape, counts, load_habits(store, plan.name), now)
