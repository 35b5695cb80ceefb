"""Callers of stand-ins, without a server, and a clock that moves when told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from revetl.sandbox.core import Sandbox

HEADERS = {
    "hubspot": {"Authorization": "Bearer sandbox", "Content-Type": "application/json"},
    "mailchimp": {"Authorization": "Bearer sandbox-us1", "Content-Type": "application/json"},
}
BASE = {"hubspot": "/crm/v3", "mailchimp": "/3.0/lists/sandbox"}


@dataclass
class Clock:
    """A clock that moves when told."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.at


@dataclass
class Caller:
    """Calls one stand-in with good credentials, paths below its usual base."""

    box: Sandbox

    def __call__(self, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        """Return the status and the answer parsed."""
        content = b"" if body is None else orjson.dumps(body)
        name = self.box.name
        status, _, answer = self.box.handle(method, BASE[name] + path, query, HEADERS[name], content)
        return status, orjson.loads(answer) if answer else None
