"""What becomes of changes: order, repeats, halving, proof, accounting, stops."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from math import ceil, log2
from typing import Any

import pytest

from revetl.contract import (
    Auth,
    BatchRejected,
    Diagnosis,
    Fault,
    Http,
    JobStarted,
    Pause,
    PutFile,
    Reply,
    Settled,
    Token,
)
from revetl.send import Failure, Policy, Work
from revetl.send.adapt import START
from revetl.types import Effect, Op, Outcome, Proof, Status
from tests.unit.send.stand import (
    CANARY,
    OK,
    ListFeed,
    apply,
    batch,
    batches,
    change,
    create_once,
    destination,
    lane,
    put_all,
)

LOST = Failure("RVT-605", "no answer", timeout=True)
UNREACHED = Failure("RVT-600", "refused", sent=False)


def test_every_change_has_one_outcome_with_status_and_request_id(make: Any) -> None:
    """Outcomes carry the HTTP status and the vendor's request id, each change exactly once, durably."""
    bench = make()
    reports = bench.run(ListFeed(lane(), batches(20, 5)))
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert len(bench.journal.outcomes) == 100 == bench.journal.flushed
    assert (bench.journal.outcomes[0].http_status, bench.journal.outcomes[0].request_id) == (200, "r-1")
    assert reports["shop"].calls == reports["shop"].syncs["shop.customer"].calls == 20


def test_fast_ramp(make: Any) -> None:
    """Two hundred calls to a 50 ms endpoint are at least ten times as fast as one at a time."""
    bench = make()
    bench.run(ListFeed(lane(), batches(200)))
    took = bench.clock.monotonic() - 1_000.0
    assert took <= 200 * 0.05 / 10
    assert bench.wire.peak <= 64


def test_in_flight_stays_within_the_lanes_own_bound(make: Any) -> None:
    """``max_in_flight`` is never passed."""
    bench = make()
    bench.run(ListFeed(lane(max_in_flight=7), batches(100)))
    assert bench.wire.peak == 7


def test_one_key_is_never_in_flight_twice(make: Any) -> None:
    """A later operation of a key leaves only after the earlier one came back, and is refreshed then."""
    first, second = change(1, key="a"), change(2, key="a", op=Op.JOIN, cohort="vip")
    other = change(3, key="b")
    feed = ListFeed(lane(), [Work(batch([first])), Work(batch([second], op=Op.JOIN)), Work(batch([other]))])
    bench = make(latency=1.0)
    bench.run(feed)
    assert bench.times() == pytest.approx([0.0, 1.0, 1.0])
    assert [work.batch.changes[0].seq for work in feed.refreshed] == [2]


def test_an_identity_is_never_in_flight_twice(make: Any) -> None:
    """A record that takes over an identity waits for the one that gives it up."""
    gives = change(1, key="a", op=Op.IDENTITY, identity="new@example.com", before_identity="old@example.com")
    takes = change(2, key="b", identity="old@example.com")
    bench = make(latency=1.0)
    bench.run(ListFeed(lane(), [Work(batch([gives], op=Op.IDENTITY)), Work(batch([takes]))]))
    assert bench.times() == pytest.approx([0.0, 1.0])


def test_nothing_overtakes_within_a_feed(make: Any) -> None:
    """A batch that has to wait keeps its successors waiting, whatever keys they have."""
    works = [Work(batch([change(1, key="a")])), Work(batch([change(2, key="a")])), Work(batch([change(3, key="z")]))]
    bench = make(latency=1.0)
    bench.run(ListFeed(lane(), works))
    assert bench.bodies() == ["a", "a", "z"]


