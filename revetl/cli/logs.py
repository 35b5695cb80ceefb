"""Log lines for machines, shaped as dbt's: https://docs.getdbt.com/reference/events-logging#structured-logging."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import orjson

from revetl.cli.words import clean
from revetl.types import JSON

_NAMES = {"info": "Note", "warn": "Warning", "error": "Error"}


@cache
def invocation() -> str:
    """Return the id of this process's log: a UUIDv7, the same in every line."""
    from revetl.engine.session import new_run

    return new_run(datetime.now(UTC))


def line(text: str, *, code: str = "", level: str = "info", name: str = "", data: JSON = None) -> str:
    """Return one line: ``info`` as dbt has it, ``data`` what belongs to the event."""
    info = {
        "code": code,
        "name": name or _NAMES.get(level, "Note"),
        "level": level,
        "ts": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "invocation_id": invocation(),
        "msg": clean(text),
    }
    return orjson.dumps({"info": info, "data": {} if data is None else data}).decode()
