"""The world of one schedule: a model, the real state and engine in memory, a vendor, and a wire that misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from revetl.config import Config, IncrementalConfig
from revetl.contract import Call, Destination, Http, Reply
from revetl.engine import execute as executing
from revetl.engine import session as sessions
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.engine.workspace import Options, Workspace
from revetl.mapping.build import Resolved
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.send.wire import Failure
from revetl.state.approvals import Approvals
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run
from revetl.state.store import Store
from revetl.testing.clock import FakeClock
from revetl.testing.wire import VirtualWire
from revetl.types import (
    CohortPlan,
    ConsentPlan,
    FieldPlan,
    Guards,
    Limits,
    ModelRef,
    OnLeave,
    Project,
    Relation,
    SyncPlan,
)  # fmt: skip
from revetl.warehouse.connection import connect
from revetl.warehouse.dbt_project import DbtProject
from revetl.warehouse.source import Table, Tables
from tests.faults.vendor import SIM, WHOLE, Settings, Vendor

EMAILS = [f"p{n}@example.org" for n in range(6)]
KEYS = [f"c{n}" for n in range(5)]
TAGS = ("gold", "risky")
OFF = Guards(max_leave=Limits(None, None), max_change=Limits(None, None), max_null=Limits(None, None), min_rows=0)


class Crash(BaseException):
    """The process died here."""


def ref(name: str, *key: str) -> ModelRef:
    """Return a model of the world."""
    return ModelRef(name, f"model.sim.{name}", Relation("memory", "main", name), key or ("id",))


PEOPLE, GOLD = replace(ref("people"), updated_at="u"), replace(ref("gold"), updated_at="u")
PLAN = SyncPlan(
    name="sim.person",
    destination="sim",
    type="sim",
    object="person",
    entity="person",
    key=("id",),
    base=PEOPLE,
    match_field="email",
    match_property="email",
    fields=(
        FieldPlan("email", "email", PEOPLE.unique_id),
        FieldPlan("a", "a", PEOPLE.unique_id),
        FieldPlan("b", "b", PEOPLE.unique_id),
    ),
    cohorts=(
        CohortPlan(
            "gold",
            "gold",
            replace(ref("gold"), updated_at="u"),
            OFF,
            fields=(FieldPlan("level", "level", "model.sim.gold"),),
        ),
        CohortPlan("risky", "risky", ref("risky"), OFF),
    ),
    consent=ConsentPlan("ok", PEOPLE.unique_id, "unsubscribe", "pending"),
    on_leave=OnLeave.DELETE,
    on_leave_scope="all",
    cohort_style="tag",
    guards=OFF,
    sandbox=True,
)
MOMENT = "TIMESTAMP WITH TIME ZONE"
# every other schedule reads what is newer, and keys; nothing is read twice to be on the safe side
INCREMENTAL = IncrementalConfig.model_validate({"full_every": "999d", "look_back": "0s", "clock_skew": "0s"})
COLUMNS = {"id": "VARCHAR", "email": "VARCHAR", "a": "VARCHAR", "b": "INTEGER", "ok": "BOOLEAN", "u": MOMENT}


class MemorySource:
    """The models, as tables of the same connection."""

    def attach(self, con: Any) -> None:
        """Nothing to attach."""

    def release(self, con: Any) -> None:
        """Nothing to release."""

    def tables(self, con: Any, relations: Any, needs: Any = None, only: Any = None) -> Tables:
        """Return every relation asked for."""
        return Tables({r: Table(r, f"memory.main.{r.identifier}", _columns(r.identifier)) for r in relations})


def _columns(name: str) -> Mapping[str, str]:
    if name == "people":
        return COLUMNS
    return {"id": "VARCHAR", "level": "VARCHAR", "u": MOMENT} if name == "gold" else {"id": "VARCHAR"}


def workspace(incremental: IncrementalConfig | None = None, destination: Destination = SIM) -> Workspace:
    project = Project("sim", "1.12.0", "duckdb", datetime(2026, 1, 1, tzinfo=UTC), "i", {}, {}, {})
    config, known = Config("revetl.yml", incremental=incremental), {"sim": destination}
    return Workspace(Options(), DbtProject("sim", None), "dev", project, config, Resolved((PLAN,)), known, {})


@dataclass
class Row:
    """One record of the model."""

    email: str | None
    a: str | None
    b: int | None
    tags: frozenset[str]
    level: str | None = None  # what the membership of gold carries
    ok: bool | None = None  # consent


class World:
    """One seed's world. ``model`` is the truth; ``run`` is one `revetl sync`."""

    def __init__(self, seed: int, *, whole: bool = False) -> None:
        """Begin with an empty vendor and some people; ``whole``: it takes no part of a record."""
        self.random = Random(seed)
        self.clock = FakeClock()
        self.vendor = Vendor(names=whole)
        self.destination = WHOLE if whole else SIM
        self.renames = whole  # whether most changes are other e-mails
        self.con = connect()
        self.con.execute("SET threads = 1")  # tiny tables: threads cost more than they bring
        if seed % 4:  # so does planning well; every fourth seed is planned as in use
            self.con.execute("PRAGMA disable_optimizer")
        self.model: dict[str, Row] = {}
        self.dated: dict[tuple[str, str], tuple[object, datetime]] = {}  # (table, key) → what is there, since when
        self.incremental = INCREMENTAL if seed % 2 else None
        self.faulty = True
        self.crash_at: tuple[str, int] | None = None
        self.log: list[str] = []
        self.requests: list[tuple[str, int]] = []  # (run, seq) of every change that the vendor was sent
        self.now = lambda: datetime.fromtimestamp(self.clock.now(), UTC)
        self.make_models()
        self.run_number = 0
        self.plan = PLAN

    # --- where the state lies: another world says something else ------------------------------------------------------

    def store(self, crash: Callable[[str], None]) -> Store:
        """Open the state."""
        return Store(self.con, None, self.now, crash)

    def session(self, store: Store) -> Session:
        """Return a session over a state."""
        space, mask = workspace(self.incremental, self.destination), Masking("clear", b"k")
        return Session(space, store, MemorySource(), Approvals(store), mask, self.now)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the state."""
        return self.con.cursor().execute(sql).fetchall()

    def ledger(self) -> set[tuple[str, int]]:
        """Return run and number of everything in the ledger."""
        return set(self.ask("SELECT run, seq FROM revetl_state.ledger_rows"))

    # --- the model ---------------------------------------------------------------------------------------------------

    def make_models(self) -> None:
        """Make the models' tables, with what the model has by now."""
        self.con.execute(
            f"CREATE TABLE memory.main.people (id VARCHAR, email VARCHAR, a VARCHAR, b INTEGER, ok BOOLEAN, u {MOMENT})"
        )
        for tag in TAGS:
            more = f", level VARCHAR, u {MOMENT}" if tag == "gold" else ""
            self.con.execute(f"CREATE TABLE memory.main.{tag} (id VARCHAR{more})")
        self._write()

    def mutate(self) -> None:
        """Change the model at random: new rows, gone rows, changed and nulled values, other e-mails, other cohorts."""
        for key in self.random.sample(KEYS, self.random.randint(1, len(KEYS))):
            move = 0.6 if self.renames and self.random.random() < 0.7 else self.random.random()
            row = self.model.get(key)
            if row is None or move < 0.2:
                self._toggle(key)
            elif move < 0.4:
                row.a = self.random.choice([None, "x", "y", "z"])
            elif move < 0.55:
                row.b = self.random.choice([None, 1, 2, 3])
            elif move < 0.75:
                free = self._free()
                row.email = self.random.choice(free) if free else row.email
            else:
                row.tags = frozenset(tag for tag in TAGS if self.random.random() < 0.5)
                row.level = self.random.choice([None, "1", "2"])
            if row is not None and self.random.random() < 0.15:
                row.ok = self.random.choice([None, True, False])
        if not self.model:
            self._toggle(KEYS[0])  # an empty model stops the sync: another test's matter
        self._write()

    def pending(self) -> int:
        """Return how many keys are of unknown outcome."""
        return int(self.ask("SELECT count(*) FROM revetl_state.pending")[0][0])

    def rejected(self) -> int:
        """Return how many changes rest as rejected."""
        return int(self.ask("SELECT count(*) FROM revetl_state.rejected")[0][0])

    def untangle(self) -> None:
        """Mend the model where two people exchange their e-mails, as the rejection asks: nobody can send that."""
        swaps = self.ask("SELECT key FROM revetl_state.rejected WHERE code = 'IDENTITY_SWAP'")
        for (text,) in swaps:
            row = self.model.get(text.strip('[]"'))
            if row is not None:
                row.email = f"{text.strip('[]').strip(chr(34))}@example.net"
        if swaps:
            self._write()
            for _ in range(2):
                self.run()
                self.clock.advance(8 * 86_400.0)

    def _toggle(self, key: str) -> None:
        if key in self.model:
            del self.model[key]
            return
        free = self._free()
        if free:
            tags = frozenset(tag for tag in TAGS if self.random.random() < 0.5)
            self.model[key] = Row(self.random.choice(free), self.random.choice([None, "x", "y"]), None, tags)

    def _free(self) -> list[str]:
        return [email for email in EMAILS if email not in {row.email for row in self.model.values()}]

    def _write(self) -> None:
        self.con.execute("DELETE FROM memory.main.people")
        for key, row in self.model.items():
            values = (key, row.email, row.a, row.b, row.ok)
            since = self._since("people", key, values)
            self.con.execute("INSERT INTO memory.main.people VALUES (?, ?, ?, ?, ?, ?)", [*values, since])
        for tag in TAGS:
            self.con.execute(f"DELETE FROM memory.main.{tag}")
            for key, row in self.model.items():
                if tag in row.tags:
                    more = [row.level, self._since(tag, key, row.level)] if tag == "gold" else []
                    marks = ", ".join("?" * (1 + len(more)))
                    self.con.execute(f"INSERT INTO memory.main.{tag} VALUES ({marks})", [key, *more])

    def _since(self, table: str, key: str, values: object) -> datetime:
        """Return since when a row is as it is."""
        before = self.dated.get((table, key))
        if before is None or before[0] != repr(values):
            self.dated[table, key] = (repr(values), datetime.fromtimestamp(self.clock.now(), UTC))
        return self.dated[table, key][1]

    # --- one run -----------------------------------------------------------------------------------------------------

    def run(self) -> Mapping[str, int]:
        """Do what `revetl sync` does; a crash leaves everything as it stands. Return outcomes by status."""
        self.run_number += 1
        run = f"run-{self.run_number:03d}"
        crash = self._crasher()
        try:
            return self._run(run, crash)
        except Crash as point:
            self.log.append(f"{run}: killed at {point}")
            return {}

    def _run(self, run: str, crash: Callable[[str], None]) -> Mapping[str, int]:
        store = self.store(crash)
        session = self.session(store)
        session.close_killed()
        begin_run(store, run, {})
        journal = Journal(store, run)
        wire = VirtualWire(self.clock, lambda lane, call, now: self._answer(run, call, now))
        sender = Sender(wire, journal, random=Random(run), crash=crash)
        lane = Lane("sim", self.destination, Settings(), "sim", origin=None, max_in_flight=4, timeout=30.0)
        found = inspect(session, (self.plan,), lambda _p, _s: {}, lambda _: None)
        if found.errors or found.stopped:
            raise AssertionError((found.errors, found.stopped))
        lines = {PLAN.name: Line(lane, Settings(), ())}
        done = executing.execute(session, found, lines, sender, journal, Outbox(store, run, 4), lambda _: None)
        if done.errors:
            raise AssertionError(done.errors)
        close_run(store, run, session.closing())
        counts = dict(store.rows("SELECT status, count(*) FROM final WHERE local IS NULL GROUP BY status"))
        executing.settle(session, done, run, canary=False)
        self.log.append(f"{run}: {counts}")
        return counts

    def _crasher(self) -> Callable[[str], None]:
        if not self.faulty or self.random.random() > 0.4:
            return lambda _: None
        left = self.random.randint(1, 25)

        def crash(point: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Crash(point)

        return crash

    def _answer(self, run: str, call: Call, now: float) -> tuple[float, Reply | Failure]:
        assert isinstance(call, Http)
        import json

        rows = json.loads(call.content or b"[]")
        self.vendor.land(now)
        for row in rows:
            self.requests.append((run, row["seq"]))
            if not self.ask(f"SELECT 1 FROM revetl_state.outbox WHERE run = '{run}' AND seq = {int(row['seq'])}"):
                raise AssertionError(f"change {row['seq']} of {run} left without an intent")
        self.vendor.refused = self.random.choice(EMAILS) if self.faulty and self.random.random() < 0.1 else None
        if not self.faulty or self.random.random() < 0.55:
            return 0.05, self.vendor.apply(call)
        return self._fault(call, now)

    def _fault(self, call: Http, now: float) -> tuple[float, Reply | Failure]:  # noqa: PLR0911 - a die has many sides
        dice = self.random.random()
        lost = Failure("RVT-605", "the answer was lost")
        if dice < 0.2:
            self.vendor.apply(call)
            return 0.05, lost
        if dice < 0.35:
            return 0.05, Failure("RVT-605", "never arrived, and nobody can know")
        if dice < 0.45:
            return 0.05, Failure("RVT-600", "no connection", sent=False)
        if dice < 0.6:
            delay = self.random.uniform(1.0, 800.0)
            self.vendor.late.append((now + delay, lambda: _ignore(self.vendor.apply(call))))
            return 30.0, Failure("RVT-604", "timed out", timeout=True)
        if dice < 0.7:
            return 0.05, Reply(429, b"{}", {"retry-after": "2"})
        if dice < 0.8:
            self.vendor.apply(call)
            return 0.05, Reply(500, b"oops")
        if dice < 0.9:
            return 0.05, Reply(503, b"")
        self.vendor.apply(call)
        return 0.05, Reply(200, b'[{"seq": ')


def _ignore(_: object) -> None:
    """Take it and do nothing."""


@contextmanager
def world(made: World) -> Iterator[World]:
    """Yield a world, and close it."""
    try:
        yield made
    finally:
        made.con.close()


def truth(made: World) -> tuple[dict[str, dict[str, object]], dict[str, set[str]]]:
    """Return what the vendor must hold: people by e-mail, tags by e-mail."""
    people: dict[str, dict[str, object]] = {}
    tags: dict[str, set[str]] = {}
    for row in made.model.values():
        if row.email is None:
            continue
        values = {"email": row.email, "a": row.a, "b": row.b}
        people[row.email] = {name: value for name, value in values.items() if value is not None}
        if row.tags:
            tags[row.email] = set(row.tags)
    return people, tags


def carried(made: World) -> str | None:
    """Return what is wrong with memberships' fields and with consent there, None where all is as it must be."""
    for row in made.model.values():
        if row.email is None:
            continue
        if row.ok is False and made.vendor.status.get(row.email) != "unsubscribed":
            return f"{row.email} said no and is {made.vendor.status.get(row.email)}"
        held = made.vendor.told.get(row.email, {}).get("gold", {}).get("level")
        if "gold" in row.tags and held != row.level:
            return f"{row.email} carries {held} as gold, not {row.level}"
    return None


assert sessions  # the engine's session module is what the world stands in for
