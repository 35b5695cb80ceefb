"""The case that holds each call to its recorded form: what leaves is reviewed like code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import orjson

from revetl.contract import Call, PutFile, Sql
from revetl.testing.conformance.calls import CallCases
from revetl.types import JSON

UPDATE = "REVETL_UPDATE_SNAPSHOTS"


class SnapshotCases(CallCases):
    """``snapshots`` is a folder; ``REVETL_UPDATE_SNAPSHOTS=1`` writes the recordings instead of comparing."""

    snapshots: ClassVar[Path | None] = None

    def test_calls_are_as_recorded(self) -> None:
        """The calls of one record's life, seeded, are byte for byte those of the last review."""
        if self.snapshots is None:
            self.not_applicable("snapshots", "no folder of snapshots is named")
        path = self.snapshots / f"{self.destination.name}.json"
        calls = [shown(call) for call in self.story(self.service())]
        text = orjson.dumps(calls, option=orjson.OPT_INDENT_2) + b"\n"
        if os.environ.get(UPDATE):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        assert path.exists(), f"record the calls first: {UPDATE}=1 pytest"
        assert calls == orjson.loads(path.read_bytes())


def shown(call: Call) -> dict[str, JSON]:
    """Return a call as its recording shows it."""
    if isinstance(call, PutFile):
        return {"put": call.path, "format": call.format, "columns": list(call.columns), "rows": list(call.rows)}
    if isinstance(call, Sql):
        return {"sql": call.text, "argument": None if call.argument is None else _body(call.argument)}
    body = None if call.content is None else _body(call.content)
    found: dict[str, JSON] = {"call": f"{call.method} {call.path}", "effect": call.effect.value}
    found |= {"query": dict(call.query)} if call.query else {}
    found |= {"headers": dict(call.headers)} if call.headers else {}
    return found | ({"body": body} if body is not None else {})


def _body(content: bytes) -> JSON:
    """Return a body parsed, or as text where it is no JSON: a form, a file."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode()
