"""What every Pipedrive exchange shares: settings, tokens, allowances, calls with their costs, what a refusal says.

Sources: https://developers.pipedrive.com/docs/api/v1 (x-token-cost of each call of API v2),
https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting, /marketplace-oauth-authorization.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Settled, Token, UnreadableReply
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Effect, Outcome

IDS = 100  # ids of one list read
PAGE = 500  # records of one list read
SIDE_BY_SIDE = 10
DAY = 86_400
_BASE_TOKENS = 30_000  # a day, of each seat, before the plan's factor
_BLOCKED = 60.0  # seconds: who goes on after 429 meets an HTML page with status 403


class Plan(StrEnum):
    """What the company pays for: its allowances depend on it."""

    LITE = "lite"
    GROWTH = "growth"
    PREMIUM = "premium"
    ULTIMATE = "ultimate"


# factor of the day's tokens; calls in 2 s with an API token, and with an app's access token
_ALLOWANCES = {
    Plan.LITE: (1, 20, 80),
    Plan.GROWTH: (2, 40, 160),
    Plan.PREMIUM: (5, 100, 400),
    Plan.ULTIMATE: (7, 120, 480),
}


class PipedriveSettings(BaseModel):
    """A company and one of two ways in: the token of a user, or an app."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    company: Annotated[
        str,
        StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9-]+$"),
        Field(description="The first part of the company's host: acme of acme.pipedrive.com."),
    ]
    api_token: Annotated[
        SecretStr | None,
        Field(description="The token of one user; or client_id, client_secret and refresh_token of an app."),
    ] = None
    client_id: Annotated[str | None, Field(description="Of an app; goes with client_secret and refresh_token.")] = None
    client_secret: Annotated[
        SecretStr | None, Field(description="Of an app; goes with client_id and refresh_token.")
    ] = None
    refresh_token: Annotated[
        SecretStr | None, Field(description="Of an app; goes with client_id and client_secret.")
    ] = None
    plan: Annotated[Plan, Field(description="The company's plan: with seats, it gives the day's tokens.")] = Plan.LITE
    seats: Annotated[int, Field(ge=1, description="The company's seats: with plan, they give the day's tokens.")] = 1
    daily_tokens: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="The day's tokens outright: with top-ups, or the share that revetl may have."),
    ] = None
    currency: Annotated[
        str,
        StringConstraints(to_upper=True, pattern=r"^([A-Za-z]{3})?$"),
        Field(description="Of monetary fields, such as EUR; by default the user's own."),
    ] = ""

    @model_validator(mode="after")
    def _must_have_one_way_in(self) -> Self:
        app = [one is not None for one in (self.client_id, self.client_secret, self.refresh_token)]
        if any(app) if self.api_token is not None else not all(app):
            raise ValueError("either api_token, or all of client_id, client_secret and refresh_token")
        return self


def limits(settings: PipedriveSettings) -> tuple[Limit, ...]:
    """Return the company's tokens of a day, the calls of 2 seconds, and the searches among them.

    The day ends at midnight of a server whose time zone nobody is told: 24 hours are counted.
    """
    factor, by_token, by_app = _ALLOWANCES[settings.plan]
    tokens = settings.daily_tokens or _BASE_TOKENS * factor * settings.seats
    burst = by_token if settings.api_token else by_app
    return (
        Limit(
            "tokens", tokens, seconds=DAY, kind="quota", default_cost=0,
            remaining_header="x-daily-ratelimit-token-remaining",
        ),
        Limit("burst", burst, seconds=2, remaining_header="x-ratelimit-remaining", reset_header="x-ratelimit-reset"),
        Limit("search", 10, seconds=2, default_cost=0),
    )  # fmt: skip


def authorise(settings: PipedriveSettings, token: Token | None, call: Http) -> Http:
    """Return the call with its token on it."""
    if settings.api_token is not None:
        return replace(call, headers=(*call.headers, ("x-api-token", settings.api_token.get_secret_value())))
    if token is None:
        return call
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {token.value}")))


