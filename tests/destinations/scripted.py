"""A scripted service: replies in order, each beside the call that must ask for it."""

from __future__ import annotations

from typing import Any

import orjson

from revetl.contract import Call, Http, Reply


class Script:
    """Hand it to ``drive``; ``left`` must be empty in the end. A step is (method and path, status, JSON)."""

    def __init__(self, *steps: tuple[str, int, Any]) -> None:
        """Take the steps."""
        self.left = list(steps)
        self.bodies: list[Any] = []
        self.queries: list[dict[str, str]] = []

    def __call__(self, call: Call) -> Reply:
        """Answer the next step, if ``call`` is what it waits for."""
        assert isinstance(call, Http)
        assert self.left, f"one call too many: {call.method} {call.path}"
        line, status, answer = self.left.pop(0)
        assert f"{call.method} {call.path}" == line
        self.bodies.append(orjson.loads(call.content) if call.content is not None else None)
        self.queries.append(dict(call.query))
        return Reply(status, answer if isinstance(answer, bytes) else orjson.dumps(answer))
