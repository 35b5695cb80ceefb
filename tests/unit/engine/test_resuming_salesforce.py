"""Salesforce's bulk jobs through the real engine, killed at every call: the next run goes on with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from revetl.contract import Call, Http, Reply
from revetl.destinations.salesforce import SALESFORCE, jobs
from revetl.destinations.salesforce.auth import SalesforceSettings
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

MATCH = "External_Id__c"
CONTACTS = replace(
    PLAN,
    name="salesforce.person",
    destination="salesforce",
    type="salesforce",
    object="Contact",
    match_field=MATCH,
    fields=(
        FieldPlan(MATCH, "email", PEOPLE.unique_id),
        FieldPlan("LastName", "a", PEOPLE.unique_id),
        FieldPlan("Spent__c", "b", PEOPLE.unique_id),
    ),
    cohorts=(),
    cohort_style=None,
    on_leave=OnLeave.KEEP,
)
UPSERT = replace(SALESFORCE.actions[Op.UPSERT], bulk_from=2)
BULKY = replace(SALESFORCE, actions={**SALESFORCE.actions, Op.UPSERT: UPSERT})
SETTINGS = SalesforceSettings.model_validate(dict(SALESFORCE.rehearsal))
CALLS = ("token", "account", "create", "upload", "close", "look", "look", "look", "look", "results")


class Org(World):
    """Four people, and an org whose jobs take three seconds."""

    def __init__(self) -> None:
        """Begin with an empty org."""
        super().__init__(1)
        fields = {"Contact": {MATCH: {"externalId": True, "unique": True}, "Spent__c": "double"}}
        clocks: dict[str, Any] = {"clock": self.clock.monotonic, "now": self.clock.now}
        self.box = make("salesforce", fields=fields, bulk={"seconds": 3}, keep_bodies=True, **clocks)
        self.model = {f"c{n}": Row(f"p{n}@example.org", f"L{n}", n, frozenset()) for n in range(4)}
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
        status, told, body = self.box.handle(
            call.method, call.path, urlencode(call.query), headers, call.content or b""
        )
        if self.kill(number, "after"):
            raise Crash(f"after call {number}")
        return 0.05, Reply(status, body, {name.lower(): text for name, text in told.items()}, self.clock.now())

    def sync(self, run: str, deadline: float | None = None) -> dict[str, int]:
        """Run once; return outcomes by status."""
        store = Store(self.con, None, self.now)
        found = replace(workspace(), registry={"salesforce": BULKY}, resolved=Resolved((CONTACTS,)))
        session = Session(found, store, MemorySource(), Approvals(store), Masking("clear", b"k"), self.now)
        session.close_killed(keep=frozenset(job.run for job in open_jobs(store)))
        lines = {CONTACTS.name: Line(Lane("salesforce", BULKY, SETTINGS, "org"), SETTINGS, ())}

        def sender(journal: Journal) -> Sender:
            wire = VirtualWire(self.clock, lambda _lane, call, _now: self.answer(call))
            limit = None if deadline is None else wire.monotonic() + deadline
            return Sender(wire, journal, random=Random(1), deadline=limit)

        resume_jobs(session, {CONTACTS.name: CONTACTS}, lines, sender)
        begin_run(store, run, {})
        journal = Journal(store, run)
        seen = inspect(session, (CONTACTS,), lambda _p, _s: {}, lambda _: None)
        assert not seen.errors
        done = executing.execute(session, seen, lines, sender(journal), journal, Outbox(store, run), lambda _: None)
        close_run(store, run, session.closing())
        counts = dict(store.rows("SELECT status, count(*) FROM final WHERE local IS NULL GROUP BY status"))
        executing.settle(session, done, run, canary=False)
        return counts

    def contacts(self) -> list[tuple[str, str, float]]:
        """Return what stands in the org."""
        rows = self.box.dump()["store"]["records"].get("Contact", {}).values()
        return sorted((row[MATCH], row["LastName"], row["Spent__c"]) for row in rows)

    def wanted(self) -> list[tuple[str, str, float]]:
        """Return what should."""
        return sorted((str(row.email), str(row.a), float(row.b or 0)) for row in self.model.values())

    def states(self) -> list[str]:
        """Return the states of all jobs, oldest first."""
        return [job["state"] for job in self.box.dump()["store"]["jobs"].values()]

    def created(self) -> set[bool | None]:
        """Return what state believes of who created the records."""
        return {row[0] for row in self.con.execute("SELECT created FROM revetl_state.remote").fetchall()}


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch) -> Iterator[Org]:
    """Return an org, and jobs that are worth it from two rows on."""
    monkeypatch.setattr(jobs, "WORTH", 2)
    made = Org()
    yield made
    made.con.close()


def test_a_first_run_takes_one_job(org: Org) -> None:
    """As many calls as there are steps, and nothing by the collections."""
    assert org.sync("run-1") == {"delivered": 4}
    assert org.calls == len(CALLS)
    assert org.contacts() == org.wanted()
    assert org.states() == ["JobComplete"]


@pytest.mark.parametrize(
    ("number", "when"),
    [(n, "after") for n in range(2, len(CALLS) + 1)] + [(CALLS.index(n) + 1, "before") for n in ("upload", "look")],
)
def test_killed_at_any_call_the_next_runs_converge(org: Org, number: int, when: str) -> None:
    """Everybody is there once, as the model says; a job that was closed is never sent a second time."""
    org.kill = lambda at, moment: (at, moment) == (number, when)
    with pytest.raises(Crash):
        org.sync("run-1")
    closed = [state for state in org.states() if state != "Open"]
    org.kill = lambda _number, _when: False
    org.sync("run-2")
    org.clock.advance(1_800)
    org.sync("run-3")
    assert org.contacts() == org.wanted()
    assert len([state for state in org.states() if state == "JobComplete"]) == 1 or not closed
    before = org.box.received
    assert org.sync("run-4") == {}
    assert org.box.received == before
    assert open_jobs(Store(org.con, None, org.now)) == []


@pytest.mark.parametrize("number", [CALLS.index("close") + 1, len(CALLS)])
def test_a_resumed_job_says_who_was_created(org: Org, number: int) -> None:
    """What the killed run made is known to be ours, so that a deletion on leave may touch it."""
    org.kill = lambda at, moment: (at, moment) == (number, "after")
    with pytest.raises(Crash):
        org.sync("run-1")
    org.kill = lambda _number, _when: False
    assert org.sync("run-2") == {}
    assert org.created() == {True}
    assert org.states() == ["JobComplete"]


def test_a_job_found_open_is_aborted_and_its_people_come_again(org: Org) -> None:
    """Killed between the upload and the closing: the same run that aborts it sends them by a new job."""
    org.kill = lambda at, moment: (at, moment) == (CALLS.index("upload") + 1, "after")
    with pytest.raises(Crash):
        org.sync("run-1")
    assert org.states() == ["Open"]
    org.kill = lambda _number, _when: False
    assert org.sync("run-2") == {"delivered": 4}
    assert org.states() == ["Aborted", "JobComplete"]
    assert org.contacts() == org.wanted()


def test_a_job_that_outlasts_the_run_is_settled_by_the_next(org: Org) -> None:
    """At the deadline its people wait; the next run goes on with it, and sends what changed since."""
    org.box.options = {**org.box.options, "bulk_seconds": 600}
    assert org.sync("run-1", deadline=20.0) == {}
    assert org.states() in (["UploadComplete"], ["InProgress"])
    org.model["c0"].a = "Other"
    org._write()
    org.clock.advance(600)
    assert org.sync("run-2") == {"delivered": 1}
    assert org.contacts() == org.wanted()
