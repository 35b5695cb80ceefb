"""Reads by SOQL: literals quoted, lists cut so that the URL stays short, pages followed.

Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any
from urllib.parse import quote_plus

from revetl.contract import Http, Reply, UnreadableReply
from revetl.destinations.salesforce import api
from revetl.types import JSON, Batch, Change, Effect

_URL_BYTES = 8_000  # of the literals in one query; the service takes URL and headers of 16,384 together
_SIDE_BY_SIDE = 10
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})

Rows = list[dict[str, JSON]]


def literal(value: str) -> str:
    """Return ``value`` as a SOQL string."""
    return f"'{value.translate(_ESCAPES)}'"


def select(kind: str, *names: str) -> str:
    """Return the beginning of a query: fields by their API names, always with Id."""
    return f"SELECT {', '.join(dict.fromkeys(('Id', *names)))} FROM {kind}"  # noqa: S608 - SOQL only reads


def query(text: str) -> Http:
    """Return the call that asks ``text``."""
    return Http("GET", "/query", query=(("q", text),), effect=Effect.READ)


def parts(values: Iterable[str]) -> list[list[str]]:
    """Return the values as quoted literals, in lists that fit one URL each."""
    found: list[list[str]] = []
    room = 0
    for value in dict.fromkeys(values):
        text = literal(value)
        size = len(quote_plus(text)) + 3
        if not found or size > room or len(found[-1]) == api.BATCH:
            found.append([])
            room = _URL_BYTES
        found[-1].append(text)
        room -= size
    return found


def lookups(start: str, field: str, values: Iterable[str], more: str = "") -> list[Http]:
    """Return the queries that find records by ``field``, oldest first."""
    return [
        query(f"{start} WHERE {field} IN ({','.join(part)}){more} ORDER BY CreatedDate, Id") for part in parts(values)
    ]


def answers(calls: Sequence[Http]) -> Generator[Any, Any, Rows | Reply]:
    """Make the queries side by side; return all their records, or the first reply that refuses."""
    found: Rows = []
    for at in range(0, len(calls), _SIDE_BY_SIDE):
        replies: tuple[Reply, ...] = yield tuple(calls[at : at + _SIDE_BY_SIDE])
        for reply in replies:
            rows = yield from _pages(reply)
            if isinstance(rows, Reply):
                return rows
            found += rows
    return found


def _pages(reply: Reply) -> Generator[Any, Any, Rows | Reply]:
    """Return the records of one query; what its total does not account for is not believed."""
    found: Rows = []
    while True:
        if not reply.ok:
            return reply
        page = reply.document()
        rows = page.get("records")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and _has_id(row) for row in rows):
            raise UnreadableReply(reply.status, "records is not a list of records")
        found += rows
        following = page.get("nextRecordsUrl")
        if page.get("done") is not False or not isinstance(following, str):
            break
        cursor = following.rpartition("/")[2]
        reply = yield Http("GET", f"/query/{cursor}", effect=Effect.READ, template="/query/{locator}")
    if page.get("done") is not True or page.get("totalSize") != len(found):
        raise UnreadableReply(reply.status, "records are fewer than totalSize")
    return found


def _has_id(row: dict[str, JSON]) -> bool:
    return isinstance(row.get("Id"), str) and bool(row["Id"])


def by_identity(rows: Rows, match_field: str) -> dict[str, dict[str, JSON]]:
    """Return identity → record; where several share one, the oldest."""
    found: dict[str, dict[str, JSON]] = {}
    for row in rows:
        found.setdefault(api.normal(row.get(match_field)), row)
    return found


def find(batch: Batch, identities: Iterable[str]) -> Generator[Any, Any, dict[str, str] | Reply]:
    """Return identity → record id of those who are there; or the reply that refuses."""
    field = batch.match_field
    rows = yield from answers(lookups(select(batch.object, field), field, identities))
    if isinstance(rows, Reply):
        return rows
    return {identity: str(row["Id"]) for identity, row in by_identity(rows, field).items()}


def find_ids(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, dict[int, str] | Reply]:
    """Return sequence number → record id, looking up those that have none; empty where nobody is there.

    A refused read has written nothing, so it speaks for the batch as a whole.
    """
    found = yield from find(batch, (c.match for c in changes if not c.remote_id))
    if isinstance(found, Reply):
        return found
    return api.known_ids(changes, found)
