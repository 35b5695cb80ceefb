"""run_results.json and sources.json → the newest result of each node, test and source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from revetl.manifest.artifact import Artifact, instant, read_artifact
from revetl.manifest.part import Part
from revetl.types import BuildResult

# https://schemas.getdbt.com/dbt/run-results/v6.json: v4 to v6 agree in all that is read here.
RUN_RESULTS: Final[Mapping[int, str]] = MappingProxyType(
    {4: "dbt 1.0 to 1.6", 5: "dbt 1.7", 6: "dbt 1.8 and later, Fusion"}
)
SOURCES: Final[Mapping[int, str]] = MappingProxyType({3: "dbt 1.0 and later, Fusion"})

# These commands write (or may come to write) run_results.json and say "success" of nodes that they did not build.
NOT_BUILT = frozenset({"compile", "generate", "docs", "ls", "list", "parse", "show", "freshness", "source"})


def read_run_results(files: Sequence[tuple[str, bytes]]) -> Mapping[str, BuildResult]:
    """Return the newest real result of each node and test over several run_results.json: (path, bytes) each.

    Newest by the end of the node's last timing, or by when the file was written where a node has none (it was
    skipped); of two alike the later file's. Files of commands that build nothing are left out.

    Raises:
        ManifestError: RVT-201 if one is no such document, RVT-202 if its schema version is unknown.
    """
    newest: dict[str, BuildResult] = {}
    for path, data in files:
        for result in _results(read_artifact(data, path, "run-results", RUN_RESULTS)):
            known = newest.get(result.unique_id)
            if known is None or result.at >= known.at:
                newest[result.unique_id] = result
    return newest


def read_sources(data: bytes, path: str) -> Mapping[str, BuildResult]:
    """Return the freshness of each source of a sources.json: status pass, warn, error or ``runtime error``.

    ``which`` is ``freshness``, ``at`` when dbt looked, ``message`` the newest row's time or what went wrong.

    Raises:
        ManifestError: RVT-201 if it is no such document, RVT-202 if its schema version is unknown.
    """
    artifact = read_artifact(data, path, "sources", SOURCES)
    found = (_freshness(part, artifact) for part in artifact.body.listed("results"))
    return {result.unique_id: result for result in found}


def _results(artifact: Artifact) -> Iterator[BuildResult]:
    args = artifact.body.part("args")
    # dbt-core writes 71 flat keys; Fusion {command, which, __other__}, where __other__ is an object
    more = args.part("__other__")
    which = args.text("which") or more.text("which") or args.text("command") or "build"
    if which in NOT_BUILT:
        return
    partial = _partial(args) or _partial(more)
    written = artifact.generated_at
    for part in artifact.body.listed("results"):
        yield BuildResult(
            unique_id=part.needed("unique_id"),
            status=part.needed("status").lower(),
            at=_finished(part) or written,
            which=which,
            message=part.text("message"),
            failures=part.whole("failures"),
            invocation_id=artifact.metadata.text("invocation_id"),
            partial=partial,
        )


def _partial(args: Part) -> str | None:
    """Return the option by which the build was not of all rows; sample is a window such as ``3 days``, or an object."""
    if args.value.get("empty"):
        return "--empty"
    return "--sample" if args.value.get("sample") else None


def _finished(part: Part) -> datetime | None:
    ends = [instant(timing, "completed_at") for timing in part.listed("timing") if timing.value.get("completed_at")]
    return max(ends, default=None)


def _freshness(part: Part, artifact: Artifact) -> BuildResult:
    looked = instant(part, "snapshotted_at") if part.value.get("snapshotted_at") else artifact.generated_at
    return BuildResult(
        unique_id=part.needed("unique_id"),
        status=part.needed("status").lower(),
        at=looked,
        which="freshness",
        message=part.text("error") or part.text("max_loaded_at"),
        invocation_id=artifact.metadata.text("invocation_id"),
    )
