"""How calls to an org are let in: settings, tokens, allowances, and what refusals mean.

Source: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Annotated, Any, Self
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Token
from revetl.destinations.salesforce import api, assertion
from revetl.errors import DestinationError
from revetl.types import Effect

VERSION = "/services/data/v68.0"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")
_HOST = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.salesforce\.com"
_SIDE_BY_SIDE = 10  # parallel writes to one object wait for each other's locks; the org's bound of long calls is 25
_JOBS_A_DAY = 15_000  # batches of up to 10,000 rows in 24 hours, by both bulk APIs
_FREE = {"day": 0}  # asking for a token is no API call


class SalesforceSettings(BaseModel):
    """An org, and one of three ways in.

    ``username`` and ``private_key`` (JWT bearer), ``refresh_token``, or else the connected app's own user (client
    credentials). What the org itself says is left of its calls holds beside ``daily_calls``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[
        str,
        StringConstraints(to_lower=True, pattern=rf"^{_HOST}$"),
        Field(description="The org's My Domain host, such as acme.my.salesforce.com."),
    ]
    client_id: Annotated[str, Field(description="The connected app's consumer key.")]
    client_secret: Annotated[
        SecretStr | None, Field(description="The connected app's secret; username and private_key do without it.")
    ] = None
    refresh_token: Annotated[
        SecretStr | None, Field(description="Of a user who let the app in; not together with private_key.")
    ] = None
    username: Annotated[str | None, Field(description="As whom private_key lets in.")] = None
    private_key: Annotated[
        SecretStr | None,
        Field(description="The key, as PEM, whose certificate the connected app has; goes with username."),
    ] = None
    daily_calls: Annotated[
        int,
        Field(
            ge=1,
            description="What the org may make in 24 hours (Setup, Company Information), less what others need.",
        ),
    ] = 100_000

    @model_validator(mode="after")
    def _must_be_one_way_in(self) -> Self:
        if (self.username is None) != (self.private_key is None):
            raise ValueError("username and private_key go together")
        if self.private_key is not None and self.refresh_token is not None:
            raise ValueError("either private_key or refresh_token, not both")
        if self.private_key is None and self.client_secret is None:
            raise ValueError("client_secret is missing: only username and private_key do without it")
        if self.private_key is None and self.refresh_token is None and self.host in _LOGIN_HOSTS:
            raise ValueError("host must be the org's My Domain host: client credentials are good for no other")
        return self


def base_url(settings: SalesforceSettings) -> str:
    """Return the REST root; the host that comes with the token replaces it."""
    return f"https://{settings.host}{VERSION}"


def account_key(settings: SalesforceSettings) -> str:
    """Return the org, as far as the settings tell: many share a login host."""
    who = settings.username or settings.client_id
    return f"{settings.host}/{who}" if settings.host in _LOGIN_HOSTS else settings.host


def limits(settings: SalesforceSettings) -> tuple[Limit, ...]:
    """Return the org's calls of 24 hours, its jobs, and how many of our calls may run side by side.

    https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta
    """
    day = Limit("day", settings.daily_calls, seconds=86_400, kind="quota", usage_header="sforce-limit-info")
    return (
        day,
        Limit("batches", _JOBS_A_DAY, seconds=86_400, kind="quota", default_cost=0),
        Limit("side by side", _SIDE_BY_SIDE, kind="concurrency"),
    )


def authorise(_: SalesforceSettings, token: Token | None, call: Http) -> Http:
    """Return the call with the token on it."""
    if token is None:
        return call
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {token.value}")))


def token(settings: SalesforceSettings) -> Generator[Http, Reply, Token]:
    """Ask for an access token; it lives as long as the org's session setting says, which the answer does not tell.

    Raises:
        DestinationError: RVT-651, the org gives none, or gives one for a host that is not Salesforce's.
    """
    form = yield from _grant(settings)
    reply = yield Http(
        "POST",
        TOKEN_PATH,
        content=urlencode(form).encode(),
        content_type="application/x-www-form-urlencoded",
        origin=f"https://{settings.host}",
        effect=Effect.READ,
        cost=_FREE,
        authenticated=False,
    )
    found = api.problem(reply)
    value, where = found.get("access_token"), found.get("instance_url")
    if not reply.ok or not isinstance(value, str) or not isinstance(where, str) or not value:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"Salesforce gives no access token: {code}, {reason}", hint=_hint(settings))
    if not re.fullmatch(rf"https://{_HOST}/?", where, re.IGNORECASE):
        what = f"Salesforce names {urlsplit(where).hostname or 'no host'} as the org's host, which is none of its own"
        raise DestinationError("RVT-651", what, hint="check host: nothing is sent there")
    return Token(value, base_url=f"{where.rstrip('/')}{VERSION}")


def _grant(settings: SalesforceSettings) -> Generator[Http, Reply, dict[str, str]]:
    """Return the form that asks for a token."""
    if settings.private_key is not None and settings.username is not None:
        # Whoever is let in by a signature says when it ends, by the clock of the host that checks it.
        reply = yield Http(
            "GET", "/services/data", origin=f"https://{settings.host}", effect=Effect.READ, cost=_FREE,
            authenticated=False,
        )  # fmt: skip
        key = settings.private_key.get_secret_value()
        claims = assertion.claims(settings.client_id, settings.username, settings.host, assertion.now(reply))
        return {"grant_type": assertion.GRANT, "assertion": assertion.signed(claims, key)}
    form = {"client_id": settings.client_id}
    if settings.client_secret is not None:
        form["client_secret"] = settings.client_secret.get_secret_value()
    if settings.refresh_token is None:
        return form | {"grant_type": "client_credentials"}
    return form | {"grant_type": "refresh_token", "refresh_token": settings.refresh_token.get_secret_value()}


def _hint(settings: SalesforceSettings) -> str:
    if settings.private_key is None:
        return "check client_id and client_secret, and that the flow is enabled for the app (Setup, App Manager)"
    return (
        "check client_id, username and private_key; the app needs the key's certificate and must be approved for the "
        "user (Setup, App Manager: admin approved users, and a permission set or profile)"
    )


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows.

    A spent day and too many long calls share the code REQUEST_LIMIT_EXCEEDED; the message tells them apart:
    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
    """
    found: dict[str, Any] = api.problem(reply)
    if reply.status not in (401, 403) or "error" in found:
        return None
    code, reason = api.refusal(reply)
    if reply.status == 401:
        return Diagnosis(Fault.EXPIRED, reason, code)
    if code != "REQUEST_LIMIT_EXCEEDED":
        return Diagnosis(Fault.FATAL, reason, code)
    if "concurrent" in reason.lower():
        return Diagnosis(Fault.BUSY, reason, code)
    return Diagnosis(Fault.QUOTA, reason, code)
