"""A stand-in of Intercom's REST API, 2.15: one workspace with its contacts, companies, tags and data attributes.

Facts come from the vendor's OpenAPI description, developers.intercom.com (rate limiting, search) and recorded traffic
(409s, leads' external ids, deletions). Not served: conversations, notes, segments, subscriptions, custom objects, lists
of all contacts or companies. Where the documentation is silent: unknown parameters are refused, and a tag that nobody
put on is not found when it is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom import attributes, companies, contacts, search, tags
from revetl.sandbox.intercom.errors import error, no_resource
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

VERSIONS = frozenset(f"2.{minor}" for minor in range(16)) | {"Unstable"}
SLICE = 10.0  # seconds: the allowance of a minute is handed out in six of them
CONTACT, COMPANY = "/contacts/{contact_id}", "/companies/{company_id}"


def me(box: Sandbox, _request: Request) -> Answer:
    """GET /me: the admin, and the workspace as ``app``."""
    app = {"type": "app", "id_code": box.options["workspace"], "name": "Sandbox", "timezone": "UTC", "region": "US"}
    return answer(200, {"type": "admin", "id": "1", "email": "admin@example.com", "name": "Admin", "app": app})


ROUTES: tuple[Route, ...] = (
    ("GET", "/me", me),
    ("POST", "/contacts", contacts.create),
    ("POST", "/contacts/search", search.search),
    ("POST", "/contacts/merge", contacts.merge),
    ("GET", "/contacts/find_by_external_id/{external_id}", contacts.by_external_id),
    ("GET", CONTACT, contacts.single),
    ("PUT", CONTACT, contacts.update),
    ("DELETE", CONTACT, contacts.delete),
    ("POST", CONTACT + "/archive", contacts.archive),
    ("POST", CONTACT + "/unarchive", contacts.unarchive),
    ("GET", CONTACT + "/tags", tags.worn),
    ("POST", CONTACT + "/tags", tags.attach),
    ("DELETE", CONTACT + "/tags/{tag_id}", tags.detach),
    ("GET", CONTACT + "/companies", contacts.attached),
    ("POST", CONTACT + "/companies", contacts.attach),
    ("DELETE", CONTACT + "/companies/{company_id}", contacts.detach),
    ("POST", "/companies", companies.upsert),
    ("GET", "/companies", companies.find),
    ("GET", COMPANY, companies.single),
    ("PUT", COMPANY, companies.update),
    ("DELETE", COMPANY, companies.delete),
    ("GET", COMPANY + "/contacts", companies.contacts),
    ("GET", "/tags", tags.listing),
    ("POST", "/tags", tags.write),
    ("GET", "/tags/{tag_id}", tags.single),
    ("DELETE", "/tags/{tag_id}", tags.delete),
    ("GET", "/data_attributes", attributes.listing),
    ("POST", "/data_attributes", attributes.create),
    ("PUT", "/data_attributes/{data_attribute_id}", attributes.update),
)
ROUTER = Router(ROUTES)


class Intercom(Sandbox):
    """Intercom with one workspace."""

    name = "intercom"

    def __init__(
        self,
        *,
        token: str = "sandbox",  # noqa: S107 - the stand-in's, worth nothing
        workspace: str = "sandbox1",
        per_slice: int = 1_666,
        search_lag: float = 0.0,
        attributes: Mapping[str, JSON] = EMPTY,
        company_attributes: Mapping[str, JSON] = EMPTY,
        create_attributes: bool = False,
        admins: Iterable[int] = (1,),
        **base: Any,
    ) -> None:
        """Make a workspace.

        ``per_slice`` calls are let through in each slice of 10 s. Searches see writes after ``search_lag`` seconds.
        ``attributes`` of contacts and ``company_attributes`` (name → data type, or a definition with ``options``) are
        there from the start; ``create_attributes`` lets others come into being with their first value. ``admins`` may
        own contacts.
        """
        self.token = token
        self._most = per_slice
        self._slice, self._used = -1, 0
        self._attributes = {"contact": attributes, "company": company_attributes}
        options = {"workspace": workspace, "search_lag": search_lag, "create_attributes": create_attributes}
        super().__init__(options={**options, "admins": list(admins)}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an empty workspace."""
        made = {
            model: {
                name: {**attributes.definition(self, model, name, told), "id": number}
                for number, (name, told) in enumerate(given.items(), 1)
            }
            for model, given in self._attributes.items()
        }
        return {"contacts": {}, "companies": {}, "tags": {}, "attributes": made, "next_number": 1_000}

    def respond(self, request: Request) -> Answer:
        """Check credentials, version, limits and types, then do what is asked."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise error(401, "unauthorized", "Access Token Invalid")
        self._spend()
        try:
            done = self._route(request)
        except RefusedError as refused:
            done = self.refuse(refused)
        return replace(done, headers={**done.headers, **self._limit_headers()})

    def _route(self, request: Request) -> Answer:
        version = request.headers.get("intercom-version")
        if version is None:
            self.flag("no Intercom-Version: the app's own default decides")
        elif version not in VERSIONS:
            raise error(400, "intercom_version_invalid", f"The requested version {version} could not be found")
        wanted = request.headers.get("accept", "")
        if "application/json" not in wanted and "*/*" not in wanted:
            what = "The Accept header should send a media type of application/json"
            raise error(406, "media_type_not_acceptable", what)
        handler, parts, seen = ROUTER.find(request.method, request.path)
        if handler is None:
            raise error(405, "method_not_allowed", "Method Not Allowed") if seen else no_resource()
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            what = "The Content-Type header should send a media type of application/json"
            raise error(415, "media_type_not_supported", what)
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as broken:
            raise error(400, "client_error", f"Invalid JSON: {broken}") from broken

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal with its request id."""
        done = answer(refused.status, {**refused.payload, "request_id": self.request_id()})
        return replace(done, headers={**done.headers, "X-Request-Id": self.request_id(), **refused.headers})

    def _spend(self) -> None:
        at = int(self.clock() // SLICE)
        if at != self._slice:
            self._slice, self._used = at, 0
        if self._used >= self._most:
            what = f"Exceeded rate limit of {self._most} in 10_seconds"
            raise error(429, "rate_limit_exceeded", what, self._limit_headers())
        self._used += 1

    def _limit_headers(self) -> dict[str, str]:
        left = SLICE - self.clock() % SLICE
        return {
            "X-RateLimit-Limit": str(self._most),
            "X-RateLimit-Remaining": str(self._most - self._used),
            "X-RateLimit-Reset": str(int(self.now() + left) + 1),
        }
