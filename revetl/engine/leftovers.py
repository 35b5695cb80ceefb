"""What state knows and configuration names no more: gathered for ``status``, ``plan``, ``check`` and ``retire``."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.engine.workspace import Workspace
from revetl.mapping.orphans import KnownSync, Orphan, orphans
from revetl.state.layout import known_syncs
from revetl.state.reading import Reads
from revetl.types import Problem, Severity


def known(state: Reads) -> Mapping[str, KnownSync]:
    """Return what state knows of every sync: its fields, its cohorts with members or an id there, what those carry."""
    found = {}
    for sync in known_syncs(state):
        members = {str(cohort) for cohort in state.sizes(f"members_{sync.id}", "cohort")}
        fields = tuple(field.field for field in sync.fields)
        carried = tuple((str(field.cohort), field.field) for field in sync.memberships)
        found[sync.sync] = KnownSync(sync.sync, fields, tuple(sorted({*members, *(sync.cohorts or ())})), carried)
    return found


def leftovers(workspace: Workspace, state: Reads) -> tuple[Orphan, ...]:
    """Return what is orphaned; what is only broken, or not part of the target, is not."""
    resolved = workspace.resolved
    if resolved.fatal:
        return ()
    still = resolved.broken | frozenset(resolved.skipped)
    return tuple(orphan for orphan in orphans(known(state), resolved.syncs, still) if not orphan.renamed)


def orphaned(workspace: Workspace, state: Reads) -> tuple[Problem, ...]:
    """Return a note per orphan: what is there stays there until somebody retires it."""
    return tuple(
        Problem(
            "RVT-391",
            f"{orphan.sync}: the {orphan.kind} {orphan.name} is mapped no more; what is there stays",
            remedy=f"settle it: revetl retire {full_name(orphan)} --keep",
            severity=Severity.NOTE,
            evidence="state",
        )
        for orphan in leftovers(workspace, state)
    )


def full_name(orphan: Orphan) -> str:
    """Return the name by which ``retire`` knows an orphan."""
    return orphan.sync if orphan.kind == "sync" else f"{orphan.sync}.{orphan.name}"
