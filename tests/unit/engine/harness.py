"""The real engine over tables in memory: one sync, a vendor that does as told, runs whose every change can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from revetl.config import Config, IncrementalConfig
from revetl.contract import Call, Destination, Http, Reply
from revetl.engine import execute as executing
from revetl.engine.inspect import Inspection, inspect
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.engine.workspace import Options, Workspace
from revetl.errors import ConfigError, RevetlError
from revetl.mapping.build import Resolved
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.send.wire import Failure
from revetl.sqltext import quote_identifier
from revetl.state.approvals import Approvals
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run
from revetl.state.store import Store
from revetl.testing.clock import FakeClock
from revetl.testing.wire import VirtualWire
from revetl.types import (
    BuildResult,
    CohortPlan,
    FieldPlan,
    Guards,
    Held,
    Limits,
    ModelRef,
    Project,
    Relation,
    SyncPlan,
)  # fmt: skip
from revetl.warehouse.dbt_project import DbtProject
from revetl.warehouse.source import Table, Tables
from tests.faults.parsed import opened
from tests.faults.vendor import SIM, Settings, Vendor

NAME = "sim.person"
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
OFF = Guards(max_leave=Limits(), max_change=Limits(), max_null=Limits(), min_rows=0)
KEY = b"the ledger's key"


class Crash(BaseException):
    """The process died here."""


def ref(name: str, *key: str, schema: str = "main") -> ModelRef:
    """Return a model; its table stands in the connection's own database."""
    return ModelRef(name, f"model.sim.{name}", Relation("memory", schema, name), key or ("id",))


def fields(*names: str, model: str = "people", **more: Any) -> tuple[FieldPlan, ...]:
    """Return fields that bear the names of their columns."""
    return tuple(FieldPlan(name, name, f"model.sim.{model}", **more) for name in names)


def cohort(name: str, guards: Guards = OFF) -> CohortPlan:
    """Return a cohort, labelled as its model is named."""
    return CohortPlan(name, name, ref(name), guards)


def plan(**more: Any) -> SyncPlan:
    """Return a sync of people: e-mail and one field ``a``, no guard, whoever leaves is kept."""
    whole: dict[str, Any] = {
        "key": ("id",), "base": ref("people"), "fields": fields("email", "a"), "cohort_style": "tag", "guards": OFF,
        "sandbox": True, **more,
    }  # fmt: skip
    return SyncPlan(
        name=NAME, destination="sim", type="sim", object="person", entity="person", match_field="email",
        match_property="email", **whole,
    )  # fmt: skip


@dataclass
class Obedient(Vendor):
    """A vendor that refuses or loses what it is told to: by e-mail, or by e-mail and operation."""

    refuse: dict[str, str] = field(default_factory=dict)  # e-mail (or "op e-mail") → code
    lose: set[str] = field(default_factory=set)
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, call: Call) -> Reply | Failure:
        """Apply the rows of a call that are not refused."""
        assert isinstance(call, Http)
        op, rows = call.path.rpartition("/")[2], json.loads(call.content or b"[]")
        if op == "read":
            return self.apply(call)
        self.seen += [(op, row) for row in rows]
        if any(self._told(self.lose, op, row) for row in rows):
            self.apply(call)
            return Failure("RVT-605", "the answer was lost")
        good = [row for row in rows if not self._told(self.refuse, op, row)]
        done = json.loads(self.apply(replace(call, content=json.dumps(good).encode())).content)
        bad = [row for row in rows if self._told(self.refuse, op, row)]
        code = [self.refuse.get(row["email"]) or self.refuse[f"{op} {row['email']}"] for row in bad]
        done += [{"seq": row["seq"], "ok": False, "code": c} for row, c in zip(bad, code, strict=True)]
        return Reply(200, json.dumps(done).encode())

    @staticmethod
    def _told(which: Any, op: str, row: Mapping[str, Any]) -> bool:
        return row["email"] in which or f"{op} {row['email']}" in which


