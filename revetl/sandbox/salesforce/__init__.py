"""A stand-in of an org of Salesforce: collections, SOQL, describe, tokens, on contacts, leads, accounts and campaigns.

Facts come from developer.salesforce.com (REST API Developer Guide, Object Reference, SOQL) and recorded answers. Not
served: Bulk API, Composite, Apex, duplicate rules, relationships in SOQL, validation rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import SlidingWindow
from revetl.sandbox.salesforce import collections, single, soql
from revetl.sandbox.salesforce.errors import refuse
from revetl.sandbox.salesforce.records import is_indexed
from revetl.sandbox.salesforce.schema import new_objects
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

ORG = "00D000000000001EAA"
DAY = 86_400.0
VERSION = re.compile(r"/services/data/v(4[6-9]|5\d|6[0-8])\.0(?=/)")  # collections upsert exists since 46

ROUTES: tuple[Route, ...] = (
    ("GET", "/query", soql.run),
    ("GET", "/query/{locator}", soql.more),
    ("GET", "/sobjects/{object}/describe", single.describe),
    ("POST", "/sobjects/{object}", single.create),
    ("PATCH", "/sobjects/{object}/{id}", single.patch),
    ("POST", "/tooling/sobjects/CustomField", single.add_field),
    ("POST", "/composite/sobjects", collections.create),
    ("PATCH", "/composite/sobjects", collections.update),
    ("DELETE", "/composite/sobjects", collections.delete),
    ("PATCH", "/composite/sobjects/{object}/{field}", collections.upsert),
)
ROUTER = Router(ROUTES)


class Salesforce(Sandbox):
    """Salesforce with one org."""

    name = "salesforce"

    def __init__(
        self,
        *,
        client_id: str = "sandbox",
        client_secret: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        refresh_token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        daily: int = 100_000,
        page: int = 2_000,
        fields: Mapping[str, Mapping[str, JSON]] = EMPTY,
        **base: Any,
    ) -> None:
        """Make an org.

        ``daily`` calls in any 24 hours are let through, queries answer ``page`` records at a time, and ``fields`` adds
        some: object → name → type, or a definition with ``type``, ``length``, ``externalId``, ``options`` …
        """
        self.credentials = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token}
        self._day = SlidingWindow(daily, DAY)
        self._extra = fields
        super().__init__(options={"page": page}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a new org."""
        fields = new_objects(self._extra)
        index: JSON = {k: {n: {} for n, one in of.items() if is_indexed(k, one)} for k, of in fields.items()}
        org = {ORG: {"Id": ORG, "Name": "Sandbox", "CreatedDate": ""}}
        empty: dict[str, JSON] = {"deleted": {}, "sessions": [], "cursors": {}, "next_id": 1}
        return {"fields": fields, "index": index, "records": {"Organization": org}, **empty}

    def end_sessions(self) -> None:
        """Make every access token invalid, as the end of the session's time does."""
        self.store["sessions"] = []

    def respond(self, request: Request) -> Answer:
        """Check credentials and limits, then do what is asked."""
        if request.path == "/services/oauth2/token":
            return self._token(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.store["sessions"]:
            raise refuse(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self._day.full(self.clock()):
            raise refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._day.add(self.clock())
        try:
            done = self._route(request)
        except RefusedError as refused:
            done = self.refuse(refused)
        used = f"api-usage={self._day.used(self.clock())}/{self._day.most}"
        return replace(done, headers={**done.headers, "Sforce-Limit-Info": used})

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        needed: dict[str, tuple[str, ...]] = {"client_credentials": ("client_id", "client_secret")}
        needed["refresh_token"] = ("client_id", "client_secret", "refresh_token")
        names = needed.get(form.get("grant_type", ""))
        if request.method != "POST" or names is None:
            return answer(400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"})
        if any(form.get(name) != self.credentials[name] for name in names):
            return answer(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        token = f"{ORG}!{self.request_id()}"
        self.store["sessions"].append(token)
        told = {"access_token": token, "instance_url": "https://sandbox.my.salesforce.com", "token_type": "Bearer"}
        link = f"https://login.salesforce.com/id/{ORG}/005000000000001AAA"
        return answer(200, {**told, "id": link, "issued_at": str(int(self.now() * 1000)), "scope": "api"})

    def _route(self, request: Request) -> Answer:
        below = VERSION.sub("", request.path, 1)
        handler, parts, seen = ROUTER.find(request.method, below) if below != request.path else (None, [], False)
        if handler is None and seen:
            raise refuse(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed.")
        if handler is None:
            raise refuse(404, "NOT_FOUND", "The requested resource does not exist")
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise refuse(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type is not supported")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as bad:
            raise refuse(400, "JSON_PARSER_ERROR", f"The JSON cannot be read: {bad}") from bad

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal: an array of one."""
        return answer(refused.status, [refused.payload])