def test_successors_of_a_failed_operation_wait_without_a_call(make: Any) -> None:
    """After a rejected UPSERT the JOIN of that key is waiting; another key's JOIN leaves."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/rows", content=batch.op.encode())
        if batch.op is Op.UPSERT:
            return [Outcome.rejected(batch.changes[0], code="NO", reason="no"), Outcome.delivered(batch.changes[1])]
        return [Outcome.delivered(change) for change in batch.changes]

    upserts = [change(1, key="a"), change(2, key="b")]
    joins = [change(3, key="a", op=Op.JOIN), change(4, key="b", op=Op.JOIN)]
    bench = make()
    bench.run(ListFeed(lane(destination(run)), [Work(batch(upserts)), Work(batch(joins, op=Op.JOIN))]))
    assert bench.journal.statuses() == {
        1: Status.REJECTED, 2: Status.DELIVERED, 3: Status.WAITING, 4: Status.DELIVERED,
    }  # fmt: skip
    assert bench.journal.of(3).code == "RVT-612"


def test_a_failed_part_does_not_block_the_record(make: Any) -> None:
    """PART does not build up UPSERT: a membership that cannot be ended never keeps the fields from leaving."""
    answers = [Reply(400, b"{}"), OK]
    works = [Work(batch([change(1, key="a", op=Op.PART)], op=Op.PART)), Work(batch([change(2, key="a")]))]
    bench = make(answers)
    bench.run(ListFeed(lane(), works))
    assert bench.journal.statuses() == {1: Status.REJECTED, 2: Status.DELIVERED}


def test_a_hand_over_waits_when_the_identity_change_failed(make: Any) -> None:
    """Nobody is sent under an identity that another record may still hold."""
    gives = change(1, key="a", op=Op.IDENTITY, identity="new@example.com", before_identity="old@example.com")
    takes = change(2, key="b", identity="old@example.com")
    bench = make([Reply(400, b"{}"), OK])
    bench.run(ListFeed(lane(), [Work(batch([gives], op=Op.IDENTITY)), Work(batch([takes]))]))
    assert bench.journal.statuses() == {1: Status.REJECTED, 2: Status.WAITING}
    assert bench.journal.of(2).code == "RVT-613"
    assert len(bench.seen) == 1


# --- repeats ---


def test_a_repeatable_call_is_repeated_after_a_lost_answer(make: Any) -> None:
    """Timeouts and 5xx of a repeatable call are made good by a repeat."""
    bench = make([LOST, Reply(502, b""), OK])
    reports = bench.run(ListFeed(lane(), batches(1)))
    assert bench.journal.statuses() == {1: Status.DELIVERED}
    assert reports["shop"].repeats == 2


@pytest.mark.parametrize(("first", "repeated"), [(LOST, True), (Reply(502, b""), True), (UNREACHED, False)])
def test_a_delivery_after_a_lost_attempt_says_so(make: Any, first: Any, repeated: Any) -> None:
    """An attempt that may still land marks the delivery that follows it; one that never left does not."""
    bench = make([first, OK])
    bench.run(ListFeed(lane(), batches(1)))
    assert bench.journal.of(1).repeated is repeated


def test_halves_inherit_the_doubt_of_the_whole(make: Any) -> None:
    """What was sent once and lost stays in doubt in either half, delivered or not."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        if b"," in call.content:
            return LOST if now < 1_750_000_000.01 else Reply(400, b"{}")
        return OK if call.content == b"k1" else UNREACHED

    bench = make(answer)
    bench.run(ListFeed(lane(), batches(1, 2)))
    assert bench.journal.of(1).repeated
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.UNKNOWN}


@pytest.mark.parametrize("answer", [LOST, Reply(500, b"")])
def test_a_once_call_is_never_repeated_after_a_doubt(make: Any, answer: Any) -> None:
    """A create without a key is unknown after a lost answer, after one call; its mark came before the call."""
    bench = make([answer, OK])
    bench.run(ListFeed(lane(destination(create_once)), batches(1)))
    assert bench.journal.statuses() == {1: Status.UNKNOWN}
    assert len(bench.seen) == 1
    assert bench.journal.events[0] == ("started", ["k1"])


@pytest.mark.parametrize("answer", [UNREACHED, Reply(429, b""), Reply(425, b"")])
def test_a_once_call_is_repeated_when_it_provably_was_not_applied(make: Any, answer: Any) -> None:
    """Not sent, or refused by the server: even a once call goes again."""
    bench = make([answer, OK])
    bench.run(ListFeed(lane(destination(create_once)), batches(1)))
    assert bench.journal.statuses() == {1: Status.DELIVERED}
    assert [event for event in bench.journal.events if event[0] == "started"] == [("started", ["k1"])]


@pytest.mark.parametrize(("answer", "status"), [(UNREACHED, Status.WAITING), (LOST, Status.UNKNOWN)])
def test_giving_up_says_what_is_known(make: Any, answer: Any, status: Any) -> None:
    """After the last attempt a change is waiting if nothing left, unknown if something may have been applied."""
    bench = make(answer)
    bench.run(ListFeed(lane(), batches(1)))
    assert bench.journal.statuses() == {1: status}
    assert len(bench.seen) == Policy().attempts


