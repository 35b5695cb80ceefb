"""How big cohorts are and were, at a glance: where the record is small enough to be read while somebody waits."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.engine.glimpse import glimpse
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError
from revetl.state.history import cohort_sizes
from revetl.state.views import View

MOST = 50 * 2**20  # bytes of the ledger's files
Glance = Mapping[tuple[str, str], tuple[int, ...]]
"""(sync, cohort) → members after each run that changed them, oldest first; the last is the size now."""


def glance(view: View) -> Glance:
    """Return the sizes; none where the ledger is too large, or cannot be read."""
    if sum(path.stat().st_size for path in view.ledger.glob("*.parquet")) > MOST:
        return {}
    try:
        return {pair: tuple(size for _, size in sizes) for pair, sizes in cohort_sizes(view).items()}
    except RevetlError:
        return {}


def sizes_of(workspace: Workspace) -> Glance:
    """Return the sizes that the state beside the project tells, none where there is no state."""
    if not (workspace.state_dir / "state.duckdb").exists():
        return {}
    try:
        with glimpse(workspace) as seen:
            return glance(seen.view)
    except RevetlError:
        return {}