def token(settings: PipedriveSettings) -> Generator[Http, Reply, Token]:
    """Trade the app's refresh token, which stays as it is, for an access token; an API token needs no trade.

    Raises:
        DestinationError: RVT-651, Pipedrive gives none.
    """
    if settings.client_secret is None or settings.refresh_token is None:
        return Token("")
    basic = b64encode(f"{settings.client_id}:{settings.client_secret.get_secret_value()}".encode()).decode()
    form = {"grant_type": "refresh_token", "refresh_token": settings.refresh_token.get_secret_value()}
    reply = yield Http(
        "POST", "/oauth/token", content=urlencode(form).encode(), content_type="application/x-www-form-urlencoded",
        headers=(("authorization", f"Basic {basic}"),), origin="https://oauth.pipedrive.com", effect=Effect.READ,
        authenticated=False,
    )  # fmt: skip
    found = reply.problem()
    value, where, life = found.get("access_token"), found.get("api_domain"), found.get("expires_in")
    if not reply.ok or not isinstance(value, str) or not value or not isinstance(where, str):
        code, reason = refusal(reply)
        hint = "check client_id and client_secret; a refresh token ends after 60 days without use: install the app anew"
        raise DestinationError("RVT-651", f"Pipedrive gives no access token: {code}, {reason}", hint=hint)
    return Token(value, float(life) if isinstance(life, int) else None, base_url=f"{where.rstrip('/')}/api")


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows.

    A spent day and a burst share the status 429: the headers that say what is left tell them apart.
    """
    code, reason = refusal(reply)
    match reply.status:
        case 429:
            return _throttled(reply, code, reason)
        case 401:
            return Diagnosis(Fault.EXPIRED, reason, code)
        case 402:
            return Diagnosis(Fault.FATAL, f"the company's account is not open: {reason}", code)
        case 403 if not reply.problem():
            return Diagnosis(Fault.THROTTLED, "blocked for a while after too many calls", code, after=_BLOCKED)
        case 403 if "scope" in reason.lower():
            return Diagnosis(Fault.FATAL, reason, code)
    return None


def _throttled(reply: Reply, code: str, reason: str) -> Diagnosis:
    left = (reply.headers.get(f"x-daily-{name}") for name in ("ratelimit-token-remaining", "requests-left"))
    if any(value is not None and value.strip() == "0" for value in left):
        return Diagnosis(Fault.QUOTA, "the company's API tokens of the day are spent", code, until=_midnight(reply))
    return Diagnosis(Fault.THROTTLED, reason, code, after=_wait(reply))


def _midnight(reply: Reply) -> float:
    return (reply.at // DAY + 1) * DAY


def _wait(reply: Reply) -> float:
    """Return the seconds that the headers ask for, at least the window's two."""
    given = [reply.headers.get(name, "") for name in ("retry-after", "x-ratelimit-reset")]
    return max([2.0, *(min(float(text), 10.0) for text in given if text.isdecimal())])


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal."""
    found = reply.problem()
    code = found.get("code") or found.get("errorCode") or reply.status
    return str(code), str(found.get("error") or f"HTTP {reply.status}")


def refuse(reply: Reply, change: Change) -> Outcome:
    """Return what a refused call makes of the one change that it was about."""
    code, reason = refusal(reply)
    if reply.status in (400, 403, 404, 409, 410, 413, 415, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def data(reply: Reply) -> JSON:
    """Return what the reply says beside its success.

    Raises:
        UnreadableReply: it does not say that it succeeded.
    """
    found = reply.json()
    if not isinstance(found, dict) or found.get("success") is not True or "data" not in found:
        raise UnreadableReply(reply.status, "the body is not a success with data")
    return found["data"]


def record(reply: Reply) -> dict[str, JSON]:
    """Return the one record that the reply is about.

    Raises:
        UnreadableReply: it is about none.
    """
    found = data(reply)
    if not isinstance(found, dict) or not _is_id(found.get("id")):
        raise UnreadableReply(reply.status, "data is not a record with an id")
    return found


def records(reply: Reply) -> list[dict[str, JSON]]:
    """Return the records that the reply lists.

    Raises:
        UnreadableReply: it lists none.
    """
    found = data(reply) or []
    if not isinstance(found, list) or not all(isinstance(row, dict) and _is_id(row.get("id")) for row in found):
        raise UnreadableReply(reply.status, "data is not a list of records")
    return found


def _is_id(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def following(reply: Reply) -> tuple[tuple[str, str], ...]:
    """Return the query part of the next page, empty on the last one."""
    more = reply.problem().get("additional_data")
    cursor = more.get("next_cursor") if isinstance(more, dict) else None
    return (("cursor", str(cursor)),) if cursor else ()


def read(path: str, query: Mapping[str, str], tokens: int, **more: Any) -> Http:
    """Return a read that costs ``tokens``."""
    return Http("GET", path, query=tuple(query.items()), effect=Effect.READ, cost={"tokens": tokens}, **more)


def search(kind: str, field: str, term: str) -> Http:
    """Return the search for records whose ``field`` is ``term``, whatever its case; who came just now may be missed."""
    query = {"term": term, "fields": field, "exact_match": "true", "limit": str(IDS)}
    return replace(read(f"/v2/{kind}/search", query, 20), cost={"tokens": 20, "search": 1})


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    proven = tuple(outcomes)
    if proven:
        yield Settled(proven)


def by_ids(kind: str, ids: list[str], query: Mapping[str, str]) -> Http:
    """Return the read of up to 100 records by id; who is deleted, or never was there, is left out of the answer."""
    return read(f"/v2/{kind}", {"ids": ",".join(ids), "limit": str(IDS), **query}, 10)


def write(method: str, path: str, body: JSON, *, effect: Effect = Effect.REPEATABLE, template: str = "") -> Http:
    """Return a write of one thing."""
    content = None if body is None else orjson.dumps(body)
    cost = {"tokens": 3 if method == "DELETE" else 5}
    return Http(method, path, content=content, effect=effect, cost=cost, template=template)


def change_of(kind: str, record_id: str, body: JSON) -> Http:
    """Return the update of one record."""
    return write("PATCH", f"/v2/{kind}/{record_id}", body, template=f"/v2/{kind}/{{id}}")


def deletion(kind: str, record_id: str) -> Http:
    """Return the deletion of one record: it can be restored there for 30 days."""
    return write("DELETE", f"/v2/{kind}/{record_id}", None, template=f"/v2/{kind}/{{id}}")
