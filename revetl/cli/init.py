"""``revetl init``: revetl.yml, and the first lines of meta to add."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from revetl.cli import completing
from revetl.cli.common import Call, common
from revetl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from revetl.engine.scaffold import Candidate
    from revetl.types import Project


@click.command("init")
@common
@click.option("--destination", metavar="TYPE", shell_complete=completing.types, help="Which tool, such as mailchimp.")
@click.option("--model", metavar="NAME", help="Which model says who exists.")
@click.option("--no-input", is_flag=True, help="Ask nothing.")
@click.option("--from", "other", type=click.Choice(["hightouch"]), help="Draft from what another tool was told.")
@click.argument("folder", required=False, type=click.Path(file_okay=False, exists=True, path_type=Path))
def command(
    call: Call, *, destination: str | None, model: str | None, no_input: bool, other: str | None, folder: Path | None
) -> int:
    """Write revetl.yml beside dbt_project.yml and show the meta to add to a model.

    No file that is there is ever changed. With --from hightouch, FOLDER is what its Git Sync writes (syncs/, models/);
    without FOLDER, meta.hightouch of the models is read.
    """
    path = call.options().config_path or call.project_dir / "revetl.yml"
    if path.exists():
        raise UsageError("RVT-802", f"{path} is there already", kept="nothing was changed", hint="revetl check")
    if folder is not None and other is None:
        raise UsageError(
            "RVT-100", "FOLDER is of another tool: which one?", hint=f"revetl init --from hightouch {folder}"
        )
    if other is not None:
        return _move(call, path, folder)
    return _begin(call, path, destination, model, asks=not no_input and sys.stdin.isatty())


def _begin(call: Call, path: Path, destination: str | None, model: str | None, *, asks: bool) -> int:
    """Write a first revetl.yml of one sync."""
    from revetl.destinations import registry
    from revetl.engine import scaffold
    from revetl.engine.scaffold import candidates

    target, project = _project(call)
    found = candidates(project)
    if not found:
        raise UsageError(
            "RVT-803", "no model has a key: a column with dbt's tests unique and not_null, or a primary key",
            kept="nothing was written", hint="add data_tests: [unique, not_null] to the key of a model, then dbt parse",
        )  # fmt: skip
    call.screen.say("models with a key: " + ", ".join(map(_told, found)))
    kind = _choose("destination", destination, tuple(registry()), f"--model {model or found[0].model}", asks=asks)
    chosen = _candidate(found, model, f"--destination {kind}", asks=asks)
    tool = registry()[kind]
    text = scaffold.configuration(tool, chosen, target, stand_in=bool(tool.rehearsal))
    meta = scaffold.meta_lines(tool, chosen)
    _write(path, text)
    call.screen.paste(f"wrote {path}", "", text, f"add to {chosen.file}:", "", meta)
    call.screen.show("then: dbt build && revetl check && revetl plan, and revetl sync --sandbox to rehearse")
    call.screen.document(
        "init", path=path, destination=kind, model=chosen.model, file=chosen.file, revetl_yml=text, meta=meta,
        exit_code=0,
    )  # fmt: skip
    return 0


def _move(call: Call, path: Path, folder: Path | None) -> int:
    """Write a revetl.yml that says what another tool was told, and show the meta."""
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
    for file, lines in draft.metas:
        call.screen.paste(f"add to {file}:", "", lines)
    call.screen.show("then: dbt build && revetl check && revetl debug, and revetl adopt before the first sync")
    call.screen.document(
        "init", path=path, syncs=draft.syncs, revetl_yml=draft.revetl_yml, notes=draft.notes, exit_code=0,
        metas=[{"file": file, "meta": lines} for file, lines in draft.metas],
    )  # fmt: skip
    return 0


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
    listed = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    if given is not None and given not in choices:
        raise UsageError("RVT-100", f"--{what} {given}: there is none of that name", hint=f"there are: {listed}")
    if given is not None:
        return given
    if not asks:
        hint = f"revetl init --{what} {choices[0]} {beside} (there are: {listed})"
        raise UsageError("RVT-804", f"--{what} is wanted", kept="nothing was written", hint=hint)
    answer: str = click.prompt(f"{what} ({listed})", type=click.Choice(choices), default=choices[0], err=True,
                               show_choices=False)  # fmt: skip
    return answer


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError("RVT-802", f"{path} is there already", kept="nothing was changed") from None
    except OSError as error:
        raise UsageError("RVT-801", f"{path} cannot be written: {error.strerror}", hint="check its rights") from None
