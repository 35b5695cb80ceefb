"""``revetl init``: revetl.yml, and the first lines of meta."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from revetl.cli import completing
from revetl.cli.common import Call, common
from revetl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from revetl.engine.scaffold import Candidate, First
    from revetl.types import Project

_NEXT = (
    "  dbt build                # so that dbt's manifest knows the meta",
    "  revetl debug             # is everything there that a sync needs?",
    "  revetl plan              # what would leave",
    "  revetl sync --sandbox    # a rehearsal on this machine",
)
_LISTED = 20  # names that a message lists


@click.command("init")
@common
@click.option("--destination", metavar="TYPE", shell_complete=completing.types, help="Which tool, such as mailchimp.")
@click.option("--model", metavar="NAME", help="Which model says who exists.")
@click.option("--match", metavar="COLUMN", help="By which column the tool finds its records, such as email.")
@click.option("--write", is_flag=True, help="Add the meta to the model's YAML without asking.")
@click.option("--no-input", is_flag=True, help="Ask nothing.")
@click.option("--from", "other", type=click.Choice(["hightouch"]), help="Draft from what another tool was told.")
@click.argument("folder", required=False, type=click.Path(file_okay=False, exists=True, path_type=Path))
def command(call: Call, *, no_input: bool, other: str | None, folder: Path | None, **given: Any) -> int:
    """Write revetl.yml beside dbt_project.yml, and add the first meta to a model's YAML.

    The change of the YAML is shown as a diff, and made once you agree or with --write: what stands there stays as it
    is, byte for byte. With --from hightouch, FOLDER is what its Git Sync writes (syncs/, models/); without FOLDER,
    meta.hightouch of the models is read.
    """
    if folder is not None and other is None:
        raise UsageError(
            "RVT-100", "FOLDER is of another tool: which one?", hint=f"revetl init --from hightouch {folder}"
        )
    wanted = Wanted(**given, asks=not no_input and can_ask())
    path = call.options().config_path or call.project_dir / "revetl.yml"
    said_all = wanted.destination and wanted.model and other is None  # then it can be the very file that is written
    if path.exists() and not said_all:
        raise UsageError("RVT-802", f"{path} is there already", kept="nothing was changed", hint="revetl check")
    return _move(call, path, folder, wanted) if other is not None else _begin(call, path, wanted)


def can_ask() -> bool:
    """Return whether somebody sits at a terminal."""
    return sys.stdin.isatty()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says; ``asks``: somebody can be asked for the rest."""

    destination: str | None
    model: str | None
    match: str | None
    write: bool
    asks: bool


def _begin(call: Call, path: Path, wanted: Wanted) -> int:
    """Write a first revetl.yml of one sync."""
    from revetl.engine import scaffold

    target, project = _project(call)
    sync = _first(call, project, wanted)
    text, meta = scaffold.configuration(sync, target), scaffold.meta_lines(sync)
    new = _write(path, text)
    call.screen.paste(f"wrote {path}" if new else f"{path} says this already", "", text)
    added = _add(call, [(sync.model.file, meta)], wanted)
    call.screen.show("", "then:" if added.whole else "add the meta, then:", *_NEXT)
    call.screen.document(
        "init", path=path, destination=sync.tool.name, model=sync.model.model, file=sync.model.file, revetl_yml=text,
        meta=meta, diff=added.diff, written=added.whole, exit_code=0,
    )  # fmt: skip
    return 0


def _first(call: Call, project: Project, wanted: Wanted) -> First:
    """Return the first sync: what the command line says, and what somebody who is asked says.

    Raises:
        UsageError: RVT-803 or RVT-808, the project has nothing to begin with; RVT-804, nobody can be asked.
    """
    from revetl.destinations import registry
    from revetl.engine import scaffold

    found = scaffold.candidates(project)
    if not found:
        raise UsageError(
            "RVT-803", "no model has a key: a column with dbt's tests unique and not_null, or a primary key",
            kept="nothing was written", hint="add data_tests: [unique, not_null] to the key of a model, then dbt parse",
        )  # fmt: skip
    more = f", … and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    call.screen.say("models with a key: " + ", ".join(map(_told, found[:_LISTED])) + more)
    beside = f"--model {wanted.model or found[0].model}"
    kind = _choose("destination", wanted.destination, tuple(registry()), beside, asks=wanted.asks)
    model = _candidate(found, wanted.model, f"--destination {kind}", asks=wanted.asks)
    tool = registry()[kind]
    sync = scaffold.first(tool, model, wanted.match)
    if sync is None and wanted.asks:
        call.screen.say(f"{tool.title} finds its people by e-mail address, and no column of {model.model} is called so")
        sync = scaffold.first(tool, model, click.prompt("which column is it", err=True))
    if sync is None:
        what = f"{tool.title} finds its people by e-mail address, and no column of {model.model} looks like one"
        hint = f"revetl init --destination {kind} --model {model.model} --match COLUMN, or take another model"
        raise UsageError("RVT-808", what, kept="nothing was written", hint=hint)
    if sync.own_field:
        where = f"{tool.title} is to find its records by {sync.field}, a field of your own that must be unique there"
        call.screen.say(f"no address is known of {model.model}: {where} (revetl debug --create-fields makes it)")
    return sync


