"""When to try again: Retry-After in both forms, full-jitter backoff, what a status means by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random

from revetl.contract import Diagnosis, Fault, Reply


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the sender is. Times in seconds."""

    attempts: int = 5  # of one call, while it fails
    throttles: int = 10  # of one call, while it is turned away
    base: float = 0.5  # of the backoff: the n-th wait is random below base * 2**n
    cap: float = 60.0  # of the backoff
    patience: float = 600.0  # the longest a destination may ask the run to wait
    down: int = 5  # exchanges given up in a row, without one good answer between, after which a destination is down
    grace: float = 2.5  # for calls in flight when the run is stopped; two seconds remain for the close
    flush: float = 0.05  # the longest an outcome stays unflushed
    keep: float = 1.0  # how often what was used of quotas is made durable: a killed run loses no more than that
    poll: float = 0.2  # how often a stop is looked for
    pool: int = 256  # calls in flight over all accounts


LONGEST = 366 * 86_400.0
"""Seconds: what a destination asks for beyond this is taken as this."""


def backoff(attempt: int, random: Random, policy: Policy) -> float:
    """Return the wait before repeat ``attempt`` (1, 2, …), full jitter, capped.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015): random between 0 and the capped power.
    """
    return random.uniform(0, min(policy.cap, policy.base * 2.0 ** min(attempt, 30)))


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that Retry-After asks for, counted from the reply; None where it is absent or unreadable.

    RFC 9110, 10.2.3: a number of seconds or an HTTP date. A date is taken relative to the reply's own Date where there
    is one, so that a clock that differs from the server's does no harm. Past and negative values mean 0.
    """
    text = reply.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until_date(text, reply)
    return min(max(0.0, seconds), LONGEST) if math.isfinite(seconds) else None


def _until_date(text: str, reply: Reply) -> float | None:
    at = _epoch(text)
    if at is None:
        return None
    served = _epoch(reply.headers.get("date", ""))
    return min(max(0.0, at - (reply.at if served is None else served)), LONGEST)


def _epoch(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


_THROTTLED = frozenset({408, 425, 429})
_FINAL_5XX = frozenset({501, 505})  # not implemented: a repeat says the same


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a status means where the destination has nothing to say about it; None: the exchange reads it.

    408, 425 and 429: RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4: refused, may be repeated. A 403 without JSON is how
    gateways throttle (Mailchimp does).
    """
    status = reply.status
    if status == 401:
        return Diagnosis(Fault.EXPIRED, "the credentials are refused", str(status))
    if status in _THROTTLED:
        return Diagnosis(Fault.THROTTLED, "too many requests", str(status))
    if status == 423:
        return Diagnosis(Fault.BUSY, "locked", str(status))
    if status == 403 and not _looks_json(reply):
        return Diagnosis(Fault.THROTTLED, "forbidden, without a reason", str(status))
    if status >= 500 and status not in _FINAL_5XX:
        return Diagnosis(Fault.UNAVAILABLE, "the server failed", str(status))
    return None


def _looks_json(reply: Reply) -> bool:
    return "json" in reply.headers.get("content-type", "").lower() or reply.content.lstrip()[:1] in (b"{", b"[")
