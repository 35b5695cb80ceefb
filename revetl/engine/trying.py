"""``revetl test``: cases tried one after the other, and how what came differs from what was expected."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from revetl.config.cases import ANY, Case, load_cases, plain
from revetl.engine.casing import CaseStage, case_stage, said_of
from revetl.engine.rehearsing import Rehearsal
from revetl.engine.workspace import Options, load
from revetl.errors import RevetlError, UsageError
from revetl.types import JSON, RunResult

DIRECTORY = "revetl_tests"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a case came to. ``diff``: lines of expected (-) and found (+); ``found``: all that came, where none was."""

    file: str
    name: str
    passed: bool
    step: int = 1  # the one that failed
    diff: tuple[str, ...] = ()
    found: str = ""
    error: str = ""
    seconds: float = 0.0


def read_cases(options: Options, paths: Sequence[Path]) -> tuple[Case, ...]:
    """Return the cases of these files and folders; of ``revetl_tests/`` beside dbt_project.yml where none is named.

    Raises:
        UsageError: RVT-132, there is none.
        ConfigError: RVT-102, RVT-130, a file cannot be used.
    """
    places = paths or (options.project_dir / DIRECTORY,)
    files = [file for place in places for file in _files(place)]
    if not files:
        listed = ", ".join(str(place) for place in places)
        raise UsageError(
            "RVT-132", f"there is no case in {listed}", hint=f"write {DIRECTORY}/NAME.yml: docs/testing.md"
        )
    return tuple(case for file in files for case in load_cases(file.read_text(encoding="utf-8"), path=str(file)))


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(file for ending in ("*.yml", "*.yaml") for file in place.rglob(ending))
    return [place] if place.is_file() else []


def try_cases(options: Options, cases: Sequence[Case]) -> Iterator[Tried]:
    """Try each case on an empty stage; yield what it came to.

    Raises:
        RevetlError: the project cannot be used as it is.
    """
    with case_stage(options) as stage:
        for case in cases:
            began = time.monotonic()
            yield replace(_tried(stage, case), seconds=time.monotonic() - began)


def selected(options: Options) -> frozenset[str]:
    """Return the names of the syncs that the options select, and of their destinations."""
    plans = load(replace(options, sandbox=True), profile=False).syncs
    return frozenset(name for p in plans for name in (p.name, p.destination))


def _tried(stage: CaseStage, case: Case) -> Tried:
    file, name, step = case.file, case.spec.name, 0
    try:
        with stage.play(case) as (play, rows):
            for step, spec in enumerate(case.spec.steps, 1):
                rows.give(spec.given)
                result = play.sync()
                if spec.expect is None:
                    continue
                wanted = plain(spec.expect)
                diff = compared(wanted, _found(play, result, wanted))
                if diff:
                    return Tried(file, name, passed=False, step=step, diff=diff)
            if all(spec.expect is None for spec in case.spec.steps):
                return Tried(file, name, passed=False, step=step, found=_shown(_all(play, result)))
    except RevetlError as error:
        return Tried(file, name, passed=False, step=max(step, 1), error=str(error))
    return Tried(file, name, passed=True)


def _found(play: Rehearsal, result: RunResult, wanted: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what came of everything that is expected, and what was refused or held of the syncs that it names."""
    found: dict[str, JSON] = {}
    if "records" in wanted:
        found["records"] = {sync: _records(play, sync) for sync in wanted["records"]}
    if "calls" in wanted:
        found["calls"] = {name: _calls(play, name) for name in wanted["calls"]}
    named = said_of(wanted)
    for one in result.syncs:
        if not {one.sync, one.sync.partition(".")[0]} & named:
            continue
        if one.rejected or one.sync in wanted.get("rejected", {}):
            expected = wanted.get("rejected", {}).get(one.sync, {})
            found.setdefault("rejected", {})[one.sync] = {
                key: code if code == expected.get(key) else f"{code}: {reason}"
                for key, (code, reason) in play.rejected(one.sync).items()
            }
        if one.held or one.sync in wanted.get("held", {}):
            found.setdefault("held", {})[one.sync] = sorted(held.guard for held in one.held)
        if one.error:
            found.setdefault("failed", {})[one.sync] = one.error
    return found


def _all(play: Rehearsal, result: RunResult) -> dict[str, JSON]:
    """Return everything that came, as an expectation would say it."""
    syncs = [one.sync for one in result.syncs]
    destinations = dict.fromkeys(sync.partition(".")[0] for sync in syncs)
    everything = {"records": dict.fromkeys(syncs), "calls": dict.fromkeys(destinations)}
    return {name: part for name, part in _found(play, result, everything).items() if part}


def _records(play: Rehearsal, sync: str) -> dict[str, JSON]:
    return {
        identity: {"fields": dict(record.fields), "cohorts": sorted(record.cohorts)}
        for identity, record in sorted(play.records(sync).items())
    }


def _calls(play: Rehearsal, destination: str) -> list[JSON]:
    return [{"call": call.call, "body": call.body} for call in play.calls(destination)]


def compared(wanted: Mapping[str, JSON], found: Mapping[str, JSON]) -> tuple[str, ...]:
    """Return the lines of a diff, none where all is as expected; ``*`` stands for anything, calls for any order."""
    aligned = _aligned(dict(wanted), dict(found))
    before, after = _shown(aligned).splitlines(), _shown(found).splitlines()
    return tuple(difflib.unified_diff(before, after, "expected", "found", n=2, lineterm=""))


def _aligned(wanted: JSON, found: JSON) -> JSON:
    """Return what is wanted in the words and the order of what was found, as far as the two agree."""
    if wanted == ANY:
        return found
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: _aligned(part, found[name]) if name in found else part for name, part in wanted.items()}
    if isinstance(wanted, list) and isinstance(found, list):
        return _in_order(wanted, found)
    return wanted


def _in_order(wanted: list[JSON], found: list[JSON]) -> list[JSON]:
    """Return the wanted items that were found where they were found, the others in the places that are left."""
    rest = list(wanted)
    places: list[JSON] = []
    for item in found:
        hit = next((n for n, one in enumerate(rest) if _aligned(one, item) == item), None)
        places.append(_GAP if hit is None else _aligned(rest.pop(hit), item))
    for n, place in enumerate(places):
        if place is _GAP and rest:
            places[n] = _aligned(rest.pop(0), found[n])
    return [place for place in places if place is not _GAP] + rest


_GAP = object()


def _shown(data: JSON) -> str:
    return yaml.safe_dump(data, allow_unicode=True, width=100)
