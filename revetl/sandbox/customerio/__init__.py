"""A stand-in of Customer.io's Track and App APIs: one workspace with its people and segments.

Facts come from the vendor's OpenAPI descriptions. Writes show at once here, and within a minute there. Not served:
events, objects, devices, merging, suppression, campaigns, exports.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.customerio import app, track
from revetl.sandbox.customerio.problems import bad
from revetl.sandbox.limits import SlidingWindow
from revetl.sandbox.wire import Answer, RefusedError, Request, Route, Router, answer
from revetl.types import EMPTY, JSON

SEGMENT = "/api/v1/segments/{segment_id}"
ROUTES: tuple[Route, ...] = (
    ("POST", "/api/v2/batch", track.batch),
    ("POST", SEGMENT + "/add_customers", track.add),
    ("POST", SEGMENT + "/remove_customers", track.remove),
    ("GET", "/api/v1/accounts/region", track.region),
    ("POST", "/v1/customers/attributes", app.shown),
    ("GET", "/v1/segments", app.segments),
    ("POST", "/v1/segments", app.make),
    ("GET", "/v1/segments/{segment_id}/membership", app.members),
)
ROUTER = Router(ROUTES)
RATES: Mapping[str, int] = {"track": 100, "app": 10}  # calls a second


class CustomerIo(Sandbox):
    """Customer.io with one workspace."""

    name = "customerio"

    def __init__(
        self,
        *,
        site_id: str = "sandbox",
        track_key: str = "sandbox",
        app_key: str = "sandbox",
        region: str = "us",
        segments: Iterable[Mapping[str, JSON]] = (),
        rates: Mapping[str, int] = EMPTY,
        **base: Any,
    ) -> None:
        """Make a workspace.

        ``segments`` (rows with ``name`` and perhaps ``type``) are there from the start; ``rates`` overrides the calls a
        second of ``track`` and ``app``.
        """
        basic = base64.b64encode(f"{site_id}:{track_key}".encode()).decode()
        self._keys = {"track": f"Basic {basic}", "app": f"Bearer {app_key}"}
        self._segments = [dict(one) for one in segments]
        self._windows = {name: SlidingWindow(most, 1.0) for name, most in {**RATES, **rates}.items()}
        super().__init__(options={"region": region}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return a workspace without people."""
        self.store = {
            "people": {},
            "index": {"id": {}, "email": {}},
            "segments": {},
            "next_person": 1,
            "next_segment": 1,
        }
        for one in self._segments:
            app.add_segment(self, str(one["name"]), str(one.get("type", "manual")))
        return self.store

    def respond(self, request: Request) -> Answer:
        """Check the key of the API that is meant, count the call, then do what is asked."""
        which = "track" if request.path.startswith("/api/") else "app"
        if request.headers.get("authorization") != self._keys[which]:
            raise bad("Unauthorized request", 401)
        handler, parts, seen = ROUTER.find(request.method, request.path)
        if handler is None:
            raise bad("not found", 405 if seen else 404)
        window = self._windows[which]
        if window.full(self.clock()):
            raise bad("too many requests", 429)
        window.add(self.clock())
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise bad("the body must be application/json")
        try:
            return handler(self, request, *parts)
        except orjson.JSONDecodeError as broken:
            raise bad("the body is not JSON") from broken

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal in the envelope it was made with."""
        return answer(refused.status, refused.payload)
