"""The stage of a case: empty tables in place of the warehouse, which the case's rows fill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from revetl.config.cases import Case, Row
from revetl.config.schema import did_you_mean
from revetl.engine.rehearsing import Rehearsal, Standing, own_config, standing
from revetl.engine.workspace import Options, Workspace, load, read_types
from revetl.errors import ConfigError
from revetl.mapping.complaints import model_name
from revetl.types import EMPTY, JSON, ModelRef, Node, Severity, SyncPlan
from revetl.warehouse.dbt_project import read_dbt_project
from revetl.warehouse.given import Given, known_type, profile_of, type_of, write_tables

TARGET = "case"
_GUARDS = {"max_leave": "off", "max_change": "off", "max_null": "off", "min_rows": 0}
_ABOUT_BUILDS = ("freshness", "incremental", "send")


def case_config(options: Options) -> dict[str, JSON]:
    """Return revetl.yml as a case reads it: every destination is its stand-in, and no guard counts a few rows."""
    data = {name: part for name, part in own_config(options).items() if name not in _ABOUT_BUILDS}
    destinations = {}
    for name, part in data["destinations"].items():
        syncs = part.get("syncs")
        own = {**part, "targets": {TARGET: "sandbox"}}
        if isinstance(syncs, Mapping):
            own["syncs"] = {short: {**sync, "guards": _GUARDS} for short, sync in syncs.items()}
        destinations[name] = own
    return {**data, "destinations": destinations, "require_tests": "off"}


@dataclass(frozen=True)
class CaseStage:
    """What cases are tried on. ``workspace`` is the project with the cases' own target."""

    workspace: Workspace
    directory: Path
    standing: Standing

    @contextmanager
    def play(self, case: Case) -> Iterator[tuple[Rehearsal, CaseRows]]:
        """Begin a case: empty accounts, empty models, no state."""
        for box in self.standing.boxes.values():
            box.reset()
        shutil.rmtree(self.directory / ".revetl", ignore_errors=True)
        rows = CaseRows(self, case)
        options = replace(self.workspace.options, select=self._syncs(case))
        yield Rehearsal(options, self.standing.boxes), rows

    def _syncs(self, case: Case) -> tuple[str, ...]:
        """Return the syncs that take part: whose base model is given rows, or of which something is said."""
        given = {name for step in case.spec.steps for name in step.given}
        said = {name for step in case.spec.steps if step.expect for name in said_of(step.expect.model_dump())}
        plans = self.workspace.resolved.syncs
        strange = said - {p.name for p in plans} - {p.destination for p in plans}
        if strange:
            name = min(strange)
            hint = did_you_mean(name, {name for p in plans for name in (p.name, p.destination)})
            raise ConfigError("RVT-130", f"{case.file}: {name} is no sync and no destination", hint=hint)
        return tuple(p.name for p in plans if p.base.model in given or p.name in said)


def said_of(expect: Mapping[str, JSON]) -> set[str]:
    """Return the syncs and destinations that an expectation names."""
    return {name for part in expect.values() if part for name in part}


@contextmanager
def case_stage(options: Options) -> Iterator[CaseStage]:
    """Lay out a project of its own for the block: manifest and revetl.yml of the project, stand-ins, no warehouse.

    Raises:
        ConfigError: RVT-133, the project has errors of its own.
        RevetlError: the project cannot be read.
    """
    dbt = read_dbt_project(options.project_dir, env=options.env, cli_vars=options.variables)
    target_dir = options.project_dir / dbt.target_path
    manifest = options.manifest_path or target_dir / "manifest.json"
    with TemporaryDirectory(prefix="revetl-") as name:
        home = Path(name)
        (home / "target").mkdir()
        _write(home / "dbt_project.yml", {"name": dbt.name, "profile": "revetl"})
        _write(home / "revetl.yml", case_config(options))
        env = {k: v for k, v in options.env.items() if not k.startswith("DBT_")}
        own = Options(home, home, target=TARGET, env=env, manifest_path=manifest.absolute(), sandbox=True)
        workspace = _sound(load(own, profile=False))
        plans = workspace.resolved.syncs
        databases = {ref.relation.database or "" for p in plans for ref in p.models} - {""}
        _write(home / "profiles.yml", profile_of(home, sorted(databases), "revetl", TARGET))
        with standing({p.type for p in plans}) as here:
            own = replace(own, env=env | {"REVETL_SANDBOX": here.origin})
            types = read_types(target_dir, workspace.project)
            yield CaseStage(replace(workspace, options=own, types=types), home, here)


