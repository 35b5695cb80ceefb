"""Whether people have changed their YAML since dbt wrote the manifest: what they see there is then not what runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from revetl.types import Problem, Project, Severity

_SHOWN = 3
_SECONDS = 1.0  # file systems and manifests round


def changed_since(project: Project, root: Path) -> tuple[str, ...]:
    """Return the YAML files beside the project's models that are newer than the manifest, the newest first.

    None where dbt_project.yml is newer, too: then the files were put there later (a checkout), not changed.
    """
    written = project.generated_at.timestamp() + _SECONDS
    try:
        if (root / "dbt_project.yml").stat().st_mtime > written:
            return ()
    except OSError:
        return ()
    found = sorted(_times(project, root), reverse=True)
    return tuple(str(path.relative_to(root)) for time, path in found if time > written)


def _times(project: Project, root: Path) -> Iterator[tuple[float, Path]]:
    own = [node for node in project.nodes.values() if node.package == project.name]
    folders = {(root / file).parent for node in own for file in (node.file, node.patch_file) if file}
    for path in (one for folder in folders for one in folder.glob("*.y*ml")):
        try:
            yield path.stat().st_mtime, path
        except OSError:  # gone meanwhile
            continue


def told(files: tuple[str, ...]) -> str:
    """Return in words that files are newer than the manifest."""
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"changed since dbt wrote the manifest: {', '.join(files[:_SHOWN])}{more}"


def problem(files: tuple[str, ...]) -> Problem:
    """Return it as a note, for who wonders why a change has no effect."""
    return Problem("RVT-203", told(files), "dbt build, or dbt parse, reads it", severity=Severity.NOTE, file=files[0])
