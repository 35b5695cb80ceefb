"""How old what a destination holds is: from the build of a sync's models to the acknowledgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from revetl.engine.workspace import Workspace
from revetl.state.store import Store
from revetl.types import Freshness, Lag, SyncPlan


def built_at(workspace: Workspace, plan: SyncPlan) -> datetime:
    """Return when the newest of the sync's models was built, by run_results; else when the manifest was written."""
    known = [workspace.results[ref.unique_id].at for ref in plan.models if ref.unique_id in workspace.results]
    return max(known, default=workspace.project.generated_at)


def lags(store: Store, workspace: Workspace, plans: Iterable[SyncPlan]) -> Mapping[str, Lag]:
    """Return the lag of each sync that delivered something in the run that was just closed."""
    built = {plan.name: built_at(workspace, plan) for plan in plans}
    rows = store.rows(
        "SELECT sync, quantile_cont(epoch(ts), 0.5), quantile_cont(epoch(ts), 0.95) FROM final "
        "WHERE status = 'delivered' GROUP BY sync"
    )
    return {
        sync: Lag(*(round(max(0.0, at - built[sync].timestamp()), 3) for at in (half, most)))
        for sync, half, most in rows
        if sync in built
    }


def verdict(limits: Freshness | None, age: float | None) -> str | None:
    """Return warn or error where ``age`` (seconds) is beyond what is allowed, else None."""
    if limits is None or age is None:
        return None
    if limits.error is not None and age > limits.error:
        return "error"
    return "warn" if limits.warn is not None and age > limits.warn else None