def _write(path: Path, content: Mapping[str, JSON]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _sound(workspace: Workspace) -> Workspace:
    errors = [problem for problem in workspace.resolved.problems if problem.severity is Severity.ERROR]
    if errors:
        what = f"the project has {len(errors)} errors, such as {errors[0].code}: {errors[0].message}"
        raise ConfigError("RVT-133", what, kept="no case was tried", hint="revetl check")
    return workspace


class CaseRows:
    """The tables of a case, as its steps fill them."""

    def __init__(self, stage: CaseStage, case: Case) -> None:
        """Begin with empty tables."""
        self._stage = stage
        self._case = case
        self._rows: dict[str, tuple[Row, ...]] = {}
        plans = stage.workspace.resolved.syncs
        self._refs = {ref.unique_id: ref for p in plans for ref in p.models}
        self._nodes = {model_name(stage.workspace.project.nodes[uid]): uid for uid in self._refs}
        self._types: dict[str, dict[str, str | None]] = {}

    def give(self, given: Mapping[str, tuple[Row, ...]]) -> None:
        """Let models have these rows; those that are not named keep theirs.

        Raises:
            ConfigError: RVT-130, a model or column is unknown; RVT-131, a value does not fit.
        """
        for name, rows in given.items():
            if name not in self._nodes:
                hint = did_you_mean(name, self._nodes)
                raise ConfigError("RVT-130", f"{self._case.file}: no sync reads a model {name}", hint=hint)
            self._rows[name] = rows
        for plan in self._stage.workspace.resolved.syncs:
            self._type(plan)
        tables = [self._given(name, uid) for name, uid in self._nodes.items()]
        write_tables(self._stage.directory, tables)

    def _type(self, plan: SyncPlan) -> None:
        """Find the types of a sync's models; a key that no row tells is typed as the entity's."""
        for ref in plan.models:
            self._types[ref.unique_id] = self._columns(ref, plan)
        base = self._types[plan.base.unique_id]
        for ref in plan.models:
            own = self._types[ref.unique_id]
            for column, of_base in zip(ref.key, plan.base.key, strict=True):
                own[column] = own.get(column) or base.get(of_base)

    def _columns(self, ref: ModelRef, plan: SyncPlan) -> dict[str, str | None]:
        """Return column → type of a model, None where nothing tells it."""
        workspace = self._stage.workspace
        node = workspace.project.nodes[ref.unique_id]
        rows = self._rows.get(model_name(node), ())
        needed = [*ref.key, *(name for name in (ref.updated_at, ref.valid_to) if name)]
        needed += [name for part in plan.mapped if part.model == ref.unique_id for name in _named(part)]
        known = {**dict.fromkeys(node.columns), **dict.fromkeys(needed), **self._types.get(ref.unique_id, {})}
        for column in dict.fromkeys(name for row in rows for name in row):
            if node.columns and column not in known:
                hint = did_you_mean(column, known)
                raise ConfigError("RVT-130", f"{self._case.file}: {node.name} has no column {column}", hint=hint)
            known.setdefault(column)
        told = {**workspace.types.get(ref.unique_id, EMPTY), **self._case.types.get(model_name(node), {})}
        return {name: told.get(name) or _told(node, name) or type_of(r.get(name) for r in rows) for name in known}

    def _given(self, name: str, uid: str) -> Given:
        types = {column: kind or "VARCHAR" for column, kind in self._types[uid].items()}
        return Given(self._refs[uid].relation, types, self._rows.get(name, ()))


def _named(part: object) -> Iterable[str]:
    return getattr(part, "columns", None) or (getattr(part, "property", ""),)


def _told(node: Node, column: str) -> str | None:
    found = node.columns.get(column)
    return known_type(found.data_type) if found else None
