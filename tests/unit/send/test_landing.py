"""What follows from a call that came back, step by step: what is counted, who waits how long, and what ends."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from revetl.contract import Diagnosis, Fault, Http, PutFile, Reply
from revetl.send.landing import Arrival, Landing
from revetl.send.ports import Trouble
from revetl.send.retry import Policy
from revetl.send.verdict import Do, Verdict
from revetl.send.wire import Completion, Failure
from revetl.types import Effect

POLICY = Policy(attempts=3, throttles=5, base=4.0, cap=1e9, patience=50.0, down=2)
NOW = 100.0
STOP = Trouble("RVT-699", "stopped")
OK = Reply(200, b"{}", {"x-left": "7"}, at=1_000.0)
LOST = Failure("RVT-605", "lost", sent=True)


class Notes:
    """Whatever it is asked, it notes, and returns what it was told to."""

    def __init__(self, **answers: Any) -> None:
        """Note nothing yet."""
        self.noted: list[tuple[Any, ...]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        """Return what notes a call."""

        def note(*values: Any, **named: Any) -> Any:
            self.noted.append((name, *values, *named.items()))
            return self.answers.get(name)

        return note


def notes(**answers: Any) -> Any:
    """Return something that notes what it is asked."""
    return Notes(**answers)


class Longest(Random):
    """Chance that always gives the most."""

    def uniform(self, a: float, b: float) -> float:
        """Return the upper end."""
        return max(a, b)


class Bench:
    """A landing between things that note what becomes of them."""

    def __init__(self, **answers: Any) -> None:
        """Begin with one call in flight."""
        deadline, call = answers.pop("deadline", None), answers.pop("call", None) or Http("POST", "/x")
        self.limiter, self.adapt = notes(paused=answers.pop("paused", False)), notes()
        self.account = SimpleNamespace(
            limiter=self.limiter, adapt=self.adapt, in_flight=3, failing=4, given_up=answers.pop("given_up", 0)
        )
        self.credentials = notes(refused=answers.pop("refused", True))
        self.credentials.renewable = answers.pop("renewable", True)
        self.running = notes()
        self.running.halted, self.running.offset = answers.pop("halted", None), 1e9
        self.exchange = notes(answer=answers.pop("answer", True), replies="replies", advance="next")
        self.ending = notes()
        self.exchange.in_flight, self.exchange.doubt = 2, False
        self.exchange.closing, self.exchange.ending = answers.pop("closing", None), self.ending
        self.flight: Any = SimpleNamespace(
            exchange=self.exchange, call=call, failures=0, throttles=0, generation=5, renewed=False, cost={"a": 2},
            authenticated=answers.pop("authenticated", True),
        )  # fmt: skip
        self.state = notes()
        diagnosed = answers.pop("diagnose", None)
        self.state.lane = SimpleNamespace(destination=SimpleNamespace(diagnose=lambda _: diagnosed))
        self.state.account, self.state.credentials = self.account, self.credentials
        self.state.stopped, self.state.repeats = answers.pop("stopped", None), 1
        self.state.scrub = str.upper
        assert not answers
        self.landing: Any = Landing(self.running, POLICY, Longest(), deadline)

    def arrive(self, reply: Reply | None = None, failure: Failure | None = None) -> Verdict:
        """Take a completion."""
        found: Arrival = self.landing.arrive(self.state, self.flight, Completion(1, reply, failure, 0.25), NOW)
        assert (found.state, found.flight, found.reply) == (self.state, self.flight, reply)
        assert found.plain is (found.verdict.do is Do.FINAL)
        return found.verdict

    def land(self, verdict: Verdict, reply: Reply | None = OK) -> list[tuple[Any, ...]]:
        """Do what follows; return what was asked of all that runs."""
        self.landing.land(Arrival(self.state, self.flight, reply, verdict), NOW)
        noted: list[tuple[Any, ...]] = self.running.noted
        return noted


# --- what is counted --------------------------------------------------------------------------------------------------


def test_what_came_back_is_counted() -> None:
    """An answer counts with its headers and its time, a lost one without; what never left costs nothing."""
    cases: tuple[tuple[dict[str, Any], list[Any], list[Any]], ...] = (
        ({"reply": OK}, [("replied", {"a": 2}, NOW, OK.headers, 1_000.0)], [("replied", NOW, 0.25)]),
        ({"failure": LOST}, [("replied", {"a": 2}, NOW)], []),
        ({"failure": Failure("RVT-600", "refused", sent=False)}, [("refund", {"a": 2})], []),
        ({}, [("replied", {"a": 2}, NOW)], []),
    )
    for given, limiter, adapt in cases:
        bench = Bench()
        bench.arrive(**given)
        assert (bench.limiter.noted, bench.adapt.noted, bench.account.in_flight) == (limiter, adapt, 2)


@pytest.mark.parametrize(
    ("fault", "throttles", "failures"),
    [
        (Fault.THROTTLED, 1, 0),
        (Fault.BUSY, 1, 0),
        (Fault.UNAVAILABLE, 0, 1),
        (Fault.QUOTA, 0, 0),
        (Fault.EXPIRED, 0, 0),
    ],
)
def test_each_fault_counts_as_its_kind(fault: Fault, throttles: int, failures: int) -> None:
    """Turned away, failed, or neither; each time adds to those before."""
    bench = Bench(diagnose=Diagnosis(fault, "why"))
    for n in (1, 2):
        bench.arrive(OK)
        assert (bench.flight.throttles, bench.flight.failures) == (n * throttles, n * failures)


def test_failures_add_up_to_the_end_of_attempts() -> None:
    """The third attempt is the last; where nothing came back at all, that is said."""
    bench = Bench()
    assert [bench.arrive(failure=LOST).do for _ in range(3)] == [Do.AGAIN, Do.AGAIN, Do.GIVE_UP]
    found = Bench().arrive()
    assert (found.code, found.reason, found.doubt) == ("RVT-605", "nothing came back", True)
    turned = Bench(diagnose=Diagnosis(Fault.BUSY))
    assert [turned.arrive(OK).do for _ in range(5)] == [Do.AGAIN] * 4 + [Do.GIVE_UP]
    down = Bench(diagnose=Diagnosis(Fault.UNAVAILABLE))
    assert [down.arrive(OK).do for _ in range(3)] == [Do.AGAIN, Do.AGAIN, Do.GIVE_UP]


def test_who_reads_a_reply() -> None:
    """The destination first, then what a status means by itself; of a written file nobody reads any."""
    assert Bench(diagnose=Diagnosis(Fault.QUOTA, "spent")).arrive(OK).code == "RVT-602"
    assert Bench().arrive(Reply(503)).code == "RVT-604"
    assert Bench(diagnose=Diagnosis(Fault.QUOTA), call=PutFile("x", ())).arrive(Reply(503)).do is Do.FINAL


@pytest.mark.parametrize(
    ("authenticated", "renewable", "do"),
    [(True, True, Do.RENEW), (True, False, Do.STOP_LANE), (False, True, Do.STOP_LANE)],
)
def test_only_a_call_with_credentials_renews_them(authenticated: Any, renewable: Any, do: Do) -> None:
    """And only where they can be."""
    assert Bench(authenticated=authenticated, renewable=renewable).arrive(Reply(401)).do is do


def test_a_call_that_must_not_be_repeated_is_not() -> None:
    """Its effect is what is judged, of a failure as of a reply."""
    once = Http("POST", "/x", effect=Effect.ONCE)
    assert Bench(call=once).arrive(failure=LOST).do is Do.GIVE_UP
    assert Bench(call=once).arrive(Reply(503)).do is Do.GIVE_UP


# --- what is known of an exchange -------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("do", [Do.FINAL, Do.AGAIN])
@pytest.mark.parametrize("doubt", [True, False])
def test_a_doubt_stays_with_the_exchange(effect: Effect, do: Do, doubt: bool) -> None:
    """What may have been applied leaves a doubt, unless it only read; an attempt that may land late is told."""
    bench = Bench(call=Http("POST", "/x", effect=effect))
    bench.land(Verdict(do, "RVT-605", "lost", doubt=doubt))
    doubted = doubt and effect is not Effect.READ
    assert (bench.exchange.doubt, bench.exchange.in_flight) == (doubted, 1)
    assert bench.ending.noted == ([("lost",)] if doubted and do is not Do.FINAL else [])


def test_congestion_is_told_and_failing_is_counted() -> None:
    """Each answer that is no good one counts, until a good one comes."""
    bench = Bench()
    bench.land(Verdict(Do.AGAIN, "RVT-605", congested=True))
    assert (bench.adapt.noted, bench.account.failing) == ([("congested", NOW)], 5)
    bench = Bench(given_up=3)
    assert bench.land(Verdict(Do.FINAL)) == [("follow", bench.state, bench.exchange, "next", NOW)]
    assert (bench.adapt.noted, bench.account.failing, bench.account.given_up) == ([], 0, 0)
    assert bench.credentials.noted == [("worked", 5)]
    assert bench.exchange.noted == [("answer", bench.flight, OK), ("replies",), ("advance", "replies")]
    bench = Bench(answer=False)
    assert bench.land(Verdict(Do.FINAL)) == []


# --- what ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", Do)
def test_an_exchange_that_is_closing_only_ends(do: Do) -> None:
    """Whatever its last call says of it; an account or a lane that must stop does."""
    bench = Bench(closing=STOP)
    noted = bench.land(Verdict(do, "RVT-601", "why", until=7.0))
    stops: dict[Do, list[tuple[Any, ...]]] = {
        Do.STOP_ACCOUNT: [("stop_account", bench.account, "RVT-601", "WHY", 7.0)],
        Do.STOP_LANE: [("stop_lane", bench.state, Trouble("RVT-601", "WHY"))],
    }
    assert noted == [*stops.get(do, []), ("abandon", bench.state, bench.exchange, STOP)]
    assert bench.account.failing == 5


@pytest.mark.parametrize("who", ["halted", "stopped"])
@pytest.mark.parametrize("do", [Do.AGAIN, Do.RENEW])
def test_nothing_is_made_again_after_a_stop(who: str, do: Do) -> None:
    """Of the run or of the lane; the run's comes first."""
    bench = Bench(**{who: STOP})
    assert bench.land(Verdict(do)) == [("abandon", bench.state, bench.exchange, STOP)]
    first = Bench(halted=STOP, stopped=Trouble("RVT-698", "other"))
    assert first.land(Verdict(do)) == [("abandon", first.state, first.exchange, STOP)]
    good = Bench(**{who: STOP})
    assert [name for name, *_ in good.land(Verdict(Do.FINAL))] == ["follow"]


