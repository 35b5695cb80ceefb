"""Limits: never passed in any window by the server's clock, used almost whole under load."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.contract import Limit, Reply
from revetl.send import Failure
from revetl.send.limits import Limiter, rate
from revetl.send.ports import Usage
from revetl.types import Status
from tests.unit.send.stand import OK, ListFeed, batches, build, destination, lane


def most_in_a_window(arrivals: list[float], seconds: float) -> int:
    """Return the largest number of arrivals in any window of ``seconds``."""
    times = sorted(arrivals)
    return max((bisect_right(times, at + seconds - 1e-9) - index for index, at in enumerate(times)), default=0)


def flood(limiter: Limiter, random: Random, calls: int, slowest: float) -> tuple[list[float], float]:
    """Send ``calls`` as fast as the limiter lets; return when the server counted each, and when the last came back."""
    now = 0.0
    counted: list[float] = []
    flying: list[float] = []
    while len(counted) < calls or flying:
        at = limiter.ready_at({}, now) if len(counted) < calls else None
        if at is not None and (not flying or at <= flying[0]):
            now = max(now, at)
            limiter.take({})
            latency = random.uniform(0.0, slowest)
            counted.append(now + random.uniform(0.0, latency))
            heapq.heappush(flying, now + latency)
        else:
            now = heapq.heappop(flying)
            limiter.replied({}, now)
    return counted, now


@settings(max_examples=60, deadline=None)
@given(
    allowance=st.integers(1, 40),
    seconds=st.sampled_from([1.0, 2.0, 10.0, 20.0, 60.0]),
    slowest=st.floats(0.001, 5.0),
    seed=st.integers(0, 2**32),
)
def test_no_sliding_window_is_ever_passed(allowance: Any, seconds: Any, slowest: Any, seed: Any) -> None:
    """Whatever the latencies and wherever in a call's time the server counts it: never more than the allowance."""
    limiter = Limiter([Limit("burst", allowance, seconds=seconds)])
    counted, _ = flood(limiter, Random(seed), 6 * allowance, slowest)
    assert most_in_a_window(counted, seconds) <= allowance


@settings(max_examples=40, deadline=None)
@given(allowance=st.integers(5, 200), seconds=st.sampled_from([10.0, 60.0]), seed=st.integers(0, 2**32))
def test_the_allowance_is_used(allowance: Any, seconds: Any, seed: Any) -> None:
    """Under load at least 95 % of the allowance is used, where calls are short against the window."""
    limiter = Limiter([Limit("burst", allowance, seconds=seconds)])
    calls = 20 * allowance
    _, took = flood(limiter, Random(seed), calls, seconds / 50)
    assert calls >= 0.95 * allowance * took / seconds


def test_a_sender_keeps_and_uses_a_window() -> None:
    """The whole sender: 100 calls per 10 s, counted by the server on arrival, ≥ 95 % used and never passed."""
    arrivals = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        arrivals.append(now + 0.03)
        return 0.06, OK

    bench = build(answer)
    bench.run(ListFeed(lane(destination(limits=(Limit("burst", 100, seconds=10.0),))), batches(1_500)))
    assert most_in_a_window(arrivals, 10.0) == 100
    assert 0.95 * 10 * (max(arrivals) - min(arrivals)) <= 1_400
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_calls_at_once_are_limited() -> None:
    """A concurrency limit is never passed, and used."""
    to = destination(limits=(Limit("connections", 10, kind="concurrency"),))
    bench = build()
    bench.run(ListFeed(lane(to), batches(200)))
    assert bench.wire.peak == 10


def test_lanes_of_one_account_share_its_limits() -> None:
    """Two destinations of one account together stay within it."""
    limits = (Limit("burst", 10, seconds=10.0),)
    arrivals = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        arrivals.append(now)
        return 0.05, OK

    bench = build(answer)
    first = lane(destination(limits=limits), name="first", account="same")
    second = lane(destination(limits=limits), name="second", account="same")
    bench.run(ListFeed(first, batches(30, sync="a"), "a"), ListFeed(second, batches(30, sync="b"), "b"))
    assert most_in_a_window(arrivals, 10.0) == 10


def test_cost_counts() -> None:
    """A call of cost 5 takes five units, one of cost 0 none."""
    limiter = Limiter([Limit("burst", 10, seconds=10.0)])
    limiter.take({"burst": 5})
    limiter.take({"burst": 5})
    assert limiter.ready_at({"burst": 0}, 0.0) == 0.0
    assert limiter.ready_at({}, 0.0) is None
    limiter.replied({"burst": 5}, 1.0)
    assert limiter.ready_at({"burst": 6}, 1.0) is None
    assert limiter.ready_at({"burst": 5}, 1.0) == pytest.approx(11.0, rel=1e-3)


