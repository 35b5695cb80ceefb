"""Pages of ascending ids, the next one asked for by ``after``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from revetl.sandbox.hubspot.errors import invalid
from revetl.sandbox.wire import Request
from revetl.types import JSON


def page(request: Request, ids: Iterable[str], *, most: int, default: int) -> tuple[list[str], dict[str, JSON]]:
    """Return the ids of the page that ``request`` asks for, and the answer's ``paging`` entry if there is a next."""
    limit, after = request.params.get("limit", str(default)), request.params.get("after", "0")
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        raise invalid(f"limit must be between 1 and {most}")
    if not after.isdecimal():
        raise invalid(f"after is not one that an answer gave: {after}")
    every = sorted(map(int, ids))
    start = bisect_right(every, int(after))
    shown = [str(key) for key in every[start : start + int(limit)]]
    if start + int(limit) >= len(every):
        return shown, {}
    return shown, {"paging": {"next": {"after": shown[-1], "link": f"{request.path}?after={shown[-1]}"}}}