def test_one_doubt_is_enough(make: Any) -> None:
    """A first attempt that may have landed makes the change unknown, whatever the later attempts were."""
    bench = make([LOST, UNREACHED])
    bench.run(ListFeed(lane(), batches(1)))
    assert bench.journal.statuses() == {1: Status.UNKNOWN}


def test_reads_leave_no_doubt(make: Any) -> None:
    """When only reads were lost, nothing was applied: waiting."""

    def run(batch: Any) -> Any:
        yield Http("GET", "/find", effect=Effect.READ)
        raise AssertionError("never answered")

    bench = make(LOST)
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    assert bench.journal.statuses() == {1: Status.WAITING}


@pytest.mark.parametrize(
    "header",
    [{"retry-after": "30"}, {"retry-after": "Sun, 15 Jun 2025 15:07:10 GMT", "date": "Sun, 15 Jun 2025 15:06:40 GMT"}],
)
def test_retry_after_holds_for_the_whole_account(make: Any, header: Any) -> None:
    """In both forms: no call of the account leaves before the server said so."""
    seen = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        seen.append(now)
        return Reply(429, b"", header) if len(seen) == 1 else OK

    bench = make(answer)
    bench.run(ListFeed(lane(max_in_flight=1), batches(3)))
    assert bench.times() == pytest.approx([0.0, 30.05, 30.1, 30.15], abs=0.01)
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_an_absurd_retry_after_stops_the_account(make: Any) -> None:
    """Nobody waits a day: the change is waiting, the report says until when, and no call leaves sooner."""
    bench = make(Reply(429, b"", {"retry-after": "86400"}))
    feed = ListFeed(lane(max_in_flight=1), batches(50))
    report = bench.run(feed)["shop"]
    assert len(bench.seen) == 1
    assert bench.journal.statuses() == {1: Status.WAITING, 2: Status.WAITING}  # one batch was made ahead
    assert feed.pulled == 2
    assert (report.stopped.code, report.stopped.later) == ("RVT-621", True)
    assert report.stopped.until == pytest.approx(bench.seen[0][0] + 86_400, abs=1)


def test_busy_means_fewer_calls_at_once(make: Any) -> None:
    """A destination that takes five at a time and says so gets all rows, with few calls in vain."""
    bench = make()
    busy = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        if bench.wire.in_flight >= 5:
            busy.append(now)
            return 0.05, Reply(420, b"")
        return 0.05, OK

    bench.wire._handler = answer
    to = destination(diagnose=lambda reply: Diagnosis(Fault.BUSY) if reply.status == 420 else None)
    bench.run(ListFeed(lane(to), batches(300)))
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert len(busy) <= 75


def test_quota_stops_the_account_without_draining(make: Any) -> None:
    """A spent quota ends the lane: what was pulled waits, the rest is not pulled, the reset time is told."""
    spent = Diagnosis(Fault.QUOTA, "daily limit", until=1_750_009_999.0)
    to = destination(diagnose=lambda reply: spent if reply.status == 429 else None)
    bench = make([OK, Reply(429, b"{}")])
    feed = ListFeed(lane(to, max_in_flight=1), batches(500))
    report = bench.run(feed)["shop"]
    assert len(bench.seen) == 2
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.WAITING, 3: Status.WAITING}  # 3: made ahead
    assert feed.pulled == 3
    assert (report.stopped.code, report.stopped.until) == ("RVT-602", 1_750_009_999.0)


def test_a_destination_that_is_down_is_left_alone(make: Any) -> None:
    """After a few exchanges given up in a row the lane stops; its remaining batches are not tried."""
    bench = make(UNREACHED)
    feed = ListFeed(lane(), batches(500))
    report = bench.run(feed)["shop"]
    assert report.stopped.code == "RVT-600"
    assert report.stopped.later
    assert len(bench.seen) <= (2 * START + 4) * Policy().attempts  # no exchange was begun after the first few
    assert set(bench.journal.statuses().values()) == {Status.WAITING}


