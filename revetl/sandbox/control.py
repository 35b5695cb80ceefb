"""The control plane under ``/__sandbox/``: what tests and the demo ask of a stand-in itself, without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from revetl.errors import UsageError
from revetl.sandbox.faults import Fault
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer

if TYPE_CHECKING:
    from revetl.sandbox.core import Sandbox

PREFIX = "/__sandbox/"


def respond(box: Sandbox, request: Request) -> Answer:
    """Answer GET ``state`` and ``journal``, POST ``reset`` and ``inject`` (a Fault as a JSON object)."""
    asked = request.method, request.path.removeprefix(PREFIX)
    if asked == ("GET", "state"):
        return answer(200, box.dump())
    if asked == ("GET", "journal"):
        return answer(200, list(box.journal))
    if asked == ("POST", "reset"):
        box.reset()
        return NO_CONTENT
    if asked == ("POST", "inject"):
        return _inject(box, request)
    return answer(404, {"error": "use GET state, GET journal, POST reset or POST inject"})


def _inject(box: Sandbox, request: Request) -> Answer:
    try:
        ordered = request.json()
        if not isinstance(ordered, dict):
            return answer(400, {"error": "a fault is a JSON object"})
        box.inject(Fault.of(ordered))
    except (orjson.JSONDecodeError, UsageError) as error:
        return answer(400, {"error": str(error)})
    return NO_CONTENT
