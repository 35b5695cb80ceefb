"""revetl: make a dbt project into the data sync app that keeps other tools up to date with its models.

    plan = revetl.plan(revetl.Options(Path("shop"), target="prod"))
    result = revetl.sync(plan, on_event=print)

What ``__all__`` names is the Python API: the command line stands on it, and it changes as versions say (SemVer). All
else may change with any version. Errors are those of :mod:`revetl.errors`.

Importing this package costs next to nothing: a name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from revetl import errors
    from revetl.engine.workspace import Options, Plan
    from revetl.run import plan, sync
    from revetl.types import (
        Count,
        Delivery,
        Event,
        Finished,
        Guarded,
        Held,
        Problem,
        Progress,
        RunResult,
        Sample,
        SyncPlan,
        SyncPreview,
        SyncResult,
    )

__all__ = [
    "Count",
    "Delivery",
    "Event",
    "Finished",
    "Guarded",
    "Held",
    "Options",
    "Plan",
    "Problem",
    "Progress",
    "RunResult",
    "Sample",
    "SyncPlan",
    "SyncPreview",
    "SyncResult",
    "__version__",
    "errors",
    "plan",
    "sync",
]
_ELSEWHERE = {"Options": "revetl.run", "Plan": "revetl.run", "plan": "revetl.run", "sync": "revetl.run"}


def __getattr__(name: str) -> Any:
    """Return a name of the API, loaded now."""
    if name not in __all__:
        raise AttributeError(f"module 'revetl' has no attribute {name!r}")
    from importlib import import_module

    if name == "__version__":
        return _version()
    if name == "errors":
        return import_module("revetl.errors")
    return getattr(import_module(_ELSEWHERE.get(name, "revetl.types")), name)


def _version() -> str:
    """Return the version as it was installed; a copy of the source that nobody installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("revetl")
    except PackageNotFoundError:
        return "0.0.0"


def __dir__() -> list[str]:
    """Return the names of the API."""
    return sorted(__all__)
