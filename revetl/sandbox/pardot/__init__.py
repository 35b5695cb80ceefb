"""A stand-in of a business unit of Account Engagement (Pardot): prospects, lists and imports, by API v5.

Facts come from https://developer.salesforce.com/docs/marketing/pardot/guide/version5overview.html and the pages that
each module names; tokens are those of a Salesforce org. Not served: other objects, queries by dates, the bulk
actions, v3/v4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import Quota
from revetl.sandbox.pardot import imports, lists, prospects, schema, tables
from revetl.sandbox.pardot.errors import BAD_TOKEN, BUSY, DENIED, NO_UNIT, SPENT, invalid, missing, refuse
from revetl.sandbox.salesforce import grants
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

UNIT = "0Uv000000000001AAA"
PREFIX = "/api/v5"
SIDE_BY_SIDE = 5


def _account(box: Sandbox, request: Request) -> Answer:
    """GET /objects/account."""
    told = {"id": box.options["account_id"], "company": "Sandbox", "level": "Advanced"}
    wanted = tables.asked(box, request, told)
    return answer(200, {name: told[name] for name in wanted})


ROUTES: tuple[Route, ...] = (
    ("GET", "/objects/account", _account),
    ("GET", "/objects/prospects", prospects.list_),
    ("POST", "/objects/prospects", prospects.create),
    ("GET", "/objects/prospects/{id}", prospects.read),
    ("PATCH", "/objects/prospects/{id}", prospects.update),
    ("DELETE", "/objects/prospects/{id}", prospects.delete),
    ("POST", "/objects/prospects/{id}/do/undelete", prospects.undelete),
    ("POST", "/objects/prospects/do/upsertLatestByEmail", prospects.upsert),
    ("GET", "/objects/custom-fields", schema.list_customs),
    ("POST", "/objects/custom-fields", schema.create_custom),
    ("GET", "/objects/lists", lists.list_),
    ("POST", "/objects/lists", lists.create),
    ("PATCH", "/objects/lists/{id}", lists.rename),
    ("GET", "/objects/list-memberships", lists.members),
    ("POST", "/objects/list-memberships", lists.create_member),
    ("DELETE", "/objects/list-memberships/{id}", lists.delete_member),
    ("POST", "/imports", imports.create),
    ("GET", "/imports/{id}", imports.read),
    ("PATCH", "/imports/{id}", imports.change),
    ("POST", "/imports/{id}/batches", imports.upload),
    ("POST", "/imports/{id}/do/cancel", imports.cancel),
    ("GET", "/imports/{id}/errors", imports.errors),
)
ROUTER = Router(ROUTES)


class Pardot(Sandbox):
    """Account Engagement with one business unit, and the part of its org that gives tokens."""

    name = "pardot"

    def __init__(  # noqa: PLR0913 - each is one thing to choose
        self,
        *,
        client_id: str = "sandbox",
        client_secret: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        refresh_token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        business_unit: str = UNIT,
        daily: int = 100_000,
        daily_batches: int = 1_000,
        import_seconds: float = 0.0,
        lag: float = 0.0,
        shared: bool = False,
        counts_members: bool = True,
        campaigns: Sequence[int] = (1,),
        fields: Mapping[str, str] = EMPTY,
        account_id: int = 987_654,
        **base: Any,
    ) -> None:
        """Make a business unit.

        ``daily`` calls and ``daily_batches`` files a UTC day are let through; a file takes ``import_seconds``; reads
        learn of writes after ``lag`` seconds; ``shared`` lets several prospects have one address; ``counts_members``
        says whether imports count rows of memberships alone; ``fields`` adds custom ones: field id → type.
        """
        self.credentials = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token}
        self.credentials |= {"username": "", "public_key": ""}
        self._unit, self._day, self._batches = business_unit, Quota(daily), Quota(daily_batches)
        self._extra = fields
        told: dict[str, Any] = {
            "lag": lag,
            "shared": shared,
            "counts_members": counts_members,
            "account_id": account_id,
        }
        told |= {"import_seconds": import_seconds, "campaigns": tuple(campaigns)}
        super().__init__(options=told, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a new business unit."""
        kinds = ("prospects", "addresses", "custom-fields", "lists", "memberships", "members", "imports", "stale")
        self.store = {**{kind: {} for kind in kinds}, "sessions": [], "next_id": 1}
        for field_id, kind in self._extra.items():
            schema.add(self, field_id, field_id, kind)
        return self.store

    def spend_batch(self) -> bool:
        """Count a file of an import; return whether the day had one left."""
        left = self._batches.remaining(self.now())
        if left:
            self._batches.add(self.now())
        return left > 0

    def end_sessions(self) -> None:
        """Make every access token invalid, as the end of the session's time does."""
        self.store["sessions"] = []

    def respond(self, request: Request) -> Answer:
        """Check credentials and limits, then do what is asked."""
        if request.path == "/services/oauth2/token":
            return self._token(request)
        if request.path == "/services/data" and request.method == "GET":
            return answer(200, [{"label": "Summer '26", "url": "/services/data/v68.0", "version": "68.0"}])
        date = {"date": formatdate(self.now(), usegmt=True)}
        try:
            self._admit(request)
            imports.work(self)
            done = self._route(request)
        except RefusedError as refused:
            done = self.refuse(refused)
        if request.headers.get("x-return-api-usage") == "1":
            most = self._day.most
            date["x-api-usage"] = f"{most - self._day.remaining(self.now())}/{most}"
        return replace(done, headers={**done.headers, **date})

    def _admit(self, request: Request) -> None:
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not bearer:
            raise refuse(401, DENIED, "Access Denied")
        if bearer not in self.store["sessions"]:
            raise refuse(401, BAD_TOKEN, "access_token is invalid, unable to authenticate")
        if request.headers.get("pardot-business-unit-id") != self._unit:
            raise refuse(403, NO_UNIT, "Business Unit ID not found or invalid: Pardot-Business-Unit-Id")
        if self.in_flight > SIDE_BY_SIDE:
            raise refuse(429, BUSY, "You have exceeded your concurrent request limit. Please wait, before trying again")
        if not self._day.remaining(self.now()):
            raise refuse(429, SPENT, "Daily API rate limit met")
        self._day.add(self.now())

    def _token(self, request: Request) -> Answer:
        refused = grants.refused(request, self.credentials, self.now())
        if refused is not None:
            return refused
        token = f"00D000000000001EAA!{self.request_id()}"
        self.store["sessions"].append(token)
        told = {"access_token": token, "instance_url": "https://sandbox.my.salesforce.com", "token_type": "Bearer"}
        return answer(200, {**told, "issued_at": str(int(self.now() * 1000)), "scope": "pardot_api"})

    def _route(self, request: Request) -> Answer:
        path = request.path.removeprefix(PREFIX) if request.path.startswith(f"{PREFIX}/") else ""
        handler, parts, seen = ROUTER.find(request.method, path)
        if handler is None and seen:
            raise refuse(405, 2, "Invalid action")
        if handler is None:
            raise missing("resource")
        media = "multipart/form-data" if handler is imports.upload else "application/json"
        if request.body and not request.headers.get("content-type", "").startswith(media):
            raise refuse(415, 2, f"Content-Type must be {media}")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as bad:
            raise invalid(f"The JSON cannot be read: {bad}") from bad

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal."""
        return answer(refused.status, refused.payload)
