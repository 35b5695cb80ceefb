"""What every Sailthru exchange shares: settings, limits, calls, and what a refusal says.

Facts come from the vendor's developer pages (technical details, responses, user, job, list, settings) and from recorded
traffic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Settled
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Effect, Outcome

HOST = "https://api.sailthru.com"
ROWS = 200  # users of one batch, each a call of its own
SIDE_BY_SIDE = 20
FORM = "application/x-www-form-urlencoded"


class OptOut(StrEnum):
    """How far a user without consent is opted out: campaigns; all but basic templates; everything."""

    BLAST = "blast"
    BASIC = "basic"
    ALL = "all"


RANK: dict[JSON, int] = {"none": 0, OptOut.BLAST: 1, OptOut.BASIC: 2, OptOut.ALL: 3}


class SailthruSettings(BaseModel):
    """An account, and what an opt-out means there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[SecretStr, Field(description="Stands on the account's page API & Postbacks.")]
    secret: Annotated[SecretStr, Field(description="Stands beside the key; it signs each call.")]
    opt_out: Annotated[
        OptOut,
        Field(description="How far no consent opts out: all, basic (all but basic templates) or blast."),
    ] = OptOut.ALL


def account_key(settings: SailthruSettings) -> str:
    """Return a name for the key's account that does not show the key."""
    return hashlib.sha256(settings.api_key.get_secret_value().encode()).hexdigest()[:12]


_A_SECOND = {
    "POST user": 300, "GET user": 300, "DELETE user": 40, "POST job": 40, "GET job": 300, "POST list": 40,
    "GET list": 300, "GET settings": 300,
}  # fmt: skip


def limits(_: SailthruSettings) -> tuple[Limit, ...]:
    """Return the published rates, counted per account, endpoint and method, within a minute of the clock."""
    headers: dict[str, Any] = {
        "remaining_header": "x-rate-limit-remaining", "reset_header": "x-rate-limit-reset", "reset_is": "epoch"
    }  # fmt: skip
    return tuple(Limit(name, 60 * rate, seconds=60, default_cost=0, **headers) for name, rate in _A_SECOND.items())


def call(method: str, endpoint: str, payload: JSON, *, effect: Effect = Effect.REPEATABLE) -> Http:
    """Return a call whose JSON text is signed and dressed by :mod:`sign` when it leaves."""
    text = orjson.dumps(payload)
    told: dict[str, Any] = {"effect": effect, "cost": {f"{method} {endpoint}": 1}}
    if method == "POST":
        return Http(method, f"/{endpoint}", content=text, content_type=FORM, **told)
    return Http(method, f"/{endpoint}", query=(("json", text.decode()),), **told)


def get(endpoint: str, payload: JSON) -> Http:
    """Return a read."""
    return call("GET", endpoint, payload, effect=Effect.READ)


_WORDS = {
    3: "the API key is not valid", 4: "this address may not use the API: allow it under API & Postbacks",
    5: "the signature is not valid: is it the secret of this key?", 11: "the address is not valid",
    21: "the account may not do this", 22: "the account's plan does not include this call",
    32: "the person opted out", 33: "the person opted out of this template", 34: "the address may not be written to",
    35: "the address is known to bounce", 37: "the person takes basic templates only",
}  # fmt: skip
_FATAL = frozenset({3, 4, 5, 21, 22})
_THROTTLED, _INTERNAL = 43, 9
_REFUSED = (400, 403, 409, 413, 422)


def refusal(reply: Reply, person: str = "") -> tuple[str, str]:
    """Return number and sentence of a refusal, without the person that the vendor's sentence may name."""
    found = reply.problem()
    number = found.get("error")
    said = str(found.get("errormsg") or f"HTTP {reply.status}")
    reason = _WORDS.get(number, said) if isinstance(number, int) else said
    return str(number or reply.status), reason.replace(person, "(the person)") if person else reason


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its user; the number counts, whatever the HTTP status."""
    if reply.ok and b'"error"' not in reply.content:
        return None
    code, reason = refusal(reply)
    number = int(code) if code.isdecimal() else 0
    if number == _THROTTLED or reply.status == 429:
        return Diagnosis(Fault.THROTTLED, reason, code, after=_until_reset(reply))
    if number in _FATAL or reply.status == 401:
        return Diagnosis(Fault.FATAL, reason, code)
    if number == _INTERNAL:
        return Diagnosis(Fault.UNAVAILABLE, reason, code)
    return None


def _until_reset(reply: Reply) -> float:
    """Return the seconds until the minute ends in which the calls are counted."""
    given = reply.headers.get("x-rate-limit-reset", "")
    left = float(given) - reply.at if given.isdecimal() else 60.0
    return min(max(left, 1.0), 60.0)


def failed(reply: Reply) -> bool:
    """Return whether a reply is a refusal: by its status, or by a number in it."""
    return not reply.ok or "error" in reply.problem()


def nobody(reply: Reply) -> bool:
    """Return whether a refusal says that there is no such user: 99 says much, so the words must say it too."""
    found = reply.problem()
    return found.get("error") == 99 and "not found" in str(found.get("errormsg", "")).lower()


def malformed(reply: Reply) -> bool:
    """Return whether a refusal says that an address is none: nobody has it."""
    return reply.problem().get("error") == 11


def expect(reply: Reply, what: str) -> dict[str, JSON]:
    """Return the object that a reply is.

    Raises:
        DestinationError: RVT-651, it is a refusal.
    """
    if failed(reply):
        code, reason = refusal(reply)
        raise DestinationError("RVT-651", f"Sailthru refuses {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def refused(change: Change, reply: Reply) -> Outcome:
    """Return what a refusal makes of a change: it is about this user, or it was not heard at all."""
    code, reason = refusal(reply, change.match)
    if reply.ok or reply.status in _REFUSED:
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def normal(match_field: str, value: JSON) -> str:
    """Return an identity as Sailthru compares it."""
    return str(value).strip().lower() if match_field == "email" else str(value)


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return ``items`` in groups that go out side by side."""
    return (items[at : at + SIDE_BY_SIDE] for at in range(0, len(items), SIDE_BY_SIDE))


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge outcomes, if there are any."""
    done = tuple(outcomes)
    if done:
        yield Settled(done)
