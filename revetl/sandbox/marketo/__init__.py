"""A stand-in of an instance of Marketo Engage: people, their fields, static lists, bulk imports, tokens, allowances.

Facts come from the Marketo Developer pages on experienceleague.adobe.com, the vendor's Swagger documents, and recorded
answers. Not served: companies, programs, campaigns, activities, bulk extracts, asynchronous writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import Quota, SlidingWindow
from revetl.sandbox.marketo import fields, imports, leads, lists
from revetl.sandbox.marketo.errors import refuse
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

MOST_BYTES = 1_000_000
MOST_URL = 8_192
CENTRAL = 6 * 3_600.0  # the quota's day begins at 12:00 AM CST
FORM = "application/x-www-form-urlencoded"
ASSET, LISTS = "/rest/asset/v1", "/rest/v1/lists/{id}/leads"
ROUTES: tuple[Route, ...] = (
    ("GET", "/rest/v1/leads", leads.query),
    ("POST", "/rest/v1/leads", leads.sync),
    ("POST", "/rest/v1/leads/delete", leads.delete),
    ("POST", "/rest/v1/leads/{id}/merge", leads.merge),
    ("GET", "/rest/v1/leads/partitions", leads.partitions),
    ("GET", "/rest/v1/leads/describe2", fields.describe2),
    ("POST", "/rest/v1/leads/schema/fields", fields.create),
    ("POST", LISTS, lists.add),
    ("DELETE", LISTS, lists.remove),
    ("GET", f"{LISTS}/ismember", lists.ismember),
    ("GET", f"{ASSET}/staticList/byName", lists.by_name),
    ("GET", f"{ASSET}/staticList/{{id}}", lists.by_id),
    ("POST", f"{ASSET}/staticList/{{id}}", lists.update),
    ("POST", f"{ASSET}/staticLists", lists.create),
    ("POST", "/bulk/v1/leads", imports.create),
    ("GET", "/bulk/v1/leads/batch/{id}", imports.look),
    ("GET", "/bulk/v1/leads/batch/{id}/failures", imports.failures),
    ("GET", "/bulk/v1/leads/batch/{id}/warnings", imports.warnings),
)
ROUTER = Router(ROUTES)


class Marketo(Sandbox):
    """Marketo with one instance."""

    name = "marketo"

    def __init__(
        self,
        *,
        client_id: str = "sandbox",
        client_secret: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        fields: Mapping[str, str] = EMPTY,
        folders: Iterable[int] = (1,),
        partitions: Iterable[str] = ("Default",),
        allow: Mapping[str, int] = EMPTY,
        seconds: Mapping[str, float] = EMPTY,
        page: int = 300,
        **base: Any,
    ) -> None:
        """Make an instance.

        ``fields`` adds some (name → type). ``allow`` overrides the calls a day (``daily``), in 20 seconds (``burst``)
        and at once (``together``); ``seconds`` how long a ``token`` lives and an ``import`` takes (0: by the next
        call). A page has ``page`` people.
        """
        self.credentials = {"client_id": client_id, "client_secret": client_secret}
        allowed = {"daily": 50_000, "burst": 100, "together": 10, **allow}
        self._extra = fields
        self._daily, self._burst = Quota(allowed["daily"]), SlidingWindow(allowed["burst"], 20.0)
        self._together, self._lasts = allowed["together"], {"token": 3_600.0, "import": 0.0, **seconds}
        options = {"folders": list(folders), "partitions": list(partitions), "page": page}
        super().__init__(options={**options, "import_seconds": self._lasts["import"]}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a new instance."""
        empty: dict[str, JSON] = {"people": {}, "index": {}, "lists": {}, "importing": {}, "jobs": {}, "token": None}
        numbers = {"next_person": 1_001, "next_list": 2_001, "next_job": 3_001, "made": 0}
        return {"fields": fields.new_fields(self._extra), **empty, **numbers}

    def end_tokens(self) -> None:
        """Make the access token invalid."""
        self.store["token"] = None

    def respond(self, request: Request) -> Answer:
        """Check credentials and allowances, then do what is asked; what is refused does not count."""
        if request.path == "/identity/oauth/token":
            return self._token(request)
        if len(request.path) + len(request.query) > MOST_URL:
            raise RefusedError(414, {"success": False, "errors": []})
        self._admit(request)
        imports.run_due(self)
        done = self._route(request)
        self._burst.add(self.clock())
        self._daily.add(self.now() - CENTRAL)
        return self._signed(done)

    def _admit(self, request: Request) -> None:
        given, token = request.headers.get("authorization", ""), self.store["token"]
        if token is None or given != f"Bearer {token['value']}":
            raise refuse(601, "Access token invalid")
        if self.clock() >= token["until"]:
            raise refuse(602, "Access token expired")
        if self.in_flight > self._together:
            raise refuse(615, "Concurrent access limit reached")
        if self._burst.full(self.clock()):
            raise refuse(606, f"Max rate limit '{self._burst.most}' exceeded with in '20' secs")
        if not self._daily.remaining(self.now() - CENTRAL):
            raise refuse(607, f"Daily API Request Limit of {self._daily.most} requests exceeded")

    def _token(self, request: Request) -> Answer:
        """Give a token; while one is good, the same one with what is left of its life."""
        form = {**request.params, **dict(parse_qsl(request.body.decode("utf-8", "replace")))}
        if request.method not in ("GET", "POST") or form.get("grant_type") != "client_credentials":
            told = f"Unsupported grant type: {form.get('grant_type')}"
            return answer(400, {"error": "unsupported_grant_type", "error_description": told})
        if any(form.get(name) != value for name, value in self.credentials.items()):
            return answer(401, {"error": "unauthorized", "error_description": "No client with requested id"})
        token, now = self.store["token"], self.clock()
        if token is None or now >= token["until"]:
            token = self.store["token"] = {"value": f"{self.request_id()}:sj", "until": now + self._lasts["token"]}
        told_: dict[str, JSON] = {"access_token": token["value"], "token_type": "bearer", "scope": "api@example.com"}
        return answer(200, {**told_, "expires_in": int(token["until"] - now)})

    def _route(self, request: Request) -> Answer:
        if request.params.get("_method") == "GET" and request.method == "POST":
            self._must_be(request, FORM)
            request = Request("GET", request.path, request.body.decode("utf-8", "replace"), request.headers)
        path, dot, kind = request.path.rpartition(".")
        handler, parts, seen = ROUTER.find(request.method, path) if dot and kind == "json" else (None, [], False)
        if handler is None and seen:
            raise refuse(605, f"Request method '{request.method}' not supported")
        if handler is None:
            raise refuse(610, "Requested resource not found")
        bulk = handler is imports.create
        if len(request.body) > (imports.MOST_BYTES if bulk else MOST_BYTES):
            raise RefusedError(413, {"success": False, "errors": []})
        if request.body and not bulk:
            self._must_be(request, FORM if request.path.startswith(ASSET) else "application/json")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as bad:
            raise refuse(609, f"Invalid JSON: {bad}") from bad

    @staticmethod
    def _must_be(request: Request, kind: str) -> None:
        if not request.headers.get("content-type", "").startswith(kind):
            raise refuse(612, "Invalid Content Type")

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal, signed like any other answer."""
        return self._signed(answer(refused.status, refused.payload))

    def _signed(self, done: Answer) -> Answer:
        """Put the request's id on an answer."""
        if not done.headers["content-type"].startswith("application/json"):
            return done
        found = orjson.loads(done.body)
        return replace(done, body=orjson.dumps({"requestId": f"{self.received:x}#sandbox", **found}))
