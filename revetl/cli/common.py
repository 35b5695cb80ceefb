"""The options that commands share, and how they become :class:`revetl.engine.workspace.Options`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from revetl.cli.completing import syncs
from revetl.errors import UsageError
from revetl.types import JSON

if TYPE_CHECKING:
    from revetl.cli.screen import Screen
    from revetl.engine.workspace import Options

F = TypeVar("F", bound=Callable[..., Any])
_DIR = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Call:
    """One call of a command: where its words and results go, and the options it shares with the others, if any."""

    screen: Screen
    shared: Mapping[str, Any]

    @property
    def project_dir(self) -> Path:
        """Return the project's directory."""
        return self.shared["project_dir"] or nearest_project(Path.cwd())

    def options(self, **more: Any) -> Options:
        """Return what the engine is asked for; ``more`` are the command's own wishes."""
        from revetl.engine.workspace import Options

        shared = self.shared
        return Options(
            project_dir=self.project_dir, profiles_dir=shared["profiles_dir"], profile=shared["profile"],
            target=shared["target"], variables=shared["variables"], env=dict(os.environ),
            config_path=shared["config"], select=shared["select"], exclude=shared["exclude"], state=shared["state"],
            **more,
        )  # fmt: skip


def nearest_project(start: Path) -> Path:
    """Return the nearest of ``start`` and its parents that has a dbt_project.yml, ``start`` where none has.

    The path is relative to ``start``, so that messages show ``revetl.yml`` and ``../revetl.yml``.
    """
    found = next((place for place in (start, *start.parents) if (place / "dbt_project.yml").is_file()), start)
    return Path(os.path.relpath(found, start))


def read_vars(_: click.Context, __: click.Parameter, text: str | None) -> Mapping[str, JSON]:
    """Return ``--vars``, a mapping in YAML or JSON as dbt takes it.

    Raises:
        UsageError: RVT-801.
    """
    if not text:
        return {}
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise UsageError("RVT-801", "--vars is no mapping", hint="--vars '{name: value}'")
    return {str(name): value for name, value in found.items()}


_OPTIONS: tuple[Callable[[F], F], ...] = (
    click.option(
        "--project-dir", type=_DIR, help="Where dbt_project.yml stands.  [default: here or the nearest parent]"
    ),
    click.option("--profiles-dir", type=_DIR, help="Where profiles.yml stands, as for dbt."),
    click.option("--profile", help="Which profile, as for dbt."),
    click.option("-t", "--target", help="Which target of the profile; destinations name theirs."),
    click.option("--vars", "variables", callback=read_vars, metavar="YAML", help="dbt's vars, as YAML or JSON."),
    click.option(
        "-s",
        "--select",
        multiple=True,
        metavar="SPEC",
        shell_complete=syncs,
        help="Which syncs or models, in dbt's grammar.",
    ),
    click.option("--exclude", multiple=True, metavar="SPEC", shell_complete=syncs, help="Which syncs or models not."),
    click.option("--state", type=_DIR, help="Another manifest's directory, to compare with."),
    click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), help="revetl.yml, where it is elsewhere."
    ),
)
_VOICE: tuple[Callable[[F], F], ...] = (
    click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result."),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Form of the words."),
    click.option("--no-color", is_flag=True, help="No colour (NO_COLOR works too)."),
    click.option("-q", "--quiet", is_flag=True, help="No words but warnings and errors."),
)  # fmt: skip
_SHARED = ("project_dir", "profiles_dir", "profile", "target", "variables", "select", "exclude", "state", "config")


def voiced(function: F) -> F:
    """Give a command ``--output``, ``--log-format``, ``--no-color`` and ``--quiet``; its first argument is a Call."""
    return _with(function, _VOICE, ())


def common(function: F) -> F:
    """Give a command every shared option; its first argument is a :class:`Call`.

    A whole number that the command returns is the process's exit code.
    """
    return _with(function, (*_OPTIONS, *_VOICE), _SHARED)


def _with(function: F, options: tuple[Callable[[F], F], ...], names: tuple[str, ...]) -> F:
    @wraps(function)
    def wrapped(**given: Any) -> Any:
        from revetl.cli.screen import make_screen

        screen = make_screen(
            output=given.pop("output"), log_format=given.pop("log_format"),
            color=not given.pop("no_color"), quiet=given.pop("quiet"),
        )  # fmt: skip
        shared = {name: given.pop(name) for name in names}
        return function(Call(screen, shared), **given)

    decorated: Any = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
