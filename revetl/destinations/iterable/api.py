"""What every Iterable exchange shares: settings, limits, calls, and what a refusal says.

Facts come from the vendor's Swagger document (API 1.8) and support.iterable.com.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from revetl.contract import BatchRejected, Diagnosis, Fault, Http, Limit, Reply, Token, UnreadableReply
from revetl.types import JSON, Change, Effect, Outcome

BATCH = 1_000  # users of one bulk call: not in the Swagger document, but what BatchTooLarge lets through
SIDE_BY_SIDE = 10
GONE = frozenset({"UnknownEmailError", "UnknownUserIdError", "NotFound"})  # codes for "there is no such user"


class Region(StrEnum):
    """The data centre of a project."""

    US = "us"
    EU = "eu"


_HOSTS = {Region.US: "https://api.iterable.com", Region.EU: "https://api.eu.iterable.com"}


class IterableSettings(BaseModel):
    """A project."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[SecretStr, Field(description="A server-side key of one project.")]
    region: Annotated[Region, Field(description="The project's data centre: us or eu.")] = Region.US
    project: Annotated[str, Field(description="Any name: tells the limits of two projects apart.")] = ""
    create_fields: Annotated[
        bool, Field(description="Lets a mapped field that the project lacks come into being with its first value.")
    ] = False


def base_url(settings: IterableSettings) -> str:
    """Return the host of the project's data centre."""
    return _HOSTS[settings.region]


def limits(_: IterableSettings) -> tuple[Limit, ...]:
    """Return the published rates, per project and endpoint; list calls have none, and are taken as bulk calls are."""
    rates = {"bulk": 5, "lists": 5, "fields": 3, "users": 100, "single": 500, "forget": 3}
    day = Limit("forget a day", 1_000, seconds=86_400, kind="quota", default_cost=0)
    return (*(Limit(name, rate, seconds=1, default_cost=0) for name, rate in rates.items()), day)


def authorise(settings: IterableSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the key on it."""
    return replace(call, headers=(*call.headers, ("api-key", settings.api_key.get_secret_value())))


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows. 429 comes without headers: the windows are one second wide."""
    code, reason = refusal(reply)
    if reply.status == 429:
        given = reply.headers.get("retry-after", "")
        return Diagnosis(Fault.THROTTLED, reason, code, after=float(given) if given.isdecimal() else 1.0)
    if reply.status in (401, 403):
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal; of values that do not fit, the fields' names but not the values."""
    found = reply.problem()
    params = found.get("params")
    wrong = params.get("validationErrors") if isinstance(params, dict) else None
    reason = str(found.get("msg") or f"HTTP {reply.status}")
    if isinstance(wrong, dict):
        reason = "; ".join(f"{name}: {_expected(one)}" for name, one in sorted(wrong.items())) or reason
    return str(found.get("code") or reply.status), reason


def _expected(wrong: JSON) -> str:
    kind = wrong.get("expectedType") if isinstance(wrong, dict) else None
    return f"the value is not of the field's type ({kind})" if kind else "the value does not fit the field"


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def succeeded(reply: Reply) -> None:
    """Hold a 2xx reply to its ``code``.

    Raises:
        UnreadableReply: it does not say Success.
    """
    if reply.document().get("code") != "Success":
        raise UnreadableReply(reply.status, "the body does not say Success")


def post(path: str, body: Mapping[str, JSON], *limits: str, effect: Effect = Effect.REPEATABLE) -> Http:
    """Return a POST that spends one unit of each of ``limits``."""
    return Http("POST", path, content=orjson.dumps(body), effect=effect, cost=dict.fromkeys(limits, 1))


def user_call(method: str, match_field: str, identity: str) -> Http:
    """Return the read or the deletion of one user; a slash in the identity is escaped, as the vendor asks."""
    root = "/api/users" if match_field == "email" else "/api/users/byUserId"
    effect = Effect.READ if method == "GET" else Effect.REPEATABLE
    path, template = f"{root}/{quote(identity, safe='')}", f"{root}/{{{match_field}}}"
    return Http(method, path, effect=effect, cost={"users": 1}, template=template)


def normal(match_field: str, value: JSON) -> str:
    """Return an identity as Iterable compares it."""
    return str(value).strip().lower() if match_field == "email" else str(value)


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return ``items`` in groups that go out side by side."""
    return (items[at : at + SIDE_BY_SIDE] for at in range(0, len(items), SIDE_BY_SIDE))


Users = dict[str, dict[str, JSON]]


def find(match_field: str, identities: Iterable[str]) -> Generator[Any, Any, Users | Reply]:
    """Return normal identity → user of those who are there; or the reply that refuses the reading."""
    found: Users = {}
    wanted = list(dict.fromkeys(normal(match_field, identity) for identity in identities))
    for group in chunks(wanted):
        replies: tuple[Reply, ...] = yield tuple(user_call("GET", match_field, one) for one in group)
        for identity, reply in zip(group, replies, strict=True):
            if not reply.ok and refusal(reply)[0] not in GONE:
                return reply
            user = reply.document().get("user") if reply.ok else None  # 200 {} says: nobody
            if isinstance(user, dict):
                found[identity] = user
    return found
