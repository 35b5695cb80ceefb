"""What every HubSpot exchange shares: settings, limits, calls, and what a refusal says."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from revetl.contract import BatchRejected, Diagnosis, Fault, Http, Limit, Reply, Settled, Token, UnreadableReply
from revetl.types import JSON, Batch, Change, Effect, Outcome

BATCH = 100  # inputs of one batch call
SIDE_BY_SIDE = 10
OBJECT_TYPES = {"contacts": "0-1", "companies": "0-2"}  # objectTypeId, by the guide "Understanding the CRM"


class Tier(StrEnum):
    """What the account pays for: its allowances depend on it."""

    FREE = "free"
    STARTER = "starter"
    PROFESSIONAL = "professional"
    ENTERPRISE = "enterprise"


# calls per 10 s of one private app, calls a day: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
_ALLOWANCES = {
    Tier.FREE: (100, 250_000),
    Tier.STARTER: (100, 250_000),
    Tier.PROFESSIONAL: (190, 625_000),
    Tier.ENTERPRISE: (190, 1_000_000),
}


class HubSpotSettings(BaseModel):
    """A portal, and what it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_token: Annotated[SecretStr, Field(description="The token of a private app.")]
    tier: Annotated[Tier, Field(description="The account's tier, on which its allowances depend.")] = Tier.FREE
    portal: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9]*$"),
        Field(description="The account's number: tells the limits of two accounts apart."),
    ] = ""


def limits(settings: HubSpotSettings) -> tuple[Limit, ...]:
    """Return the allowances of the account's tier; the headers speak of the same two windows."""
    burst, day = _ALLOWANCES[settings.tier]
    return (
        Limit("burst", burst, seconds=10, remaining_header="x-hubspot-ratelimit-remaining"),
        Limit("day", day, seconds=86_400, kind="quota", remaining_header="x-hubspot-ratelimit-daily-remaining"),
    )


def authorise(settings: HubSpotSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the token on it."""
    token = settings.access_token.get_secret_value()
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {token}")))


_LATER = {423: 2.0, 477: 60.0}  # seconds to wait at least


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows.

    429 names its policy; 423 asks for two seconds and 477 (the account is being moved) for what Retry-After says:
    https://developers.hubspot.com/docs/api-reference/error-handling
    """
    if reply.ok:
        return None
    code, reason = refusal(reply)
    if reply.status == 429:
        if reply.problem().get("policyName") == "DAILY":
            return Diagnosis(Fault.QUOTA, reason, "DAILY")
        return Diagnosis(Fault.THROTTLED, reason, code, after=_retry_after(reply, 10.0))
    if reply.status in _LATER:
        return Diagnosis(Fault.THROTTLED, reason, code, after=_retry_after(reply, _LATER[reply.status]))
    if reply.status in (401, 403):
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def _retry_after(reply: Reply, least: float) -> float:
    given = reply.headers.get("retry-after", "")
    return max(least, float(given)) if given.isdecimal() else least


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal."""
    found = reply.problem()
    code = found.get("policyName") or found.get("category") or reply.status
    return str(code), str(found.get("message") or f"HTTP {reply.status}")


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def settle(outcomes: list[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    if outcomes:
        yield Settled(tuple(outcomes))


def rows(reply: Reply, of: dict[str, JSON], name: str) -> list[dict[str, JSON]]:
    """Return the list of objects under ``name``.

    Raises:
        UnreadableReply: there is no such list.
    """
    found = of.get(name)
    if not isinstance(found, list) or set(map(type, found)) - {dict}:
        raise UnreadableReply(reply.status, f"{name} is not a list of objects")
    return found


def object_call(kind: str, what: str, inputs: JSON, *, effect: Effect = Effect.REPEATABLE) -> Http:
    """Return a POST to ``what`` (such as ``batch/upsert``) of an object."""
    return Http("POST", f"/crm/v3/objects/{kind}/{what}", content=orjson.dumps(inputs), effect=effect)


def read_call(kind: str, match_field: str, identities: Sequence[str], properties: Iterable[str] = ()) -> Http:
    """Return the read of up to 100 records by an identity; the match field is always among the answer."""
    wanted = dict.fromkeys((match_field, *properties))
    if match_field == "email":
        wanted["hs_additional_emails"] = None  # a person is found by a secondary address, and answers the primary one
    body = {"idProperty": match_field, "properties": list(wanted), "inputs": [{"id": i} for i in identities]}
    return object_call(kind, "batch/read", body, effect=Effect.READ)


def normal(match_field: str, value: JSON) -> str:
    """Return an identity as HubSpot compares it."""
    return str(value).strip().lower() if match_field == "email" else str(value)


def by_identity(reply: Reply, match_field: str) -> dict[str, dict[str, JSON]]:
    """Return identity → record from the reply to a read; a record stands under each of its addresses.

    Raises:
        UnreadableReply: it is not the reply to a read.
    """
    found: dict[str, dict[str, JSON]] = {}
    for row in rows(reply, reply.document(), "results"):
        own = row.get("properties")
        if not isinstance(own, dict):
            raise UnreadableReply(reply.status, "a result has no properties")
        more = str(own.get("hs_additional_emails") or "").split(";") if match_field == "email" else []
        for value in (own.get(match_field), *more):
            if value:
                found[normal(match_field, value)] = row
    return found


Ids = Generator[Any, Any, dict[str, str] | Reply]


def find_ids(batch: Batch, changes: Sequence[Change]) -> Ids:
    """Return identity → record id of those ``changes`` that have no id yet and are there; or the reply that refuses.

    A refused read has written nothing, so it speaks for the batch as a whole.
    """
    missing = [c.match for c in changes if not c.remote_id]
    found: dict[str, str] = {}
    for at in range(0, len(missing), BATCH * SIDE_BY_SIDE):
        some = missing[at : at + BATCH * SIDE_BY_SIDE]
        parts = [some[i : i + BATCH] for i in range(0, len(some), BATCH)]
        replies: tuple[Reply, ...] = yield tuple(read_call(batch.object, batch.match_field, part) for part in parts)
        for reply in replies:
            if not reply.ok:
                return reply
            people = by_identity(reply, batch.match_field)
            found.update({identity: str(row.get("id")) for identity, row in people.items()})
    return found
