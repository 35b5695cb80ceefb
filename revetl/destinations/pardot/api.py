"""What every exchange with Account Engagement shares: calls, what a refusal says, pages by id.

Source: https://developer.salesforce.com/docs/marketing/pardot/guide/version5overview.html
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from revetl.contract import Http, Reply, Settled, UnreadableReply
from revetl.types import JSON, Change, Effect, Outcome

PAGE = 1_000
SIDE_BY_SIDE = 5
STALE = 61.0  # seconds: reads come from a cache that may lag behind writes by up to 60
NO_PROSPECT = frozenset({"3", "4"})  # codes: no such id, no such address

Row = dict[str, JSON]


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal."""
    found = reply.problem()
    return str(found.get("code") or reply.status), str(found.get("message") or f"HTTP {reply.status}")


def gone(reply: Reply) -> bool:
    """Return whether there is no such thing (any more): deleted ones lie in the recycle bin."""
    return reply.status in (404, 410) or (not reply.ok and refusal(reply)[0] in NO_PROSPECT)


def refuse(reply: Reply, change: Change) -> Outcome:
    """Return what a refused call makes of the one change that it was about."""
    code, reason = refusal(reply)
    if reply.status in (400, 403, 404, 405, 409, 410, 413, 415, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    proven = tuple(outcomes)
    if proven:
        yield Settled(proven)


def row(reply: Reply) -> Row:
    """Return the one thing that a reply shows.

    Raises:
        UnreadableReply: it shows none.
    """
    found = reply.json()
    if not isinstance(found, dict) or type(found.get("id")) is not int:
        raise UnreadableReply(reply.status, "the body is not a thing with an id")
    return found


def values(reply: Reply) -> list[Row]:
    """Return the things that a page lists.

    Raises:
        UnreadableReply: it lists none.
    """
    found = reply.json()
    listed = found.get("values") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) and type(one.get("id")) is int for one in listed):
        raise UnreadableReply(reply.status, "values is not a list of things with ids")
    return listed


def read(what: str, fields: str, template: str = "", **query: str) -> Http:
    """Return a read: nothing is shown that is not asked for."""
    asked = (("fields", fields), *query.items())
    return Http("GET", f"/objects/{what}", query=asked, effect=Effect.READ, template=template)


def write(method: str, what: str, body: JSON, fields: str = "id", **more: Any) -> Http:
    """Return a write that answers with these fields."""
    query = (("fields", fields),) if fields else ()
    content = None if body is None else orjson.dumps(body)
    return Http(method, f"/objects/{what}", content=content, query=query, **more)


def one(method: str, what: str, number: str, body: JSON, fields: str = "id") -> Http:
    """Return a write of one thing by id; a deletion answers nothing."""
    call = write(method, f"{what}/{number}", body, "" if method == "DELETE" else fields)
    return replace(call, template=f"/objects/{what}/{{id}}")


def pages(what: str, fields: str, filters: Mapping[str, str]) -> Generator[Any, Any, list[Row] | Reply]:
    """Return everything of a kind, in the order of ids; or the reply that refuses."""
    found: list[Row] = []
    after: dict[str, str] = {}
    while True:
        reply: Reply = yield read(what, fields, **filters, orderBy="id", limit=str(PAGE), **after)
        if not reply.ok:
            return reply
        page = values(reply)
        found += page
        if len(page) < PAGE:
            return found
        after = {"idGreaterThan": str(page[-1]["id"])}
