"""Jobs at a vendor: stored before they are polled, resumed after a kill, waited for by their keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from revetl.contract import Action, Call, Exchange, Http, JobStarted, Pause, Reply
from revetl.engine import execute as executing
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.resuming import resume_jobs
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.send.wire import Failure
from revetl.state.approvals import Approvals
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run, open_jobs
from revetl.state.store import Store
from revetl.testing.wire import VirtualWire
from revetl.types import Batch, Op, Outcome, Proof
from tests.faults.people import Row
from tests.faults.plans import PLAN, MemorySource, workspace
from tests.faults.vendor import SIM, Settings
from tests.faults.weather import Crash
from tests.faults.world import World

POLLS = 3


def _start(batch: Batch) -> Exchange:
    rows = [{"seq": c.seq, "email": c.match, "fields": c.fields} for c in batch.changes]
    reply = yield Http("POST", "/jobs", content=json.dumps(rows).encode())
    job = str(reply.json()["job"])
    yield JobStarted(job)
    return (yield from _poll(job, batch))


def _poll(job: str, batch: Batch) -> Exchange:
    while True:
        reply = yield Http("GET", f"/jobs/{job}")
        if reply.json()["done"]:
            return [Outcome.delivered(change, proof=Proof.ACCOUNT) for change in batch.changes]
        yield Pause(5.0)


JOBS = replace(SIM, actions={**SIM.actions, Op.UPSERT: Action(_start, 10, proof=Proof.ACCOUNT, resume=_poll)})


class JobWorld(World):
    """A vendor that takes jobs: one call starts one, some polls later it is done."""

    def __init__(self) -> None:
        """Begin with two people in the model."""
        super().__init__(1)
        self.started: list[bytes] = []
        self.polls = 0
        self.killed = False
        self.model = {
            "c0": Row("p0@example.org", "x", None, frozenset()),
            "c1": Row("p1@example.org", "y", None, frozenset()),
        }
        self._write()

    def answer(self, call: Call) -> tuple[float, Reply | Failure]:
        """Start a job, or say whether it is done; a killed run never hears that."""
        assert isinstance(call, Http)
        if call.path == "/jobs":
            self.started.append(call.content or b"")
            return 0.05, Reply(200, b'{"job": 17}')
        self.polls += 1
        if self.killed:
            raise Crash("while polling")
        return 0.05, Reply(200, json.dumps({"done": self.polls >= POLLS}).encode())

    def sync(self, run: str, deadline: float | None = None) -> dict[str, int]:
        """Run once; return outcomes by status."""
        store = Store(self.con, None, self.now)
        found = replace(workspace(), registry={"sim": JOBS})
        session = Session(found, store, MemorySource(), Approvals(store), Masking("clear", b"k"), self.now)
        session.close_killed(keep=frozenset(job.run for job in open_jobs(store)))
        lines = {PLAN.name: Line(Lane("sim", JOBS, Settings(), "sim"), Settings(), ())}

        def sender(journal: Journal) -> Sender:
            wire = VirtualWire(self.clock, lambda _lane, call, _now: self.answer(call))
            limit = None if deadline is None else wire.monotonic() + deadline
            return Sender(wire, journal, random=Random(1), deadline=limit)

        resume_jobs(session, {PLAN.name: PLAN}, lines, sender)
        begin_run(store, run, {})
        journal = Journal(store, run)
        inspection = inspect(session, (PLAN,), lambda _p, _s: {}, lambda _: None)
        done = executing.execute(
            session, inspection, lines, sender(journal), journal, Outbox(store, run), lambda _: None
        )
        close_run(store, run, session.closing())
        counts = dict(store.rows("SELECT status, count(*) FROM final WHERE local IS NULL GROUP BY status"))
        executing.settle(session, done, run, canary=False)
        return counts


@pytest.fixture
def world() -> Iterator[JobWorld]:
    """Return a world with a job vendor."""
    made = JobWorld()
    yield made
    made.con.close()


def test_a_job_is_resumed_after_a_kill(world: JobWorld) -> None:
    """A run that is killed while it polls leaves its job in state; the next start goes on with it, sending nothing."""
    world.killed = True
    with pytest.raises(Crash):
        world.sync("run-1")
    world.killed = False
    assert world.sync("run-2") == {}
    assert len(world.started) == 1
    assert len(world.con.execute("SELECT * FROM revetl_state.snap_1").fetchall()) == 2
    assert world.con.execute("SELECT count(*) FROM revetl_state.jobs").fetchall() == [(0,)]


def test_keys_wait_for_a_job_that_outlasts_the_run(world: JobWorld) -> None:
    """A job that still runs at the deadline keeps its keys waiting, is never started twice, and settles later."""
    world.polls = -10
    assert world.sync("run-1", deadline=12.0) == {}
    assert [job.job for job in open_jobs(Store(world.con, None, world.now))] == ["17"]
    world.model["c0"].a = "z"
    world._write()
    world.polls = POLLS
    assert world.sync("run-2") == {"delivered": 1}
    assert len(world.started) == 2
    assert [row["fields"] for row in json.loads(world.started[1])] == [{"a": "z"}]
