"""Records found by identity: a search each, since there is no other way, and what to do where its index lags."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from revetl.contract import Reply, UnreadableReply
from revetl.destinations.pipedrive import api, fields, values
from revetl.destinations.pipedrive.fields import Place
from revetl.types import JSON, Batch, Cause, Change, Outcome

LAG = 3_600.0  # seconds after which the search index is taken to know a record

_SEARCHED = {"emails": "email", "phones": "phone", "name": "name"}


@dataclass(slots=True)
class Found:
    """What searches found: sequence number → record id (the oldest of several), and whom they were refused for."""

    ids: dict[int, str] = field(default_factory=dict)
    refused: list[Outcome] = field(default_factory=list)


def find(batch: Batch, changes: Sequence[Change], *, but: Iterable[str] = ()) -> Generator[Any, Any, Found]:
    """Look for the records of ``changes`` by their identity; never take an id of ``but``, known to be gone."""
    found = Found()
    searched: dict[int, list[str]] = {}
    hits, refused = yield from search(batch, [c.match for c in changes])
    for change in changes:
        term = values.normal(change.match)
        if term in refused:
            found.refused.append(api.refuse(refused[term], change))
        searched[change.seq] = [one for one in hits.get(term, ()) if one not in but]
    found.ids = {seq: ids[0] for seq, ids in searched.items() if ids}
    turned_away = {outcome.change.seq for outcome in found.refused}
    # A create whose answer was lost may have made what the index does not know yet.
    lost = [c for c in changes if c.cause is Cause.RETRY and c.seq not in found.ids and c.seq not in turned_away]
    if lost:
        recent = yield from _recent(batch)
        found.ids |= {c.seq: recent[key] for c in lost if (key := values.normal(c.match)) in recent}
    return found


Hits = dict[str, list[str]]  # normalised identity → record ids, oldest first


def search(batch: Batch, identities: Iterable[str]) -> Generator[Any, Any, tuple[Hits, dict[str, Reply]]]:
    """Return who stands under each identity, and the replies that refused to say so, by normalised identity."""
    place = fields.place(batch.prepared, batch.match_field)
    return (yield from search_by(batch.object, place, batch.match_field, identities))


def search_by(
    kind: str, place: Place | None, match_field: str, identities: Iterable[str]
) -> Generator[Any, Any, tuple[Hits, dict[str, Reply]]]:
    """Return the same of any object and field."""
    code = place.code if place is not None else fields.ALIASES.get(match_field, match_field)
    terms = list({values.normal(identity): identity.strip() for identity in identities}.items())
    field_name = _SEARCHED.get(code, "custom_fields")
    hits: Hits = {}
    refused: dict[str, Reply] = {}
    for at in range(0, len(terms), api.SIDE_BY_SIDE):
        some = terms[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.search(kind, field_name, term) for _, term in some)
        for (key, _), reply in zip(some, replies, strict=True):
            if reply.ok:
                hits[key] = _hits(reply, key, code)
            else:
                refused[key] = reply
    if field_name == "custom_fields" and place is not None:
        hits = yield from _verified(kind, place, hits)
    return hits, refused


def _hits(reply: Reply, key: str, code: str) -> list[str]:
    """Return the ids of the hits that stand under ``key``; of a custom field a hit does not say which one it was."""
    items = (api.data(reply) or {}).get("items")
    if not isinstance(items, list):
        raise UnreadableReply(reply.status, "data shows no items")
    people = [item["item"] for item in items if isinstance(item, dict) and isinstance(item.get("item"), dict)]
    if len(people) < len(items) or not all(isinstance(one.get("id"), int) for one in people):
        raise UnreadableReply(reply.status, "an item shows no id")
    return [str(one["id"]) for one in sorted(people, key=_id) if code not in _SEARCHED or key in _shown(one, code)]


def _id(item: Mapping[str, JSON]) -> int:
    return int(item["id"])


def _shown(item: Mapping[str, JSON], code: str) -> list[str]:
    told = item.get(code)
    return [values.normal(one) for one in (told if isinstance(told, list) else [told])]


def _verified(kind: str, place: Place, hits: Hits) -> Generator[Any, Any, Hits]:
    """Return the hits whose own field holds the identity, not just any custom field."""
    ids = sorted({one for some in hits.values() for one in some}, key=int)
    there = yield from read(kind, ids, {"custom_fields": place.code})
    if isinstance(there, Reply):
        raise UnreadableReply(there.status, "the records found cannot be read")
    return {
        key: [one for one in some if one in there and values.normal(values.read(place, there[one])) == key]
        for key, some in hits.items()
    }


def read(
    kind: str, ids: Sequence[str], query: Mapping[str, str]
) -> Generator[Any, Any, dict[str, dict[str, JSON]] | Reply]:
    """Return id → record of those who are there (and not deleted), or the reply that refuses to show them."""
    found: dict[str, dict[str, JSON]] = {}
    for at in range(0, len(ids), api.IDS):
        reply: Reply = yield api.by_ids(kind, list(ids[at : at + api.IDS]), query)
        if not reply.ok:
            return reply
        found.update({str(row["id"]): row for row in api.records(reply) if row.get("is_deleted") is not True})
    return found


def _recent(batch: Batch) -> Generator[Any, Any, dict[str, str]]:
    """Return normalised identity → id of the records made within the time that the search index may lag behind."""
    place = fields.place(batch.prepared, batch.match_field)
    query = {"sort_by": "add_time", "sort_direction": "desc", "limit": str(api.PAGE)}
    if place is not None and place.custom:
        query["custom_fields"] = place.code
    found: dict[str, str] = {}
    more: tuple[tuple[str, str], ...] = ()
    while True:
        reply: Reply = yield api.read(f"/v2/{batch.object}", {**query, **dict(more)}, 10)
        if not reply.ok:
            raise UnreadableReply(reply.status, "the newest records cannot be listed")
        page = api.records(reply)
        young = [row for row in page if not _older(row, reply.at - LAG)]
        for row in young:
            for key in values.identities(place, batch.match_field, row):
                found[key] = str(row["id"])  # the oldest comes last
        more = api.following(reply)
        if not more or len(young) < len(page):
            return found


def _older(row: Mapping[str, JSON], than: float) -> bool:
    try:
        made = datetime.fromisoformat(str(row.get("add_time")))
    except ValueError:
        return False
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp() < than
