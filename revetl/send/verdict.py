"""What a completed call means: the reply goes to its exchange, the call is made again, or something ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from revetl.contract import Diagnosis, Fault, Reply
from revetl.send.retry import Policy, retry_after
from revetl.send.wire import Failure
from revetl.types import Effect

BARE_403 = 4  # throttles taken for such; then it is a refusal after all


class Do(Enum):
    """What the sender does next."""

    FINAL = auto()  # the exchange gets the reply
    AGAIN = auto()  # the same call, after a wait
    RENEW = auto()  # a new token, then the same call
    GIVE_UP = auto()  # the exchange ends
    STOP_ACCOUNT = auto()  # everything that shares the account's limits ends
    STOP_LANE = auto()  # everything of this destination ends


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision. ``doubt``: the call may have been applied; ``pause``: the account waits, not this call alone."""

    do: Do
    code: str = ""
    reason: str = ""
    doubt: bool = False
    after: float | None = None  # seconds that the destination asked for
    until: float | None = None  # UTC epoch seconds
    pause: bool = False
    congested: bool = False


@dataclass(frozen=True, slots=True)
class Tries:
    """What a call has been through, this time included."""

    effect: Effect
    failures: int
    throttles: int
    renewable: bool  # its lane can get a new token for it


def judge_failure(failure: Failure, tries: Tries, policy: Policy) -> Verdict:
    """Decide about a call that got no usable answer."""
    code, what = failure.code, failure.what
    if failure.fatal:
        return Verdict(Do.STOP_LANE, code, what, doubt=failure.sent)
    repeatable = failure.again and (not failure.sent or tries.effect is not Effect.ONCE)
    do = Do.AGAIN if repeatable and tries.failures < policy.attempts else Do.GIVE_UP
    return Verdict(do, code, what, doubt=failure.sent, congested=failure.timeout)


def judge_reply(reply: Reply, found: Diagnosis | None, tries: Tries, policy: Policy) -> Verdict:
    """Decide about a reply of which ``found`` is the destination's or the general reading."""
    if found is None:
        return Verdict(Do.FINAL, doubt=True)
    after = found.after if found.after is not None else retry_after(reply)
    reason = found.reason or f"HTTP {reply.status}"
    match found.fault:
        case Fault.THROTTLED | Fault.BUSY:
            return _turned_away(reply, found, after, tries, policy)
        case Fault.QUOTA:
            return Verdict(Do.STOP_ACCOUNT, "RVT-602", reason, until=_until(found, after, reply))
        case Fault.EXPIRED if tries.renewable:
            return Verdict(Do.RENEW, "RVT-601", reason)
        case Fault.UNAVAILABLE:
            again = tries.effect is not Effect.ONCE and tries.failures < policy.attempts
            do = Do.AGAIN if again else Do.GIVE_UP
            return Verdict(do, "RVT-604", reason, doubt=True, after=after, pause=after is not None)
        case _:
            return Verdict(Do.STOP_LANE, "RVT-601", reason)


def _turned_away(reply: Reply, found: Diagnosis, after: float | None, tries: Tries, policy: Policy) -> Verdict:
    fault, reason = found.fault, found.reason or f"HTTP {reply.status}"
    if reply.status == 403 and fault is Fault.THROTTLED and tries.throttles >= BARE_403:
        return Verdict(Do.STOP_LANE, "RVT-601", reason)
    do = Do.AGAIN if tries.throttles < policy.throttles else Do.GIVE_UP
    pause = fault is Fault.THROTTLED or after is not None
    return Verdict(do, "RVT-603", reason, after=after, pause=pause, congested=True)


def _until(found: Diagnosis, after: float | None, reply: Reply) -> float | None:
    if found.until is not None:
        return found.until
    return None if after is None else reply.at + after
