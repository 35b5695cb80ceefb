"""A stand-in of the Mailchimp Marketing API 3.0: one account with one audience.

Facts come from the published specification (3.0.55) and mailchimp.com/developer. Not served: ``/batches``, interests,
marketing permissions, conditions of saved segments.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp import batch, fields, members, queries, segments
from revetl.sandbox.mailchimp.audience import Audience, new_audience
from revetl.sandbox.mailchimp.problems import bad, problem
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import JSON

PROBLEM_TYPE = "application/problem+json; charset=utf-8"
MOST_CONNECTIONS = 10


def account(box: Sandbox, request: Request) -> Answer:
    """GET /: the account."""
    total = sum(_count(Audience.of(box, one)) for one in box.store["lists"])
    told = {
        "account_id": "5a4db0c5a4db0c5a4db0c5a4d",
        "account_name": "Sandbox",
        "login_id": "sandbox",
        "role": "owner",
    }
    return queries.reply(request, {**told, "pricing_plan_type": "monthly", "total_subscribers": total})


def ping(_box: Sandbox, _request: Request) -> Answer:
    """GET /ping."""
    return answer(200, {"health_status": "Everything's Chimpy!"})


def _count(audience: Audience) -> int:
    return sum(one["status"] == "subscribed" for one in audience.members())


def _list(audience: Audience) -> dict[str, JSON]:
    stats = {"member_count": _count(audience), "merge_field_count": len(audience.fields)}
    return {"id": audience.store["id"], "name": audience.store["name"], "stats": stats}


def lists(box: Sandbox, request: Request) -> Answer:
    """GET /lists."""
    found = [_list(Audience.of(box, one)) for one in box.store["lists"]]
    return queries.reply(request, {"lists": queries.page(request, found), "total_items": len(found)})


def single(box: Sandbox, request: Request, list_id: str) -> Answer:
    """GET /lists/{list_id}."""
    return queries.reply(request, _list(Audience.of(box, list_id)))


LIST = "/3.0/lists/{list_id}"
MEMBER = LIST + "/members/{subscriber_hash}"
SEGMENT = LIST + "/segments/{segment_id}"
ROUTES: tuple[Route, ...] = (
    ("GET", "/3.0/", account),
    ("GET", "/3.0", account),
    ("GET", "/3.0/ping", ping),
    ("GET", "/3.0/lists", lists),
    ("GET", LIST, single),
    ("POST", LIST, batch.subscribe),
    ("GET", LIST + "/members", members.listing),
    ("POST", LIST + "/members", members.add),
    ("GET", MEMBER, members.single),
    ("PUT", MEMBER, members.put),
    ("PATCH", MEMBER, members.patch),
    ("DELETE", MEMBER, members.archive),
    ("POST", MEMBER + "/actions/delete-permanent", members.erase),
    ("GET", MEMBER + "/tags", members.tags),
    ("POST", MEMBER + "/tags", members.change_tags),
    ("GET", LIST + "/merge-fields", fields.listing),
    ("POST", LIST + "/merge-fields", fields.create),
    ("GET", LIST + "/tag-search", segments.search),
    ("GET", LIST + "/segments", segments.listing),
    ("POST", LIST + "/segments", segments.create),
    ("GET", SEGMENT, segments.single),
    ("POST", SEGMENT, segments.change),
    ("PATCH", SEGMENT, segments.patch),
    ("DELETE", SEGMENT, segments.delete),
    ("GET", SEGMENT + "/members", segments.members),
)
ROUTER = Router(ROUTES)


class Mailchimp(Sandbox):
    """Mailchimp with one account and one audience."""

    name = "mailchimp"

    def __init__(
        self,
        *,
        api_key: str = "sandbox-us1",
        list_id: str = "sandbox",
        merge_fields: Iterable[Mapping[str, JSON]] | Mapping[str, JSON] = (),
        strict_fields: bool = True,
        connections: int = MOST_CONNECTIONS,
        repeats_listed: bool = False,
        segment_errors: bool = False,
        **base: Any,
    ) -> None:
        """Make an account.

        ``merge_fields`` adds to FNAME and LNAME (tag → type, tag → definition, or definitions with tags); with
        ``strict_fields=False`` any other tag becomes a field when it first comes. More than ``connections`` requests
        in flight are answered 429. ``repeats_listed``, ``segment_errors``: see :func:`segments.change`.
        """
        self.api_key = api_key
        self.connections = connections
        self._list_id = list_id
        self._fields = fields.defaults(merge_fields)
        options = {"strict_fields": strict_fields, "repeats_listed": repeats_listed, "segment_errors": segment_errors}
        super().__init__(options=options, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an account with an empty audience."""
        return {"lists": {self._list_id: new_audience(self._list_id, copy.deepcopy(self._fields))}}

    def respond(self, request: Request) -> Answer:
        """Check connections and credentials, then do what is asked."""
        if self.in_flight > self.connections:
            what = f"You have exceeded the limit of {self.connections} simultaneous connections."
            raise problem(429, "Too Many Requests", what)
        self._authorise(request.headers.get("authorization", ""))
        handler, parts, seen = ROUTER.find(request.method, request.path)
        if handler is None and seen:
            raise problem(405, "Method Not Allowed", "The requested method and resource are not compatible.")
        if handler is None:
            raise problem(404, "Resource Not Found", "The requested resource could not be found.")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as broken:
            what = "We encountered an unspecified JSON parsing error. This is commonly caused by invalid JSON."
            raise bad(what, "JSON Parse Error") from broken

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal as problem+json with its instance."""
        return answer(refused.status, {**refused.payload, "instance": self.request_id()}, PROBLEM_TYPE)

    def _authorise(self, given: str) -> None:
        scheme, _, value = given.partition(" ")
        if not value:
            raise problem(401, "API Key Missing", "Your request did not include an API key.")
        key = _password(value) if scheme.lower() == "basic" else value
        if key != self.api_key:
            what = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
            raise problem(401, "API Key Invalid", what)


def _password(value: str) -> str:
    """Return the password of Basic credentials; any user name will do."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
