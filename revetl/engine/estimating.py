"""How much a change of the mapping sends: people, calls and hours, by the last run's numbers; nothing is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from revetl.config.schema import as_mapping
from revetl.contract import Destination
from revetl.engine.counting import calls, waiting
from revetl.mapping.flowdiff import FlowChange
from revetl.types import JSON, Cause, Count, Op, SyncPlan


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one sync sends again, about.

    ``hours``: by the slowest of the destination's usual limits; None where it declares none.
    """

    sync: str
    people: int
    calls: int
    hours: float | None


def estimates(
    changes: Sequence[FlowChange], syncs: Iterable[SyncPlan], registry: Mapping[str, Destination], results: JSON
) -> tuple[Estimate, ...]:
    """Return an estimate for each sync that sends rows again and whose size the last results tell."""
    resent = {change.sync for change in changes if change.resends}
    rows = _rows(results)
    return tuple(
        _estimate(sync, registry[sync.type], rows[sync.name])
        for sync in syncs
        if sync.name in resent and rows.get(sync.name) and sync.type in registry
    )


def _rows(results: JSON) -> dict[str, int]:
    """Return the records of each sync in the last run."""
    listed = as_mapping(results).get("syncs")
    parts = [as_mapping(part) for part in listed] if isinstance(listed, list) else []
    return {str(part.get("sync")): part["rows"] for part in parts if type(part.get("rows")) is int}


def _estimate(sync: SyncPlan, destination: Destination, people: int) -> Estimate:
    number = calls(destination, [Count(Op.UPSERT, Cause.MAPPING, None, people)])
    return Estimate(sync.name, people, number, _hours(destination, number))


def _hours(destination: Destination, number: int) -> float | None:
    """Return how long so many calls take by the limits of a usual account: an account's own need its credentials."""
    if not destination.rehearsal:
        return None
    limits = destination.limits(destination.settings.model_validate(dict(destination.rehearsal)))
    return waiting(limits, number) / 3_600 if any(limit.kind != "concurrency" for limit in limits) else None
