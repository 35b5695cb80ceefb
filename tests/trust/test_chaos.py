"""Real sockets, strict stand-ins of five dialects, and any trouble that a service makes: all agree once it is over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from revetl.contract import Destination
from revetl.destinations import registry
from revetl.destinations.salesforce import bulk, jobs
from revetl.engine import execute as executing
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.resuming import resume_jobs
from revetl.sandbox import make
from revetl.send.ports import Lane
from revetl.send.retry import Policy
from revetl.send.sender import Sender
from revetl.send.threads import ThreadWire
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run, open_jobs
from revetl.types import FieldPlan
from tests.trust.chaos import Chaos, serving
from tests.trust.dialects import DIALECTS, LABEL, Dialect
from tests.unit.engine.harness import Rig, cohort, plan, ref

SEEDS = int(os.environ.get("REVETL_CHAOS", "1"))  # of each dialect
PEOPLE, TROUBLED, CALM = 12, 3, 8  # people at most, runs with faults, runs in which all must come to agree
MARKED = re.compile(rb"p\d+@example\.org|v\d+x\d+")  # addresses and values: whom and what a request is about
QUICK = Policy(base=0.02, cap=0.1, patience=2.0, down=4, grace=0.5)
Standing = tuple[list[tuple[str, str]], set[str]]  # who stands there with what, doubles included; the cohort's members


def by_jobs(destination: Destination) -> Destination:
    """Return a destination that sends by a job whatever can go by one."""
    few = {op: replace(one, bulk_from=1) if one.bulk else one for op, one in destination.actions.items()}
    return replace(destination, actions=few)


class Shop(Rig):
    """A target whose destination is one of the five, behind real sockets."""

    def __init__(self, name: str, seed: int) -> None:
        """Begin with an empty account."""
        self.dialect: Dialect = DIALECTS[name]
        self.dice = Random(seed)
        base = plan(fields=(), base=ref("people"), cohorts=(replace(cohort("gold"), label=LABEL),))
        mapped = [(self.dialect.match, "email"), (self.dialect.field, "a")]
        found = tuple(FieldPlan(there, column, "model.sim.people") for there, column in mapped)
        made = replace(base, object=self.dialect.object, match_field=self.dialect.match, fields=found)
        super().__init__(replace(made, cohort_style=self.dialect.style, on_leave=self.dialect.leave))
        self.destination = registry()[self.dialect.service]
        self.settings = self.destination.settings.model_validate(dict(self.destination.rehearsal))
        if self.dialect.jobs:
            self.destination = by_jobs(self.destination)
        self.box = make(self.dialect.service, **self.dialect.account)
        self.chaos = Chaos(self.box, Random(seed), self.known)
        self.kept: set[str] = set()  # who left the model, and stays there as nobody of ours

    def known(self, target: str, body: bytes) -> None:
        """Fail where a request names somebody, or a value, of whom no open run has a durable intent."""
        marks = {mark.decode() for mark in MARKED.findall(target.replace("%40", "@").encode() + body)}
        asked = "SELECT m, bm, CAST(body AS VARCHAR) FROM revetl_state.outbox"  # a run's rows go with its close
        with self.con.cursor() as other:  # another connection: it sees what is committed, and no more
            intents = " ".join(str(row) for row in other.execute(asked).fetchall())
        assert all(mark in intents for mark in marks), f"{sorted(marks)} left before an intent"

    def go(self, origin: str) -> int:
        """Run once over the real wire; return how many requests came."""
        self.number += 1
        run, before = f"run-{self.number:03d}", self.chaos.received
        session, wire = self.session(self.store()), ThreadWire()
        lane = Lane(
            "sim", self.destination, self.settings, "sim", origin=origin, max_in_flight=3, timeout=0.6,
            max_raw=300_000, max_decoded=2_000_000,
        )  # fmt: skip
        lines = {self.plan.name: Line(lane, self.settings, ())}

        def sender_for(book: Journal) -> Sender:
            return Sender(wire, book, random=Random(run), deadline=wire.monotonic() + 5, policy=QUICK)

        session.close_killed(keep=frozenset(job.run for job in open_jobs(session.store)))
        resume_jobs(session, {self.plan.name: self.plan}, lines, sender_for)
        begin_run(session.store, run, {})
        journal = Journal(session.store, run)
        found = inspect(session, self.plans, lambda _p, _s: {}, lambda _: None)
        outbox = Outbox(session.store, run, 4)
        done = executing.execute(session, found, lines, sender_for(journal), journal, outbox, lambda _: None)
        close_run(session.store, run, session.closing())
        self.kept -= set(self.rows("SELECT m FROM final WHERE op = 'upsert'"))
        self.kept |= set(self.rows("SELECT m FROM final WHERE op = 'leave' AND local = 'not_ours'"))
        executing.settle(session, done, run, canary=False)
        wire.close()
        self.later(hours=6)
        return self.chaos.received - before

    def wanted(self, version: int) -> Standing:
        """Write the models, people and members by chance, and return who should stand there with what."""
        some = sorted(self.dice.sample(range(PEOPLE), PEOPLE - 3))
        rows = [(f"k{n}", f"p{n}@example.org", f"v{n}x{version}") for n in some]
        members = self.dice.sample(rows, len(rows) // 2)
        self.people(*rows)
        self.keys("gold", *(key for key, _, _ in members))
        return [(mail, value) for _, mail, value in sorted(rows, key=lambda row: row[1])], {m for _, m, _ in members}

    def standing(self) -> Standing:
        """Return who stands there with what, and who is a member; but for those who may be somebody else's.

        Where the answer to the call that made a record was lost, nobody knows whose it is: such a record is never
        deleted.
        """
        store = self.box.dump()["store"]
        people = [one for one in self.dialect.people(store) if one.get(self.dialect.match) not in self.kept]
        found = sorted((str(one.get(self.dialect.match)), str(one.get(self.dialect.field))) for one in people)
        return found, set(self.dialect.members(store))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", DIALECTS)
def test_after_any_trouble_the_service_equals_the_model(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Every request has an intent before its first byte; no redirect is followed; calm runs do what is left."""
    monkeypatch.setattr(jobs, "WORTH", 1)
    monkeypatch.setattr(bulk, "_FIRST_PAUSE", 0.1)
    shop = Shop(name, seed)
    with serving(shop.chaos) as origin:
        for version in range(TROUBLED):
            wanted = shop.wanted(version)
            shop.go(origin)
        shop.chaos.faults = False
        for _ in range(CALM):
            shop.go(origin)
            if shop.standing() == wanted and not shop.rows("SELECT 1 FROM revetl_state.pending"):
                break
        assert shop.standing() == wanted
        writes = sum(entry["method"] != "GET" for entry in shop.box.journal)
        shop.go(origin)
        assert sum(entry["method"] != "GET" for entry in shop.box.journal) == writes
    assert shop.chaos.wrong == []
    assert set(shop.chaos.done) > {"plain"}
    record_property("requests", shop.chaos.received)


def test_a_request_without_an_intent_would_be_noticed() -> None:
    """Somebody, or a value, that no intent of the run names is told; what an intent names is not."""
    shop = Shop("hubspot", 0)
    shop.wanted(0)
    shop.chaos.faults = False
    with serving(shop.chaos) as origin:
        shop.go(origin)
    assert shop.chaos.wrong == []
    for body in (b'{"email": "p99@example.org"}', b'{"firstname": "v0x7"}'):
        with pytest.raises(AssertionError, match="left before an intent"):
            shop.known("/contacts", body)
