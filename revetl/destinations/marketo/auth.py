"""How calls to an instance are let in: settings, tokens, allowances, and what refusals mean."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Token
from revetl.destinations.marketo import api
from revetl.errors import DestinationError
from revetl.types import Effect

_TOKEN_PATH = "/identity/oauth/token"  # noqa: S105 - a path
_DAY = 86_400.0
_RESET = 6 * 3_600.0  # 00:00 CST in UTC; during summer time the day begins an hour before, so this is never too early


class FolderType(StrEnum):
    """Where new lists may lie."""

    FOLDER = "Folder"
    PROGRAM = "Program"


class MarketoSettings(BaseModel):
    """An instance and its allowances, which are shared by all that calls it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    munchkin_id: Annotated[
        str,
        StringConstraints(to_upper=True, pattern=r"^[0-9]{3}-[A-Za-z]{3}-[0-9]{3}$"),
        Field(description="Names the instance (Admin, Integration, Munchkin), such as 123-ABC-456."),
    ]
    client_id: Annotated[str, Field(description="Of a custom service (Admin, Integration, LaunchPoint).")]
    client_secret: Annotated[SecretStr, Field(description="Of the same custom service.")]
    folder: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="The id of the folder, or program, in which lists of cohorts are made."),
    ] = None
    folder_type: Annotated[FolderType, Field(description="What folder is: Folder or Program.")] = FolderType.FOLDER
    partition: Annotated[str | None, Field(description="Where new people go.")] = None
    daily_calls: Annotated[
        int, Field(ge=1, description="What the instance may make in a day, less what others need.")
    ] = 50_000
    burst_calls: Annotated[
        int, Field(ge=1, le=100, description="What the instance may make in 20 seconds, less what others need.")
    ] = 100
    side_by_side: Annotated[
        int, Field(ge=1, le=10, description="How many calls may run at once, less what others need.")
    ] = 10


def base_url(settings: MarketoSettings) -> str:
    """Return the instance's host, which also names it; ``/rest``, ``/bulk`` and ``/identity`` lie below it."""
    return f"https://{settings.munchkin_id.lower()}.mktorest.com"


def limits(settings: MarketoSettings) -> tuple[Limit, ...]:
    """Return the instance's allowances.

    https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/marketo-integration-best-practices
    """
    return (
        Limit("burst", settings.burst_calls, seconds=20),
        Limit("day", settings.daily_calls, seconds=_DAY, kind="quota"),
        Limit("side by side", settings.side_by_side, kind="concurrency"),
    )


def authorise(_: MarketoSettings, token: Token | None, call: Http) -> Http:
    """Return the call with the token in its header; Marketo no longer takes it in the query."""
    if token is None:
        return call
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {token.value}")))


def token(settings: MarketoSettings) -> Generator[Http, Reply, Token]:
    """Ask for an access token; while one is good, Marketo gives the same one with the seconds that are left of it.

    The secret travels in the body, so that no URL shows it.

    Raises:
        DestinationError: RVT-651, the instance gives none.
    """
    secret = settings.client_secret.get_secret_value()
    form = {"grant_type": "client_credentials", "client_id": settings.client_id, "client_secret": secret}
    call = api.form("POST", _TOKEN_PATH, form, effect=Effect.READ)
    reply = yield replace(call, authenticated=False, cost={"burst": 0, "day": 0})
    found = reply.problem()
    value, seconds = found.get("access_token"), found.get("expires_in")
    if not reply.ok or not isinstance(value, str) or not value or not isinstance(seconds, int | float):
        reason = str(found.get("error_description") or found.get("error") or f"HTTP {reply.status}")
        hint = "check munchkin_id, client_id and client_secret (Admin, Integration, LaunchPoint, View Details)"
        raise DestinationError("RVT-651", f"Marketo gives no access token: {reason}", hint=hint)
    return Token(value, float(seconds))


# https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
_FAULTS = {
    "601": Fault.EXPIRED,  # invalid
    "602": Fault.EXPIRED,
    "603": Fault.FATAL,  # no right to do that
    "605": Fault.FATAL,  # method
    "610": Fault.FATAL,  # no such resource
    "612": Fault.FATAL,  # content type
    "616": Fault.FATAL,  # subscription type
    "703": Fault.FATAL,  # the feature is not enabled
    "606": Fault.THROTTLED,
    "607": Fault.QUOTA,
    "615": Fault.BUSY,
    **dict.fromkeys(("500", "502", "604", "608", "611", "614", "713", "719"), Fault.UNAVAILABLE),
}
_WINDOW = 20.0  # seconds of the rate limit


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows: the HTTP status is 200 whatever became of the call.

    401 with an ``error`` is the identity's answer to a wrong secret, which the token's exchange tells in its words.
    """
    if reply.status == 401 and "error" not in reply.problem():
        return Diagnosis(Fault.EXPIRED, "the credentials are refused", "401")
    if reply.status != 200 or b'"errors"' not in reply.content:
        return None
    code, reason = api.error(reply.problem()) or ("", "")
    fault = _FAULTS.get(code)
    if fault is None:
        return None
    if fault is Fault.QUOTA:
        return Diagnosis(fault, reason, code, until=(reply.at - _RESET) // _DAY * _DAY + _DAY + _RESET)
    return Diagnosis(fault, reason, code, after=_WINDOW if fault is Fault.THROTTLED else None)
