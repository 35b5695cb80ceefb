"""What a completed call means, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revetl.contract import Diagnosis, Fault, Reply
from revetl.send import Failure, Policy
from revetl.send.verdict import BARE_403, Do, Tries, Verdict, judge_failure, judge_reply
from revetl.types import Effect

POLICY = Policy(attempts=3, throttles=5)
ONCE, PUT = Tries(Effect.ONCE, 1, 0, renewable=False), Tries(Effect.REPEATABLE, 1, 0, renewable=False)
LOST = Failure("RVT-605", "the answer was lost", sent=True)
LIMITED = Reply(429, b"{}", {"retry-after": "7"}, at=1_000.0)


@pytest.mark.parametrize(
    ("failure", "tries", "expected"),
    [
        (LOST, PUT, Verdict(Do.AGAIN, "RVT-605", "the answer was lost", doubt=True)),
        (LOST, replace(PUT, failures=2), Verdict(Do.AGAIN, "RVT-605", "the answer was lost", doubt=True)),
        (LOST, replace(PUT, failures=3), Verdict(Do.GIVE_UP, "RVT-605", "the answer was lost", doubt=True)),
        (LOST, ONCE, Verdict(Do.GIVE_UP, "RVT-605", "the answer was lost", doubt=True)),
        (replace(LOST, sent=False), ONCE, Verdict(Do.AGAIN, "RVT-605", "the answer was lost")),
        (replace(LOST, again=False), PUT, Verdict(Do.GIVE_UP, "RVT-605", "the answer was lost", doubt=True)),
        (replace(LOST, timeout=True), PUT, Verdict(Do.AGAIN, "RVT-605", LOST.what, doubt=True, congested=True)),
        (replace(LOST, fatal=True), PUT, Verdict(Do.STOP_LANE, "RVT-605", "the answer was lost", doubt=True)),
        (replace(LOST, fatal=True, sent=False), PUT, Verdict(Do.STOP_LANE, "RVT-605", "the answer was lost")),
    ],
)
def test_a_call_without_an_answer(failure: Any, tries: Any, expected: Any) -> None:
    """It is repeated while that can do no harm, and leaves a doubt where it may have arrived."""
    assert judge_failure(failure, tries, POLICY) == expected


@pytest.mark.parametrize(
    ("found", "tries", "expected"),
    [
        (None, PUT, Verdict(Do.FINAL, doubt=True)),
        (Diagnosis(Fault.THROTTLED, "slow down"), replace(ONCE, throttles=4),
         Verdict(Do.AGAIN, "RVT-603", "slow down", after=7.0, pause=True, congested=True)),
        (Diagnosis(Fault.THROTTLED, after=2.0), replace(ONCE, throttles=5),
         Verdict(Do.GIVE_UP, "RVT-603", "HTTP 429", after=2.0, pause=True, congested=True)),
        (Diagnosis(Fault.QUOTA, "spent", until=5_000.0), PUT,
         Verdict(Do.STOP_ACCOUNT, "RVT-602", "spent", until=5_000.0)),
        (Diagnosis(Fault.QUOTA), PUT, Verdict(Do.STOP_ACCOUNT, "RVT-602", "HTTP 429", until=1_007.0)),
        (Diagnosis(Fault.EXPIRED, "old"), replace(PUT, renewable=True), Verdict(Do.RENEW, "RVT-601", "old")),
        (Diagnosis(Fault.EXPIRED, "old"), PUT, Verdict(Do.STOP_LANE, "RVT-601", "old")),
        (Diagnosis(Fault.UNAVAILABLE, "down"), PUT,
         Verdict(Do.AGAIN, "RVT-604", "down", doubt=True, after=7.0, pause=True)),
        (Diagnosis(Fault.UNAVAILABLE, "down"), replace(PUT, failures=3),
         Verdict(Do.GIVE_UP, "RVT-604", "down", doubt=True, after=7.0, pause=True)),
        (Diagnosis(Fault.UNAVAILABLE, "down"), ONCE,
         Verdict(Do.GIVE_UP, "RVT-604", "down", doubt=True, after=7.0, pause=True)),
    ],
)  # fmt: skip
def test_a_reply_that_asks_to_wait_seven_seconds(found: Any, tries: Any, expected: Any) -> None:
    """What it is taken for says what happens, what is in doubt, and who waits how long."""
    assert judge_reply(LIMITED, found, tries, POLICY) == expected


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.UNAVAILABLE])
def test_without_a_wait_only_the_call_itself_waits(fault: Any) -> None:
    """A lock or a failure that names no wait leaves the other calls of the account alone."""
    found = judge_reply(Reply(500, b"{}"), Diagnosis(fault), PUT, POLICY)
    assert (found.do, found.after, found.pause) == (Do.AGAIN, None, False)


def test_a_spent_quota_without_an_end_has_none() -> None:
    """Where neither the diagnosis nor a header says until when, nothing is made up."""
    assert judge_reply(Reply(429, b"{}", at=5.0), Diagnosis(Fault.QUOTA), PUT, POLICY).until is None


@pytest.mark.parametrize(
    ("status", "throttles", "do"),
    [(403, BARE_403 - 1, Do.AGAIN), (403, BARE_403, Do.STOP_LANE), (429, BARE_403, Do.AGAIN)],
)
def test_a_403_that_stays_is_a_refusal(status: Any, throttles: Any, do: Any) -> None:
    """A bare 403 is taken for a throttle four times at the most, a 429 until the policy ends it."""
    found = judge_reply(Reply(status), Diagnosis(Fault.THROTTLED), replace(PUT, throttles=throttles), POLICY)
    assert (found.do, found.reason) == (do, f"HTTP {status}")


def test_a_busy_403_is_no_refusal() -> None:
    """Only what was read as a throttle ends as a refusal."""
    found = judge_reply(Reply(403), Diagnosis(Fault.BUSY), replace(PUT, throttles=BARE_403), POLICY)
    assert found.do is Do.AGAIN
