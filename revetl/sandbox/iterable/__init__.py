"""A stand-in of Iterable's API: one project with its users, fields and lists.

Facts come from the vendor's Swagger document (1.8) and support.iterable.com. Writes show at once here, and within a
minute there. Not served: events, subscriptions, exports, single updates, lists' members in bulk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable import bulk, channels, lists, single
from revetl.sandbox.iterable.fields import DEFAULTS
from revetl.sandbox.iterable.problems import bad, problem
from revetl.sandbox.limits import SlidingWindow
from revetl.sandbox.wire import Answer, Handler, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

MOST_BYTES = 4_000_000
FORGET_A_DAY = 1_000
USER, USER_ID = "/api/users/{email}", "/api/users/byUserId/{userId}"
ROUTES: tuple[Route, ...] = (
    ("POST", "/api/users/bulkUpdate", bulk.update),
    ("POST", "/api/users/updateEmail", single.update_email),
    ("POST", "/api/users/forget", single.forget),
    ("GET", "/api/users/getFields", single.fields),
    ("GET", USER, single.by_email),
    ("DELETE", USER, single.delete_email),
    ("GET", USER_ID, single.by_id),
    ("DELETE", USER_ID, single.delete_id),
    ("GET", "/api/channels", channels.listing),
    ("POST", "/api/users/bulkUpdateSubscriptions", channels.update),
    ("GET", "/api/lists", lists.listing),
    ("POST", "/api/lists", lists.create),
    ("POST", "/api/lists/subscribe", lists.subscribe),
    ("POST", "/api/lists/unsubscribe", lists.unsubscribe),
)
ROUTER = Router(ROUTES)


RATES: Mapping[str, int] = {
    "bulk": 5,
    "lists": 5,
    "fields": 3,
    "users": 100,
    "forget": 3,
}  # calls a second, per project
_WINDOWS: dict[Handler, str] = {
    bulk.update: "bulk",
    channels.update: "bulk",
    channels.listing: "users",
    single.fields: "fields",
    single.forget: "forget",
    lists.subscribe: "lists",
    lists.unsubscribe: "lists",
    lists.listing: "users",
    single.by_email: "users",
    single.by_id: "users",
    single.delete_email: "users",
    single.delete_id: "users",
}


class Project(Sandbox):
    """Iterable with one project."""

    name = "iterable"

    def __init__(
        self,
        *,
        api_key: str = "sandbox",
        project: str = "email",
        fields: Mapping[str, str] = EMPTY,
        lists: Iterable[Mapping[str, JSON]] = (),
        create_fields: bool = True,
        rates: Mapping[str, int] = EMPTY,
        **base: Any,
    ) -> None:
        """Make a project.

        ``project`` is what identifies its users: ``email``, ``userId`` or ``hybrid``. ``fields`` (name → type) adds to
        the default ones, ``lists`` (rows with ``id``, ``name``, ``listType``) are there from the start.
        ``create_fields`` is the project's own setting, where a call does not say. ``rates`` overrides the calls a
        second of ``bulk``, ``lists`` (unpublished: an assumption), ``fields``, ``users`` and ``forget``.
        """
        self.api_key = api_key
        self._fields = {**DEFAULTS, **fields}
        self._lists = [{"createdAt": 0, **one} for one in lists]
        self._forgets = SlidingWindow(FORGET_A_DAY, 86_400.0)
        self._windows = {name: SlidingWindow(most, 1.0) for name, most in {**RATES, **rates}.items()}
        super().__init__(options={"project": project, "create_fields": create_fields}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an empty project."""
        given = {str(one["id"]): dict(one) for one in self._lists}
        return {
            "users": {},
            "index": {"email": {}, "userId": {}},
            "forgotten": {"email": {}, "userId": {}},
            "fields": dict(self._fields),
            "lists": given,
            "next_user": 1,
            "next_list": max((int(number) for number in given), default=100) + 1,
        }

    def respond(self, request: Request) -> Answer:
        """Check key, rate and size, then do what is asked."""
        if request.headers.get("api-key") != self.api_key:
            raise problem(401, "BadApiKey", "Invalid API key")
        handler, parts, seen = ROUTER.find(request.method, request.path)
        if handler is None:
            raise problem(405 if seen else 404, "NotFound", "No such endpoint")
        self._spend(self._windows.get(_WINDOWS.get(handler, "")))
        if handler is single.forget:
            self._spend(self._forgets)
        if len(request.body) > MOST_BYTES:
            raise problem(413, "BatchTooLarge", "The request body is larger than 4MB")
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise bad("Expecting text/json or application/json body")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as broken:
            raise problem(400, "BadJsonBody", f"Invalid JSON: {broken}") from broken

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal in the envelope of codes."""
        return answer(refused.status, refused.payload)

    def _spend(self, window: SlidingWindow | None) -> None:
        if window is None:
            return
        if window.full(self.clock()):
            raise problem(429, "RateLimitExceeded", "You have exceeded the rate limit of this endpoint")
        window.add(self.clock())
