"""Prospects by address: API v5 has no filter for it, so all are listed, a thousand a call."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from revetl.contract import Reply
from revetl.destinations.pardot import api


def normal(value: object) -> str:
    """Return an address as it is compared."""
    return str(value or "").strip().lower()


def find(addresses: Iterable[str], fields: Iterable[str] = ()) -> Generator[Any, Any, dict[str, list[api.Row]] | Reply]:
    """Return address → its prospects, the one of the latest activity first; or the reply that refuses."""
    wanted = {normal(address) for address in addresses}
    asked = ",".join(dict.fromkeys(("id", "email", "lastActivityAt", *fields)))
    rows = yield from api.pages("prospects", asked, {}) if wanted else _nobody()
    if isinstance(rows, Reply):
        return rows
    found: dict[str, list[api.Row]] = {}
    for row in sorted(rows, key=_latest, reverse=True):
        if normal(row.get("email")) in wanted:
            found.setdefault(normal(row.get("email")), []).append(row)
    return found


def _nobody() -> Generator[Any, Any, list[api.Row]]:
    yield from ()
    return []


def _latest(row: api.Row) -> tuple[str, int]:
    return str(row.get("lastActivityAt") or ""), int(row["id"])