def test_a_cost_beyond_the_allowance_still_goes() -> None:
    """A call that costs more than a whole window waits for an empty one, not for ever."""
    limiter = Limiter([Limit("burst", 3, seconds=10.0)])
    assert limiter.ready_at({"burst": 7}, 0.0) == 0.0


def test_what_did_not_leave_costs_nothing() -> None:
    """Units of a call that was not sent are free at once."""
    limiter = Limiter([Limit("burst", 1, seconds=10.0)])
    limiter.take({})
    limiter.refund({})
    assert limiter.ready_at({}, 0.0) == 0.0


def test_the_server_is_believed_where_it_has_less() -> None:
    """Remaining and reset headers lower than our own count make the next call wait; higher ones change nothing."""
    limit = Limit("burst", 100, seconds=10.0, remaining_header="x-left", reset_header="x-reset")
    limiter = Limiter([limit])
    limiter.take({})
    limiter.replied({}, 0.0, {"x-left": "0", "x-reset": "4"}, 1_000.0)
    assert limiter.ready_at({}, 0.0) == pytest.approx(4.0)
    limiter.take({})
    limiter.replied({}, 5.0, {"x-left": "5000", "x-reset": "4"}, 1_005.0)
    assert limiter.ready_at({"burst": 98}, 5.0) == 5.0
    later = limiter.ready_at({"burst": 99}, 5.0)
    assert later is not None and later > 5.0  # noqa: PT018


@pytest.mark.parametrize("headers", [{"x-left": "many"}, {"x-left": "nan"}, {"x-left": "inf"}, {"x-left": "-5"}, {}])
def test_strange_headers_do_no_harm(headers: Any) -> None:
    """Headers that are no numbers are left alone; a negative rest counts as none."""
    limiter = Limiter([Limit("burst", 2, seconds=10.0, remaining_header="x-left", reset_header="x-reset")])
    limiter.take({})
    limiter.replied({}, 0.0, {**headers, "x-reset": "999999999"}, 0.0)
    expected = 10.0 if headers.get("x-left") == "-5" else 0.0
    assert limiter.ready_at({}, 0.0) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    ("told", "units"),
    [("api-usage=90/100", 10), ("api-usage=18/5000", 98), ("api-usage=120/100", 0), ("none", 98), ("", 98)],
)
def test_a_header_of_used_and_allowed_is_believed(told: str, units: int) -> None:
    """``used/allowed`` in one header: what is left holds where it is less than our own count has."""
    limiter = Limiter([Limit("day", 100, seconds=86_400.0, kind="quota", usage_header="sforce-limit-info")])
    limiter.take({"day": 2})
    limiter.replied({"day": 2}, 0.0, {"sforce-limit-info": told}, 0.0)
    assert limiter.spent({"day": units}, 1.0) is None
    assert limiter.spent({"day": units + 1}, 1.0) is not None


def test_reset_as_epoch() -> None:
    """A reset given as a moment counts from the reply's own time."""
    limit = Limit("burst", 9, seconds=10.0, remaining_header="left", reset_header="reset", reset_is="epoch")
    limiter = Limiter([limit])
    limiter.take({})
    limiter.replied({}, 50.0, {"left": "0", "reset": "1003"}, 1_000.0)
    assert limiter.ready_at({}, 50.0) == pytest.approx(53.0)


def test_a_quota_is_carried_from_run_to_run() -> None:
    """What earlier runs used counts; a spent quota stops the account with the time of its reset, without a call."""
    limits = (Limit("day", 100, seconds=86_400.0, kind="quota"),)
    first = build()
    first.run(ListFeed(lane(destination(limits=limits)), batches(60)))
    usage = first.sender.usage()
    assert sum(units for _, units in usage["shop"]["day"]) == 60

    second = build(usage=usage)
    feed = ListFeed(lane(destination(limits=limits)), batches(60))
    report = second.run(feed)["shop"]
    assert len(second.seen) == 40
    assert report.stopped.code == "RVT-602"
    assert report.stopped.until == pytest.approx(second.seen[0][0] + 86_400, abs=60)
    statuses = list(second.journal.statuses().values())
    assert statuses.count(Status.DELIVERED) == 40
    assert statuses.count(Status.WAITING) == len(statuses) - 40 == feed.pulled - 40


