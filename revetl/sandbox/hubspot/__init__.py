"""A stand-in of HubSpot's CRM API: contacts, companies, their properties, and lists.

Facts come from developers.hubspot.com (object, property, list and error-handling guides, and "API usage guidelines"
for the limits). It serves ``/crm/v3/…`` and the dated spelling ``/crm/objects/2026-03/…`` alike, and associations from
contacts to companies. Not served: search, other associations, secondary e-mail addresses, OAuth.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot import associations, lists, preferences, properties, reads, writes
from revetl.sandbox.hubspot.errors import error, invalid
from revetl.sandbox.hubspot.records import new_table
from revetl.sandbox.limits import Quota, SlidingWindow
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

DATED = re.compile(r"/(crm|account-info)/(?:(objects|properties|lists)/)?\d{4}-(?:03|09)(?=/|$)")
PORTAL = 8_000_001


def account(_box: Sandbox, _request: Request) -> Answer:
    """GET /account-info/v3/details."""
    told = {"portalId": PORTAL, "accountType": "SANDBOX", "timeZone": "UTC", "companyCurrency": "EUR"}
    return answer(200, {**told, "additionalCurrencies": [], "utcOffset": "+00:00", "uiDomain": "app.hubspot.com"})


ROUTES: tuple[Route, ...] = (
    ("GET", "/account-info/v3/details", account),
    ("GET", "/crm/v3/properties/{object}", properties.listing),
    ("POST", "/crm/v3/properties/{object}", properties.create),
    ("GET", "/crm/v3/properties/{object}/{name}", properties.single),
    ("DELETE", "/crm/v3/properties/{object}/{name}", properties.archive),
    ("GET", "/crm/v3/objects/{object}", reads.page),
    ("POST", "/crm/v3/objects/{object}", reads.create),
    ("GET", "/crm/v3/objects/{object}/{id}", reads.single),
    ("PATCH", "/crm/v3/objects/{object}/{id}", reads.patch),
    ("DELETE", "/crm/v3/objects/{object}/{id}", reads.archive),
    ("POST", "/crm/v3/objects/{object}/gdpr-delete", writes.erase),
    ("POST", "/crm/v3/objects/{object}/batch/read", reads.batch),
    ("POST", "/crm/v3/objects/{object}/batch/upsert", writes.upsert),
    ("POST", "/crm/v3/objects/{object}/batch/create", writes.create),
    ("POST", "/crm/v3/objects/{object}/batch/update", writes.update),
    ("POST", "/crm/v3/objects/{object}/batch/archive", writes.archive),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/create", associations.create),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/archive", associations.archive),
    ("POST", "/communication-preferences/v4/statuses/batch/unsubscribe-all", preferences.unsubscribe_all),
    ("POST", "/crm/v3/lists", lists.create),
    ("GET", "/crm/v3/lists/{list}", lists.single),
    ("DELETE", "/crm/v3/lists/{list}", lists.delete),
    ("GET", "/crm/v3/lists/object-type-id/{type}/name/{name}", lists.by_name),
    ("PUT", "/crm/v3/lists/{list}/update-list-name", lists.rename),
    ("GET", "/crm/v3/lists/{list}/memberships", lists.members),
    ("DELETE", "/crm/v3/lists/{list}/memberships", lists.clear),
    ("PUT", "/crm/v3/lists/{list}/memberships/add", lists.add),
    ("PUT", "/crm/v3/lists/{list}/memberships/remove", lists.remove),
    ("PUT", "/crm/v3/lists/{list}/memberships/add-and-remove", lists.add_and_remove),
)
ROUTER = Router(ROUTES)


class HubSpot(Sandbox):
    """HubSpot with one portal."""

    name = "hubspot"

    def __init__(
        self,
        *,
        token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        burst: int = 190,
        daily: int = 625_000,
        secondly: int | None = None,
        properties: dict[str, JSON] | None = None,
        company_properties: dict[str, JSON] | None = None,
        strict_fields: bool = True,
        list_lock: float = 0.0,
        **base: Any,
    ) -> None:
        """Make a portal.

        ``burst`` calls in any 10 s, ``daily`` a UTC day and (where given) ``secondly`` in any 1 s are let through.
        ``properties`` adds to the contacts' (name → type, or a definition with ``type``, ``options`` …),
        ``company_properties`` to the companies'; with ``strict_fields=False`` any other name becomes a text property
        when it first comes. A new list's memberships answer 423 for ``list_lock`` seconds.
        """
        self.token = token
        self._daily = Quota(daily)
        self._burst = SlidingWindow(burst, 10.0)
        self._windows = [("TEN_SECONDLY_ROLLING", self._burst)]
        if secondly is not None:
            self._windows.append(("SECONDLY", SlidingWindow(secondly, 1.0)))
        self._extra = {"contacts": properties or EMPTY, "companies": company_properties or EMPTY}
        super().__init__(options={"strict_fields": strict_fields, "list_lock": list_lock}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an empty portal."""
        objects = {kind: new_table(kind, extra) for kind, extra in self._extra.items()}
        made = {"objects": objects, "archived": {}, "lists": {}, "associations": {}}
        return {**made, "next_id": 1001, "next_list": 1}

    def respond(self, request: Request) -> Answer:
        """Check credentials, limits and content type, then do what is asked."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid.")
        self._spend()
        try:
            done = self._route(request)
        except RefusedError as refused:
            done = self.refuse(refused)
        return replace(done, headers={**done.headers, **self._limit_headers()})

    def _route(self, request: Request) -> Answer:
        handler, parts, seen = ROUTER.find(request.method, _undated(request.path))
        if handler is None:
            raise error(405 if seen else 404, "METHOD_NOT_ALLOWED" if seen else "OBJECT_NOT_FOUND", "No such endpoint")
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise error(415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type: send application/json")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as bad:
            raise invalid(f"Invalid input JSON: {bad}") from bad

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal with its correlation id."""
        done = answer(refused.status, {**refused.payload, "correlationId": self.request_id()})
        return replace(done, headers={**done.headers, **refused.headers})

    def _spend(self) -> None:
        at, now = self.clock(), self.now()
        policy = next((name for name, window in self._windows if window.full(at)), None)
        policy = "DAILY" if not self._daily.remaining(now) else policy
        if policy is not None:
            told = {"status": "error", "message": f"You have reached your {policy.lower()} limit."}
            raise RefusedError(429, {**told, "errorType": "RATE_LIMIT", "policyName": policy}, self._limit_headers())
        self._daily.add(now)
        for _, window in self._windows:
            window.add(at)

    def _limit_headers(self) -> dict[str, str]:
        return {
            "X-HubSpot-RateLimit-Daily": str(self._daily.most),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self._daily.remaining(self.now())),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(self._burst.most),
            "X-HubSpot-RateLimit-Remaining": str(self._burst.remaining(self.clock())),
        }


def _undated(path: str) -> str:
    """Return ``/crm/objects/2026-03/…`` spelled as ``/crm/v3/objects/…``."""
    return DATED.sub(
        lambda found: "/".join(part for part in ("", found[1], "v3", found[2]) if part is not None), path, 1
    )
