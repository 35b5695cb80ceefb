"""The world of one schedule: a model, the real state and engine in memory, a vendor, and a wire that misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import duckdb

from revetl.engine import execute as executing
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.state import ledger
from revetl.state.approvals import Approvals
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run
from revetl.state.store import Store
from revetl.state.usage import read_usage, write_usage
from revetl.testing.clock import FakeClock
from revetl.testing.wire import VirtualWire
from revetl.types import Status, SyncPlan
from tests.faults import weather as weathers
from tests.faults.door import Broken, Door, _ignore
from tests.faults.forgetting import LATE, Graveyard
from tests.faults.parsed import opened
from tests.faults.people import TAGS, Islands, Model, island_of
from tests.faults.plans import INCREMENTAL, MODELS, PERSONAL, PLAN, MemorySource, workspace
from tests.faults.vendor import SIM, WHOLE, Settings, Vendor
from tests.faults.weather import Crash, FullStore, Weather

START = 1_750_000_000.0
FREE = 0.25  # of runs


class World:
    """One seed's world. ``model`` is the truth; ``run`` is one `revetl sync`."""

    def __init__(self, seed: int, *, whole: bool = False, islands: int = 1) -> None:
        """Begin with an empty vendor and some people; ``whole``: it takes no part of a record."""
        self.seed = seed
        self.random = Random(seed)
        self.clock = FakeClock(START, 0.0)
        self.vendor = Vendor(names=whole)
        self.plain = WHOLE if whole else SIM
        self.islands = Islands(self.random, islands, renames=whole)
        self.jumps = seed % 7 == 3
        self.quota = self.random.randint(3, 30 * islands) if seed % 7 == 5 else None
        # what lands late lands by real time: a clock that jumps meanwhile is beyond what was promised
        self.door = Door(self.vendor, self.random, lates=not self.jumps)
        self.graves, self.forgets = Graveyard(), seed % 5 == 2
        self.door.forgotten = self.graves.emails
        self.planned = seed % 8 == 0
        self.con = opened(planned=self.planned)
        self.dated: dict[tuple[str, str], tuple[object, datetime]] = {}  # (table, key) → what is there, since when
        self.incremental = INCREMENTAL if seed % 2 else None  # every other schedule reads what is newer, and keys
        self.faulty = True
        self.log: list[str] = []
        self.points: list[str] = []  # crash points that the last run came by
        self.durable: set[int] = set()  # numbers of this run's changes whose intent is known to be committed
        self.now = lambda: datetime.fromtimestamp(self.clock.now(), UTC)
        self.make_models()
        self.run_number = 0
        self.plan = PERSONAL if seed % 3 == 1 else PLAN
        self.mask = Masking("hash" if seed % 3 == 1 else "clear", b"k")

    @property
    def model(self) -> Model:
        """Return the model's people, by key."""
        return self.islands.model

    @model.setter
    def model(self, people: Model) -> None:
        self.islands.model = people

    @property
    def plans(self) -> tuple[SyncPlan, ...]:
        """Return the syncs of a run."""
        return (self.plan,)

    @property
    def doors(self) -> Mapping[str, Door]:
        """Return the door of each destination, by its name."""
        return {"sim": self.door}

    @property
    def requests(self) -> list[tuple[str, int]]:
        """Return run and number of every change that the vendor was sent."""
        return self.door.requests

    def real(self) -> float:
        """Return the time that no clock's jump changes."""
        return START + self.clock.monotonic()

    # --- where the state lies: another world says something else ------------------------------------------------------

    def store(self, crash: Callable[[str], None]) -> Store:
        """Open the state."""
        return FullStore(self.con, None, self.now, crash)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the state."""
        return self.con.cursor().execute(sql).fetchall()  # type: ignore[no-any-return]

    def ledger(self) -> set[tuple[str, int]]:
        """Return run and number of everything in the ledger."""
        return set(self.ask("SELECT run, seq FROM revetl_state.ledger_rows"))

    def chain(self) -> Sequence[str]:
        """Return what does not hold of the ledger's chain."""
        store = self.store(lambda _: None)
        return ledger.verify(store, store.chain_end())

    def personal(self) -> bool:
        """Return whether a value that is marked as personal stands in the ledger in clear."""
        return bool(self.ask("""SELECT 1 FROM revetl_state.ledger_rows WHERE "values" LIKE '%pii-%' LIMIT 1"""))

    # --- the model ---------------------------------------------------------------------------------------------------

    def make_models(self) -> None:
        """Make the models' tables, with what the model has by now."""
        for name, columns in MODELS.items():
            listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            self.con.execute(f"CREATE TABLE memory.main.{name} ({listed})")
        self._write()

    def mutate(self) -> None:
        """Change the model at random."""
        self.islands.mutate()
        self._write()

    def _write(self, *, people: bool = True) -> None:
        """Build the models; without ``people`` as a load that went wrong leaves them."""
        rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in MODELS}
        for key, row in self.model.items() if people else ():
            values = (key, row.email, row.a, row.b, row.ok)
            rows["people"].append((*values, self._since("people", key, values), "secret"))
            for tag in set(TAGS) & row.tags:
                more = (row.level, self._since(tag, key, row.level)) if tag == "gold" else ()
                rows[tag].append((key, *more))
        for name, columns in MODELS.items():
            self.con.execute(f"DELETE FROM memory.main.{name}")
            if rows[name]:
                lists = [list(column) for column in zip(*rows[name], strict=True)]
                marks = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in columns.values())
                self.con.execute(f"INSERT INTO memory.main.{name} SELECT {marks}", lists)

    def mend(self) -> None:
        """Build the models as they should be."""
        self._write()

    def _since(self, table: str, key: str, values: object) -> datetime:
        """Return since when a row is as it is."""
        before = self.dated.get((table, key))
        if before is None or before[0] != repr(values):
            self.dated[table, key] = (repr(values), datetime.fromtimestamp(self.real(), UTC))
        return self.dated[table, key][1]

    def pending(self) -> int:
        """Return how many keys are of unknown outcome, where everybody is known still."""
        keys = self.ask("SELECT key FROM revetl_state.pending")
        return sum(island_of(key.strip('[]"')) not in self.graves.islands for (key,) in keys)

    def rejected(self) -> int:
        """Return how many changes rest as rejected."""
        return int(self.ask("SELECT count(*) FROM revetl_state.rejected")[0][0])

    def refused(self) -> set[int]:
        """Return the islands on which something rests as rejected."""
        return {island_of(row[0].strip('[]"')) for row in self.ask("SELECT DISTINCT key FROM revetl_state.rejected")}

    def untangle(self) -> None:
        """Mend the model where two people exchange their e-mails, as the rejection asks: nobody can send that."""
        swaps = self.ask("SELECT key FROM revetl_state.rejected WHERE code = 'IDENTITY_SWAP' ORDER BY key")
        for (text,) in swaps:
            row = self.model.get(text.strip('[]"'))
            if row is not None:
                row.email = f"{text.strip('[]').strip(chr(34))}@example.net"
        if swaps:
            self._write()
            for _ in range(2):
                self.run()
                self.clock.advance(8 * 86_400.0)

    def forget(self) -> None:
        """Forget some people, each of another island, once no lost request can arrive any more."""
        self.clock.advance(LATE)
        self.vendor.land(self.real())
        store = self.store(lambda _: None)
        self.session(store, Weather()).close_killed()
        tables = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'snap_1'"
        if not store.rows(tables):
            return  # nothing was ever sent
        for island in range(self.islands.number):
            if self.random.random() < 0.5 and self.vendor.blocked not in self.islands.emails(island):
                email = self.random.choice(self.islands.emails(island))
                self.graves.bury(store, self.plan.name, self.mask.key, email, self.model)
        self.graves.erase(self.vendor)

    # --- one run -----------------------------------------------------------------------------------------------------

    def weather(self) -> Weather:
        """Return the weather of the next run."""
        crowd = self.islands.number > 1
        if not self.faulty:
            return Weather(at_once=32, chunk=600, batch=6) if crowd else Weather()
        made = weathers.drawn(self.random, len(self.points), crowd=crowd, jumps=self.jumps)
        made.quota = self.quota
        made.free = self.quota is None and Random(f"free {self.seed} {self.run_number}").random() < FREE
        made.down |= self.seed % 16 == 6 and self.run_number == 1
        made.empty |= self.seed % 16 == 8 and self.run_number == 2
        return made

    def run(self) -> Mapping[str, int]:
        """Do what `revetl sync` does; a crash leaves everything as it stands. Return outcomes by status."""
        self.run_number += 1
        run, weather = f"run-{self.run_number:03d}", self.weather()
        self.points, self.durable = [], set()
        for door in self.doors.values():
            door.begin(weather)
        if weather.empty:
            self._write(people=False)
        wire = VirtualWire(self.clock, lambda lane, call, _now: self._knock(run, lane, call), queues=weather.free)
        try:
            counts = self._run(run, weather, wire)
        except (Crash, duckdb.IOException) as end:
            self.log.append(f"{run}: ended by {end} {weather}")
            self._strand(wire)
            for door in self.doors.values():
                door.day.clear()  # what a run used of a quota is kept when it ends
            counts = {}
        else:
            self.log.append(f"{run}: {counts} {weather}")
        if weather.empty:
            self.mend()
        for door in self.doors.values():
            door.end(run)
        if wire.peak > weather.at_once * len(self.doors):
            raise Broken(f"{wire.peak} calls were under way at once, {weather.at_once} may be")
        return counts

    def _run(self, run: str, weather: Weather, wire: VirtualWire) -> Mapping[str, int]:
        store = self.store(weathers.crasher(weather.crash_at, self.points))
        if isinstance(store, FullStore):
            store.full_at = weather.full_at
        session = self.session(store, weather)
        session.close_killed()
        begin_run(store, run, {})
        journal = Journal(store, run)
        began = wire.monotonic()
        sender = self._sender(store, wire, journal, weather, run)
        found = inspect(session, self.plans, lambda _p, _s: {}, lambda _: None)
        if found.errors or (found.stopped and not weather.empty):
            raise AssertionError((found.errors, found.stopped))
        lines = {plan.name: Line(self._lane(session, plan, weather), Settings(), ()) for plan in self.plans}
        before, outbox = len(self.requests), Outbox(store, run, weather.chunk)
        done = executing.execute(session, found, lines, sender, journal, outbox, lambda _: None)
        if done.errors:
            raise AssertionError(done.errors)
        if weather.empty and len(self.requests) > before:
            raise Broken("the model is empty, which stops a sync, and yet something was sent")
        if weather.deadline is not None and wire.monotonic() > began + weather.deadline + 5.0:
            raise Broken(f"the run lasted {wire.monotonic() - began} s, with a deadline of {weather.deadline} s")
        write_usage(store, sender.usage())
        close_run(store, run, session.closing())
        counts = dict(store.rows("SELECT status, count(*) FROM final WHERE local IS NULL GROUP BY status ORDER BY 1"))
        self._told(journal, counts)
        executing.settle(session, done, run, canary=False)
        return counts

    def session(self, store: Store, weather: Weather) -> Session:
        """Return what the flow works on."""
        space = workspace(self.incremental, weathers.destination(self.plain, weather), self.plan)
        return Session(space, store, MemorySource(), Approvals(store), self.mask, self.now)

    def _lane(self, session: Session, plan: SyncPlan, weather: Weather) -> Lane:
        name, thing = plan.destination, session.workspace.registry[plan.type]
        return Lane(name, thing, Settings(), name, origin=None, max_in_flight=weather.at_once, timeout=30.0)

    def _sender(self, store: Store, wire: VirtualWire, journal: Journal, weather: Weather, run: str) -> Sender:
        asked = 0

        def stop() -> str | None:
            nonlocal asked
            asked += 1
            return "SIGTERM" if 0 < weather.stop_after <= asked else None

        deadline = None if weather.deadline is None else wire.monotonic() + weather.deadline
        crash = weathers.crasher(weather.crash_at, self.points)
        usage = read_usage(store)
        return Sender(wire, journal, random=Random(run), crash=crash, stop=stop, deadline=deadline, usage=usage)

    def _told(self, journal: Journal, counts: Mapping[str, int]) -> None:
        """Look whether what the run counted is what the ledger's rows will say."""
        for status in (Status.DELIVERED, Status.UNKNOWN):
            told = sum(journal.tally(plan.name).counts[status] for plan in self.plans)
            if told != counts.get(status, 0):
                raise Broken(f"{told} were said to be {status}, {counts.get(status, 0)} are")

    def staged(self, run: str) -> set[int]:
        """Return the numbers of a run's changes whose intent is committed."""
        return {int(row[0]) for row in self.ask(f"SELECT seq FROM revetl_state.outbox WHERE run = '{run}'")}

    def _knock(self, run: str, lane: Lane, call: Any) -> Any:
        def durable(seq: int) -> bool:
            if seq not in self.durable:
                self.durable = self.staged(run)
            return seq in self.durable

        self.clock.jump(self.door.weather.jump)
        self.door.weather.jump = 0.0
        return self.doors[lane.name].knock(run, call, self.real(), durable)

    def _strand(self, wire: VirtualWire) -> None:
        """Let calls that were under way when the process died arrive late, or never."""
        for arrive in wire.under_way():
            if self.door.lates and self.random.random() < 0.5:
                self.vendor.late.append((self.real() + self.random.uniform(1.0, 800.0), _once(arrive)))


def _once(arrive: Callable[[], object]) -> Callable[[], None]:
    return lambda: _ignore(arrive())


@contextmanager
def world(made: World) -> Iterator[World]:
    """Yield a world, and close it."""
    try:
        yield made
    finally:
        made.con.close()