def test_one_poisoned_call_does_not_stop_the_others(make: Any) -> None:
    """A row that makes the server fail for ever is unknown; every other row is delivered."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        return Reply(500, b"") if call.content == b"k3" else OK

    bench = make(answer)
    report = bench.run(ListFeed(lane(), batches(100)))["shop"]
    statuses = bench.journal.statuses()
    assert statuses.pop(3) is Status.UNKNOWN
    assert set(statuses.values()) == {Status.DELIVERED}
    assert report.stopped is None


def test_one_slow_destination_holds_up_no_other(make: Any) -> None:
    """A destination that hangs does not delay the rows of another."""
    slow, fast = lane(destination(name="slow")), lane(destination(name="fast"))
    bench = make(lambda lane, call, now: (120.0 if lane.name == "slow" else 0.05, OK))
    done: list[Any] = []
    keep = bench.journal.settle

    def settle(outcomes: Any) -> None:
        keep(outcomes)
        done.extend((bench.clock.monotonic(), outcome.change.sync) for outcome in outcomes)

    bench.journal.settle = settle
    bench.run(
        ListFeed(slow, batches(50, sync="slow.a"), sync="slow.a"),
        ListFeed(fast, [replace(w) for w in batches(200, sync="fast.a")], sync="fast.a"),
    )
    assert max(at for at, sync in done if sync == "fast.a") - 1_000.0 < 1.5


# --- halving ---


@pytest.mark.parametrize("bad", [{"k1"}, {"k64"}, {"k37"}, {"k5", "k90"}])
def test_halving_finds_the_bad_rows(make: Any, bad: Any) -> None:
    """The bad rows of a refused batch are rejected by name, all others delivered, within 2 log2 n calls a row."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        return Reply(400, b"{}") if bad & set(call.content.decode().split(",")) else OK

    bench = make(answer)
    bench.run(ListFeed(lane(), batches(1, 100)))
    rejected = {o.change.key for o in bench.journal.outcomes if o.status is Status.REJECTED}
    assert rejected == bad
    assert sum(o.status is Status.DELIVERED for o in bench.journal.outcomes) == 100 - len(bad)
    assert len(bench.seen) <= 1 + 2 * ceil(log2(100)) * len(bad)


def test_halving_ends_with_its_budget(make: Any) -> None:
    """A batch that is refused whatever is in it costs a bounded number of calls; the rest waits."""
    bench = make(Reply(400, b"{}"))
    bench.run(ListFeed(lane(), batches(1, 100)))
    statuses = bench.journal.statuses()
    assert len(statuses) == 100
    assert len(bench.seen) <= 1 + 6 * ceil(log2(100)) + 2
    assert {o.code for o in bench.journal.outcomes if o.status is Status.WAITING} == {"RVT-614"}


def test_halves_keep_their_place(make: Any) -> None:
    """A later operation of a key still waits while its half is on the way."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        return (1.0, Reply(400, b"{}")) if b"k2" in (call.content or b"") and call.content != b"k1" else (1.0, OK)

    works = [*batches(1, 2), Work(batch([change(9, key="k1", op=Op.JOIN)], op=Op.JOIN))]
    bench = make(answer)
    bench.run(ListFeed(lane(), works))
    assert bench.bodies()[0] == "k1,k2"
    assert bench.times()[-1] == pytest.approx(2.0)
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED, 9: Status.DELIVERED}


# --- tokens ---


def token_auth(*values: Any) -> Any:
    """Return an Auth that fetches these tokens, one after the other."""
    left = list(values)

    def token(settings: Any) -> Any:
        reply = yield Http("POST", "/token", authenticated=False)
        assert reply.ok
        return Token(left.pop(0))

    return Auth(apply, token)


def authorised(*good: Any) -> Any:
    """Return an answer that lets only these tokens in."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        if call.path.endswith("/token"):
            return OK
        return OK if dict(call.headers)["authorization"].removeprefix("Bearer ") in good else Reply(401, b"{}")

    return answer


def test_an_expired_token_is_renewed_once_for_all(make: Any) -> None:
    """All calls that were refused with the old token go again with the new one; one token call."""
    expired = []

    def answer(lane: Any, call: Any, now: Any) -> Any:
        if call.path.endswith("/token"):
            return OK
        old = dict(call.headers)["authorization"] == "Bearer token-one"
        expired.append(old and now > 1_750_000_000.3)
        return Reply(401, b"{}") if expired[-1] else OK

    bench = make(answer)
    bench.run(ListFeed(lane(destination(auth=token_auth("token-one", "token-two"))), batches(400)))
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert any(expired)
    assert sum(call.path.endswith("/token") for _, call in bench.seen) == 2