def _move(call: Call, path: Path, folder: Path | None, wanted: Wanted) -> int:
    """Write a revetl.yml that says what another tool was told, and offer the meta."""
    from revetl.destinations import registry
    from revetl.engine import hightouch
    from revetl.engine.moving import drafted

    target, project = _project(call)
    old = hightouch.read_folder(folder, project) if folder else hightouch.read_meta(project)
    draft = drafted(old, registry(), target, hightouch.listings(folder) if folder else {})
    for text in draft.notes:
        call.screen.say(text, level="warn")
    if not draft.syncs:
        raise UsageError(
            "RVT-807", "none of its syncs can be drafted", kept="nothing was written", hint="see the notes"
        )
    _write(path, draft.revetl_yml)
    call.screen.paste(f"wrote {path}", "", draft.revetl_yml)
    added = _add(call, draft.metas, wanted)
    begin = "" if added.whole else "add the meta, "
    call.screen.show(f"{begin}then: dbt build && revetl check && revetl debug, and revetl adopt before the first sync")
    call.screen.document(
        "init", path=path, syncs=draft.syncs, revetl_yml=draft.revetl_yml, notes=draft.notes, exit_code=0,
        metas=[{"file": file, "meta": lines} for file, lines in draft.metas], diff=added.diff, written=added.whole,
    )  # fmt: skip
    return 0


@dataclass(frozen=True, slots=True)
class Added:
    """What was offered as a patch, and whether the project's YAML says all of the meta now."""

    diff: str
    whole: bool


def _add(call: Call, metas: Sequence[tuple[str, str]], wanted: Wanted) -> Added:
    from revetl.cli import offering

    found = offering.offer(call.project_dir, metas)
    return Added(found.diff, offering.settle(call, found, asks=wanted.asks, write=wanted.write))


def _project(call: Call) -> tuple[str, Project]:
    """Return the profile's target and what the manifest says.

    Raises:
        RevetlError: there is no project, or no manifest.
    """
    from revetl.engine.workspace import read_project
    from revetl.warehouse.dbt_project import read_dbt_project
    from revetl.warehouse.profiles import load_profile

    options = call.options()
    root = options.project_dir
    dbt = read_dbt_project(root, env=options.env, cli_vars=options.variables)
    project = read_project(root / dbt.target_path / "manifest.json")
    parts = (options.profiles_dir, options.profile, options.target, options.env, options.variables)
    try:
        target = load_profile(root, *parts).target
    except ConfigError as error:
        target = options.target or "dev"
        call.screen.say(f"{error.what}: taking the target {target}", level="warn", code=error.code)
    return target, project


def _told(candidate: Candidate) -> str:
    return f"{candidate.model} ({', '.join(candidate.key)})"


def _candidate(found: Sequence[Candidate], model: str | None, beside: str, *, asks: bool) -> Candidate:
    by_name = {candidate.model: candidate for candidate in found}
    if model is None and len(by_name) == 1:
        return found[0]
    return by_name[_choose("model", model, tuple(by_name), beside, asks=asks)]


def _choose(what: str, given: str | None, choices: Sequence[str], beside: str, *, asks: bool) -> str:
    """Return the choice given, or ask for one; ``beside`` are the other words of a command that asks nothing.

    Raises:
        UsageError: RVT-100, what was given is none of them; RVT-804, nothing was given and nobody can be asked.
    """
    listed = ", ".join(choices[:_LISTED]) + (", …" if len(choices) > _LISTED else "")
    if given is not None and given not in choices:
        near = get_close_matches(given, choices, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {listed}"
        raise UsageError("RVT-100", f"--{what} {given}: there is none of that name", hint=hint)
    if given is not None:
        return given
    if not asks:
        hint = f"revetl init --{what} {choices[0]} {beside} (there are: {listed})"
        raise UsageError("RVT-804", f"--{what} is wanted", kept="nothing was written", hint=hint)
    answer: str = click.prompt(f"{what} ({listed})", type=click.Choice(choices), err=True,
                               show_choices=False)  # fmt: skip
    return answer


def _write(path: Path, text: str) -> bool:
    """Write a file that is not there yet; return False where it is, and says just this.

    Raises:
        UsageError: RVT-801, it cannot be written; RVT-802, it says something else.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_bytes() == text.encode("utf-8"):
            return False
        raise UsageError(
            "RVT-802", f"{path} is there already", kept="nothing was changed", hint="revetl check"
        ) from None
    except OSError as error:
        raise UsageError("RVT-801", f"{path} cannot be written: {error.strerror}", hint="check its rights") from None
    return True
