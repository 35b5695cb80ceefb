"""The world in which people are forgotten: two destinations, a state on disk, and the commands themselves.

Runs are those of every other world. ``forget``, ``recover`` and ``adopt`` are what a person types: each opens the
target anew. Only the project's file and the warehouse are not there: the models are made where they are read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from revetl.config import Config
from revetl.config.specs import LedgerConfig
from revetl.contract import Http, Reply
from revetl.engine import adopting, forgetting, presence, recovering
from revetl.engine import session as sessions
from revetl.engine.forgetting import Forgotten, Meant
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.engine.workspace import Options, Workspace
from revetl.mapping.build import Resolved
from revetl.send.wire import Failure
from revetl.state.approvals import Approvals
from revetl.state.rewriting import finish
from revetl.state.store import Store
from revetl.state.tombstones import settle
from revetl.testing.wire import VirtualWire
from revetl.types import OnLeave, SyncPlan
from revetl.warehouse.profiles import Profile
from tests.faults import weather as weathers
from tests.faults.door import LOST, Broken, Door
from tests.faults.owned import ERASING, ERASING_WHOLE, Owned
from tests.faults.parsed import opened
from tests.faults.plans import PLAN, MemorySource, ref, workspace
from tests.faults.weather import Crash, FullStore, Weather
from tests.faults.world import World

KEY = bytes(range(32))
FILES = ("state.duckdb", "state.duckdb.wal")
FIRST = replace(
    PLAN, fields=(replace(PLAN.fields[0], pii="email"), replace(PLAN.fields[1], pii="name"), *PLAN.fields[2:])
)
SECOND = replace(
    FIRST, name="sum.person", destination="sum", type="sum", fields=FIRST.fields[:2], cohorts=(), cohort_style=None,
    consent=None, audience=(ref("gold"),), on_leave=OnLeave.KEEP,
)  # fmt: skip


class Built(MemorySource):
    """The models, built on whichever connection reads them."""

    def __init__(self, world: ForgetWorld) -> None:
        """Read what ``world`` has."""
        self.world = world

    def attach(self, con: Any) -> None:
        """Build them."""
        self.world.make_models(con)


class ForgetWorld(World):
    """A world whose people are forgotten by the command, whatever else is under way."""

    def __init__(self, seed: int, root: Path, *, whole: bool = False, islands: int = 1) -> None:
        """Begin in a project's directory where nothing is yet."""
        self.numbers, self.running, self.root = count(1), False, root
        self.state = root / ".revetl" / "dev"
        self.keys: dict[int, str] = {}  # number of a change → its key
        super().__init__(seed, whole=whole, islands=islands)
        self.islands.own = True
        self.forgets = False
        self.vendor: Owned = Owned(names=whole, keys=self.keys)
        self.door.vendor = self.vendor
        self.plan, self.second = FIRST, True
        self.plain = ERASING_WHOLE if whole else ERASING
        self.other = Door(Owned(keys=self.keys), self.random, lates=self.door.lates, forgotten=self.door.forgotten)
        self.mask = Masking("hash" if seed % 3 else "clear", KEY)
        self.gone: set[str] = set()  # keys, as JSON, of whom nothing may leave any more
        self.state.mkdir(parents=True)
        (self.state / "ledger.key").write_text(KEY.hex())

    # --- what the engine is given -----------------------------------------------------------------------------------

    @property
    def plans(self) -> tuple[SyncPlan, ...]:
        """Return the syncs of a run: the second may be configured no more."""
        return (self.plan, SECOND) if self.second else (self.plan,)

    @property
    def doors(self) -> Mapping[str, Door]:
        """Return the door of each destination."""
        return {"sim": self.door, "sum": self.other}

    @property
    def vendors(self) -> Mapping[str, Owned]:
        """Return each destination's records, by its sync."""
        return {"sim.person": self.vendor, "sum.person": self.other.vendor}  # type: ignore[dict-item]

    @property
    def requests(self) -> list[tuple[str, int]]:
        """Return run and number of every change that a destination was sent."""
        return [one for door in self.doors.values() for one in door.requests]

    def workspace(self, weather: Weather) -> Workspace:
        """Return the project as a command loads it."""
        first = weathers.destination(self.plain, weather)
        second = replace(weathers.destination(ERASING, weather), name="sum")
        whole = Config(
            "revetl.yml", incremental=self.incremental, ledger=LedgerConfig.model_validate({"values": self.mask.values})
        )
        return replace(
            workspace(), options=Options(project_dir=self.root, env={}), config=whole, resolved=Resolved(self.plans),
            registry={"sim": first, "sum": second}, profile=Profile("sim", "dev", "duckdb", {}, self.root / "none"),
        )  # fmt: skip

    def store(self, crash: Callable[[str], None]) -> Store:
        """Open the state on disk."""
        return FullStore(self.con, self.state, self.now, crash)

    def session(self, store: Store, weather: Weather) -> Session:
        """Return what a run works on, once the state is found to be the right one."""
        store.check_head()
        settle(store)
        finish(store)
        found = self.workspace(weather)
        return Session(found, store, MemorySource(), Approvals(store), self.mask, self.now)

    def make_models(self, con: Any = None) -> None:
        """Build the models, on another connection where one is given."""
        mine, self.con = self.con, con or self.con
        try:
            super().make_models()
        finally:
            self.con = mine

    # --- runs ---------------------------------------------------------------------------------------------------------

    def run(self) -> Mapping[str, int]:
        """Run, and let the process end."""
        self.running = True
        try:
            return super().run()
        finally:
            self.running = False
            self.con.close()
            self.con = opened(planned=False)
            self.make_models()

    def staged(self, run: str) -> set[int]:
        """Return the numbers of a run's changes, and remember whose they are."""
        found = dict(self.ask(f"SELECT seq, key FROM revetl_state.outbox WHERE run = '{run}'"))
        self.keys.update(found)
        return set(found)

    def _knock(self, run: str, lane: Any, call: Any) -> Any:
        answer = super()._knock(run, lane, call)
        door = self.doors[lane.name]
        if call.path not in {"/token", "/person/leave"}:
            again = [row for row in door.requests[-self._rows(call) :] if self.keys[row[1]] in self.gone]
            if again:
                raise Broken(f"{self.keys[again[0][1]]} is forgotten and was sent by {call.path} in {run}")
        return answer

    @staticmethod
    def _rows(call: Any) -> int:
        return (call.content or b"").count(b'"seq"')

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the state, beside a run or as the last one left it."""
        if self.running:
            return super().ask(sql)
        if not (self.state / "state.duckdb").exists():
            return []
        with duckdb.connect() as con:
            con.execute(f"ATTACH '{self.state / 'state.duckdb'}' AS revetl_state (READ_ONLY)")
            return con.execute(sql).fetchall()

    def others(self, keys: set[str]) -> set[str]:
        """Return where, as state says, somebody but these keys stands or was written, of unknown outcome."""
        tables = {row[0] for row in self.ask("SELECT table_name FROM duckdb_tables()")}
        asked = [f"SELECT '[\"' || k0 || '\"]', m FROM revetl_state.snap_{n}" for n in (1, 2) if f"snap_{n}" in tables]
        asked += ["SELECT key, unnest(tried).i FROM revetl_state.pending"] if "pending" in tables else []
        return {email for sql in asked for key, email in self.ask(sql) if key not in keys and email is not None}

    def kept(self) -> Iterator[tuple[str, str]]:
        """Yield every row that state and ledger hold, as text, with where it stands; then the bytes of every file."""
        if (self.state / "state.duckdb").exists():
            with duckdb.connect() as con:
                con.execute(f"ATTACH '{self.state / 'state.duckdb'}' AS s (READ_ONLY)")
                listed = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 's' ORDER BY 1")
                for (table,) in listed.fetchall():
                    yield from ((table, str(row)) for (row,) in con.execute(f"SELECT t FROM s.{table} t").fetchall())
        for path in sorted((self.state / "ledger").glob("*.parquet")):
            rows = duckdb.execute("SELECT t FROM read_parquet(?) t", [str(path)]).fetchall()
            yield from ((path.name, str(row)) for (row,) in rows)
        for path in sorted(p for p in self.state.rglob("*") if p.is_file()):
            yield path.name, path.read_bytes().decode("latin-1")

    # --- commands -----------------------------------------------------------------------------------------------------

    @contextmanager
    def typed(self) -> Iterator[Workspace]:
        """Let commands find the project, the models, and no chance."""
        found = self.workspace(Weather(at_once=8))
        with ExitStack() as stack:
            for room in (sessions, presence):
                stack.enter_context(patch.object(room, "open_source", lambda *_: Built(self)))
            for room in (forgetting, adopting):
                stack.enter_context(patch.object(room, "new_run", lambda _: f"command-{next(self.numbers):012d}"))
            stack.enter_context(patch.object(adopting, "load", lambda _: found))
            yield found

    def wire(self) -> VirtualWire:
        """Return what a command speaks through."""
        return VirtualWire(self.clock, lambda lane, call, _now: self._desk(self.doors[lane.name], call))

    def _desk(self, door: Door, call: Any) -> tuple[float, Reply | Failure]:
        """Answer a command's call; some are lost, and sometimes the process dies."""
        assert isinstance(call, Http)
        door.vendor.land(self.real())
        if call.path == "/token":  # a command has no quota here, and its calls are not counted in one
            return 0.05, Reply(200, json.dumps({"token": str(door.token)}).encode())
        if dict(call.headers).get("authorization") != f"Bearer {door.token}":
            return 0.05, Reply(401, b"{}")
        dice = self.random.random() if self.faulty else 1.0
        if dice < 0.05:
            raise Crash("before a call arrived")
        if dice < 0.12:
            return 0.05, Reply(500, b"oops")
        reply = door.vendor.apply(call)
        if dice < 0.17:
            raise Crash("after a call arrived")
        return 0.05, LOST if dice < 0.25 else reply

    def meant(self, asked: str) -> Meant:
        """Return who is meant."""
        with self.typed() as found:
            entity = self.random.choice(["person", None]) if self.second else None  # of which entity an old sync was
            return forgetting.look(found, asked, entity, clock=self.now)  # is not known, unless an address tells

    def forgotten(self, who: Meant | None, passed: list[str]) -> Sequence[Forgotten]:
        """Forget them, or go on with what is unfinished; the process may die."""
        crash_at = self.random.randint(1, 12) if self.faulty and self.random.random() < 0.3 else 0
        crash = weathers.crasher(crash_at, passed)
        with self.typed() as found:
            return forgetting.forget(found, who, clock=self.now, wire=self.wire(), crash=crash)

    def recover(self) -> None:
        """Type `revetl recover`."""
        with self.typed() as found:
            recovering.recover(found, clock=self.now)

    def adopt(self) -> None:
        """Lose the state, and type `revetl adopt` for every sync."""
        for name in FILES:
            (self.state / name).unlink(missing_ok=True)
        names = [plan.name for plan in self.plans]
        with self.typed():
            done = adopting.adopt(Options(), names, clock=self.now, wire=self.wire())
        if wrong := [one.error for one in done if one.error]:
            raise AssertionError(wrong)

    def copy(self) -> bytes | None:
        """Return the state's file as it is."""
        path = self.state / "state.duckdb"
        return path.read_bytes() if path.exists() else None

    def put_back(self, copy: bytes) -> None:
        """Restore a backup."""
        for name in FILES:
            (self.state / name).unlink(missing_ok=True)
        (self.state / "state.duckdb").write_bytes(copy)

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.root)