def test_a_second_refusal_stops_the_lane(make: Any) -> None:
    """A new token that is refused too means that the credentials are: nothing more leaves, everything waits."""
    bench = make(authorised())
    feed = ListFeed(lane(destination(auth=token_auth("token-one", "token-two")), max_in_flight=2), batches(100))
    report = bench.run(feed)["shop"]
    assert (report.stopped.code, report.stopped.later) == ("RVT-601", False)
    assert set(bench.journal.statuses().values()) == {Status.WAITING}
    assert sum(call.path.endswith("/token") for _, call in bench.seen) <= 2
    assert feed.pulled < 10


def test_a_key_that_is_refused_stops_the_lane_at_once(make: Any) -> None:
    """Without a way to renew, 401 is final."""
    bench = make(Reply(401, b"{}"))
    report = bench.run(ListFeed(lane(max_in_flight=1), batches(10)))["shop"]
    assert report.stopped.code == "RVT-601"
    assert len(bench.seen) == 1


# --- the generator's contract ---


def test_less_proof_than_declared_is_unknown(make: Any) -> None:
    """*Delivered* on an account's total where rows are promised is not delivered."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/rows")
        return [Outcome.delivered(change, proof=Proof.ACCOUNT) for change in batch.changes]

    bench = make()
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    assert bench.journal.of(1).code == "RVT-615"
    assert bench.journal.statuses() == {1: Status.UNKNOWN}


def test_a_forgotten_change_is_unknown(make: Any) -> None:
    """A change that the module does not mention is unknown, and a person is told."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/rows")
        return [Outcome.delivered(batch.changes[0])]

    bench = make()
    report = bench.run(ListFeed(lane(destination(run)), batches(1, 3)))["shop"]
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.UNKNOWN, 3: Status.UNKNOWN}
    assert bench.journal.of(2).code == "RVT-616"
    assert any("RVT-616" in note for note in report.notes)


def foreign(batch: Any) -> Any:
    """Return an outcome of a change that is not in the batch."""
    yield Http("POST", "/rows")
    return [*(Outcome.delivered(c) for c in batch.changes), Outcome.delivered(change(77))]


def twice(batch: Any) -> Any:
    """Return two outcomes of one change."""
    yield Http("POST", "/rows")
    return [Outcome.delivered(batch.changes[0]), *(Outcome.delivered(c) for c in batch.changes)]


def mistaken(batch: Any) -> Any:
    """Read what the reply does not have."""
    reply = yield Http("POST", "/rows")
    return reply.json()["rows"]


def nothing(batch: Any) -> Any:
    """Return None."""
    yield Http("POST", "/rows")


def nonsense(batch: Any) -> Any:
    """Yield what nobody understands."""
    yield Http("POST", "/rows")
    yield "more"


@pytest.mark.parametrize("run", [foreign, twice, mistaken, nothing, nonsense])
def test_a_module_that_breaks_its_contract_is_not_believed(make: Any, run: Any) -> None:
    """Everything that it did not settle before is unknown, and a person is told."""
    bench = make()
    report = bench.run(ListFeed(lane(destination(run)), batches(1, 2)))["shop"]
    assert bench.journal.statuses() == {1: Status.UNKNOWN, 2: Status.UNKNOWN}
    assert bench.journal.of(1).code == "RVT-618"
    assert report.notes


@pytest.mark.parametrize(
    ("status", "size", "expected"),
    [(200, 1, Status.UNKNOWN), (422, 1, Status.REJECTED), (422, 2, Status.UNKNOWN), (409, 1, Status.UNKNOWN)],
)
def test_an_unreadable_reply(make: Any, status: Any, size: Any, expected: Any) -> None:
    """Unknown, but for a single record that the status itself refuses."""

    def run(batch: Any) -> Any:
        reply = yield Http("POST", "/rows")
        reply.json()
        raise AssertionError("not JSON")

    bench = make(Reply(status, b"<html>"))
    bench.run(ListFeed(lane(destination(run)), batches(1, size)))
    assert set(bench.journal.statuses().values()) == {expected}
    assert bench.journal.of(1).code == "RVT-606"


