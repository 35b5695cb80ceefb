"""``debug``: each thing that a sync needs, tried by itself, with what to do where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar
from urllib.parse import urlsplit

from revetl.config import Connection, resolve_settings
from revetl.config.secrets import strings, variables
from revetl.config.specs import NetworkSpec
from revetl.contract import Account, Call, Destination
from revetl.engine import creating
from revetl.engine.fielding import compare_fields
from revetl.engine.fitting import values_that_do_not_fit
from revetl.engine.lanes import line_of
from revetl.engine.networking import network, wire_of
from revetl.engine.remote import context_of
from revetl.engine.shapes import check_columns
from revetl.engine.staleness import changed_since, told
from revetl.engine.workspace import Options, Workspace, load, load_connection, read_config, read_project
from revetl.errors import RevetlError
from revetl.send.network import Network
from revetl.send.ports import Lane, Usage
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.types import Batch, Outcome, RemoteField, SyncPlan
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.dbt_project import read_dbt_project
from revetl.warehouse.source import Tables, open_source

T = TypeVar("T")
PATIENCE = 30.0  # seconds for everything that is asked of destinations: a person waits
Columns = Mapping[tuple[str, str], str]  # (model's unique id, column) → DuckDB type


@dataclass(frozen=True, slots=True)
class DebugFinding:
    """One thing tried. ``ok``: None where there was nothing to try. No secret is in any text."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""
    code: str = ""
    sync: str = ""
    creatable: tuple[RemoteField, ...] = ()  # what ``--create-fields`` would make for it


