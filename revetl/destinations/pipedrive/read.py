"""What stands in a company: its id, its records and their cohorts."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from revetl.contract import Account, Context, Reply
from revetl.destinations.pipedrive import api, cohorts, fields, finding, values
from revetl.destinations.pipedrive.api import PipedriveSettings
from revetl.destinations.pipedrive.fields import Place
from revetl.encode import empty
from revetl.types import JSON, RemoteField, RemoteRecord

FEW = 25  # searches of 20 tokens each that are dearer than the list of some 25,000 records


def account(_: PipedriveSettings) -> Generator[Any, Reply, Account]:
    """Return the company that the credentials open. API v2 has no such call; that of v1 stays.

    Raises:
        DestinationError: RVT-651, they open none.
    """
    reply = yield api.read("/v1/users/me", {}, 2)
    found = api.data(reply) if reply.ok else None
    if not isinstance(found, dict) or not found.get("company_id"):
        raise fields.hidden(reply, "the company")
    return Account(str(found["company_id"]), str(found.get("company_name") or ""))


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the records of ``identities`` that are there, and their cohorts: few by search, many by list."""
    rows = yield from fields.rows(context)
    found = fields.places(rows, context)
    places = {name: Place(**told) for name, told in found.items()}
    match = places.get(context.match_field)
    marketing = any(row.get("field_code") == "marketing_status" for row in rows)
    query = {"include_fields": "marketing_status"} if marketing else {}
    wanted = {values.normal(identity): identity.strip().lower() for identity in identities}
    if len(wanted) <= FEW:
        records = yield from _searched(context, match, list(wanted), query)
    else:
        records = yield from _listed(context, query)
    people: dict[str, Mapping[str, JSON]] = {}
    for row in sorted(records, key=lambda row: int(row["id"])):
        for key in values.identities(match, context.match_field, row):
            people.setdefault(key, row)
    return [_record(context, wanted[key], people[key], places) for key in wanted if key in people]


def _searched(
    context: Context, match: Place | None, identities: Sequence[str], query: Mapping[str, str]
) -> Generator[Any, Any, list[dict[str, JSON]]]:
    hits, refused = yield from finding.search_by(context.object, match, context.match_field, identities)
    for reply in refused.values():
        raise fields.hidden(reply, "records")
    ids = list(dict.fromkeys(one for some in hits.values() for one in some))
    there = yield from finding.read(context.object, ids, query)
    if isinstance(there, Reply):
        raise fields.hidden(there, "records")
    return list(there.values())


def _listed(context: Context, query: Mapping[str, str]) -> Generator[Any, Any, list[dict[str, JSON]]]:
    found: list[dict[str, JSON]] = []
    more: tuple[tuple[str, str], ...] = ()
    while True:
        told = {**query, "sort_by": "id", "limit": str(api.PAGE), **dict(more)}
        reply: Reply = yield api.read(f"/v2/{context.object}", told, 10)
        if not reply.ok:
            raise fields.hidden(reply, "records")
        found += [row for row in api.records(reply) if row.get("is_deleted") is not True]
        more = api.following(reply)
        if not more:
            return found


def _record(context: Context, identity: str, row: Mapping[str, JSON], places: Mapping[str, Place]) -> RemoteRecord:
    own = {name: values.read(place, row) for name, place in places.items()}
    own |= {link: row.get(link) for link in (fields.LINK,) if row.get(link) is not None}
    inside = cohorts.labels_of(
        context.prepared.get("cohorts") or context.ids, context.cohorts, context.cohort_style, row
    )
    opted_out = row.get("marketing_status") == cohorts.UNSUBSCRIBED
    return RemoteRecord(identity, str(row["id"]), own, inside, opted_out=opted_out)


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether what stands there is what was sent: outer spaces are cut there, the order of options is theirs."""
    if empty(ours) or empty(theirs):
        return empty(ours) and empty(theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return sorted(map(str, ours)) == sorted(map(str, theirs))
    if field is not None and field.type == "timestamp":
        return datetime.fromisoformat(str(ours)) == datetime.fromisoformat(str(theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.strip() == theirs.strip()
    return bool(ours == theirs)