def test_settled_outcomes_stay_when_the_rest_fails(make: Any) -> None:
    """What was settled is settled; only the rest shares the fate of the exchange."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/first")
        yield Settled((Outcome.delivered(batch.changes[0]),))
        yield Http("POST", "/second")
        raise AssertionError("never answered")

    bench = make(lambda lane, call, now: LOST if call.path.endswith("/second") else OK)
    bench.run(ListFeed(lane(destination(run)), batches(1, 2)))
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.UNKNOWN}


def test_a_tuple_goes_out_side_by_side(make: Any) -> None:
    """Calls of a tuple are in flight together, and their replies come in its order."""

    def run(batch: Any) -> Any:
        first, second = yield Http("POST", "/slow"), Http("POST", "/fast")
        assert (first.content, second.content) == (b"slow", b"fast")
        return [Outcome.delivered(batch.changes[0])]

    def answer(lane: Any, call: Any, now: Any) -> Any:
        name = call.path.rpartition("/")[2]
        return (2.0 if name == "slow" else 1.0), Reply(200, name.encode())

    bench = make(answer)
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    assert bench.times() == [0.0, 0.0]
    assert bench.journal.statuses() == {1: Status.DELIVERED}


def polling(batch: Any) -> Any:
    """Start a job and poll it every ten seconds until it is done."""
    yield Http("POST", "/jobs", effect=Effect.ONCE)
    yield JobStarted("job-1")
    yield from follow("job-1", batch)
    return [Outcome.delivered(change) for change in batch.changes]


def follow(job: Any, batch: Any) -> Any:
    """Poll a job until it is done."""
    while (yield Http("GET", f"/jobs/{job}", effect=Effect.READ)).content != b"done":
        yield Pause(10)
    return [Outcome.delivered(change) for change in batch.changes]


def test_a_job_is_durable_before_its_next_call(make: Any) -> None:
    """The id is in the journal before anything else leaves; polls wait as asked."""
    bench = make([OK, Reply(200, b"busy"), Reply(200, b"busy"), Reply(200, b"done")])
    bench.run(ListFeed(lane(destination(polling)), batches(1)))
    assert bench.journal.events[:2] == [("started", ["k1"]), ("job", "job-1")]
    assert bench.times() == pytest.approx([0.0, 0.05, 10.1, 20.15])
    assert bench.journal.statuses() == {1: Status.DELIVERED}


def test_a_found_job_is_resumed(make: Any) -> None:
    """Work with a job goes on with it instead of sending its batch."""
    work = replace(batches(1)[0], job="job-7")
    bench = make(Reply(200, b"done"))
    bench.run(ListFeed(lane(destination(polling, resume=follow)), [work]))
    assert [call.path for _, call in bench.seen] == ["/v1/jobs/job-7"]
    assert bench.journal.statuses() == {1: Status.DELIVERED}


def test_a_deadline_leaves_a_job_running(make: Any) -> None:
    """A job that outlives the deadline is unknown under its own code: the next run goes on with it."""
    bench = make(Reply(200, b"busy"), deadline=35.0)
    bench.run(ListFeed(lane(destination(polling)), batches(1)))
    assert bench.journal.of(1).code == "RVT-617"


def test_a_service_that_goes_down_leaves_a_job_running(make: Any) -> None:
    """So is one whose polls are not answered any more, for whatever passing reason."""
    bench = make([OK, Reply(200, b"busy"), *[Reply(503, b"")] * 60])
    bench.run(ListFeed(lane(destination(polling)), batches(1)))
    assert bench.journal.of(1).code == "RVT-617"
    assert bench.journal.statuses() == {1: Status.UNKNOWN}
    assert bench.clock.monotonic() - 1_000.0 <= 36.0


# --- stops ---


def test_the_deadline_ends_the_run(make: Any) -> None:
    """Nothing leaves after the deadline; what was in flight gets four seconds, then it is unknown."""
    bench = make(lambda lane, call, now: (100.0, OK) if call.content == b"k1" else (1.0, OK), deadline=10.5)
    feed = ListFeed(lane(max_in_flight=2), batches(100))
    report = bench.run(feed)["shop"]
    statuses = bench.journal.statuses()
    assert statuses.pop(1) is Status.UNKNOWN
    assert statuses.pop(max(statuses)) is Status.WAITING  # it was made ahead, and never left
    assert set(statuses.values()) == {Status.DELIVERED}
    assert len(statuses) == feed.pulled - 2 == len(bench.seen) - 1
    assert max(bench.times()) <= 10.5
    assert bench.clock.monotonic() - 1_000.0 <= 15.0
    assert report.stopped is None


def test_a_signal_ends_the_run(make: Any) -> None:
    """After a signal no call leaves, replies within the grace still count, everything is flushed."""
    stops: list[str] = []
    bench = make(lambda lane, call, now: (2.5, OK), stop=lambda: stops[0] if stops else None)
    bench.sender._crash = lambda point: stops.append("SIGTERM") if len(bench.seen) == 8 and not stops else None
    bench.run(ListFeed(lane(max_in_flight=4), batches(100)))
    statuses = bench.journal.statuses()
    assert len(bench.seen) <= 12
    assert set(statuses.values()) == {Status.DELIVERED}
    assert bench.journal.flushed == len(statuses)


def test_a_refused_row_keeps_no_secret(make: Any) -> None:
    """Reasons are scrubbed of the settings' secrets, in any spelling, and of control characters."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/rows")
        return [
            Outcome.rejected(
                batch.changes[0], code="E", reason=f"bad \x1b[31mkey\x1b[0m\n::error::{CANARY}" + "x" * 900
            )
        ]

    bench = make()
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    reason = bench.journal.of(1).reason
    assert CANARY not in reason
    assert reason.startswith("bad key ::error::***")
    assert len(reason) <= 500


