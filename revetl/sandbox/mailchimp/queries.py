"""What the query of a GET asks for: a page, and a selection of fields."""

from __future__ import annotations

from collections.abc import Sequence

from revetl.sandbox.mailchimp.problems import bad
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_LISTED = 1000


def page(request: Request, found: Sequence[JSON]) -> Sequence[JSON]:
    """Return the items from ``offset`` on, at most ``count`` (10, up to 1,000)."""
    count, offset = request.params.get("count", "10"), request.params.get("offset", "0")
    if not count.isdecimal() or int(count) > MOST_LISTED or not offset.isdecimal():
        raise bad(f"count must be at most {MOST_LISTED} and offset a number", "Bad Request")
    return found[int(offset) : int(offset) + int(count)]


def reply(request: Request, payload: JSON, status: int = 200) -> Answer:
    """Return ``payload`` cut to ``fields`` and without ``exclude_fields``, both dotted and comma-separated."""
    wanted, unwanted = request.params.get("fields"), request.params.get("exclude_fields")
    if wanted:
        payload = _only(payload, [name.split(".") for name in wanted.split(",")])
    if unwanted:
        payload = _without(payload, [name.split(".") for name in unwanted.split(",")])
    return answer(status, payload)


def _only(payload: JSON, paths: list[list[str]]) -> JSON:
    if isinstance(payload, list):
        return [_only(one, paths) for one in payload]
    if not isinstance(payload, dict) or not all(paths):
        return payload
    below: dict[str, list[list[str]]] = {}
    for first, *rest in paths:
        below.setdefault(first, []).append(rest)
    return {name: _only(value, below[name]) for name, value in payload.items() if name in below}


def _without(payload: JSON, paths: list[list[str]]) -> JSON:
    if isinstance(payload, list):
        return [_without(one, paths) for one in payload]
    if not isinstance(payload, dict):
        return payload
    gone = {path[0] for path in paths if len(path) == 1}
    deeper = [path for path in paths if len(path) > 1]
    return {
        name: _without(value, [path[1:] for path in deeper if path[0] == name])
        for name, value in payload.items()
        if name not in gone
    }