@pytest.mark.parametrize(
    ("code", "down"),
    [("RVT-600", True), ("RVT-603", True), ("RVT-604", True), ("RVT-605", True), ("RVT-606", False)],
)
def test_what_is_given_up_ends_and_again_and_again_means_down(code: str, down: bool) -> None:
    """The exchange ends, for later where the destination may be down; the second in a row ends the account."""
    bench = Bench()
    ended = ("abandon", bench.state, bench.exchange, Trouble(code, "WHY", later=down))
    assert bench.land(Verdict(Do.GIVE_UP, code, "why")) == [ended]
    assert bench.account.given_up == int(down)
    bench.running.noted.clear()
    assert bench.land(Verdict(Do.GIVE_UP, code, "why")) == [
        ended, *([("stop_account", bench.account, code, "why")] if down else [])
    ]  # fmt: skip
    assert Bench().land(Verdict(Do.FINAL), reply=None)[0][0] == "abandon"


# --- who waits --------------------------------------------------------------------------------------------------------


def test_a_repeat_waits_as_long_as_it_is_asked_to() -> None:
    """And else by chance, longer each time; alone, or with the whole account."""
    bench = Bench()
    bench.flight.failures, bench.flight.throttles = 2, 1
    assert bench.land(Verdict(Do.AGAIN)) == [("later", NOW + 4.0 * 2**3, bench.state, bench.flight)]
    assert (bench.state.repeats, bench.state.noted, bench.limiter.noted) == (2, [], [])
    bench = Bench()
    assert bench.land(Verdict(Do.AGAIN, after=7.0)) == [("later", NOW + 7.0, bench.state, bench.flight)]
    bench = Bench()
    assert bench.land(Verdict(Do.AGAIN, after=7.0, pause=True)) == []
    assert bench.state.noted == [("requeue", bench.flight)]
    assert bench.limiter.noted == [("pause", NOW + 7.0)]