def test_outcomes_are_flushed_within_fifty_milliseconds(make: Any) -> None:
    """While calls are under way no outcome stays unflushed for longer than 50 ms."""
    bench = make(lambda lane, call, now: (0.01 if call.content == b"k1" else 30.0, OK))
    flushes = []
    bench.journal.flush = lambda: flushes.append(bench.clock.monotonic())
    bench.run(ListFeed(lane(), batches(2)))
    assert flushes[0] - 1_000.0 == pytest.approx(0.06, abs=0.001)


def test_a_batch_that_raises_before_its_first_call_waits(make: Any) -> None:
    """A module that fails before anything left leaves its changes waiting, and a person is told."""

    def run(batch: Any) -> Any:
        raise KeyError("field")

    bench = make()
    report = bench.run(ListFeed(lane(destination(run)), batches(1)))["shop"]
    assert bench.journal.statuses() == {1: Status.WAITING}
    assert "KeyError" in report.notes[0]
    assert bench.seen == []


def test_the_journal_sees_no_credentials(make: Any) -> None:
    """Calls are journaled as the module made them, and leave with credentials on."""
    bench = make()
    bench.run(ListFeed(lane(destination(put_all)), batches(1)))
    assert bench.journal.calls == [("POST /rows", 200)]
    assert dict(bench.seen[0][1].headers)["authorization"] == f"Bearer {CANARY}"
    assert (bench.seen[0][1].origin, bench.seen[0][1].path) == ("https://api.example.com", "/v1/rows")


def test_a_single_refused_row_needs_no_second_call(make: Any) -> None:
    """BatchRejected of one record rejects it with the vendor's code."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/rows")
        return BatchRejected("INVALID_EMAIL", "no such address")

    bench = make()
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    assert (bench.journal.of(1).status, bench.journal.of(1).code) == (Status.REJECTED, "INVALID_EMAIL")
    assert len(bench.seen) == 1


def test_the_next_batch_is_made_while_calls_are_out(make: Any) -> None:
    """A call that comes back is followed at once by one that is ready; only a few are made ahead."""
    bench: Any = make(lambda lane, call, now: (1.0 + len(bench.seen) / 100, OK))  # no two come back together
    out = []

    class Watched(ListFeed):
        def next(self) -> Any:
            out.append((bench.wire.in_flight, self.pulled - len(bench.seen)))
            return super().next()

    bench.run(Watched(lane(max_in_flight=4), batches(40)))
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert {flying for flying, _ in out[4:]} == {4}  # nothing is made only once a slot is free
    assert max(ahead for _, ahead in out) <= 1


def test_what_comes_together_is_heeded_together(make: Any) -> None:
    """Of two replies of one moment the second asks to wait: no call leaves on account of the first."""
    turned_away = Reply(429, b"", {"retry-after": "9"})
    bench: Any = make(lambda lane, call, now: turned_away if call.content == b"k2" and len(bench.seen) == 2 else OK)
    bench.run(ListFeed(lane(max_in_flight=2), batches(8)))
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert bench.times()[:2] == [0.0, 0.0]
    assert bench.times()[2] >= 9.0


def test_a_signal_between_two_replies_lets_nothing_leave(make: Any) -> None:
    """A signal that comes while replies of one moment are read is heeded before the next call leaves."""
    stops: list[str] = []
    bench = make(stop=lambda: stops[0] if stops else None)
    bench.sender._crash = lambda point: stops.append("SIGTERM") if point == "after_reply" else None
    bench.run(ListFeed(lane(max_in_flight=4), batches(20)))
    assert len(bench.seen) == 4
    statuses = bench.journal.statuses()
    assert [statuses[n] for n in range(1, 5)] == [Status.DELIVERED] * 4
    assert set(statuses.values()) <= {Status.DELIVERED, Status.WAITING}


def test_a_batch_that_is_through_is_dropped_at_once(make: Any) -> None:
    """Nothing of a batch holds itself: its memory is free with its last use, however rarely cycles are looked for."""
    gone: list[int] = []

    class Traced(list[Any]):
        """The changes of a batch."""

    def works() -> Any:
        for work in batches(3):
            changes = Traced(work.batch.changes)
            weakref.finalize(changes, gone.append, len(gone))
            yield replace(work, batch=replace(work.batch, changes=changes))

    gc.disable()
    try:
        feed = ListFeed(lane(), list(works()))
        bench = make()
        bench.run(feed)
        feed.works.clear()
        assert len(gone) == 3
    finally:
        gc.enable()


def test_no_repeat_is_waited_for_beyond_the_deadline(make: Any) -> None:
    """A call whose next try would come after the run's end waits for the next run, and says why."""
    bench = make(UNREACHED, deadline=5.0, policy=Policy(base=100.0, cap=900.0))
    report = bench.run(ListFeed(lane(), batches(1)))["shop"]
    assert bench.journal.of(1).status is Status.WAITING
    assert bench.journal.of(1).reason.endswith("refused; no time is left to try again")
    assert report.stopped is None


