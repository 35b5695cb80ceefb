"""Reads of people by a field.

The values travel in the body of a POST that stands for a GET, so that no URL is too long or shows an address:
https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from revetl.contract import Http, Reply, UnreadableReply
from revetl.destinations.marketo import api
from revetl.types import JSON, Batch, Change, Effect, Outcome

SIDE_BY_SIDE = 5

Rows = list[dict[str, JSON]]
Found = dict[str, list[int]]  # identity → ids, lowest first; several where people are doubled


def lookup(field: str, values: Sequence[str], fields: Iterable[str] = (), page: str = "") -> Http:
    """Return the read of up to 300 values of ``field``; id and that field are always among the answer."""
    wanted = dict.fromkeys(("id", field, *fields))
    asked = {"filterType": field, "filterValues": ",".join(values), "fields": ",".join(wanted), "batchSize": "300"}
    if page:
        asked["nextPageToken"] = page
    return api.form("POST", api.LEADS, asked, query=(("_method", "GET"),), effect=Effect.READ)


def people(field: str, values: Iterable[str], fields: Sequence[str] = ()) -> Generator[Any, Any, Rows | api.Refused]:
    """Return everybody who has one of these values, or the refusal; a value with a comma cannot be asked for."""
    wanted = [value for value in dict.fromkeys(values) if "," not in value]
    parts = [wanted[at : at + api.BATCH] for at in range(0, len(wanted), api.BATCH)]
    found: Rows = []
    for at in range(0, len(parts), SIDE_BY_SIDE):
        some = parts[at : at + SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(lookup(field, part, fields) for part in some)
        for part, reply in zip(some, replies, strict=True):
            rows = yield from _pages(field, part, fields, reply)
            if isinstance(rows, tuple):
                return rows
            found += rows
    return found


def _pages(
    field: str, part: Sequence[str], fields: Sequence[str], reply: Reply
) -> Generator[Any, Any, Rows | api.Refused]:
    found: Rows = []
    while True:
        refused = api.refusal(reply)
        if refused is not None:
            return refused
        rows = api.rows(reply)
        if not all(type(row.get("id")) is int and row.get(field) for row in rows):
            raise UnreadableReply(reply.status, f"a person has no id, or no {field}")
        found += rows
        page = reply.problem().get("nextPageToken")
        if not page or not rows:
            return found
        reply = yield lookup(field, part, fields, str(page))


def find(field: str, identities: Iterable[str]) -> Generator[Any, Any, Found | api.Refused]:
    """Return the ids that stand under each identity, or the refusal."""
    rows = yield from people(field, identities)
    return rows if isinstance(rows, tuple) else by_identity(field, rows)


def by_identity(field: str, rows: Rows) -> Found:
    """Return identity → ids."""
    found: Found = {}
    for row in sorted(rows, key=lambda row: int(row["id"])):
        found.setdefault(api.normal(row.get(field)), []).append(int(row["id"]))
    return found


def find_ids(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, dict[int, list[int]] | api.Refused]:
    """Return sequence number → ids: the known one, or all that stand under the identity.

    A refused read has written nothing, so it speaks for the batch as a whole.
    """
    known = {c.seq: api.number(c.remote_id) for c in changes}
    found = yield from find(batch.match_field, (c.match for c in changes if known[c.seq] is None))
    if isinstance(found, tuple):
        return found
    ids = ((c, known[c.seq]) for c in changes)
    return {c.seq: found.get(api.normal(c.match), []) if one is None else [one] for c, one in ids}


def look_up(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, dict[int, list[int]] | api.Refused]:
    """Return sequence number → the ids that stand under the identity, whatever id is known."""
    found = yield from find(batch.match_field, (change.match for change in changes))
    if isinstance(found, tuple):
        return found
    return {change.seq: found.get(api.normal(change.match), []) for change in changes}


def doubled(change: Change, ids: Sequence[int]) -> Outcome:
    """Refuse to choose among several people."""
    named = ", ".join(str(one) for one in ids)
    return Outcome.rejected(change, code=api.SEVERAL, reason=f"{named} share this identity: merge them in Marketo")
