"""Everything a command needs to know before it opens state or warehouse: project, configuration, target, syncs."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from revetl import config as configuration
from revetl import manifest, mapping
from revetl.config import Config, resolve_text
from revetl.contract import Destination
from revetl.destinations import registry
from revetl.engine import staleness
from revetl.errors import ConfigError, ManifestError
from revetl.mapping.build import Resolved
from revetl.mapping.flows import whole as whole_flows
from revetl.mapping.lineage import Types
from revetl.mapping.select import select_syncs
from revetl.state.files import replace_file
from revetl.types import EMPTY, JSON, BuildResult, Problem, Project, Severity, SyncPlan, SyncPreview
from revetl.types.paths import file_name
from revetl.warehouse.dbt_project import DbtProject, read_dbt_project
from revetl.warehouse.profiles import Profile, load_profile

HOME = ".revetl"  # beside dbt_project.yml: the states of its targets
FLOWS = "revetl_flows.json"  # in dbt's target directory


@dataclass(frozen=True)
class Options:
    """What the command line, or a caller in Python, asked for; all of it may be left out.

    ``env`` is this process's environment where nothing else is given: it is what ``env_var`` reads.
    """

    project_dir: Path = Path()
    profiles_dir: Path | None = None
    profile: str | None = None
    target: str | None = None
    variables: Mapping[str, JSON] = EMPTY
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    config_path: Path | None = None
    manifest_path: Path | None = None
    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    state: Path | None = None  # a directory with another manifest.json, to compare with
    sandbox: bool = False  # rehearse: every destination is its local stand-in
    limit: int | None = None  # canary: the first so many keys of each sync
    keys: Sequence[str] = ()  # canary: these keys only
    partial: bool = False  # of the models, read no other keys than those
    first: Sequence[str] = ()  # syncs whose first run may send
    retry: bool = False  # send rejected rows again now
    approve: Sequence[str] = ()  # hashes of refusals
    clear: Sequence[str] = ()  # orphans to end at the destination: SYNC.FIELD, SYNC.COHORT, SYNC.COHORT.FIELD
    strict: bool = False
    create_fields: bool = False  # make mapped fields that a destination lacks
    offline: bool = False  # ``plan`` asks no destination, not even what a first sync would meet there
    rebase_relations: bool = False
    results: Sequence[Path] = ()  # run_results.json files beside target/run_results.json
    deadline: float | None = None  # seconds
    home: Path | None = None  # where .revetl/ lies; None: in the project


@dataclass(frozen=True)
class Plan:
    """What a run would do, over all its syncs, and what was asked for; ``sync`` takes it as it is."""

    target: str
    syncs: tuple[SyncPlan, ...]
    previews: tuple[SyncPreview, ...] = ()
    problems: tuple[Problem, ...] = ()
    options: Options = field(default_factory=Options, repr=False)

    @property
    def changes(self) -> int:
        """Return how many changes would leave."""
        return sum(preview.changes for preview in self.previews)

    @property
    def exit_code(self) -> int:
        """Return 2 where a sync cannot run, else 3 where a guard would hold something, else 0."""
        broken = any(problem.severity is Severity.ERROR for problem in self.problems)
        if broken or any(preview.error for preview in self.previews):
            return 2
        return 3 if any(preview.held for preview in self.previews) else 0


@dataclass(frozen=True)
class Workspace:
    """A loaded project. Reading it opens no connection and needs no secret."""

    options: Options
    dbt: DbtProject
    target: str
    project: Project
    config: Config
    resolved: Resolved
    registry: Mapping[str, Destination]
    results: Mapping[str, BuildResult]
    profile: Profile | None = None
    types: Types = EMPTY  # of columns, where catalog.json tells them

    @property
    def syncs(self) -> tuple[SyncPlan, ...]:
        """Return the syncs that the options select."""
        state = self.options.state
        before = read_project(state / "manifest.json") if state is not None and self._compares() else None
        return select_syncs(
            self.project, self.resolved.syncs, self.options.select, self.options.exclude, before=before,
            results=self.results,
        )  # fmt: skip

    def flows(self) -> dict[str, JSON]:
        """Return the resolved mapping and what stands behind it, as ``target/revetl_flows.json`` holds it."""
        return whole_flows(self.project, (*self.resolved.syncs, *self.resolved.refused), self.registry, self.types)

    def write_flows(self) -> None:
        """Write the resolved mapping, without secrets, beside the manifest: what ``check --state`` compares with."""
        replace_file(self.target_dir / FLOWS, orjson.dumps(self.flows(), option=orjson.OPT_INDENT_2))

    def _compares(self) -> bool:
        asked = " ".join((*self.options.select, *self.options.exclude))
        return "state:" in asked

    @property
    def target_dir(self) -> Path:
        """Return dbt's target directory."""
        return self.options.project_dir / self.dbt.target_path

    @property
    def state_dir(self) -> Path:
        """Return the directory of this target's state; a rehearsal has one of its own."""
        home = (self.options.home or self.options.project_dir).absolute() / HOME
        if self.options.sandbox or self.config.state is None or self.config.state.url is None:
            return home / self.state_name
        url = resolve_text(self.config.state.url, self.options.env, where="state")
        if "://" in url and not url.startswith("file://"):
            return home / self.state_name
        return self.options.project_dir.absolute() / url.removeprefix("file://") / self.state_name

    @property
    def state_name(self) -> str:
        """Return the name of this target's state wherever it lies; a rehearsal has one of its own."""
        return f"{self.target}-sandbox" if self.options.sandbox else file_name(self.target)


