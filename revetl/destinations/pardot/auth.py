"""How calls to a business unit are let in: settings, tokens of the Salesforce org, allowances, what refusals mean.

Source: https://developer.salesforce.com/docs/marketing/pardot/guide/authentication.html, /version5overview.html,
/error-codes.html.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Annotated

from pydantic import Field, StringConstraints

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Token
from revetl.destinations.pardot import api
from revetl.destinations.salesforce import auth as org
from revetl.destinations.salesforce.auth import SalesforceSettings

DAY = 86_400
_SIDE_BY_SIDE = 5
_IMPORTS = 1_000  # batches a day
_REFUSED = frozenset({"46", "49", "53", "181"})  # rights, addresses, the business unit: no row can mend them
_SPENT, _BUSY, _TOKEN = "122", "66", "184"


class PardotSettings(SalesforceSettings):
    """The org's ways in (scope ``pardot_api``), and the business unit."""

    business_unit: Annotated[
        str,
        StringConstraints(pattern=r"^0Uv[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$"),
        Field(description="The business unit's id, which begins with 0Uv."),
    ]
    demo: Annotated[bool, Field(description="For business units of sandboxes and developer orgs.")] = False
    daily_calls: Annotated[
        int,
        Field(
            ge=1,
            description="What the edition allows in a day: Growth 25,000, Plus 50,000, Advanced and Premium 100,000.",
        ),
    ] = 25_000


def base_url(settings: PardotSettings) -> str:
    """Return the root of API v5."""
    return f"https://pi.{'demo.' if settings.demo else ''}pardot.com/api/v5"


def account_key(settings: PardotSettings) -> str:
    """Return the business unit: allowances belong to it."""
    return settings.business_unit


def limits(settings: PardotSettings) -> tuple[Limit, ...]:
    """Return the business unit's calls of a day, its imports, and how many calls may run side by side."""
    return (
        Limit("day", settings.daily_calls, seconds=DAY, kind="quota", usage_header="x-api-usage"),
        Limit("imports", _IMPORTS, seconds=DAY, kind="quota", default_cost=0),
        Limit("side by side", _SIDE_BY_SIDE, kind="concurrency"),
    )


def authorise(settings: PardotSettings, token: Token | None, call: Http) -> Http:
    """Return the call with token and business unit on it; the answer shall tell what is used of the day."""
    unit = (("pardot-business-unit-id", settings.business_unit), ("x-return-api-usage", "1"))
    return org.authorise(settings, token, replace(call, headers=(*call.headers, *unit)))


def token(settings: PardotSettings) -> Generator[Http, Reply, Token]:
    """Ask the org for an access token; the org's own host, which comes with it, is not where calls go."""
    found = yield from org.token(settings)
    return replace(found, base_url=None)


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows: codes in the body, since statuses are coarse."""
    code, reason = api.refusal(reply)
    if reply.ok:
        return None
    if code == _SPENT:
        return Diagnosis(Fault.QUOTA, reason, code, until=(reply.at // DAY + 1) * DAY)
    if code == _BUSY:
        return Diagnosis(Fault.BUSY, reason, code, after=1.0)
    if code == _TOKEN or reply.status == 401:
        return Diagnosis(Fault.EXPIRED, reason, code)
    xml = "xml" in reply.headers.get("content-type", "")  # of a business unit that the token does not open
    return Diagnosis(Fault.FATAL, reason, code) if code in _REFUSED or (reply.status == 403 and xml) else None
