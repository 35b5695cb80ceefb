"""A stand-in of Braze's REST API: one workspace with its users and custom attributes.

Facts come from the vendor's API documentation. Writes show at once here, and are queued there. Not served: events,
purchases, aliases, users without an external id, subscription groups, messages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from revetl.sandbox.braze import people
from revetl.sandbox.braze.problems import bad, problem
from revetl.sandbox.core import Sandbox
from revetl.sandbox.limits import SlidingWindow
from revetl.sandbox.wire import Answer, Handler, RefusedError, Request, answer
from revetl.types import EMPTY, JSON

PAGE = 50
RATES: Mapping[str, tuple[int, float]] = {  # calls in so many seconds, per workspace
    "track": (3_000, 3.0), "export": (250, 60.0), "delete": (20_000, 60.0), "ids": (1_000, 60.0),
    "attributes": (1_000, 3_600.0),
}  # fmt: skip


def attributes(box: Sandbox, request: Request) -> Answer:
    """GET /custom_attributes: 50 at a time, by name; the link to the next page is a header."""
    start = 0
    if cursor := request.params.get("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("skip:"))
        except (binascii.Error, ValueError) as broken:
            raise bad("The cursor is not valid") from broken
    rows = sorted(box.store["attributes"].values(), key=lambda one: str(one["name"]))
    shown = [{"array_length": None, "description": None, "tag_names": [], **one} for one in rows[start : start + PAGE]]
    found = answer(200, {"message": "success", "attributes": shown})
    if start + PAGE >= len(rows):
        return found
    after = base64.b64encode(f"skip:{start + PAGE}".encode()).decode()
    link = f'<https://rest.iad-01.braze.com/custom_attributes?cursor={after}>; rel="next"'
    return replace(found, headers={**found.headers, "link": link})


HANDLERS: Mapping[str, tuple[str, Handler]] = {
    "POST /users/track": ("track", people.track),
    "POST /users/export/ids": ("export", people.export),
    "POST /users/delete": ("delete", people.delete),
    "POST /users/external_ids/rename": ("ids", people.rename),
    "POST /users/external_ids/remove": ("ids", people.remove),
    "GET /custom_attributes": ("attributes", attributes),
}


class Braze(Sandbox):
    """Braze with one workspace."""

    name = "braze"

    def __init__(
        self,
        *,
        api_key: str = "sandbox",
        attributes: Mapping[str, str] = EMPTY,
        blocklisted: Iterable[str] = (),
        blocked: Iterable[str] = (),
        most: int = people.MOST_TRACKED,
        rates: Mapping[str, tuple[int, float]] = EMPTY,
        maintenance: bool = False,
        **base: Any,
    ) -> None:
        """Make a workspace.

        ``attributes`` (name → data type) are there from the start, those ``blocklisted`` take nothing. ``blocked`` are
        external ids that may not be written. ``most`` users go into one call. ``rates`` overrides calls and seconds of
        ``track``, ``export``, ``delete``, ``ids`` and ``attributes``. Under ``maintenance`` writes are queued, and
        not done here.
        """
        self.api_key, self.maintenance = api_key, maintenance
        out = set(blocklisted)
        self._attributes = {
            name: {"name": name, "data_type": kind, "status": "Blocklisted" if name in out else "Active"}
            for name, kind in {**dict.fromkeys(out, "String"), **attributes}.items()
        }
        self._windows = {name: SlidingWindow(*rate) for name, rate in {**RATES, **rates}.items()}
        super().__init__(options={"most": most, "blocked": list(blocked)}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an empty workspace."""
        known = {name: dict(one) for name, one in self._attributes.items()}
        return {"users": {}, "ids": {}, "attributes": known, "next_user": 1}

    def respond(self, request: Request) -> Answer:
        """Check the key, count the call, then do what is asked."""
        if request.headers.get("authorization") != f"Bearer {self.api_key}":
            raise problem(401, "Invalid API key")
        limit, handler = HANDLERS.get(f"{request.method} {request.path}", ("", None))
        if handler is None:
            raise problem(404, "Not Found")
        window = self._windows[limit]
        headers = self._headers(window)
        if window.full(self.clock()):
            raise RefusedError(429, {"message": "Over rate limit"}, headers)
        window.add(self.clock())
        if request.method == "POST" and not request.headers.get("content-type", "").startswith("application/json"):
            raise bad("Bad Request")
        if self.maintenance and limit == "track":
            return answer(202, {"message": "queued"})
        try:
            found = handler(self, request)
        except orjson.JSONDecodeError as broken:
            raise bad("Bad Request") from broken
        return replace(found, headers={**found.headers, **headers})

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal as a message."""
        given = answer(refused.status, refused.payload)
        return replace(given, headers={**given.headers, **refused.headers})

    def _headers(self, window: SlidingWindow) -> dict[str, str]:
        left = max(0, window.remaining(self.clock()) - 1)
        reset = int(self.now() + window.seconds) + 1
        return {
            "x-ratelimit-limit": str(window.most),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(reset),
        }
