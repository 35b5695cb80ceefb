"""What a reply means beyond its rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What the sender does with a reply that is not about rows."""

    THROTTLED = "throttled"  # refused, nothing applied: wait ``after`` seconds, then the same call again
    BUSY = "busy"  # too many at once: one call less in flight, short wait, again
    QUOTA = "quota"  # the day's allowance is spent: stop this account, resume point at ``until``
    EXPIRED = "expired"  # the token is not valid any more: renew once, again
    UNAVAILABLE = "unavailable"  # may or may not be applied: repeat where the call allows it
    FATAL = "fatal"  # credentials, rights, wrong account: stop this destination


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A vendor's reply, understood."""

    fault: Fault
    reason: str = ""
    code: str = ""
    after: float | None = None  # seconds
    until: float | None = None  # UTC epoch seconds
