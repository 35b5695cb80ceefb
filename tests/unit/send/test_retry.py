"""Retry-After, backoff, and what a status means by itself."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.contract import Fault, Reply
from revetl.send.retry import LONGEST, Policy, backoff, diagnose, retry_after

AT = 1_750_000_000.0  # 2025-06-15 15:06:40 UTC


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-30", 0.0),
        ("Sun, 15 Jun 2025 15:08:40 GMT", 120.0),
        ("Sunday, 15-Jun-25 15:08:40 GMT", 120.0),
        ("Sun, 15 Jun 2025 15:00:00 GMT", 0.0),
        ("99999999999999", LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Sun, 99 Foo 2025 99:99:99 GMT", None),
    ],
)
def test_retry_after_in_both_forms(header: Any, seconds: Any) -> None:
    """Seconds and dates are understood; past and negative mean now; what cannot be read counts as absent."""
    assert retry_after(Reply(429, b"", {"retry-after": header}, AT)) == seconds


def test_a_date_is_relative_to_the_servers_clock() -> None:
    """A clock of ours that is an hour off does not change how long to wait."""
    headers = {"retry-after": "Sun, 15 Jun 2025 15:08:40 GMT", "date": "Sun, 15 Jun 2025 15:06:40 GMT"}
    assert retry_after(Reply(429, b"", headers, AT + 3_600)) == 120.0


@given(st.text(max_size=40))
def test_no_header_breaks_it(text: Any) -> None:
    """Any text gives a number of seconds or None."""
    found = retry_after(Reply(429, b"", {"retry-after": text, "date": text}, AT))
    assert found is None or 0 <= found <= LONGEST


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_is_capped_full_jitter(attempt: Any, seed: Any) -> None:
    """Waits lie between 0 and the capped power of two."""
    policy = Policy()
    assert 0 <= backoff(attempt, Random(seed), policy) <= min(policy.cap, policy.base * 2 ** min(attempt, 30))


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply(200), None),
        (Reply(401), Fault.EXPIRED),
        (Reply(408), Fault.THROTTLED),
        (Reply(425), Fault.THROTTLED),
        (Reply(429), Fault.THROTTLED),
        (Reply(423), Fault.BUSY),
        (Reply(500), Fault.UNAVAILABLE),
        (Reply(502), Fault.UNAVAILABLE),
        (Reply(503), Fault.UNAVAILABLE),
        (Reply(504), Fault.UNAVAILABLE),
        (Reply(501), None),
        (Reply(403, b"<html>"), Fault.THROTTLED),
        (Reply(403, b'{"status": 403}'), None),
        (Reply(403, b"", {"content-type": "application/problem+json"}), None),
        (Reply(400), None),
        (Reply(404), None),
        (Reply(409), None),
        (Reply(422), None),
    ],
)
def test_statuses(reply: Any, fault: Any) -> None:
    """Each status means what its RFC says; all others are the exchange's to read."""
    found = diagnose(reply)
    assert (found.fault if found else None) is fault


class Longest:
    """Chance that always gives the most."""

    @staticmethod
    def uniform(low: float, high: float) -> float:
        """Return the upper end of a range that begins at no wait at all."""
        assert low == 0
        return high


@pytest.mark.parametrize(("attempt", "longest"), [(1, 1.0), (2, 2.0), (5, 16.0), (30, 2.0**29), (31, 2.0**29)])
def test_the_longest_wait_doubles(attempt: Any, longest: Any) -> None:
    """Each repeat may wait twice as long as the one before, and nothing overflows."""
    assert backoff(attempt, Longest(), Policy(cap=1e12)) == longest  # type: ignore[arg-type]
    assert backoff(attempt, Longest(), Policy(cap=3.0)) == min(3.0, longest)  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "reason"), [
    (401, "the credentials are refused"), (429, "too many requests"), (425, "too many requests"), (423, "locked"),
    (403, "forbidden, without a reason"), (503, "the server failed"),
])  # fmt: skip
def test_a_status_is_named(status: Any, reason: Any) -> None:
    """What a status means by itself is told with the status as its code."""
    found = diagnose(Reply(status, b"no", {}))
    assert found is not None
    assert (found.reason, found.code) == (reason, str(status))


@pytest.mark.parametrize(("status", "content", "kind"), [
    (403, b"{}", ""), (403, b" \n[1]", ""), (403, b"no", "Application/Problem+JSON"), (501, b"", ""), (505, b"", ""),
    (404, b"", ""),
])  # fmt: skip
def test_other_replies_are_the_exchange_s(status: Any, content: Any, kind: Any) -> None:
    """A 403 that speaks JSON has a reason of its own; so have statuses that a repeat would not change."""
    assert diagnose(Reply(status, content, {"content-type": kind})) is None
