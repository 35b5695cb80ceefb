"""``log``: the ledger searched, exported and verified, for a key or a person too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from revetl.engine.glimpse import Glimpse, glimpse
from revetl.engine.keytext import candidates
from revetl.engine.workspace import Workspace
from revetl.state.backlog import verify
from revetl.state.export import export
from revetl.state.flowlog import Filters, Flow, search_ledger


@dataclass(frozen=True)
class Found:
    """Flows, newest first, and what must be known about where they come from."""

    flows: tuple[Flow, ...]
    notice: str = ""


@dataclass(frozen=True)
class Verified:
    """The state of the ledger's chain: how many links, and what does not hold."""

    links: int
    faults: Sequence[str]
    notice: str = ""


def records(workspace: Workspace, filters: Filters, asked: str | None = None) -> Found:
    """Return the flows that pass; ``asked`` is a key or an identity, as for ``why``.

    Raises:
        StateError: RVT-521, the ledger cannot be read.
        UsageError: RVT-852, the key is no JSON array.
    """
    with glimpse(workspace) as seen:
        return Found(tuple(search_ledger(seen.view, _about(seen, filters, asked))), seen.view.notice)


def export_records(workspace: Workspace, filters: Filters, path: Path, form: str, asked: str | None = None) -> int:
    """Write the flows that pass to a file, oldest first; return their number.

    Raises:
        StateError: RVT-521, the ledger cannot be read.
        UsageError: RVT-523, the file cannot be written; RVT-852, the key is no JSON array.
    """
    with glimpse(workspace) as seen:
        return export(seen.view, path, form, _about(seen, filters, asked))


def verify_records(workspace: Workspace) -> Verified:
    """Return whether every file of the ledger is as it was written, in the order in which it was.

    Raises:
        StateError: RVT-508 there is no ledger, RVT-522 its chain cannot be read now.
    """
    with glimpse(workspace) as seen:
        links, faults = verify(seen.view)
        return Verified(links, faults, seen.view.notice)


def _about(seen: Glimpse, filters: Filters, asked: str | None) -> Filters:
    """Return the filters narrowed to a key, or, where no flow has such a key, to an identity."""
    if asked is None:
        return filters
    by_key = replace(filters, keys=candidates(asked.strip()))
    if asked.startswith("[") or search_ledger(seen.view, replace(by_key, limit=1)):
        return by_key
    person = seen.identities(asked)
    return replace(filters, identities=person) if person else by_key
