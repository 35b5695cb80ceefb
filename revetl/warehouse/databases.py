"""Which database files a dbt-duckdb profile names, and under which names dbt's relations know them.

Source: dbt-duckdb's ``path``, ``database`` and ``attach`` (https://github.com/duckdb/dbt-duckdb, README).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from revetl.errors import ConfigError, RevetlError
from revetl.types import JSON
from revetl.warehouse.profiles import Profile

RESERVED = frozenset({"memory", "system", "temp", "revetl_state"})  # names our connection uses itself
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # md:, s3://, ducklake:; one letter is a Windows drive


@dataclass(frozen=True, slots=True)
class Database:
    """A database file and its name in relations; ``problem`` says why it cannot be opened."""

    name: str
    path: Path
    problem: RevetlError | None = None


def databases(profile: Profile, project_dir: Path) -> tuple[Database, ...]:
    """Return the profile's databases, the main one first. Relative paths count from the project.

    Raises:
        ConfigError: RVT-405, the main one is no file that can be opened from here.
    """
    fields = profile.fields
    path = str(fields.get("path") or ":memory:")
    entries = fields.get("attach")
    attached = [_attached(entry, project_dir) for entry in entries] if isinstance(entries, list) else []
    main = _database(_name(path), path, project_dir)
    if main.problem is not None:
        raise main.problem
    found: dict[str, Database] = {}
    for database in (main, *attached):
        if database is not None:
            found.setdefault(database.name.lower(), database)
    return tuple(found.values())


def _attached(entry: JSON, project_dir: Path) -> Database | None:
    """Return one entry of ``attach``, None where it has no path that could be a name."""
    if isinstance(entry, str):
        entry = {"path": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), str):
        return None
    path = entry["path"]
    name = str(entry.get("alias") or _name(path))
    options = entry.get("options") or {}
    kind = entry.get("type") or (options.get("type") if isinstance(options, Mapping) else None) or "duckdb"
    if str(kind).lower() != "duckdb" or entry.get("is_ducklake"):
        what = f"the database {name} is attached as {kind}, which revetl cannot read yet"
        problem = ConfigError("RVT-404", what, hint="materialize what you sync in the main database")
        return Database(name, Path(path), problem)
    return _database(name, path, project_dir)


def _database(name: str, path: str, project_dir: Path) -> Database:
    problem = _problem(name, path)
    if problem is not None:
        return Database(name, Path(path), problem)
    return Database(name, (project_dir / Path(path).expanduser()).resolve())


def _problem(name: str, path: str) -> ConfigError | None:
    if path == ":memory:":
        what = "the profile's DuckDB is `:memory:`, which is gone when dbt ends"
        return ConfigError("RVT-405", what, hint="give the profile a file: `path: warehouse.duckdb`, then `dbt build`")
    if _REMOTE.match(path):
        kind = "MotherDuck" if path.startswith(("md:", "motherduck:")) else path.partition(":")[0]
        what = f"the database {name} is on {kind}, which revetl cannot read yet"
        return ConfigError("RVT-405", what, hint="only database files on this machine work so far")
    if name.lower() in RESERVED or not name:
        what = f"the database name {name!r} is one that revetl's own connection uses"
        return ConfigError("RVT-405", what, hint="rename the database file, then `dbt build`")
    return None


def _name(path: str) -> str:
    """Return the name that DuckDB gives a file: what stands before the first dot, hidden files apart."""
    return path.replace("\\", "/").rpartition("/")[2].lstrip(".").partition(".")[0]
