"""``check``: everything that can be said about meta and revetl.yml before a row is read, and what a change means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from revetl import mapping
from revetl.engine.estimating import Estimate, estimates
from revetl.engine.workspace import FLOWS, Options, Workspace, load, read_project, read_types
from revetl.errors import ManifestError, UsageError
from revetl.mapping.flowdiff import FlowChange, FlowKind, diff_flows
from revetl.mapping.flows import SCHEMA_VERSION, whole
from revetl.mapping.orphans import Orphan
from revetl.types import JSON, Problem, Severity, SyncPlan

_NEW = frozenset({FlowKind.FIELD_ADDED, FlowKind.LINK_ADDED, FlowKind.MEMBERSHIP_ADDED, FlowKind.CONSTANT_ADDED})


@dataclass(frozen=True)
class Checked:
    """What ``check`` found. ``compared`` names what the changes are against, None where nothing was compared.

    ``skipped`` names destinations that do not name the target. ``exit_code``: 2 with errors; 1 with warnings where
    they count (``strict``); else 0.
    """

    target: str
    problems: tuple[Problem, ...]
    syncs: tuple[SyncPlan, ...]
    changes: tuple[FlowChange, ...] = ()
    compared: str | None = None
    skipped: tuple[str, ...] = ()
    orphans: tuple[Orphan, ...] = ()  # they need state; `status` lists them
    estimates: tuple[Estimate, ...] = ()  # of syncs that send rows again, by the last run's numbers
    exit_code: int = 0


def check(options: Options) -> Checked:
    """Return every problem of the project and, with ``options.state``, what its data flows change.

    No connection is opened and no secret is needed. The flows are left beside the manifest for later comparisons.

    Raises:
        RevetlError: the project cannot be read at all; RVT-806, ``state`` names a directory that holds neither flows
            nor a manifest.
    """
    workspace = load(options, profile=False, catalog=True)
    resolved = workspace.resolved
    syncs = workspace.syncs if resolved.syncs else ()
    changes, compared = _changes(workspace, syncs) if options.state is not None else ((), None)
    mapped = (*resolved.syncs, *resolved.refused)
    problems = (*resolved.problems, *_too_many(changes, workspace))
    if options.state is None or options.state.resolve() != workspace.target_dir.resolve():
        workspace.write_flows()  # else the next comparison would be with this one
    return Checked(
        workspace.target, problems, syncs, changes, compared, resolved.skipped,
        estimates=estimates(changes, mapped, workspace.registry, _last_results(workspace)),
        exit_code=_exit_code(problems, strict=options.strict),
    )  # fmt: skip


def _too_many(changes: tuple[FlowChange, ...], workspace: Workspace) -> Iterator[Problem]:
    """Yield the syncs that let more new fields leave at once than the project's policy allows."""
    most = workspace.config.policies.max_new_fields
    new = Counter(change.sync for change in changes if change.kind in _NEW)
    for sync, count in sorted(new.items()):
        if most is not None and count > most:
            what = f"{count} fields of {sync} newly leave; `max_new_fields` allows {most}"
            remedy = "add them in several pull requests, or raise the policy's number"
            file = workspace.config.where("policies", "max_new_fields")
            yield Problem("RVT-357", what, remedy, sync=sync, file=file)


def _exit_code(problems: tuple[Problem, ...], *, strict: bool) -> int:
    graves = {problem.severity for problem in problems}
    if Severity.ERROR in graves:
        return 2
    return 1 if strict and Severity.WARNING in graves else 0


def _changes(workspace: Workspace, syncs: tuple[SyncPlan, ...]) -> tuple[tuple[FlowChange, ...], str]:
    """Return what differs from the other state; a selection of syncs leaves out what concerns others."""
    before, compared = _before(workspace)
    found = diff_flows(before, workspace.flows())
    if workspace.options.select or workspace.options.exclude:
        names = {sync.name for sync in syncs}
        found = tuple(change for change in found if change.sync in names)
    refused = {sync.name for sync in workspace.resolved.refused}
    return _without_broken(found, workspace.resolved.broken - refused), compared


def _without_broken(changes: tuple[FlowChange, ...], broken: frozenset[str]) -> tuple[FlowChange, ...]:
    """Leave out syncs that have no plan now because of an error: they are not removed, they are broken."""
    return tuple(change for change in changes if not {change.sync, change.destination} & broken)


def _before(workspace: Workspace) -> tuple[dict[str, JSON], str]:
    directory = workspace.options.state or Path()
    path = directory / FLOWS
    if path.is_file():
        return read_flows(path), str(path)
    path = directory / "manifest.json"
    if not path.is_file():
        raise UsageError(
            "RVT-806", f"{directory} holds neither {FLOWS} nor manifest.json",
            kept="nothing was compared", hint="--state DIR, where DIR is the target directory of another build",
        )  # fmt: skip
    project = read_project(path)
    old = mapping.build(project, workspace.config, workspace.target, workspace.registry)
    told = whole(project, (*old.syncs, *old.refused), workspace.registry, read_types(directory, project))
    return told, f"{path} with today's revetl.yml"


def _last_results(workspace: Workspace) -> JSON:
    """Return what the last run here, or in the state compared with, left in revetl_results.json; None without one."""
    for directory in (workspace.target_dir, workspace.options.state):
        path = (directory or Path()) / "revetl_results.json"
        if directory is not None and path.is_file():
            try:
                return orjson.loads(path.read_bytes())
            except (OSError, orjson.JSONDecodeError):
                return None  # estimates are an extra: a run that was cut short must not fail a check
    return None


def read_flows(path: Path) -> dict[str, JSON]:
    """Return the flows that an earlier run or ``check`` wrote.

    Raises:
        ManifestError: RVT-201, the file is none; RVT-202, it is of another schema version.
    """
    hint = "run revetl sync there again, or remove the file to compare manifests"
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise ManifestError("RVT-201", f"{path} cannot be read", hint=hint) from None
    if not isinstance(found, dict) or not isinstance(found.get("syncs"), dict):
        raise ManifestError("RVT-201", f"{path} holds no flows", hint=hint)
    if found.get("schema_version") != SCHEMA_VERSION:
        version = str(found.get("schema_version"))[:20]
        raise ManifestError("RVT-202", f"{path} is of schema version {version}, not {SCHEMA_VERSION}", hint=hint)
    return found