@pytest.mark.parametrize(
    ("asked", "paused", "pauses"), [(None, False, True), (None, True, False), (7.0, True, True), (7.0, False, True)]
)
def test_an_account_that_pauses_is_not_paused_by_chance_again(asked: Any, paused: bool, pauses: bool) -> None:
    """Only a wait that the destination asks for is added to one that holds."""
    bench = Bench(paused=paused)
    bench.land(Verdict(Do.AGAIN, after=asked, pause=True))
    assert [one for one in bench.limiter.noted if one[0] == "pause"] == (
        [("pause", NOW + (asked or 4.0))] if pauses else []
    )
    assert [one for one in bench.limiter.noted if one[0] == "paused"] == ([("paused", NOW)] if asked is None else [])


@pytest.mark.parametrize(("deadline", "again"), [(NOW + 7.0, True), (NOW + 6.9, False), (None, True)])
def test_no_repeat_comes_after_the_deadline(deadline: float | None, again: bool) -> None:
    """A wait that ends with it is waited for, a longer one is not; the account is left alone where nobody asked."""
    bench = Bench(deadline=deadline)
    noted = bench.land(Verdict(Do.AGAIN, "RVT-603", "why", after=7.0))
    stop = ("stop_account", bench.account, "RVT-621", "WHY; the destination asks to wait 7 s", NOW + 7.0 + 1e9)
    ended = (
        "abandon",
        bench.state,
        bench.exchange,
        Trouble("RVT-603", "WHY; no time is left to try again", later=True),
    )
    assert noted == ([("later", NOW + 7.0, bench.state, bench.flight)] if again else [stop, ended])
    bench = Bench(deadline=NOW + 1)
    ended = (
        "abandon",
        bench.state,
        bench.exchange,
        Trouble("RVT-603", "WHY; no time is left to try again", later=True),
    )
    bench.flight.failures = 1
    assert bench.land(Verdict(Do.AGAIN, "RVT-603", "why")) == [ended]


