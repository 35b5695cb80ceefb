"""How calls to an org are let in: settings, tokens, allowances, and what refusals mean."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Annotated, Any, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Token
from revetl.destinations.salesforce import api
from revetl.errors import DestinationError
from revetl.types import Effect

VERSION = "/services/data/v68.0"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")
_SIDE_BY_SIDE = 10  # parallel writes to one object wait for each other's locks; the org's bound of long calls is 25


class SalesforceSettings(BaseModel):
    """``host`` is the org's My Domain host, such as ``acme.my.salesforce.com``.

    Without a ``refresh_token`` the connected app's own user is taken (the client credentials flow). ``daily_calls`` is
    what the org may make in 24 hours, by its edition and licences (Setup, Company Information).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[
        str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.salesforce\.com$")
    ]
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    daily_calls: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _must_be_the_orgs_own_host(self) -> Self:
        if self.refresh_token is None and self.host in _LOGIN_HOSTS:
            raise ValueError("host must be the org's My Domain host: client credentials are good for no other")
        return self


def base_url(settings: SalesforceSettings) -> str:
    """Return the REST root; the host that comes with the token replaces it."""
    return f"https://{settings.host}{VERSION}"


def limits(settings: SalesforceSettings) -> tuple[Limit, ...]:
    """Return the org's calls of 24 hours, and how many of ours may run side by side.

    https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta
    """
    return (
        Limit("day", settings.daily_calls, seconds=86_400, kind="quota"),
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
        DestinationError: RVT-651, the org gives none.
    """
    form = {"client_id": settings.client_id, "client_secret": settings.client_secret.get_secret_value()}
    if settings.refresh_token is None:
        form["grant_type"] = "client_credentials"
    else:
        form |= {"grant_type": "refresh_token", "refresh_token": settings.refresh_token.get_secret_value()}
    reply = yield Http(
        "POST",
        TOKEN_PATH,
        content=urlencode(form).encode(),
        content_type="application/x-www-form-urlencoded",
        origin=f"https://{settings.host}",
        effect=Effect.READ,
        authenticated=False,
    )
    found = api.problem(reply)
    value, where = found.get("access_token"), found.get("instance_url")
    if not reply.ok or not isinstance(value, str) or not isinstance(where, str) or not value:
        code, reason = api.refusal(reply)
        hint = "check client_id and client_secret, and that the flow is enabled for the app (Setup, App Manager)"
        raise DestinationError("RVT-651", f"Salesforce gives no access token: {code}, {reason}", hint=hint)
    return Token(value, base_url=f"{where.rstrip('/')}{VERSION}")


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
