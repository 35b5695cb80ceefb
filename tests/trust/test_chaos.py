"""Real sockets, strict stand-ins of four dialects, and any trouble that a service makes: all agree once it is over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from revetl.destinations import registry
from revetl.engine import execute as executing
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.sandbox import make
from revetl.send.ports import Lane
from revetl.send.retry import Policy
from revetl.send.sender import Sender
from revetl.send.threads import ThreadWire
from revetl.state.close import close_run
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox, begin_run
from revetl.types import FieldPlan
from tests.trust.chaos import Chaos, serving
from tests.unit.engine.harness import Rig, plan, ref

SEEDS = int(os.environ.get("REVETL_CHAOS", "2"))  # of each dialect
PEOPLE, TROUBLED, CALM = 12, 3, 6  # rows, runs with faults, runs in which all must come to agree
MARKED = re.compile(rb"p\d+@example\.org|v\d+x\d+")  # addresses and values: whom and what a request is about
QUICK = Policy(base=0.02, cap=0.1, patience=2.0, down=4, grace=0.5)


@dataclass(frozen=True)
class Dialect:
    """How a service calls the match field and the field, and where its stand-in keeps people."""

    object: str
    match: str
    field: str
    people: Callable[[dict[str, Any]], Iterator[Mapping[str, Any]]]
    account: Mapping[str, Any]


DIALECTS = {
    "hubspot": Dialect(
        "contacts",
        "email",
        "firstname",
        lambda store: (one["properties"] for one in store["objects"]["contacts"]["records"].values()),
        {},
    ),
    "iterable": Dialect(
        "user",
        "email",
        "city",
        lambda store: (one["dataFields"] | {"email": one["email"]} for one in store["users"].values()),
        {},
    ),
    "marketo": Dialect("lead", "email", "firstName", lambda store: iter(store["people"].values()), {"folders": [1]}),
    "salesforce": Dialect(
        "Contact",
        "Ext__c",
        "LastName",
        lambda store: iter(store["records"].get("Contact", {}).values()),
        {"fields": {"Contact": {"Ext__c": {"externalId": True, "unique": True}}}},
    ),
}


class Shop(Rig):
    """A target whose destination is one of the four, behind real sockets."""

    def __init__(self, name: str, seed: int) -> None:
        """Begin with an empty account."""
        self.dialect, self.destination_name = DIALECTS[name], name
        base = plan(fields=(), base=ref("people"), cohort_style=None)
        mapped = [(self.dialect.match, "email"), (self.dialect.field, "a")]
        found = tuple(FieldPlan(there, column, "model.sim.people") for there, column in mapped)
        super().__init__(replace(base, object=self.dialect.object, match_field=self.dialect.match, fields=found))
        self.destination = registry()[name]
        self.settings = self.destination.settings.model_validate(dict(self.destination.rehearsal))
        self.box = make(name, **self.dialect.account)
        self.chaos = Chaos(self.box, Random(seed), self.known)
        self.current = ""

    def known(self, target: str, body: bytes) -> None:
        """Fail where a request names somebody, or a value, of whom no intent is durable in this run."""
        marks = {mark.decode() for mark in MARKED.findall(target.replace("%40", "@").encode() + body)}
        asked = "SELECT m, CAST(body AS VARCHAR) FROM revetl_state.outbox WHERE run = ?"
        with self.con.cursor() as other:  # another connection: it sees what is committed, and no more
            intents = " ".join(f"{m} {sent}" for m, sent in other.execute(asked, [self.current]).fetchall())
        assert all(mark in intents for mark in marks), f"{sorted(marks)} left before an intent in {self.current}"

    def go(self, origin: str) -> int:
        """Run once over the real wire; return how many requests came."""
        self.number += 1
        run = self.current = f"run-{self.number:03d}"
        before = self.chaos.received
        session = self.session(self.store())
        session.close_killed()
        begin_run(session.store, run, {})
        journal, wire = Journal(session.store, run), ThreadWire()
        sender = Sender(wire, journal, random=Random(run), deadline=wire.monotonic() + 5, policy=QUICK)
        lane = Lane(
            "sim", self.destination, self.settings, "sim", origin=origin, max_in_flight=3, timeout=0.6,
            max_raw=300_000, max_decoded=2_000_000,
        )  # fmt: skip
        found = inspect(session, self.plans, lambda _p, _s: {}, lambda _: None)
        outbox = Outbox(session.store, run, 4)
        lines = {self.plan.name: Line(lane, self.settings, ())}
        done = executing.execute(session, found, lines, sender, journal, outbox, lambda _: None)
        close_run(session.store, run, session.closing())
        executing.settle(session, done, run, canary=False)
        wire.close()
        self.later(hours=6)
        return self.chaos.received - before

    def wanted(self, version: int) -> dict[str, str]:
        """Write the model, and return who should stand there with what."""
        rows = [(f"k{n}", f"p{n}@example.org", f"v{n}x{version}") for n in range(PEOPLE)]
        self.people(*rows)
        return {mail: value for _, mail, value in rows}

    def standing(self) -> list[tuple[str, str]]:
        """Return who stands there with what, doubles included."""
        people = list(self.dialect.people(self.box.dump()["store"]))
        return sorted((str(one.get(self.dialect.match)), str(one.get(self.dialect.field))) for one in people)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", DIALECTS)
def test_after_any_trouble_the_service_equals_the_model(
    name: str, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Every request has an intent before its first byte; no redirect is followed; calm runs end the rest, then rest."""
    shop = Shop(name, seed)
    with serving(shop.chaos) as origin:
        for version in range(TROUBLED):
            wanted = shop.wanted(version)
            shop.go(origin)
        shop.chaos.faults = False
        for _ in range(CALM):
            shop.go(origin)
            if shop.standing() == sorted(wanted.items()) and not shop.rows("SELECT 1 FROM revetl_state.pending"):
                break
        assert shop.standing() == sorted(wanted.items())
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
