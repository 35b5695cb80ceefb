"""What every Customer.io exchange shares: settings, limits, calls, and what a refusal says.

Facts come from the vendor's OpenAPI descriptions of the Track and App APIs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from revetl.contract import BatchRejected, Diagnosis, Fault, Http, Limit, Reply, Token, UnreadableReply
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Effect, Outcome

ROWS = 500  # of one batch, which is bounded by bytes alone
BYTES = 480_000  # "smaller than 500kb", less what frames the rows
LOOK = 100  # people of one read


class Region(StrEnum):
    """The data centre of an account."""

    US = "us"
    EU = "eu"


class CustomerioSettings(BaseModel):
    """A workspace: its two APIs have keys of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site_id: Annotated[SecretStr, Field(description="The workspace's Site ID: with track_key, it writes.")]
    track_key: Annotated[SecretStr, Field(description="The Track API key that belongs to site_id.")]
    app_key: Annotated[
        SecretStr, Field(description="An App API key of the same workspace: it reads, and makes segments.")
    ]
    region: Annotated[Region, Field(description="Where the workspace is hosted: us or eu.")] = Region.US


def track_host(settings: CustomerioSettings) -> str:
    """Return the host of the Track API."""
    return "https://track.customer.io" if settings.region is Region.US else "https://track-eu.customer.io"


def account_key(settings: CustomerioSettings) -> str:
    """Return a name for the workspace that does not show its keys."""
    return hashlib.sha256(settings.site_id.get_secret_value().encode()).hexdigest()[:12]


def limits(_: CustomerioSettings) -> tuple[Limit, ...]:
    """Return the published rates: 100 a second to write (fair use), 10 a second to read."""
    return (Limit("track", 100, seconds=1, default_cost=0), Limit("app", 10, seconds=1, default_cost=0))


APP = "https://api.customer.io"


def authorise(settings: CustomerioSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the key of its API on it, and on the host of its region."""
    if call.origin != APP:
        pair = f"{settings.site_id.get_secret_value()}:{settings.track_key.get_secret_value()}"
        value = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return replace(call, headers=(*call.headers, ("authorization", value)))
    origin = APP if settings.region is Region.US else "https://api-eu.customer.io"
    value = f"Bearer {settings.app_key.get_secret_value()}"
    return replace(call, origin=origin, headers=(*call.headers, ("authorization", value)))


def track(path: str, body: JSON, *, query: tuple[tuple[str, str], ...] = (), template: str = "") -> Http:
    """Return a write."""
    return Http("POST", path, content=orjson.dumps(body), query=query, cost={"track": 1}, template=template)


def app(method: str, path: str, body: JSON = None, *, effect: Effect = Effect.READ, **more: Any) -> Http:
    """Return a call of the App API."""
    content = None if body is None else orjson.dumps(body)
    return Http(method, path, content=content, origin=APP, effect=effect, cost={"app": 1}, **more)


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows."""
    if reply.status == 429:
        given = reply.headers.get("retry-after", "")
        return Diagnosis(Fault.THROTTLED, refusal(reply)[1], "429", after=float(given) if given.isdecimal() else 1.0)
    if reply.status in (401, 403):
        code, reason = refusal(reply)
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal of a whole call; its errors are texts, or objects with a reason."""
    found = reply.problem()
    meta = found.get("meta")
    errors = found.get("errors") or (meta.get("errors") if isinstance(meta, dict) else None) or []
    said = [str(one.get("message") or one.get("detail") or one.get("reason")) if isinstance(one, dict) else str(one)
            for one in errors] if isinstance(errors, list) else []  # fmt: skip
    return str(reply.status), "; ".join(said)[:300] or f"HTTP {reply.status}"


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def expect(reply: Reply, what: str) -> dict[str, JSON]:
    """Return the object that a reply is.

    Raises:
        DestinationError: RVT-651, it is a refusal.
    """
    if not reply.ok:
        code, reason = refusal(reply)
        raise DestinationError("RVT-651", f"Customer.io refuses {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def chunks(items: Sequence[Any], size: int = LOOK) -> Iterable[Sequence[Any]]:
    """Return ``items`` in groups that one call takes."""
    return (items[at : at + size] for at in range(0, len(items), size))


Person = dict[str, JSON]
People = dict[str, Person]


def find(ids: Iterable[str]) -> Generator[Any, Any, People | Reply]:
    """Return id → person of those who are there; or the reply that refuses the reading."""
    found: People = {}
    for group in chunks(list(dict.fromkeys(ids))):
        reply = yield app("POST", "/v1/customers/attributes", {"ids": list(group)})
        if not reply.ok:
            refused: Reply = reply
            return refused
        rows = reply.document().get("customers")
        if not isinstance(rows, list):
            raise UnreadableReply(reply.status, "the reply shows no customers")
        by_id = {str(row.get("id")): row for row in rows if isinstance(row, dict)}
        found |= {one: by_id[one] for one in group if one in by_id}
    return found