def test_the_first_trouble_of_an_exchange_is_its_own(make: Any) -> None:
    """A call that fails while its exchange is ending changes what is known of its rows, not what is said of them."""

    def run(batch: Any) -> Any:
        yield Http("POST", "/first", effect=Effect.READ), Http("POST", "/second")
        return [Outcome.delivered(change) for change in batch.changes]

    def answer(lane: Any, call: Any, now: Any) -> Any:
        return (0.05, Reply(401, b"")) if call.path.endswith("/first") else (1.0, Reply(500, b""))

    bench = make(answer)
    report = bench.run(ListFeed(lane(destination(run)), batches(1)))["shop"]
    assert (bench.journal.of(1).status, bench.journal.of(1).code) == (Status.UNKNOWN, "RVT-601")
    assert report.stopped.code == "RVT-601"
    assert len(bench.seen) == 2


def test_a_call_that_fails_after_a_signal_is_not_made_again(make: Any) -> None:
    """What comes back in vain after a signal ends at once, not at the end of the grace."""
    stops = iter([None])
    bench = make(lambda lane, call, now: (1.0, UNREACHED), stop=lambda: next(stops, "SIGTERM"))
    bench.run(ListFeed(lane(), batches(1)))
    assert (bench.journal.of(1).status, bench.journal.of(1).code) == (Status.WAITING, "RVT-611")
    assert len(bench.seen) == 1
    assert bench.clock.monotonic() - 1_000.0 <= 1.5


def test_a_file_has_no_status_to_read(make: Any) -> None:
    """What comes back of a written file is its exchange's, whatever a module reads into statuses."""

    def run(batch: Any) -> Any:
        reply = yield PutFile("rows.jsonl", [{"k": change.key} for change in batch.changes])
        return [Outcome.delivered(change) for change in batch.changes] if reply.status == 503 else []

    bench = make(Reply(503, b""))
    bench.run(ListFeed(lane(destination(run)), batches(1)))
    assert bench.journal.statuses() == {1: Status.DELIVERED}
    assert len(bench.seen) == 1


def test_a_call_is_turned_away_so_often_and_no_more(make: Any) -> None:
    """Each time counts, also where failures come in between."""
    bench = make([Reply(429, b""), Reply(503, b""), Reply(429, b"")], policy=Policy(throttles=3, attempts=9))
    bench.run(ListFeed(lane(), batches(1)))
    assert len(bench.seen) == 4
    assert bench.journal.of(1).code == "RVT-603"


def test_one_good_answer_forgets_what_was_given_up(make: Any) -> None:
    """A destination is down after so many exchanges in a row, not after so many in all."""

    def answer(lane: Any, call: Any, now: Any) -> Any:
        return OK if call.content == b"k5" else UNREACHED

    bench = make(answer, policy=Policy(attempts=1, down=5))
    report = bench.run(ListFeed(lane(max_in_flight=1), batches(9)))["shop"]
    assert report.stopped is None
    assert len(bench.seen) == 9