def read_project(path: Path) -> Project:
    """Return the project that a manifest describes.

    Raises:
        ManifestError: RVT-200 there is none, RVT-201 or RVT-202 it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(
            "RVT-200", f"{path} does not exist", kept="nothing was read or sent", hint="dbt build"
        ) from None
    except OSError as error:
        raise ManifestError("RVT-201", f"{path} cannot be read: {error.strerror}", hint="check its rights") from None
    return manifest.read_manifest(data, str(path))


def read_config(path: Path) -> Config:
    """Return revetl.yml.

    Raises:
        ConfigError: RVT-101 there is none, RVT-102 or RVT-103 it cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "RVT-101", f"{path} does not exist", kept="nothing was read or sent", hint="revetl init"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("RVT-102", f"{path} cannot be read: {error}", hint="save it as UTF-8 text") from None
    return configuration.load_config(text, path=str(path))


def _results(options: Options, target_dir: Path) -> Mapping[str, BuildResult]:
    paths = [path for path in (target_dir / "run_results.json", *options.results) if path.is_file()]
    return manifest.read_run_results([(str(path), path.read_bytes()) for path in paths])


def _in_sandbox(syncs: Sequence[SyncPlan]) -> tuple[SyncPlan, ...]:
    return tuple(replace(sync, sandbox=True) for sync in syncs)


def _rehearsed(resolved: Resolved) -> Resolved:
    return replace(resolved, syncs=_in_sandbox(resolved.syncs), refused=_in_sandbox(resolved.refused))


def read_types(directory: Path, project: Project) -> Types:
    """Return the columns and types that catalog.json of a target directory tells, none where it is older or missing.

    Raises:
        ManifestError: RVT-201 or RVT-202, it cannot be read.
    """
    path = directory / "catalog.json"
    if not path.is_file():
        return EMPTY
    found = manifest.read_catalog(path.read_bytes(), str(path), project.generated_at)
    return {key: columns for key, columns in found.items() if columns}


def load_connection(options: Options) -> Profile:
    """Return how the target's warehouse is reached: as revetl.yml says (``warehouse:``), else as profiles.yml does.

    Raises:
        ConfigError: RVT-101 to RVT-105 of revetl.yml, RVT-400 to RVT-403 of profiles.yml.
    """
    return connection(options, _naming_a_warehouse(_config_path(options)))


def connection(options: Options, config: Config | None) -> Profile:
    """Return the same where revetl.yml was read already; None: it names no warehouse.

    Raises:
        ConfigError: RVT-400 to RVT-403 of profiles.yml.
    """
    own = EMPTY if config is None else config.warehouse
    target = options.target or options.env.get("DBT_TARGET") or ""
    if target not in own:
        found = load_profile(
            options.project_dir, options.profiles_dir, options.profile, options.target, options.env, options.variables
        )
        if found.target not in own:
            return found
        target = found.target
    fields = configuration.resolve_tree(own[target], options.env, where=f"warehouse.{target}")
    return Profile("revetl.yml", target, str(fields["type"]), fields, _config_path(options))


def _config_path(options: Options) -> Path:
    return options.config_path or options.project_dir / "revetl.yml"


def _naming_a_warehouse(path: Path) -> Config | None:
    """Return revetl.yml if it may name a warehouse: without it, what is wrong with profiles.yml is told first."""
    return read_config(path) if path.is_file() and b"warehouse:" in path.read_bytes() else None


def load(options: Options, *, profile: bool = True, catalog: bool = False) -> Workspace:
    """Read dbt_project.yml, the connection, manifest, results and revetl.yml; resolve the syncs of the target.

    ``profile=False`` leaves the connection out: ``check`` runs where there are no credentials. ``catalog`` takes
    catalog.json, if there is one, for what the warehouse holds.
    """
    root = options.project_dir
    dbt = read_dbt_project(root, env=options.env, cli_vars=options.variables)
    path = _config_path(options)
    found: Profile | None = None
    config: Config | None = None
    target = options.target or options.env.get("DBT_TARGET") or ""
    if profile or not target:
        try:
            config = _naming_a_warehouse(path)
            found = connection(options, config)
            target = found.target
        except ConfigError:
            if profile or not target:
                raise
    target_dir = root / dbt.target_path
    with _uncollected():
        project = read_project(options.manifest_path or target_dir / "manifest.json")
        config = config or read_config(path)
        known = registry()
        types = read_types(target_dir, project) if catalog else EMPTY
        resolved = mapping.build(project, config, target, known, catalog=types)
    resolved = _dated(resolved, project, root)
    resolved = _rehearsed(resolved) if options.sandbox else resolved
    return Workspace(
        options, dbt, target, project, config, resolved, known, _results(options, target_dir), found, types
    )


def _dated(resolved: Resolved, project: Project, root: Path) -> Resolved:
    """Return it with a word on YAML that dbt has not read yet: it has no effect, or is why something is wrong."""
    newer = staleness.changed_since(project, root)
    return replace(resolved, problems=(*resolved.problems, staleness.problem(newer))) if newer else resolved


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from looking through a big manifest's objects, none of which is garbage."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def git_commit(directory: Path) -> str | None:
    """Return the commit that is checked out in ``directory``, None where git does not say."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            cwd=directory,
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},  # the project's own
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
