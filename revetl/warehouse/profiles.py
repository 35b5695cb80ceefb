"""profiles.yml, found and read as dbt does it, without dbt.

Source: https://docs.getdbt.com/docs/core/connect-data-platform/connection-profiles
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from revetl.errors import ConfigError
from revetl.types import JSON
from revetl.warehouse.dbt_project import read_dbt_project
from revetl.warehouse.rendering import Renderer
from revetl.warehouse.yamlfile import read_mapping


@dataclass(frozen=True, slots=True)
class Profile:
    """One output of a profile, rendered. ``fields`` hold credentials: they are never printed."""

    name: str
    target: str
    type: str
    fields: Mapping[str, JSON] = field(repr=False)
    path: Path


def load_profile(
    project_dir: Path,
    profiles_dir: Path | None,
    profile: str | None,
    target: str | None,
    env: Mapping[str, str],
    cli_vars: Mapping[str, JSON],
) -> Profile:
    """Return the output that ``target`` names, else ``DBT_TARGET``, else the profile's own choice, else ``default``.

    The profile is the one named, else ``DBT_PROFILE``, else what dbt_project.yml says. Only the chosen output is
    rendered: others may need variables that are not set here.

    Raises:
        ConfigError: RVT-400 to RVT-403 and RVT-104, each saying where it looked and what there was.
    """
    name = profile or env.get("DBT_PROFILE") or read_dbt_project(project_dir, env=env, cli_vars=cli_vars).profile
    if not name:
        what = f"{project_dir / 'dbt_project.yml'} names no profile"
        raise ConfigError("RVT-403", what, hint="add `profile: …` to it, or say --profile NAME")
    path = _find(project_dir, profiles_dir, env)
    known = {key: value for key, value in read_mapping(path, "RVT-402").items() if key != "config"}
    raw = _mapping(_pick(known, name, f"{path} has no profile", "profiles"), path, name)
    render = Renderer(str(path), env, cli_vars, secrets=True)
    chosen = str(target or env.get("DBT_TARGET") or render.value(raw.get("target", "default"), (name, "target")))
    outputs = _mapping(raw.get("outputs"), path, f"{name}.outputs")
    where = f"{name}.outputs.{chosen}"
    output = _mapping(_pick(outputs, chosen, f"the profile {name} has no target", "targets"), path, where)
    fields = render.tree(output, (name, "outputs", chosen))
    if not isinstance(fields.get("type"), str):
        raise ConfigError("RVT-402", f"{path}: {where} has no type", hint="such as `type: duckdb`")
    return Profile(name, chosen, fields["type"], fields, path)


def _find(project_dir: Path, profiles_dir: Path | None, env: Mapping[str, str]) -> Path:
    """Return the profiles.yml that counts: a directory named by hand is the only one looked in."""
    named = profiles_dir or env.get("DBT_PROFILES_DIR") or env.get("DBT_ENGINE_PROFILES_DIR")
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    places = [Path(named).expanduser()] if named else [Path.cwd(), project_dir, home / ".dbt"]
    for place in places:
        if (place / "profiles.yml").is_file():
            return place / "profiles.yml"
    looked = ", ".join(dict.fromkeys(str(place) for place in places))
    raise ConfigError("RVT-401", f"there is no profiles.yml in {looked}", hint="say --profiles-dir DIR")


def _pick(known: Mapping[str, JSON], name: str, what: str, kind: str) -> JSON:
    """Return what stands under ``name``; else say what else there is."""
    if name in known:
        return known[name]
    names = sorted(str(key) for key in known)
    close = get_close_matches(name, names, n=1)
    listed = f"the {kind} there are: {', '.join(names) or 'none'}"
    raise ConfigError("RVT-403", f"{what} {name!r}", hint=f"did you mean {close[0]}? {listed}" if close else listed)


def _mapping(value: JSON, path: Path, where: str) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise ConfigError("RVT-402", f"{path}: {where} holds no names and values", hint="see `dbt debug`")
    return value