@pytest.mark.parametrize(("asked", "again"), [(50.0, True), (50.1, False)])
def test_nobody_is_waited_for_longer_than_patience(asked: float, again: bool) -> None:
    """The account stops until then, and the exchange ends as it did."""
    bench = Bench()
    names = [name for name, *_ in bench.land(Verdict(Do.AGAIN, "RVT-603", "why", after=asked))]
    assert names == (["later"] if again else ["stop_account", "abandon"])
    assert bench.state.repeats == (2 if again else 1)


def test_an_exchange_ends_as_its_lane_did() -> None:
    """Where stopping the account stopped the lane, its own trouble is told."""
    bench = Bench()
    bench.running.stop_account = lambda *_: setattr(bench.state, "stopped", STOP)
    assert bench.land(Verdict(Do.AGAIN, after=51.0)) == [("abandon", bench.state, bench.exchange, STOP)]


def test_credentials_that_are_refused() -> None:
    """A new token, and the same call; a new one that is refused too ends the lane, and with it the exchange."""
    bench = Bench()
    assert bench.land(Verdict(Do.RENEW, "RVT-601", "why")) == []
    assert bench.credentials.noted == [("refused", 5, ("renewed", False))]
    assert (bench.flight.renewed, bench.state.repeats, bench.state.noted) == (True, 2, [("requeue", bench.flight)])
    bench = Bench(refused=False)
    told = Trouble("RVT-601", "WHY, WITH A NEW TOKEN TOO")
    assert bench.land(Verdict(Do.RENEW, "RVT-601", "why")) == [("stop_lane", bench.state, told)]
    assert (bench.flight.renewed, bench.state.repeats, bench.state.noted) == (False, 1, [])
