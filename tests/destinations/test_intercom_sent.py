"""Intercom through the real sender, on a virtual clock: the slices of its allowance, and calls that go out once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from revetl.contract import Http, Reply
from revetl.destinations.intercom import INTERCOM
from revetl.destinations.intercom.api import IntercomSettings
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.send import Lane, Work
from revetl.send.wire import Failure
from revetl.testing.seeds import batch, change
from revetl.types import Batch, Op, Status
from tests.unit.send.stand import Bench, ListFeed, build


class Account:
    """A workspace, whose clock is the wire's, and a sender before it."""

    def __init__(self, *, per_minute: int = 10_000, lose: str = "", **options: Any) -> None:
        """Declare ``per_minute``; the answer to the first creation of the address ``lose`` is lost."""
        told = {"access_token": "sandbox", "calls_per_minute": per_minute}
        self.settings = IntercomSettings.model_validate(told)
        self.lane = Lane("cs", INTERCOM, self.settings, "w")
        self.at = 0.0
        self.lose = lose
        self.box: Sandbox = make("intercom", clock=lambda: self.at, now=lambda: self.at, **options)
        self.bench: Bench = build(self.answer)

    def answer(self, _: Lane, call: Http, at: float) -> Reply | Failure:
        """Answer as the stand-in does, at the wire's time."""
        self.at = max(self.at, at)  # a second sender's clock starts anew, the service's goes on
        headers = {"content-type": call.content_type, **dict(call.headers)}
        content = call.content or b""
        status, told, body = self.box.handle(call.method, call.path, urlencode(call.query), headers, content)
        if self.lose and call.path == "/contacts" and self.lose.encode() in content:
            self.lose = ""
            return Failure("RVT-605", "the answer was lost", timeout=True)
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    def upserts(self, numbers: range, kind: str = "user") -> Batch:
        """Return upserts of so many contacts."""
        rows = [change(n, fields={"name": f"n{n}"}) for n in numbers]
        return batch(rows, self.settings, Op.UPSERT, object=kind, match_field="email")

    def send(self, *works: Batch) -> dict[int, Status]:
        """Send batches; return what became of each change."""
        self.bench.run(ListFeed(self.lane, [Work(work) for work in works], "test.customer"))
        found: dict[int, Status] = self.bench.journal.statuses()
        return found

    def refused(self) -> int:
        """Return how many calls met 429."""
        return sum(entry["status"] == 429 for entry in self.box.journal)


def test_an_allowance_that_is_known_is_never_exceeded() -> None:
    """1,000 a minute are 166 in ten seconds: 450 new users take their time, and no call is turned away."""
    account = Account(per_minute=1_000, per_slice=166)
    found = account.send(*(account.upserts(range(at, at + 150)) for at in (1, 151, 301)))
    assert (set(found.values()), len(found), account.refused()) == ({Status.DELIVERED}, 450, 0)
    assert len(account.bench.seen) == 450 + 30


def test_an_allowance_that_is_smaller_is_seen_in_the_headers() -> None:
    """A tenth of what is declared: refusals wait for the reset, few calls are made in vain, and all arrive."""
    account = Account(per_minute=10_000, per_slice=166)
    found = account.send(*(account.upserts(range(at, at + 150)) for at in (1, 151, 301)))
    assert (set(found.values()), len(found)) == ({Status.DELIVERED}, 450)
    assert account.refused() <= 48
    times = [entry["at"] for entry in account.box.journal if entry["status"] == 429]
    assert len({int(at // 10) for at in times}) <= 3


def test_a_lead_whose_answer_was_lost_is_not_made_again_in_the_same_run() -> None:
    """The creation is not repeated, what is in doubt is unknown, and the next run finds the lead by its address."""
    account = Account(lose="c2@example.org")
    found = account.send(account.upserts(range(1, 4), "lead"))
    assert (found[1], found[2]) == (Status.DELIVERED, Status.UNKNOWN)
    assert found[3] is not Status.DELIVERED
    again = account.upserts(range(1, 4), "lead")
    account.bench = build(account.answer)
    assert set(account.send(replace(again, changes=again.changes[1:])).values()) == {Status.DELIVERED}
    emails = sorted(one["email"] for one in account.box.store["contacts"].values())
    assert emails == [f"c{n}@example.org" for n in (1, 2, 3)]


def test_a_user_whose_answer_was_lost_is_repeated_at_once() -> None:
    """Its address is a key there: the repeat is refused, names the user, and comes to an update."""
    account = Account(lose="c2@example.org", search_lag=300)
    assert set(account.send(account.upserts(range(1, 4))).values()) == {Status.DELIVERED}
    assert len(account.box.store["contacts"]) == 3


def test_one_bad_row_among_many_costs_nobody_else() -> None:
    """Each record is a call of its own: no halving, and the others take the calls they would take anyway."""
    account = Account()
    work = account.upserts(range(1, 31))
    rows = [*work.changes]
    rows[7] = change(8, fields={"name": "x" * 256})
    found = account.send(replace(work, changes=rows))
    assert {seq for seq, status in found.items() if status is not Status.DELIVERED} == {8}
    assert account.bench.journal.of(8).code == "parameter_invalid"
    assert len(account.bench.seen) == 32