class Silent:
    """A journal of calls that are about no rows."""

    def started(self, batch: Batch) -> None:
        """Record nothing."""

    def job(self, batch: Batch, job: str) -> None:
        """Record nothing."""

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record nothing."""

    def flush(self) -> None:
        """Have nothing to write."""

    def used(self, usage: Mapping[str, Usage]) -> None:
        """Record nothing."""

    def call(self, lane: Lane, call: Call, status: int | None, seconds: float) -> None:
        """Count nothing."""


class _Findings(list[DebugFinding]):
    """What was found so far; an error of ours is a finding, not the end."""

    def attempt(self, name: str, work: Callable[[], T], words: Callable[[T], str]) -> T | None:
        """Return what ``work`` returns, None where it fails; either way there is a finding more."""
        try:
            found = work()
        except RevetlError as error:
            self.append(DebugFinding(name, False, error.what, error.hint, error.code))  # noqa: FBT003
            return None
        self.append(DebugFinding(name, True, words(found)))  # noqa: FBT003
        return found


def debug(options: Options, *, wire: Wire | None = None) -> tuple[DebugFinding, ...]:
    """Try project, profile, manifest, revetl.yml, the warehouse and every destination of the target; return findings.

    ``wire`` performs the calls (reads only; nothing is written anywhere). Raises nothing that a person could mend.
    """
    found = _Findings()
    if not _files(options, found):
        return tuple(found)
    workspace = found.attempt("syncs", lambda: load(options), _syncs)
    if workspace is None:
        return tuple(found)
    _mapping(workspace, found)
    columns = found.attempt("warehouse", lambda: _tables(workspace), _models)
    if columns is not None:
        found.attempt("columns", lambda: check_columns(workspace.resolved.syncs, columns), lambda n: f"{n} are there")
    if workspace.config.network != NetworkSpec() and found.attempt("network", lambda: network(workspace), _way) is None:
        return tuple(found)
    with closing(wire or wire_of(workspace)) as line:
        sender = Sender(line, Silent(), random=Random(), deadline=line.monotonic() + PATIENCE)  # noqa: S311 - jitter
        for name in workspace.config.destinations:
            _destination(workspace, name, sender, _types(workspace, columns), found)
    return tuple(found)


def _way(way: Network) -> str:
    parts = [f"through {urlsplit(way.proxy).hostname}" if way.proxy else "no proxy"]
    parts += [f"but for {', '.join(way.no_proxy)}"] if way.no_proxy else []
    parts += [f"further authorities: {way.ca_file}"] if way.ca_file else []
    return "; ".join(parts)


def _files(options: Options, found: _Findings) -> bool:
    root = options.project_dir
    dbt = found.attempt(
        "dbt_project.yml",
        lambda: read_dbt_project(root, env=options.env, cli_vars=options.variables),
        lambda project: f"project {project.name}",
    )
    if dbt is None:
        return False
    profile = found.attempt(
        "profiles.yml",
        lambda: load_connection(options),
        lambda p: f"{p.path}: {p.name}, target {p.target} ({p.type})",
    )
    path = options.manifest_path or root / dbt.target_path / "manifest.json"
    manifest = found.attempt(
        "manifest.json",
        lambda: read_project(path),
        lambda p: f"{len(p.nodes):,} nodes, dbt {p.dbt_version}, written {p.generated_at:%Y-%m-%d %H:%M} UTC",
    )
    config = found.attempt(
        "revetl.yml",
        lambda: read_config(options.config_path or root / "revetl.yml"),
        lambda c: f"destinations: {', '.join(c.destinations) or 'none'}",
    )
    return None not in (profile, manifest, config)


def _syncs(workspace: Workspace) -> str:
    resolved = workspace.resolved
    said = f"{len(resolved.syncs)} for target {workspace.target}"
    return f"{said}; {resolved.errors[0].message}" if resolved.errors else said


def _mapping(workspace: Workspace, found: _Findings) -> None:
    """Say where the mapping is wrong, and where YAML is newer than what dbt made of it."""
    errors = workspace.resolved.errors
    if errors:
        found[-1] = replace(found[-1], ok=False, code=errors[0].code, remedy="revetl check")
    newer = changed_since(workspace.project, workspace.options.project_dir)
    if newer:
        found.append(DebugFinding("YAML", None, f"{told(newer)}: dbt build, or dbt parse, reads it"))


def _tables(workspace: Workspace) -> Tables:
    """Open the warehouse, describe the models of all syncs (of the project, where there is no sync), close it."""
    assert workspace.profile is not None  # noqa: S101 - loaded with its profile
    relations = [ref.relation for sync in workspace.resolved.syncs for ref in sync.models]
    relations = relations or [node.relation for node in workspace.project.nodes.values() if node.relation]
    source = open_source(workspace.profile, workspace.options.project_dir)
    with closing(connect()) as con:
        source.attach(con)
        lockdown(con)
        tables = source.tables(con, list(dict.fromkeys(relations)))
        source.release(con)
    for error in tables.missing.values():
        raise error
    return tables


def _models(tables: Tables) -> str:
    return f"{len(tables.found)} relations can be read"


def _types(workspace: Workspace, tables: Tables | None) -> Columns:
    if tables is None:
        return {}
    return {
        (ref.unique_id, column): kind
        for sync in workspace.resolved.syncs
        for ref in sync.models
        if ref.relation in tables.found
        for column, kind in tables.found[ref.relation].columns.items()
    }


def _destination(workspace: Workspace, name: str, sender: Sender, columns: Columns, found: _Findings) -> None:
    kind = workspace.config.destinations[name].type
    connection = workspace.config.connection(name, workspace.target)
    if connection is None:
        found.append(DebugFinding(name, None, f"does not name the target {workspace.target}: nothing goes there"))
        return
    if connection.sandbox:
        found.append(DebugFinding(name, None, "goes to its local stand-in: no credentials are needed"))
        return
    destination = found.attempt(f"{name}: type", lambda: _known(workspace, kind), lambda d: d.title)
    if destination is None:
        return
    where = f"destinations.{name}.targets.{workspace.target}"
    settings = found.attempt(
        f"{name}: settings",
        lambda: resolve_settings(connection.settings, workspace.options.env, destination.settings, where=where),
        lambda _: _origins(connection),
    )
    if settings is not None and _account(name, destination, settings, sender, found):
        for plan in workspace.resolved.syncs:
            if plan.destination == name:
                _fields(workspace, plan, destination, sender, columns, found)


def _known(workspace: Workspace, kind: str) -> Destination:
    if kind not in workspace.registry:
        raise RevetlError("RVT-124", f"there is no destination type {kind}", hint="revetl check")
    return workspace.registry[kind]


def _origins(connection: Connection) -> str:
    """Return where each setting that is a reference came from: variables by name, never a value."""
    found = [
        f"{'.'.join(map(str, path))} from {', '.join(names)}"
        for path, text in strings(connection.settings)
        if (names := variables(text))
    ]
    return "; ".join(found) or "complete"


def _account(name: str, destination: Destination, settings: Any, sender: Sender, found: _Findings) -> bool:
    """Return whether the destination may be asked further."""
    ask = destination.account
    if ask is None:
        return destination.discover is not None
    account = destination.account_key(settings) or name
    lane = Lane(name, destination, settings, f"{destination.name}/{account}")
    asked = found.attempt(f"{name}: account", lambda: sender.call(lane, ask(settings)), _owner)
    return asked is not None


def _owner(account: Account) -> str:
    return f"{account.name} ({account.id})" if account.name else account.id


def _fields(
    workspace: Workspace, plan: SyncPlan, destination: Destination, sender: Sender, columns: Columns, found: _Findings
) -> None:
    if destination.discover is None:
        return
    discover = destination.discover
    try:
        line = line_of(workspace, plan, destination, None)
        fields = tuple(sender.call(line.lane, discover(context_of(plan, line, None))))
    except RevetlError as error:
        found.append(DebugFinding(f"{plan.name}: fields", False, error.what, error.hint, error.code))  # noqa: FBT003
        return
    faults = compare_fields(plan, destination, fields, columns)
    by_name = {field.name: field for field in fields}
    for fault in faults:
        by_name.pop(fault.field, None)  # said already
    faults += values_that_do_not_fit(workspace, plan, destination, by_name, columns)
    types = {f.field: columns.get((f.model, f.property), "VARCHAR") for f in plan.fields}
    wanted = creating.wishes(plan, destination, fields, types) if destination.create_field else ()
    detail = "; ".join(map(str, faults)) or f"{len(plan.fields)} mapped fields exist there"
    remedy = "; ".join(f"{fault.field}: {fault.remedy}" for fault in faults)
    code = "RVT-430" if faults else ""
    found.append(DebugFinding(f"{plan.name}: fields", not faults, detail, remedy, code, plan.name, wanted))


def failed(findings: Sequence[DebugFinding]) -> Iterator[DebugFinding]:
    """Yield the findings that keep a sync from running."""
    return (finding for finding in findings if finding.ok is False)
