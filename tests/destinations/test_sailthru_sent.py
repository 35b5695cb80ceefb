"""Sailthru through the real sender: minutes that are spent, keys that are wrong, jobs that take their time."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from revetl.contract import Http, Reply
from revetl.destinations.sailthru import SAILTHRU
from revetl.destinations.sailthru.api import SailthruSettings
from revetl.sandbox import Fault, make
from revetl.sandbox.core import Sandbox
from revetl.send import Lane, Work
from revetl.testing.seeds import batch, change
from revetl.types import Batch, Op, Status
from tests.unit.send.stand import Bench, ListFeed, build

SETTINGS = SailthruSettings.model_validate({"api_key": "sandbox", "secret": "sandbox"})
LANE = Lane("mail", SAILTHRU, SETTINGS, "acme")


class Wire:
    """A stand-in whose clock is the sender's."""

    def __init__(self, **options: Any) -> None:
        """Open an account."""
        self.at = 0.0
        self.box: Sandbox = make("sailthru", now=lambda: self.at, clock=lambda: self.at, **options)
        self.bench: Bench = build(self._answer)

    def _answer(self, _: Lane, call: Http, at: float) -> Reply:
        self.at = max(self.at, at)
        headers = {"content-type": call.content_type, **dict(call.headers)}
        told = self.box.handle(call.method, call.path, urlencode(call.query), headers, call.content or b"")
        return Reply(told[0], told[2], {name.lower(): text for name, text in told[1].items()}, at=at)

    def run(self, *works: Work) -> dict[int, Status]:
        """Deliver; return what became of each change."""
        self.bench.run(ListFeed(LANE, list(works), "test.customer"))
        return self.bench.journal.statuses()

    def journal(self, status: int) -> list[str]:
        """Return the requests that were answered so."""
        return [f"{entry['method']} {entry['path']}" for entry in self.box.journal if entry["status"] == status]


def people(numbers: range, op: Op = Op.UPSERT) -> Batch:
    """Return changes of so many users."""
    rows = [change(n, op, fields={"n": n}) for n in numbers]
    return batch(rows, SETTINGS, op, object="user", match_field="email", prepared={"names": {"vip": "VIP"}})


def test_a_spent_minute_is_waited_out() -> None:
    """Fewer calls a minute than are published: the headers are believed, the rest goes in the next minutes."""
    wire = Wire(rates={"POST /user": 50})
    assert set(wire.run(Work(people(range(1, 121)))).values()) == {Status.DELIVERED}
    assert len(wire.journal(200)) == 120
    assert wire.at >= 60
    assert len(wire.journal(429)) <= 40


def test_a_wrong_secret_stops_the_destination() -> None:
    """401 with number 5: nothing is tried again and again, everything waits."""
    wire = Wire(secret="another")
    assert set(wire.run(Work(people(range(1, 41)))).values()) == {Status.WAITING}
    assert len(wire.journal(401)) <= 20


def test_a_job_is_waited_for_and_its_bad_rows_are_named() -> None:
    """1,500 users by one upload, two minutes long: the suppressed one is rejected by name, the rest delivered."""
    wire = Wire(jobs={"seconds": 120, "reports": True}, suppressed={"c700@example.org": 35})
    work = people(range(1, 1501))
    action = SAILTHRU.actions[Op.UPSERT].for_many(len(work.changes))
    found = wire.run(Work(work, action=action))
    assert {seq for seq, status in found.items() if status is not Status.DELIVERED} == {700}
    assert wire.bench.journal.of(700).code == "35"
    assert wire.journal(200).count("POST /job") == 1
    assert len(wire.box.journal) < 60


def test_a_lost_answer_makes_nobody_twice() -> None:
    """The first write's answer is lost: it is sent again, and there is one user."""
    wire = Wire()
    wire.box.inject(Fault(status=502, applied=True, method="POST", path="/user"))
    assert set(wire.run(Work(people(range(1, 4)))).values()) == {Status.DELIVERED}
    assert len(wire.box.store["users"]) == 3
