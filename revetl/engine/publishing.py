"""``publish``: the record of what left as tables of the warehouse, brought up to date file by file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from revetl.engine.session import Clock, Session, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError, UsageError
from revetl.sqltext import quote_text
from revetl.state.published import FLOWS, SELECTS, SNAPSHOTS, TABLES, Part, parts, snapshot_rows, table_rows
from revetl.warehouse.publishing import Publisher, create, open_publisher

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
DEFAULT = "revetl"
PUBLISHED = "published"  # the name, in state, of the schemas to which the record was published


@dataclass(frozen=True, slots=True)
class Published:
    """What was brought up to date: runs put there, anew or for the first time, runs taken out, rows of flows."""

    schema: str
    added: int
    replaced: int
    removed: int
    rows: int


def publish(workspace: Workspace, schema: str = DEFAULT, *, clock: Clock = utc_now) -> Published:
    """Bring the tables of ``schema`` in the profile's warehouse in line with the closed runs of the ledger.

    Raises:
        UsageError: RVT-858, the schema's name cannot be used.
        ConfigError: RVT-405, there is no profile; RVT-404, its warehouse cannot be written to.
        TryLater: RVT-502, a run works on the target; RVT-411 or RVT-419, the warehouse is busy or out of reach.
    """
    if not _SCHEMA.match(schema):
        what = f"'{schema[:60]}' cannot name a schema"
        raise UsageError("RVT-858", what, kept="nothing was published", hint="use lower case letters, digits and _")
    if workspace.profile is None:
        raise ConfigError("RVT-405", "without a profile there is no warehouse to publish to", hint="dbt debug")
    with open_session(workspace, clock=clock, warehouse=False) as session:
        session.store.bring_ledger()
        session.store.set_meta(PUBLISHED, schema)
        with open_publisher(workspace.profile, workspace.options.project_dir) as there:
            found = _bring(session, there, schema)
    return found


def _bring(session: Session, there: Publisher, schema: str) -> Published:
    own = there.name(schema)
    there.execute(f"CREATE SCHEMA IF NOT EXISTS {own}")
    for table, columns in TABLES.items():
        for statement in create(there, columns, schema, table):
            there.execute(statement)
    there.begin()
    known: Mapping[str, str] = dict(there.rows(f"SELECT run_id, sha256 FROM {own}.files"))
    now = {part.run: part for part in parts(session.store)}
    gone = [run for run in known if run not in now]
    changed = [part for run, part in now.items() if known.get(run) != part.sha256]
    _delete(there, own, [*gone, *(part.run for part in changed if part.run in known)])
    rows = sum(_put(session, there, schema, part) for part in changed)
    for table in SNAPSHOTS:
        there.execute(f"DELETE FROM {own}.{table}")
        there.append(schema, table, snapshot_rows(session.store, table))
    replaced = sum(part.run in known for part in changed)
    return Published(schema, len(changed) - replaced, replaced, len(gone), rows)


def _delete(there: Publisher, own: str, runs: Sequence[str]) -> None:
    if runs:
        listed = ", ".join(quote_text(run) for run in runs)
        for table in SELECTS:
            there.execute(f"DELETE FROM {own}.{table} WHERE run_id IN ({listed})")


def _put(session: Session, there: Publisher, schema: str, part: Part) -> int:
    rows = 0
    for table in SELECTS:
        found = table_rows(session.store, table, part)
        there.append(schema, table, found)
        rows += found.num_rows if table == FLOWS else 0
    return rows


def was_published(session: Session) -> str | None:
    """Return the schema to which the record was published last, None if it never was."""
    found = session.store.one("SELECT value FROM revetl_state.meta WHERE name = ?", [PUBLISHED])
    return None if found is None else str(found)
