"""Whose state this is: two targets whose names one place cannot tell apart would take it for their own in turns."""

from __future__ import annotations

from revetl.engine.workspace import Workspace
from revetl.errors import StateError
from revetl.state.schema import STATE
from revetl.state.store import Store

NAMED = "target"  # in the state's own table of values


def own(workspace: Workspace, store: Store) -> None:
    """Hold the target against the one whose state this is; a directory that was moved is that of its new target.

    ``Prod`` and ``prod`` share a directory where the file system does not tell case, and a schema in any database;
    the target ``x-sandbox`` shares one with the rehearsal of ``x``.

    Raises:
        StateError: RVT-520, it is another target's.
    """
    rehearsed = workspace.options.sandbox
    name = f"{workspace.target} rehearsed" if rehearsed else workspace.target
    known = store.one(f"SELECT value FROM {STATE}.meta WHERE name = ?", [NAMED])
    if known == name:
        return
    if known is not None and (known.endswith(" rehearsed") != rehearsed or _plain(known) == _plain(name)):
        its = known.removesuffix(" rehearsed")
        whose = f"the rehearsal of target {its}" if its != known else f"target {known}"
        raise StateError(
            "RVT-520",
            f"{workspace.state_name} is the state of {whose}",
            kept="nothing was read or sent",
            hint="give one of the two targets a name that differs by more than case, `-` and `_`, and does not end in "
            "-sandbox",
        )
    store.set_meta(NAMED, name)


def _plain(name: str) -> str:
    return name.replace("-", "_").casefold()
