"""A stand-in of an org of Salesforce: collections, jobs, SOQL, describe, tokens, on people, accounts and campaigns.

Facts come from developer.salesforce.com (REST API Developer Guide, Object Reference, SOQL) and recorded answers. Not
served: Bulk query jobs, Composite, Apex, duplicate rules, relationships in SOQL, validation rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import SlidingWindow
from revetl.sandbox.salesforce import collections, grants, jobs, security, single, soql
from revetl.sandbox.salesforce.errors import refuse
from revetl.sandbox.salesforce.records import is_indexed
from revetl.sandbox.salesforce.schema import new_objects
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

ORG = "00D000000000001EAA"
DAY = 86_400.0
VERSION = re.compile(r"/services/data/v(4[6-9]|5\d|6[0-8])\.0(?=/)")  # collections upsert exists since 46

ROUTES: tuple[Route, ...] = (
    ("GET", "/", security.root),
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
    ("POST", "/jobs/ingest", jobs.create),
    ("GET", "/jobs/ingest/{job}", jobs.info),
    ("PATCH", "/jobs/ingest/{job}", jobs.change),
    ("DELETE", "/jobs/ingest/{job}", jobs.delete),
    ("PUT", "/jobs/ingest/{job}/batches", jobs.upload),
    ("GET", "/jobs/ingest/{job}/successfulResults", jobs.successes),
    ("GET", "/jobs/ingest/{job}/failedResults", jobs.failures),
    ("GET", "/jobs/ingest/{job}/unprocessedrecords", jobs.unprocessed),
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
        user: Mapping[str, str] = EMPTY,
        daily: int = 100_000,
        page: int = 2_000,
        bulk: Mapping[str, float] = EMPTY,
        fields: Mapping[str, Mapping[str, JSON]] = EMPTY,
        **base: Any,
    ) -> None:
        """Make an org.

        ``user`` (``username``, ``public_key`` as PEM) lets assertions in. ``daily`` calls in any 24 hours are let
        through, queries answer ``page`` records at a time, a job takes ``bulk["seconds"]`` and 24 hours take
        ``bulk["batches"]``. ``fields`` adds some: object → name → type, or a definition with ``type``, ``length``,
        ``externalId``, ``options`` …
        """
        self.credentials = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token}
        self.credentials |= {"username": "", "public_key": "", **user}
        self._day, self._batches = SlidingWindow(daily, DAY), SlidingWindow(int(bulk.get("batches", 15_000)), DAY)
        self._extra = fields
        super().__init__(options={"page": page, "bulk_seconds": bulk.get("seconds", 0.0)}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a new org."""
        fields = new_objects(self._extra)
        index: JSON = {k: {n: {} for n, one in of.items() if is_indexed(k, one)} for k, of in fields.items()}
        records = security.begin(ORG)
        records["Organization"][ORG] |= {"Name": "Sandbox"}
        empty: dict[str, JSON] = {"deleted": {}, "jobs": {}, "sessions": [], "cursors": {}, "next_id": 1}
        return {"fields": fields, "index": index, "records": records, "hidden": [], **empty}

    def count_batches(self, number: int) -> None:
        """Count batches of a job that is closed; refused where the day's are spent."""
        if self._batches.remaining(self.clock()) < number:
            raise refuse(400, "EXCEEDEDQUOTA", "ExceededQuota : ApiBatchItems Limit exceeded.")
        for _ in range(number):
            self._batches.add(self.clock())

    def end_sessions(self) -> None:
        """Make every access token invalid, as the end of the session's time does."""
        self.store["sessions"] = []

    def respond(self, request: Request) -> Answer:
        """Check credentials and limits, then do what is asked."""
        if request.path == "/services/oauth2/token":
            return self._token(request)
        if request.path == "/services/data" and request.method == "GET":
            url = "/services/data/v68.0"
            return answer(200, [{"label": "Summer '26", "url": url, "version": "68.0"}])
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.store["sessions"]:
            raise refuse(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self._day.full(self.clock()):
            raise refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._day.add(self.clock())
        jobs.work(self)
        try:
            done = self._route(request)
        except RefusedError as refused:
            done = self.refuse(refused)
        used = f"api-usage={self._day.used(self.clock())}/{self._day.most}"
        return replace(done, headers={**done.headers, "Sforce-Limit-Info": used})

    def _token(self, request: Request) -> Answer:
        refused = grants.refused(request, self.credentials, self.now())
        if refused is not None:
            return refused
        token = f"{ORG}!{self.request_id()}"
        self.store["sessions"].append(token)
        told = {"access_token": token, "instance_url": "https://sandbox.my.salesforce.com", "token_type": "Bearer"}
        link = f"https://login.salesforce.com/id/{ORG}/005000000000001AAA"
        return answer(200, {**told, "id": link, "issued_at": str(int(self.now() * 1000)), "scope": "api"})

    def _route(self, request: Request) -> Answer:
        below = VERSION.sub("", request.path, 1)
        below = below.rstrip("/") if below.startswith("/jobs/") else below
        handler, parts, seen = ROUTER.find(request.method, below) if below != request.path else (None, [], False)
        if handler is None and seen:
            raise refuse(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed.")
        if handler is None:
            raise refuse(404, "NOT_FOUND", "The requested resource does not exist")
        media = "text/csv" if handler is jobs.upload else "application/json"
        if request.body and not request.headers.get("content-type", "").startswith(media):
            raise refuse(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type is not supported")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as bad:
            raise refuse(400, "JSON_PARSER_ERROR", f"The JSON cannot be read: {bad}") from bad

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal: an array of one."""
        return answer(refused.status, [refused.payload])