@dataclass(frozen=True)
class Did:
    """One change of a run and what became of it."""

    seq: int
    key: str
    op: str
    cohort: str | None
    cause: str
    status: str
    local: str | None
    code: str | None
    body: Mapping[str, Any] | None
    match: str | None
    before: str | None

    @property
    def name(self) -> str:
        """Return key, operation and cohort as tests spell them: ``a upsert``, ``a join vip``."""
        key = "/".join(str(part) for part in json.loads(self.key))
        return " ".join(part for part in (key, self.op, self.cohort) if part)


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    run: str
    found: Inspection
    changes: Sequence[Did]
    calls: Sequence[tuple[str, Mapping[str, Any]]]

    @property
    def held(self) -> Sequence[Held]:
        """Return the verdicts of guards, those that stop the sync included."""
        return [held for preview in self.found.previews() for held in preview.held]

    @property
    def sent(self) -> list[str]:
        """Return what left, in the order of its numbers."""
        return [did.name for did in self.changes if did.body is not None]

    @property
    def status(self) -> dict[str, str]:
        """Return each change's outcome; of a local one or a refusal, why."""
        return {
            did.name: did.local or (did.code if did.code and did.status == "rejected" else did.status)
            for did in self.changes
        }

    def body(self, name: str) -> Mapping[str, Any]:
        """Return the fields that a change carried."""
        return next(did.body for did in self.changes if did.name == name and did.body is not None)


class MemorySource:
    """The models, as tables of the same connection."""

    def attach(self, con: Any) -> None:
        """Nothing to attach."""

    def release(self, con: Any) -> None:
        """Nothing to release."""

    def tables(self, con: Any, relations: Any, needs: Any = None, only: Any = None) -> Tables:
        """Return every relation that exists, whichever schema it is asked for in."""
        found: dict[Relation, Table] = {}
        lost: dict[Relation, RevetlError] = {}
        for one in relations:
            columns = con.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'memory' AND table_name = ?",
                [one.identifier],
            ).fetchall()
            if columns:
                found[one] = Table(one, f"memory.main.{quote_identifier(one.identifier)}", dict(columns))
            else:
                lost[one] = ConfigError("RVT-410", f"{one} does not exist")
        return Tables(found, lost)


