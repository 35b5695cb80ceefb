"""How much a change of the mapping sends: people, calls and hours, by the last run's numbers; nothing is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from revetl.config.schema import as_mapping
from revetl.contract import Destination
from revetl.engine.counting import calls, waiting
from revetl.mapping.flowdiff import FlowChange, FlowKind
from revetl.types import JSON, Cause, Count, Op, SyncPlan


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one sync sends again, about; of a new ``cohort``, at most: who is in it, the last run cannot tell.

    ``hours``: by the slowest of the destination's usual limits; None where it declares none.
    """

    sync: str
    people: int
    calls: int
    hours: float | None
    cohort: str | None = None  # whose members join; None: records are sent again


def estimates(
    changes: Sequence[FlowChange], syncs: Iterable[SyncPlan], registry: Mapping[str, Destination], results: JSON
) -> tuple[Estimate, ...]:
    """Return estimates for each sync that sends more for its mapping alone and whose size the last results tell."""
    asked: list[tuple[str, str | None]] = [(change.sync, None) for change in changes if change.resends]
    asked += [(change.sync, change.name) for change in changes if change.kind is FlowKind.COHORT_ADDED]
    rows, wanted = _rows(results), tuple(dict.fromkeys(asked))
    return tuple(
        _estimate(sync, registry[sync.type], rows[sync.name], cohort)
        for sync in syncs
        for name, cohort in wanted
        if sync.name == name and rows.get(name) and sync.type in registry
    )


def _rows(results: JSON) -> dict[str, int]:
    """Return the records of each sync in the last run."""
    listed = as_mapping(results).get("syncs")
    parts = [as_mapping(part) for part in listed] if isinstance(listed, list) else []
    return {str(part.get("sync")): part["rows"] for part in parts if type(part.get("rows")) is int}


def _estimate(sync: SyncPlan, destination: Destination, people: int, cohort: str | None) -> Estimate:
    op = Op.UPSERT if cohort is None else Op.JOIN
    number = calls(destination, [Count(op, Cause.MAPPING, cohort, people)])
    return Estimate(sync.name, people, number, _hours(destination, number), cohort)


def _hours(destination: Destination, number: int) -> float | None:
    """Return how long so many calls take by the limits of a usual account: an account's own need its credentials."""
    if not destination.rehearsal:
        return None
    limits = destination.limits(destination.settings.model_validate(dict(destination.rehearsal)))
    return waiting(limits, number) / 3_600 if any(limit.kind != "concurrency" for limit in limits) else None
