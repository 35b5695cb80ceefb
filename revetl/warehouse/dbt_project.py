"""What revetl needs of dbt_project.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from revetl.errors import ConfigError
from revetl.types import EMPTY, JSON
from revetl.warehouse.rendering import Renderer
from revetl.warehouse.yamlfile import read_mapping


@dataclass(frozen=True, slots=True)
class DbtProject:
    """A dbt project by its own file. ``target_path`` is relative to it; ``vars`` are unrendered, as dbt keeps them."""

    name: str
    profile: str | None
    target_path: str = "target"
    vars: Mapping[str, JSON] = EMPTY
    model_paths: tuple[str, ...] = ("models",)


def read_dbt_project(
    project_dir: Path, *, env: Mapping[str, str] = EMPTY, cli_vars: Mapping[str, JSON] = EMPTY
) -> DbtProject:
    """Return the project whose dbt_project.yml stands in ``project_dir``; ``DBT_TARGET_PATH`` overrides its path.

    Raises:
        ConfigError: RVT-400, the file is missing, unreadable or has no name; RVT-104, RVT-402 as rendering goes.
    """
    path = project_dir / "dbt_project.yml"
    if not path.is_file():
        raise _missing(project_dir)
    found = read_mapping(path, "RVT-400")
    render = Renderer("dbt_project.yml", env, cli_vars)
    name, profile = (render.value(found.get(key), (key,)) for key in ("name", "profile"))
    if not isinstance(name, str) or not name:
        raise ConfigError("RVT-400", f"{path} gives the project no name", hint="add `name: …`")
    target = env.get("DBT_TARGET_PATH") or render.value(found.get("target-path"), ("target-path",)) or "target"
    variables, paths = found.get("vars"), found.get("model-paths")
    models = [render.value(path, ("model-paths",)) for path in paths] if isinstance(paths, list) else []
    return DbtProject(
        name, str(profile) if profile else None, str(target), variables if isinstance(variables, dict) else EMPTY,
        tuple(str(path) for path in models if path) or ("models",),
    )  # fmt: skip


def _missing(directory: Path) -> ConfigError:
    below = sorted(path.parent for path in directory.glob("*/dbt_project.yml"))
    hint = "run revetl in the folder of your dbt project, or say --project-dir DIR"
    if below:
        hint = f"did you mean --project-dir {below[0]}?"
    return ConfigError("RVT-400", f"there is no dbt_project.yml in {directory.resolve()}", hint=hint)
