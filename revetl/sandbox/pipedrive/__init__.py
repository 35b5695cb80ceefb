"""A stand-in of a company of Pipedrive: persons, organizations, their fields and the search, by API v2.

Facts come from https://developers.pipedrive.com/docs/api/v1 (with the token cost of each call),
https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting and the v2 migration guide. Where they are silent, the
stand-in takes the stricter reading: unknown names in a body or query are refused. Not served: deals, leads, activities,
searches for parts of a value.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import Quota, SlidingWindow
from revetl.sandbox.pipedrive import fields, index, records, schema
from revetl.sandbox.pipedrive.errors import refuse
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

HIDDEN = "marketing_status"
SECONDS = 3_600  # life of an access token
_BURSTS = {"lite": (1, 20, 80), "growth": (2, 40, 160), "premium": (5, 100, 400), "ultimate": (7, 120, 480)}
_SEARCHES = 10  # in 2 seconds, on all plans


def _me(box: Sandbox, _request: Request) -> Answer:
    """GET /v1/users/me."""
    told = {"id": 1, "name": "Sandbox", "email": "user@example.com", "default_currency": "EUR", "is_you": True}
    company = {"company_id": box.options["company_id"], "company_name": "Sandbox", "company_domain": "sandbox"}
    return answer(200, {"success": True, "data": {**told, **company}, "additional_data": None})


def _routes() -> tuple[Route, ...]:
    found: list[Route] = [("GET", "/v1/users/me", _me)]
    for path, kind in schema.KINDS.items():
        found += [
            ("GET", f"/v2/{path}", fields.list_(kind)),
            ("POST", f"/v2/{path}", fields.create(kind)),
            ("PATCH", f"/v2/{path}/{{code}}", fields.rename(kind)),
            ("POST", f"/v2/{path}/{{code}}/options", fields.add_options(kind)),
            ("PATCH", f"/v2/{path}/{{code}}/options", fields.change_options(kind)),
            ("GET", f"/v2/{kind}", records.list_(kind)),
            ("POST", f"/v2/{kind}", records.create(kind)),
            ("GET", f"/v2/{kind}/search", index.search(kind)),
            ("GET", f"/v2/{kind}/{{id}}", records.get(kind)),
            ("PATCH", f"/v2/{kind}/{{id}}", records.update(kind)),
            ("DELETE", f"/v2/{kind}/{{id}}", records.delete(kind)),
        ]
    return tuple(found)


ROUTER = Router(_routes())


def cost(method: str, path: str) -> int:
    """Return what a call takes of the day's tokens."""
    if path == "/v1/users/me":
        return 2
    if method == "GET":
        last = path.rpartition("/")[2]
        return 20 if last == "search" else 1 if last.isdecimal() else 10
    return 3 if method == "DELETE" else 5


