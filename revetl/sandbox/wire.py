"""What travels between a caller and a stand-in: requests, answers, refusals and the table of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote

import orjson

from revetl.types import EMPTY, JSON

JSON_TYPE = "application/json;charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One received request; ``path`` and ``query`` are as on the wire, header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = EMPTY
    body: bytes = b""

    @cached_property
    def params(self) -> Mapping[str, str]:
        """Return the query's parameters; the last of several of one name holds."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def json(self) -> JSON:
        """Return the body parsed; ``orjson.JSONDecodeError`` where it is not JSON (NaN and bad UTF-8 are not)."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: after ``delay`` seconds, or never when the connection is dropped."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False


class RefusedError(Exception):
    """A request the stand-in refuses, in the vendor's status and words."""

    def __init__(self, status: int, payload: Mapping[str, JSON], headers: Mapping[str, str] = EMPTY) -> None:
        """Make a refusal; the stand-in completes the payload with what only it knows (request ids)."""
        super().__init__(str(payload))
        self.status = status
        self.payload = dict(payload)
        self.headers = dict(headers)


def answer(status: int, payload: JSON, content_type: str = JSON_TYPE) -> Answer:
    """Return ``payload`` as a JSON answer."""
    return Answer(status, orjson.dumps(payload), {"content-type": content_type})


NO_CONTENT = Answer(204)

Handler = Callable[..., Answer]
Route = tuple[str, str, Handler]  # method, template such as /lists/{list_id}, handler(box, request, *parts)


class Router:
    """A table of routes; literal segments win over ``{named}`` ones."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Read ``routes``; templates of one shape share a row of methods."""
        self._by_length: dict[int, list[tuple[tuple[str | None, ...], dict[str, Handler]]]] = {}
        for method, template, handler in routes:
            shape = tuple(None if part.startswith("{") else part for part in template.split("/"))
            self._methods(shape)[method] = handler
        for rows in self._by_length.values():
            rows.sort(key=lambda row: tuple(part is None for part in row[0]))

    def _methods(self, shape: tuple[str | None, ...]) -> dict[str, Handler]:
        rows = self._by_length.setdefault(len(shape), [])
        for known, methods in rows:
            if known == shape:
                return methods
        rows.append((shape, {}))
        return rows[-1][1]

    def find(self, method: str, path: str) -> tuple[Handler | None, list[str], bool]:
        """Return the handler (or None), the decoded named parts, and whether the path exists under any method."""
        parts = path.split("/")
        seen = False
        for shape, methods in self._by_length.get(len(parts), ()):
            if all(want is None or want == got for want, got in zip(shape, parts, strict=True)):
                seen = True
                if method in methods:
                    named = [unquote(got) for want, got in zip(shape, parts, strict=True) if want is None]
                    return methods[method], named, True
        return None, [], seen
