"""``exposures``: one for each sync, in the project's own YAML, wherever people have put them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from revetl.config.schema import as_mapping
from revetl.docs.exposures import Exposure, exposures
from revetl.docs.splice import Spliced, listed, splice
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError

FILE = "revetl_exposures.yml"


@dataclass(frozen=True, slots=True)
class Exposed:
    """One file: what it would say, and whether it says something else now."""

    file: str  # relative to the project
    path: Path
    done: Spliced
    differs: bool


def expose(workspace: Workspace, file: str | None = None) -> tuple[Exposed, ...]:
    """Return every file that has exposures of syncs, as it should be; nothing is written. ``file`` takes new ones.

    A sync that this target leaves out, or that is broken, keeps its exposure.

    Raises:
        UsageError: RVT-810, a file cannot take them.
    """
    resolved = workspace.resolved
    chosen = workspace.syncs if resolved.syncs else ()
    wanted = exposures(workspace.project, (*resolved.syncs, *resolved.refused), workspace.registry)
    picked = {sync.name for sync in (*chosen, *resolved.refused)}
    default = file or f"{workspace.dbt.model_paths[0]}/{FILE}"
    texts = {name: _read(workspace, name) for name in dict.fromkeys((*_elsewhere(workspace), default))}
    homes = dict(_homes(texts, wanted))
    new = [exposure for exposure in wanted if exposure.sync in picked and exposure.sync not in homes]
    found = []
    for name, text in texts.items():
        mine = {homes[e.sync][1]: e for e in wanted if e.sync in picked and homes.get(e.sync, ("",))[0] == name}
        done = splice(text, name, mine, lambda sync: _gone(workspace, sync), new if name == default else ())
        if text or done.added:
            found.append(Exposed(name, workspace.options.project_dir / name, done, done.text != text))
    return tuple(found)


def _elsewhere(workspace: Workspace) -> Iterator[str]:
    """Yield the project's own files that have an exposure of ours, as the manifest knows them."""
    root = workspace.options.project_dir.resolve()
    for raw in workspace.project.exposures.values():
        name = str(raw["original_file_path"])
        ours = as_mapping(as_mapping(raw["meta"]).get("revetl")).get("sync")
        if raw["package_name"] != workspace.project.name or not ours:
            continue
        path = (root / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            yield name


def _read(workspace: Workspace, name: str) -> str:
    path = workspace.options.project_dir / name
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        raise UsageError("RVT-810", f"{name} cannot be read as text", kept="nothing was changed") from None


def _homes(texts: dict[str, str], wanted: Sequence[Exposure]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (sync, (file, name)) of each exposure that stands somewhere: by its meta, else by its name."""
    by_name = {exposure.name: exposure.sync for exposure in wanted}
    for file, text in reversed(texts.items()):
        for name, sync in listed(text, file):
            if sync or name in by_name:
                yield sync or by_name[name], (file, name)


def _gone(workspace: Workspace, sync: str) -> bool:
    """Return whether a sync is configured no more, in any target."""
    resolved = workspace.resolved
    if sync in {plan.name for plan in (*resolved.syncs, *resolved.refused)}:
        return False
    kept = {*resolved.broken, *resolved.skipped}
    return not ({sync, sync.partition(".")[0]} & kept or resolved.fatal)
