"""How long each sync of a plan would take, by the limits of its account and what is left of them today."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from revetl.contract import Destination, Limit
from revetl.engine.counting import lasting
from revetl.engine.lanes import line_of
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.state.usage import Used, spent
from revetl.types import SyncPlan, SyncPreview

IN_FLIGHT = 64  # calls at once that a lane is content with by itself


def timed(workspace: Workspace, previews: Iterable[SyncPreview], used: Used, now: float) -> tuple[SyncPreview, ...]:
    """Return the previews with about how many seconds their calls take; ``now`` is UTC epoch seconds."""
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    return tuple(
        replace(preview, seconds=_seconds(workspace, plans[preview.sync], preview.calls, used, now))
        if preview.calls
        else preview
        for preview in previews
    )


def _seconds(workspace: Workspace, plan: SyncPlan, calls: int, used: Used, now: float) -> float:
    destination = workspace.registry[plan.type]
    if not destination.hosts:
        return 0.0  # files: nobody answers and nothing limits
    at_once = workspace.config.send.max_in_flight or IN_FLIGHT
    try:
        line = line_of(workspace, plan, destination, None)
    except ConfigError:  # secrets are not here: a usual account's limits
        return lasting(_usual(destination), calls, at_once)
    limits = destination.limits(line.settings)
    counted = {limit.name: spent(used, line.lane.account, limit, now) for limit in limits}
    return lasting(limits, calls, at_once, counted)


def _usual(destination: Destination) -> tuple[Limit, ...]:
    """Return the limits of the account that a rehearsal stands for."""
    if not destination.rehearsal:
        return ()
    return destination.limits(destination.settings.model_validate(dict(destination.rehearsal)))
