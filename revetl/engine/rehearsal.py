"""Rehearsals: the stand-ins that take the place of the destinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from revetl.engine.workspace import Workspace
from revetl.types import SyncPlan


@contextmanager
def origins(workspace: Workspace, plans: Sequence[SyncPlan]) -> Iterator[Mapping[str, str]]:
    """Serve the stand-ins that these syncs need, for the block; yield destination type → origin.

    They run in a process of their own and keep what they received in the target's state directory, so that a second
    rehearsal finds what the first one left. ``REVETL_SANDBOX`` names one that is already running instead.
    """
    names = sorted({p.type for p in plans if p.sandbox and workspace.registry[p.type].rehearsal})
    if not names:
        yield {}
        return
    from revetl.sandbox.process import start_process

    running = workspace.options.env.get("REVETL_SANDBOX")
    if running:
        yield {name: f"{running.rstrip('/')}/{name}" for name in names}
    else:
        with start_process(names, workspace.state_dir / "sandbox.json") as server:
            yield {name: server.origin(name) for name in names}