def test_what_a_quota_lost_is_durable_while_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies has told its journal by then what it used, but for the last second."""
    limits = (Limit("day", 10_000, seconds=86_400.0, kind="quota"),)
    bench = build(latency=0.3)
    told: list[tuple[int, int]] = []

    def used(usage: Mapping[str, Usage]) -> None:
        told.append((sum(units for _, units in usage["shop"]["day"]), len(bench.seen)))

    monkeypatch.setattr(bench.journal, "used", used)
    bench.run(ListFeed(lane(destination(limits=limits), max_in_flight=1), batches(20)))
    assert len(told) == 5  # of six seconds
    assert all(used in (calls, calls - 1) for used, calls in told)  # one may be under way


def test_without_a_quota_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window or a number of calls at once is forgotten with the process, so nothing of it is written."""
    bench = build(latency=0.3)
    monkeypatch.setattr(bench.journal, "used", lambda _: pytest.fail("written"))
    bench.run(ListFeed(lane(destination(limits=(Limit("burst", 100, seconds=10.0),)), max_in_flight=1), batches(8)))


def test_the_rate_of_limits() -> None:
    """The tightest window sets the calls per second."""
    assert rate([Limit("a", 100, seconds=10), Limit("b", 5, seconds=1), Limit("q", 1, seconds=9, kind="quota")]) == 5
    assert rate([Limit("c", 10, kind="concurrency")]) is None
    assert rate([Limit("search", 10, seconds=2, default_cost=0)]) is None  # of some calls only


def test_a_throttled_call_still_counts() -> None:
    """The server counted what it turned away: so do we."""
    answers = iter([Reply(429, b"", {"retry-after": "1"})])
    arrivals = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        arrivals.append(now)
        return 0.01, next(answers, OK)

    bench = build(answer)
    bench.run(ListFeed(lane(destination(limits=(Limit("burst", 3, seconds=10.0),))), batches(9)))
    assert most_in_a_window(arrivals, 10.0) <= 3


def test_what_was_not_sent_is_refunded() -> None:
    """A destination that cannot be reached does not use up its own allowance."""
    bench = build([Failure("RVT-600", "refused", sent=False)] * 2 + [OK])
    bench.run(ListFeed(lane(destination(limits=(Limit("burst", 1, seconds=1_000.0),))), batches(1)))
    assert bench.times()[-1] < 10


def test_of_two_limits_by_one_name_the_smaller_holds() -> None:
    """A destination that learns of a smaller allowance keeps to that, and a larger one changes nothing."""
    limiter = Limiter([Limit("burst", 10, seconds=10.0), Limit("day", 50, kind="quota", seconds=86_400.0)])
    limiter.tighten([Limit("burst", 4, seconds=10.0), Limit("day", 90, kind="quota", seconds=86_400.0)])
    limiter.tighten([Limit("burst", 4, seconds=99.0), Limit("burst", 7, seconds=10.0)])
    limiter.tighten([Limit("hour", 9, kind="quota", seconds=3_600.0)])
    assert [(limit.name, limit.allowance) for limit in limiter.limits] == [("burst", 4), ("day", 50), ("hour", 9)]
    assert limiter.limits[0].seconds == 10.0
    for _ in range(4):
        limiter.take({})
        limiter.replied({}, 0.0)
    assert limiter.ready_at({}, 0.0) == pytest.approx(10.0, rel=1e-3)


def test_the_latest_of_all_waits_counts() -> None:
    """A call that two windows and a pause hold up leaves when the last of them lets it; a shorter pause is in vain."""
    limiter = Limiter([Limit("short", 1, seconds=2.0), Limit("long", 1, seconds=8.0), Limit("mid", 1, seconds=4.0)])
    limiter.take({})
    limiter.replied({}, 0.0)
    assert limiter.ready_at({}, 0.0) == pytest.approx(8.0, rel=1e-2)
    limiter.pause(20.0)
    limiter.pause(15.0)
    assert limiter.ready_at({}, 0.0) == 20.0
    assert [limiter.paused(19.9), limiter.paused(20.0)] == [True, False]


def test_any_quota_may_be_the_spent_one() -> None:
    """The quota without room is named with the moment at which it has some; calls under way leave that open."""
    limits = [Limit("day", 9, kind="quota", seconds=86_400.0), Limit("hour", 2, kind="quota", seconds=3_600.0)]
    limiter = Limiter(limits, {"hour": ((-100.0, 1),)})
    assert limiter.spent({}, 0.0) is None
    limiter.take({})
    spent = limiter.spent({}, 0.0)
    assert spent is not None
    assert spent.limit.name == "hour"
    assert spent.until == pytest.approx(3_500.0, rel=1e-2)
    both = limiter.spent({"hour": 2}, 0.0)
    assert both is not None
    assert both.until is None
    assert limiter.usage(1.0) == {"day": (), "hour": ((-100.0, 1),)}
