"""Sailthru's jobs through the real engine, killed at every call: the next runs converge, and start no job twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from revetl.contract import Call, Http, Reply
from revetl.destinations.sailthru import SAILTHRU
from revetl.destinations.sailthru.api import SailthruSettings
from revetl.engine import execute as executing
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.resuming import resume_jobs
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.mapping.build import Resolved
from revetl.sandbox import make
from revetl.send.ports import Lane
from revetl.send.sender import Sender
from revetl.state.approvals import Approvals
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run, open_jobs
from revetl.state.store import Store
from revetl.testing.wire import VirtualWire
from revetl.types import FieldPlan, OnLeave, Op
from tests.faults.people import Row
from tests.faults.plans import PEOPLE, PLAN, MemorySource, workspace
from tests.faults.weather import Crash
from tests.faults.world import World

USERS = replace(
    PLAN,
    name="sailthru.person",
    destination="sailthru",
    type="sailthru",
    object="user",
    match_field="email",
    fields=(
        FieldPlan("email", "email", PEOPLE.unique_id),
        FieldPlan("name", "a", PEOPLE.unique_id),
        FieldPlan("spent", "b", PEOPLE.unique_id),
    ),
    cohorts=(),
    cohort_style=None,
    on_leave=OnLeave.KEEP,
)
UPSERT = replace(SAILTHRU.actions[Op.UPSERT], bulk_from=2)
BULKY = replace(SAILTHRU, actions={**SAILTHRU.actions, Op.UPSERT: UPSERT})
SETTINGS = SailthruSettings.model_validate(dict(SAILTHRU.rehearsal))
PEOPLE_COUNT = 40
UPLOAD, LOOKS, READS = 2, (3, 4, 5), (7, 20)  # numbers of calls; the first one asks for the account


class Account(World):
    """Forty people, and an account whose jobs take five seconds."""

    def __init__(self, **jobs: Any) -> None:
        """Begin with an empty account."""
        super().__init__(1)
        clocks: dict[str, Any] = {"clock": self.clock.monotonic, "now": self.clock.now}
        suppressed = {"p7@example.org": 35} if jobs.pop("suppressed", False) else {}
        self.box = make("sailthru", jobs={"seconds": 5, **jobs}, suppressed=suppressed, **clocks)
        self.model = {f"c{n}": Row(f"p{n}@example.org", f"L{n}", n, frozenset()) for n in range(PEOPLE_COUNT)}
        self._write()
        self.calls = 0
        self.kill: Callable[[int, str], bool] = lambda _number, _when: False

    def answer(self, call: Call) -> tuple[float, Reply]:
        """Ask the stand-in; die before or after it did what was asked, where the test says so."""
        assert isinstance(call, Http)
        self.calls += 1
        number = self.calls
        if self.kill(number, "before"):
            raise Crash(f"before call {number}")
        headers = {"content-type": call.content_type, **dict(call.headers)}
        told = self.box.handle(call.method, call.path, urlencode(call.query), headers, call.content or b"")
        if self.kill(number, "after"):
            raise Crash(f"after call {number}")
        return 0.05, Reply(told[0], told[2], {name.lower(): text for name, text in told[1].items()}, self.clock.now())

    def sync(self, run: str, deadline: float | None = None) -> dict[str, int]:
        """Run once; return outcomes by status."""
        store = Store(self.con, None, self.now)
        found = replace(workspace(), registry={"sailthru": BULKY}, resolved=Resolved((USERS,)))
        session = Session(found, store, MemorySource(), Approvals(store), Masking("clear", b"k"), self.now)
        session.close_killed(keep=frozenset(job.run for job in open_jobs(store)))
        lines = {USERS.name: Line(Lane("sailthru", BULKY, SETTINGS, "acme"), SETTINGS, ())}

        def sender(journal: Journal) -> Sender:
            wire = VirtualWire(self.clock, lambda _lane, call, _now: self.answer(call))
            limit = None if deadline is None else wire.monotonic() + deadline
            return Sender(wire, journal, random=Random(1), deadline=limit)

        resume_jobs(session, {USERS.name: USERS}, lines, sender)
        begin_run(store, run, {})
        journal = Journal(store, run)
        seen = inspect(session, (USERS,), lambda _p, _s: {}, lambda _: None)
        assert not seen.errors
        done = executing.execute(session, seen, lines, sender(journal), journal, Outbox(store, run), lambda _: None)
        close_run(store, run, session.closing())
        counts = dict(store.rows("SELECT status, count(*) FROM final WHERE local IS NULL GROUP BY status"))
        executing.settle(session, done, run, canary=False)
        return counts

    def users(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what stands there."""
        return sorted((one["keys"]["email"], one["vars"]) for one in self.box.store["users"].values())

    def wanted(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what should."""
        return sorted((str(row.email), {"name": row.a, "spent": row.b}) for row in self.model.values())

    def open_jobs(self) -> list[Any]:
        """Return the jobs that state still knows."""
        return list(open_jobs(Store(self.con, None, self.now)))


@pytest.fixture
def account() -> Iterator[Account]:
    """Return an account."""
    made = Account()
    yield made
    made.con.close()


def test_a_first_run_takes_one_job(account: Account) -> None:
    """An upload, a few looks, a sample; nobody is written alone."""
    assert account.sync("run-1") == {"delivered": PEOPLE_COUNT}
    assert account.users() == account.wanted()
    assert len(account.box.store["jobs"]) == 1
    assert not [e for e in account.box.journal if (e["method"], e["path"]) == ("POST", "/user")]


@pytest.mark.parametrize(
    ("number", "when"), [(n, when) for n in (UPLOAD, *LOOKS, *READS) for when in ("before", "after")]
)
def test_killed_at_any_call_the_next_runs_converge(account: Account, number: int, when: str) -> None:
    """Everybody is there once, as the model says; a job that was known is gone on with, and no second one started."""
    account.kill = lambda at, moment: (at, moment) == (number, when)
    with pytest.raises(Crash):
        account.sync("run-1")
    known = bool(account.open_jobs())
    account.kill = lambda _number, _when: False
    account.sync("run-2")
    account.clock.advance(2 * 7_200)
    account.sync("run-3")
    assert account.users() == account.wanted()
    assert len(account.box.store["jobs"]) == 1 or not known
    before = account.box.received
    assert account.sync("run-4") == {}
    assert account.box.received == before
    assert account.open_jobs() == []


def test_a_job_that_outlasts_the_run_is_settled_by_the_next(account: Account) -> None:
    """At the deadline its people wait; the next run goes on with it, and sends what changed since."""
    account.box.options = {**account.box.options, "jobs": {**account.box.options["jobs"], "seconds": 600.0}}
    assert account.sync("run-1", deadline=20.0) == {}
    assert len(account.open_jobs()) == 1
    account.model["c0"].a = "Other"
    account._write()
    account.clock.advance(600)
    assert account.sync("run-2") == {"delivered": 1}
    assert account.users() == account.wanted()
    assert len(account.box.store["jobs"]) == 1


@pytest.mark.parametrize("jobs", [{"fail": True}, {"suppressed": True}, {"suppressed": True, "reports": True}])
def test_what_a_job_leaves_undone_is_done_or_named(jobs: dict[str, Any]) -> None:
    """A job that fails half-way, a person whom it silently leaves out, or whom its report names."""
    account = Account(**jobs)
    refused = 1 if "suppressed" in jobs else 0
    counts = account.sync("run-1")
    assert counts == {"delivered": PEOPLE_COUNT - refused, **({"rejected": 1} if refused else {})}
    wanted = [one for one in account.wanted() if not refused or one[0] != "p7@example.org"]
    assert account.users() == wanted
    account.con.close()
