"""``errors``: what was refused by name, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from revetl.engine.glimpse import glimpse
from revetl.engine.workspace import Workspace
from revetl.state.backlog import Rejected, rejected

# What revetl itself refuses before sending (revetl.diff.changes, .verdicts); all other codes are the destination's.
REMEDIES = {
    "MATCH_COLLISION": "let the model say which of the two records owns the match value, or make them one",
    "IDENTITY_SWAP": "let one of the two records give up its match value for one run, then take the other's",
    "VALUE": "correct the value in the model, or cast the column to a type that the field can hold",
}
OTHER = "correct it in the model (it is tried again when the value changes), or there: then revetl errors --retry -s {}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused change and its remedy."""

    change: Rejected
    remedy: str


@dataclass(frozen=True)
class Rejections:
    """The refused changes of the selected syncs. ``total`` counts those beyond the limit too."""

    listed: tuple[Rejection, ...]
    total: int
    notice: str = ""


def rejections(workspace: Workspace, limit: int | None = None) -> Rejections:
    """Return what is rejected in the selected syncs, by sync, code and key; of all known syncs without a selection."""
    options = workspace.options
    chosen = [plan.name for plan in workspace.syncs] if options.select or options.exclude else []
    with glimpse(workspace) as seen:
        found = rejected(seen.view, chosen)
        notice = seen.view.notice
    shown = found if limit is None else found[:limit]
    return Rejections(tuple(Rejection(one, remedy_of(one)) for one in shown), len(found), notice)


def remedy_of(change: Rejected) -> str:
    """Return what a person can do about a refused change."""
    return REMEDIES.get(change.code) or OTHER.format(change.sync)
