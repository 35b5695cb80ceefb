"""Calls that are queued behind others: they leave without anybody's help, and never where one before went wrong.

The wire is the real one, before a server on loopback, or the virtual one below the real sender.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply
from revetl.send.ports import Lane
from revetl.send.threads import ThreadWire
from revetl.send.wire import HELD, Completion
from revetl.types import Effect, Outcome, Status
from tests.unit.send.stand import OK, Bench, ListFeed, batches, build, destination, lane


class Desk:
    """A server that answers when it is told to."""

    def __init__(self, statuses: dict[str, int]) -> None:
        """Answer 200 but for the paths that have a status."""
        self.paths: list[str] = []
        self.answers = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.under_way = self.peak = 0
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:  # noqa: N805 - the library's name; self is the desk
                """Wait for leave to answer."""
                handler.rfile.read(int(handler.headers["content-length"]))
                with lock:
                    self.paths.append(handler.path)
                    self.under_way += 1
                    self.peak = max(self.peak, self.under_way)
                self.arrived.release()
                assert self.answers.acquire(timeout=20)
                with lock:
                    self.under_way -= 1
                handler.send_response(statuses.get(handler.path, 200))
                handler.send_header("content-length", "2")
                handler.end_headers()
                handler.wfile.write(b"{}")

            def log_message(handler, *_: Any) -> None:  # noqa: N805
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def seen(self, count: int) -> None:
        """Wait until so many more have arrived."""
        for _ in range(count):
            assert self.arrived.acquire(timeout=20)


@contextmanager
def at_desk(**statuses: int) -> Iterator[tuple[Desk, ThreadWire, Callable[[int], tuple[int, Lane, Http]]]]:
    """Yield a desk, a wire, and what makes the n-th call: its ticket, lane and call."""
    desk = Desk({f"/{name}": status for name, status in statuses.items()})
    thread = threading.Thread(target=desk.server.serve_forever, daemon=True)
    thread.start()
    origin = f"http://127.0.0.1:{desk.server.server_port}"
    to, wire = lane(origin=origin), ThreadWire()
    try:
        yield desk, wire, lambda n: (n, to, Http("POST", f"/c{n}", content=b"{}", origin=origin))
    finally:
        for _ in range(50):
            desk.answers.release()
        wire.close()
        desk.server.shutdown()
        desk.server.server_close()


def collected(wire: ThreadWire, count: int) -> dict[int, Completion]:
    """Return so many completions, by ticket."""
    found: dict[int, Completion] = {}
    until = time.monotonic() + 20
    while len(found) < count and time.monotonic() < until:
        found |= {one.ticket: one for one in wire.collect(0.2)}
    assert len(found) == count
    return found


def test_what_is_queued_leaves_while_nobody_collects() -> None:
    """The thread that has an answer goes on with the next call: one after another, never more than may be."""
    with at_desk() as (desk, wire, call):
        for n in (1, 2):
            wire.submit(*call(n))
        for n in (3, 4, 5):
            wire.queue(*call(n), most=2)
        desk.seen(2)
        for _ in range(3):
            desk.answers.release()
            desk.seen(1)
        assert (sorted(desk.paths[:2]), desk.paths[2:]) == (["/c1", "/c2"], ["/c3", "/c4", "/c5"])
        assert desk.peak == 2
        for _ in range(2):
            desk.answers.release()
        assert {one.reply.status for one in collected(wire, 5).values() if one.reply} == {200}


def test_as_many_start_as_may_be_under_way() -> None:
    """Where fewer are under way than may be, queued calls start; where more are, none follows."""
    with at_desk() as (desk, wire, call):
        wire.submit(*call(1))
        wire.queue(*call(2), most=3)
        wire.queue(*call(3), most=3)
        desk.seen(3)
        wire.queue(*call(4), most=1)
        desk.answers.release()
        desk.answers.release()
        found = collected(wire, 2)
        assert not desk.arrived.acquire(timeout=0.3)
        desk.answers.release()
        desk.seen(1)
        desk.answers.release()
        assert set(found) | set(collected(wire, 2)) == {1, 2, 3, 4}
        assert desk.paths[-1] == "/c4"


@pytest.mark.parametrize("status", [401, 429, 503, 400])
def test_after_a_refusal_nothing_follows(status: int) -> None:
    """All that are queued come back as held, after the refusal, and never arrive anywhere."""
    with at_desk(c1=status) as (desk, wire, call):
        wire.submit(*call(1))
        wire.queue(*call(2), most=1)
        wire.queue(*call(3), most=1)
        desk.seen(1)
        desk.answers.release()
        order: list[int] = []
        while len(order) < 3:
            done = wire.collect(5.0)
            order += [one.ticket for one in done]
            assert all((one.failure is HELD) == (one.ticket != 1) for one in done)
        assert (order, desk.paths) == ([1, 2, 3], ["/c1"])
        wire.submit(*call(4))  # and the thread is at hand again
        desk.seen(1)
        desk.answers.release()
        assert collected(wire, 1)[4].reply is not None


def test_until_a_refusal_is_seen_nothing_is_begun() -> None:
    """Who queues does not know yet that one came back refused: what is queued comes back, too."""
    with at_desk(c1=401) as (desk, wire, call):
        wire.submit(*call(1))
        desk.seen(1)
        desk.answers.release()
        until = time.monotonic() + 20
        while wire._accounts["shop"].under_way and time.monotonic() < until:
            time.sleep(0.01)
        wire.queue(*call(2), most=2)
        found = collected(wire, 2)
        assert (found[2].failure is HELD, desk.paths) == (True, ["/c1"])
        wire.queue(*call(3), most=2)
        desk.seen(1)
        desk.answers.release()
        assert collected(wire, 1)[3].reply is not None


def test_a_failure_holds_the_queue() -> None:
    """A connection that breaks is no success either."""
    with at_desk() as (desk, wire, call):
        ticket, to, one = call(1)
        dead = lane(origin="http://127.0.0.1:9")
        wire.queue(ticket, dead, Http("POST", "/x", content=b"{}", origin="http://127.0.0.1:9"), most=1)
        wire.queue(2, to, one, most=1)
        found = collected(wire, 2)
        assert found[1].failure is not None
        assert (found[2].failure is HELD, desk.paths) == (True, [])


def test_what_is_called_back_never_leaves() -> None:
    """Only what no thread has begun can be called back."""
    with at_desk() as (desk, wire, call):
        wire.submit(*call(1))
        wire.queue(*call(2), most=1)
        desk.seen(1)
        assert [(one.ticket, one.failure is HELD) for one in wire.recall()] == [(2, True)]
        assert wire.recall() == []
        desk.answers.release()
        assert set(collected(wire, 1)) == {1}
        assert desk.paths == ["/c1"]


# --- the sender -------------------------------------------------------------------------------------------------------


def calls_of(bench: Bench, report: Any) -> tuple[int, int, int]:
    """Return the calls that were counted for the lane and for the sync, and those that were seen."""
    return report.calls, report.syncs["shop.customer"].calls, len(bench.seen)


def test_everything_is_delivered_once_and_counted_once() -> None:
    """Queued or not: every row has one outcome, and no more calls are under way than may be."""
    bench = build(queues=True)
    report = bench.run(ListFeed(lane(max_in_flight=4), batches(200)))["shop"]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert calls_of(bench, report) == (200, 200, 200)
    assert sorted(bench.bodies()) == sorted(f"k{n}" for n in range(1, 201))
    assert bench.wire.peak == 4


def test_calls_that_are_held_leave_again_and_count_once() -> None:
    """A server that stumbles now and then: what was queued behind is made in its turn."""
    times = iter(range(10_000))

    def answer(*_: Any) -> Reply:
        return Reply(503, b"") if next(times) % 7 == 6 else OK

    bench = build(answer, queues=True)
    report = bench.run(ListFeed(lane(max_in_flight=4), batches(150)))["shop"]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert len(set(calls_of(bench, report))) == 1
    assert report.repeats == len(bench.seen) - 150 > 10


@pytest.mark.parametrize(("status", "more"), [(429, 0), (200, 1)])
def test_nothing_follows_a_throttle(status: int, more: int) -> None:
    """A reply that asks to wait: until then nothing leaves but the one call that left before it was read."""
    slow = Diagnosis(Fault.THROTTLED, after=5.0)
    to = destination(diagnose=lambda reply: slow if reply.content == b"slow" else None)
    calls = iter(range(10_000))

    def answer(*_: Any) -> tuple[float, Reply]:
        n = next(calls)
        return 0.3 if n == 21 else 0.05, Reply(status, b"slow") if n == 20 else OK

    bench = build(answer, queues=True)
    bench.run(ListFeed(lane(to, max_in_flight=2), batches(60)))
    throttled = bench.times()[20] + 0.05
    assert len([at for at in bench.times() if throttled - 1e-6 <= at < throttled + 4.9]) == more
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_nothing_that_is_queued_leaves_after_a_stop() -> None:
    """What is under way comes to its end; what is queued waits, as does what was never made."""
    asked = iter(range(100_000))
    bench = build(queues=True, stop=lambda: "SIGTERM" if next(asked) >= 12 else None)
    report = bench.run(ListFeed(lane(max_in_flight=3), batches(100)))["shop"]
    statuses = list(bench.journal.statuses().values())
    assert statuses.count(Status.DELIVERED) == len(bench.seen) == report.calls
    assert 3 <= len(bench.seen) < 60
    assert statuses.count(Status.WAITING) >= 3  # queued, and held


@pytest.mark.parametrize("what", ["limits", "once"])
def test_what_is_never_queued(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where limits are counted each reply is read first; what must not be repeated counts as begun when it leaves."""

    def once(batch: Any) -> Any:
        yield Http("POST", "/rows", content=batch.changes[0].key.encode(), effect=Effect.ONCE)
        return [Outcome.delivered(change) for change in batch.changes]

    to = destination(limits=(Limit("burst", 1000, seconds=1.0),)) if what == "limits" else destination(once)
    bench = build(queues=True)
    queued: list[int] = []

    def queue(ticket: int, to: Lane, call: Any, _most: int) -> None:
        queued.append(ticket)
        bench.wire.submit(ticket, to, call)

    monkeypatch.setattr(bench.wire, "queue", queue)
    bench.run(ListFeed(lane(to, max_in_flight=2), batches(20)))
    assert queued == []
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_accounts_do_not_hold_each_other_up() -> None:
    """A refusal at one account leaves what is queued at another."""
    bad = destination(name="bad", diagnose=lambda reply: Diagnosis(Fault.FATAL, "no") if reply.status == 403 else None)
    bench = build(lambda to, *_: Reply(403, b"{}") if to.name == "bad" else OK, queues=True)
    feeds = [ListFeed(lane(max_in_flight=2), batches(40))]
    feeds.append(ListFeed(lane(bad, max_in_flight=2), batches(40, sync="bad.rows"), sync="bad.rows"))
    reports = bench.run(*feeds)
    assert reports["bad"].stopped is not None
    assert reports["shop"].calls == 40