class Rig:
    """One target: models, state (in ``directory``, else in memory) and a vendor, through any number of runs."""

    def __init__(self, made: SyncPlan | None = None, directory: Path | None = None, values: str = "clear") -> None:
        """Begin with an empty vendor and no model."""
        self.plan = made or plan()
        self.others: tuple[SyncPlan, ...] = ()  # further syncs of the same destination
        self.directory = directory
        self.clock = FakeClock()
        self.vendor = Obedient()
        self.destination: Destination = SIM
        self.incremental: IncrementalConfig | None = None
        self.project = Project("sim", "1.12.0", "duckdb", BUILT, "i", {}, {}, {})
        self.results: Mapping[str, BuildResult] = {}
        self.mask = Masking(values, KEY)
        self.number = 0
        self.points: list[str] = []
        self.con = opened(planned=False)

    @property
    def plans(self) -> tuple[SyncPlan, ...]:
        """Return the syncs of a run."""
        return (self.plan, *self.others)

    def now(self) -> datetime:
        """Return the time of the fake clock."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**span).total_seconds())

    def model(self, name: str, columns: str, *rows: Sequence[object]) -> None:
        """Build one model: ``columns`` as in CREATE TABLE."""
        self.con.execute(f"CREATE OR REPLACE TABLE memory.main.{name} ({columns})")
        for row in rows:
            self.con.execute(f"INSERT INTO memory.main.{name} VALUES ({', '.join('?' * len(row))})", list(row))

    def people(self, *rows: Sequence[object], columns: str = "id VARCHAR, email VARCHAR, a VARCHAR") -> None:
        """Build the base model."""
        self.model("people", columns, *rows)

    def keys(self, name: str, *keys: str) -> None:
        """Build a model of keys alone: a cohort, an audience."""
        self.model(name, "id VARCHAR", *[(key,) for key in keys])

    def store(self, crash: Callable[[str], None] = lambda _: None) -> Store:
        """Open the state on the rig's connection."""
        return Store(self.con, self.directory, self.now, crash)

    def session(self, store: Store, **options: Any) -> Session:
        """Return a session over a store, as the commands would have it."""
        workspace = Workspace(
            Options(**options), DbtProject("sim", None), "dev", self.project,
            Config("revetl.yml", incremental=self.incremental),
            Resolved(self.plans), {"sim": self.destination}, self.results,
        )  # fmt: skip
        return Session(workspace, store, MemorySource(), Approvals(store), self.mask, self.now)

    def rows(self, sql: str) -> list[Any]:
        """Ask the state; a single column comes without its tuple."""
        return [row[0] if len(row) == 1 else row for row in self.con.execute(sql).fetchall()]

    def approve(self, guard: str, *, up_to: int | None = None, hours: float = 24, cohort: str | None = None) -> None:
        """Record an approval."""
        span = timedelta(hours=hours)
        Approvals(self.store()).add(NAME, guard, cohort=cohort, up_to=up_to, span=span, who="me", reason="because")

    def look(self, **options: Any) -> Inspection:
        """Survey the sync, as `revetl plan` does: nothing is staged."""
        return inspect(self.session(self.store(), **options), self.plans, lambda _p, _s: {}, lambda _: None)

    def run(self, crash_at: int | None = None, **options: Any) -> Ran:
        """Do what `revetl sync` does; ``crash_at`` dies at that crash point, counted from 1."""
        self.number += 1
        run, before = f"run-{self.number:03d}", len(self.vendor.seen)
        session = self.session(self.store(self._crasher(crash_at)), **options)
        session.close_killed()
        begin_run(session.store, run, {})
        journal = Journal(session.store, run)
        wire = VirtualWire(self.clock, lambda _lane, call, _now: (0.05, self.vendor.answer(call)))
        sender = Sender(wire, journal, random=Random(run))
        lane = Lane("sim", self.destination, Settings(), "sim", origin=None, max_in_flight=4, timeout=30.0)
        found = inspect(session, self.plans, lambda _p, _s: {}, lambda _: None)
        lines = {one.name: Line(lane, Settings(), ()) for one in self.plans}
        done = executing.execute(session, found, lines, sender, journal, Outbox(session.store, run, 4), lambda _: None)
        assert not done.errors, done.errors
        bodies = "SELECT seq, cause, body, bm FROM revetl_state.outbox WHERE run = ?"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {bodies}", [run])
        close_run(session.store, run, session.closing())
        changes = self._final()
        executing.settle(session, done, run, canary=bool(options.get("limit") or options.get("keys")))
        return Ran(run, found, changes, self.vendor.seen[before:])

    def _final(self) -> list[Did]:
        rows = self.con.execute(
            "SELECT seq, key, op, cohort, cause, status, local, code, body, m, bm FROM final "
            "JOIN staged USING (seq) ORDER BY seq"
        ).fetchall()
        return [
            Did(seq, key, op, cohort, cause, status, local, code, json.loads(body) if body else None, m, bm)
            for seq, key, op, cohort, cause, status, local, code, body, m, bm in rows
        ]

    def _crasher(self, at: int | None) -> Callable[[str], None]:
        self.points = []

        def crash(point: str) -> None:
            self.points.append(point)
            if len(self.points) == at:
                raise Crash(point)

        return crash

    def kill(self) -> None:
        """Lose the process: what DuckDB did not commit is gone, and so are temporary tables."""
        made = self.con.execute("SELECT table_name, sql FROM duckdb_tables() WHERE database_name = 'memory'").fetchall()
        models = [(name, sql, self.con.execute(f"FROM memory.main.{name}").fetchall()) for name, sql in made]
        self.con.close()
        self.con = opened(planned=False)
        for name, sql, rows in models:
            self.con.execute(sql)
            for row in rows:
                self.con.execute(f"INSERT INTO memory.main.{name} VALUES ({', '.join('?' * len(row))})", list(row))

    def members(self) -> list[Any]:
        """Return what state holds of cohorts: key, cohort."""
        return self.rows("SELECT k0, cohort FROM revetl_state.members_1 ORDER BY ALL")

    def snapshot(self) -> list[Any]:
        """Return what state holds of records: the match value and the fields, by key."""
        return self.rows("SELECT * FROM revetl_state.snap_1 ORDER BY ALL")
