"""Tables of a business unit; reads come from a cache that learns of writes after ``lag`` seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pardot.errors import NO_FIELDS, invalid, refuse
from revetl.sandbox.wire import Request
from revetl.types import JSON

Row = dict[str, Any]
MOST = 1_000  # rows of a page
_DEFAULT = 200
_PAGING = frozenset({"fields", "limit", "orderBy", "idGreaterThan", "idLessThan"})


def stamp(now: float) -> str:
    """Return a moment as API v5 writes it."""
    return datetime.fromtimestamp(int(now), UTC).isoformat()


def new_id(box: Sandbox) -> int:
    """Return an id that nothing has."""
    number: int = box.store["next_id"]
    box.store["next_id"] += 1
    return number


def write(box: Sandbox, kind: str, row: Row) -> Row:
    """Keep a row; readers see what was there before until the cache has learnt of it."""
    key = str(row["id"])
    table = box.store[kind]
    _forget(box, kind, key, dict(table[key]) if key in table else None)
    table[key] = row
    return row


def drop(box: Sandbox, kind: str, number: int) -> None:
    """Remove a row for good."""
    _forget(box, kind, str(number), box.store[kind].pop(str(number)))


def _forget(box: Sandbox, kind: str, key: str, before: Row | None) -> None:
    lag = float(box.options["lag"])
    stale = box.store["stale"].setdefault(kind, {})
    if lag > 0 and not (key in stale and stale[key][1] > box.now()):
        stale[key] = [before, box.now() + lag]


def seen(box: Sandbox, kind: str, key: str) -> Row | None:
    """Return a row as a read shows it."""
    before, until = box.store["stale"].get(kind, {}).get(key, (None, 0.0))
    row: Row | None = before if until > box.now() else box.store[kind].get(key)
    return row


def listed(box: Sandbox, kind: str) -> list[Row]:
    """Return all rows as reads show them."""
    keys = dict.fromkeys((*box.store[kind], *box.store["stale"].get(kind, ())))
    return [row for row in (seen(box, kind, key) for key in keys) if row is not None]


def asked(box: Sandbox, request: Request, names: Iterable[str]) -> list[str]:
    """Return the fields that a call asks for; refused without any, or with one that is not there."""
    del box
    wanted = [name for name in request.params.get("fields", "").split(",") if name]
    if not wanted:
        raise refuse(400, NO_FIELDS, "Missing required parameter: fields")
    known = set(names)
    for name in wanted:
        if name not in known:
            raise invalid(f"Invalid field in the fields parameter: {name}")
    return wanted


def page(request: Request, rows: Iterable[Row], filters: Mapping[str, str]) -> tuple[list[Row], bool]:
    """Return the rows that a query asks for in this page, and whether there are more."""
    params = request.params
    strange = sorted(set(params) - _PAGING - set(filters))
    if strange:
        raise invalid(f"Invalid parameter: {strange[0]}")
    limit = params.get("limit", str(_DEFAULT))
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST:
        raise invalid(f"limit must be between 1 and {MOST}")
    order = params.get("orderBy", "id")
    if order not in ("id", "id asc", "id desc"):
        raise invalid(f"Invalid orderBy: {order}")
    for name in ("idGreaterThan", "idLessThan", *filters):
        if name in params and not params[name].isdecimal():
            raise invalid(f"{name} must be a number")
    above, below = int(params.get("idGreaterThan", -1)), int(params.get("idLessThan", 2**63))
    wanted = {column: int(params[name]) for name, column in filters.items() if name in params}
    found = [
        row for row in rows if above < row["id"] < below and all(row[name] == value for name, value in wanted.items())
    ]
    found.sort(key=lambda row: row["id"], reverse=order.endswith("desc"))
    return found[: int(limit)], len(found) > int(limit)


def whole(found: list[dict[str, JSON]], more: bool) -> dict[str, JSON]:  # noqa: FBT001
    """Return the body of a page."""
    return {"nextPageToken": "more" if more else None, "nextPageUrl": None, "values": found}


def given(request: Request) -> Row:
    """Return the object in a body."""
    found = request.json()
    if not isinstance(found, dict):
        raise invalid("The body must be an object")
    return found