class Pipedrive(Sandbox):
    """Pipedrive with one company."""

    name = "pipedrive"

    def __init__(  # noqa: PLR0913 - each is one thing to choose
        self,
        *,
        api_token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        client_id: str = "sandbox",
        client_secret: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        refresh_token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        plan: str = "ultimate",
        seats: int = 10,
        daily: int | None = None,
        fields: Mapping[str, Mapping[str, JSON]] = EMPTY,
        lag: float = 0.0,
        campaigns: bool = False,
        labels_by_api: bool = True,
        shows_deleted: bool = False,
        field_page: int = 500,
        company_id: int = 7_654_321,
        **base: Any,
    ) -> None:
        """Make a company.

        ``daily`` tokens (or what ``plan`` and ``seats`` give) may be spent a UTC day; the search index learns of writes
        after ``lag`` seconds; ``fields`` adds custom ones: object → name → type, or a mapping with ``type`` and
        ``options``. ``labels_by_api`` says whether labels can be made, ``shows_deleted`` whether an update of a deleted
        record is answered with the record instead of 404.
        """
        self.credentials = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token}
        self._api_token = api_token
        factor, self._by_token, self._by_app = _BURSTS[plan]
        self._day = Quota(daily if daily is not None else 30_000 * factor * seats)
        self._windows: dict[str, SlidingWindow] = {}
        self._extra = fields
        told: dict[str, JSON] = {"lag": lag, "campaigns": campaigns, "labels_by_api": labels_by_api}
        told |= {
            "consent_is_fixed": False,
            "shows_deleted": shows_deleted,
            "field_page": field_page,
            "company_id": company_id,
        }
        super().__init__(options=told, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a new company."""
        kinds = tuple(schema.KINDS.values())
        told = {"campaigns": self.options["campaigns"], "contact_sync": False}
        own = {kind: schema.own_fields(kind, 1 + 4 * n, **told) for n, kind in enumerate(kinds)}
        empty: dict[str, JSON] = {
            "records": {kind: {} for kind in kinds},
            "index": {k: index.new_index() for k in kinds},
        }
        self.store = {"fields": own, **empty, "next_id": 1, "next_option": 1 + 4 * len(kinds), "sessions": {}}
        for kind, wished in self._extra.items():
            for name, given in wished.items():
                fields.add(self, kind, name, *schema.told(given))
        return self.store

    def merge(self, kind: str, loser: int, winner: int) -> None:
        """Merge two records as a person does in the tool: the winner's id stays, its addresses are both records'."""
        table = self.store["records"][kind]
        one, other = table[str(winner)], table[str(loser)]
        for code in ("emails", "phones"):
            have = {row["value"].lower() for row in one.get(code) or ()}
            one[code] += [
                {**row, "primary": False} for row in other.get(code) or () if row["value"].lower() not in have
            ]
        index.changed(self, kind, winner)
        records.mark_deleted(self, kind, str(loser))

    def end_sessions(self) -> None:
        """Make every access token invalid."""
        self.store["sessions"] = {}

    def respond(self, request: Request) -> Answer:
        """Check credentials and limits, then do what is asked."""
        if request.path == "/oauth/token":
            return self._token(request)
        path = request.path.removeprefix("/api") if request.path.startswith("/api/") else ""
        who = self._who(request)
        told = self._headers(who)
        try:
            self._charge(who, request.method, path)
            done = self._route(request, path)
        except RefusedError as refused:
            done = self.refuse(refused)
        return replace(done, headers={**done.headers, **told(), "x-correlation-id": self.request_id()})

    def _who(self, request: Request) -> str:
        if request.headers.get("x-api-token") == self._api_token:
            return "token"
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.store["sessions"].get(bearer, 0) > self.now():
            return "app"
        raise refuse(401, "unauthorized access", errorCode=401)

    def _window(self, name: str, most: int) -> SlidingWindow:
        return self._windows.setdefault(name, SlidingWindow(most, 2.0))

    def _charge(self, who: str, method: str, path: str) -> None:
        """Count a call in its windows and in the day's tokens, or refuse it."""
        burst = self._window(who, self._by_token if who == "token" else self._by_app)
        search = self._window("search", _SEARCHES) if path.endswith("/search") else None
        if burst.full(self.clock()) or (search is not None and search.full(self.clock())):
            raise refuse(429, "request over limit", errorCode=429)
        if self._day.remaining(self.now()) < cost(method, path):
            self._day.spend(self.now())
            raise refuse(429, "daily token budget exceeded", errorCode=429)
        burst.add(self.clock())
        if search is not None:
            search.add(self.clock())
        self._day.add(self.now(), cost(method, path))

    def _headers(self, who: str) -> Any:
        burst = self._window(who, self._by_token if who == "token" else self._by_app)
        return lambda: {
            "x-ratelimit-limit": str(burst.most),
            "x-ratelimit-remaining": str(burst.remaining(self.clock())),
            "x-ratelimit-reset": "2",
            "x-daily-ratelimit-token-limit": str(self._day.most),
            "x-daily-ratelimit-token-remaining": str(self._day.remaining(self.now())),
        }

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        known = b64encode(f"{self.credentials['client_id']}:{self.credentials['client_secret']}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return answer(401, {"success": False, "error": "invalid_client", "message": "client not authorized"})
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.credentials["refresh_token"]:
            return answer(400, {"success": False, "error": "invalid_grant", "message": "refresh token is not valid"})
        token = f"v1u:{self.request_id()}"
        self.store["sessions"][token] = self.now() + SECONDS
        told = {
            "token_type": "Bearer",
            "refresh_token": form["refresh_token"],
            "scope": "base,contacts:full,search:read",
        }
        return answer(
            200, {"access_token": token, "expires_in": SECONDS, "api_domain": "https://sandbox.pipedrive.com", **told}
        )

    def _route(self, request: Request, path: str) -> Answer:
        handler, parts, seen = ROUTER.find(request.method, path)
        if handler is None and seen:
            raise refuse(405, "Method not allowed")
        if handler is None:
            raise refuse(404, "unknown endpoint")
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise refuse(400, "Bad request: API v2 takes JSON")
        return handler(self, request, *parts)

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal."""
        return answer(refused.status, refused.payload)
