"""Cohorts as campaigns, whose members are rows of CampaignMember, or as a checkbox field on the record."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.salesforce import api, endings, members, read, records, soql
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Outcome

UNSUBSCRIBE = "unsubscribe"  # the style in which consent is withdrawn


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create what each cohort lands in.

    Returns ``{"cohorts": {model name: campaign id or field}}``, and of campaigns ``{"statuses": {id: labels}}``.

    Raises:
        DestinationError: RVT-651, Salesforce refuses a campaign, or there is no such checkbox field.
    """
    found: dict[str, str] = {}
    if context.cohorts and context.cohort_style == "field":
        found = yield from _fields(context)
        return {"cohorts": found}
    for name, label in context.cohorts:
        there = yield from _campaign(context, name, label)
        if there is not None:
            found[name] = there
    if not found:
        return {"cohorts": found}
    return {"cohorts": found, "statuses": (yield from members.known_statuses(list(found.values())))}


def _fields(context: Context) -> Generator[Any, Any, dict[str, str]]:
    known = yield from read.discover(context)
    boxes = [field for field in known if field.type == "boolean" and field.writable]
    places = {field.label.lower(): field.name for field in boxes} | {field.name.lower(): field.name for field in boxes}
    found = {name: places[label.lower()] for name, label in context.cohorts if label.lower() in places}
    missing = [label for name, label in context.cohorts if name not in found]
    if missing and context.create:
        what = f"{context.object} in Salesforce has no checkbox field that one may write: {', '.join(missing)}"
        raise DestinationError("RVT-651", what, hint="make it in Setup, or give the cohort its API name as `label`")
    return found


def _campaign(context: Context, name: str, label: str) -> Generator[Any, Any, str | None]:
    """Return the campaign that an earlier run stored, under the present label; else the oldest of that name."""
    stored = context.ids.get(name)
    also = f"Id = {soql.literal(stored)} OR " if stored else ""
    wanted = f" WHERE {also}Name = {soql.literal(label)} ORDER BY CreatedDate, Id"
    rows = yield from soql.answers([soql.query(soql.select("Campaign", "Name") + wanted)])
    if isinstance(rows, Reply):
        raise _refused(rows, label)
    ours = next((row for row in rows if row["Id"] == stored), None)
    if ours is None and rows:
        return str(rows[0]["Id"])
    if ours is None and not context.create:
        return None
    if ours is None:
        reply = yield _post("POST", "/sobjects/Campaign", {"Name": label, "IsActive": True})
        if not reply.ok:
            raise _refused(reply, label)
        return str(reply.document()["id"])
    if ours.get("Name") != label and context.create:
        template = "/sobjects/Campaign/{id}"
        reply = yield _post("PATCH", f"/sobjects/Campaign/{stored}", {"Name": label}, template)
        if not reply.ok:
            raise _refused(reply, label)
    return stored


def _post(method: str, path: str, body: dict[str, JSON], template: str = "") -> Http:
    return Http(method, path, content=orjson.dumps(body), template=template)


def _refused(reply: Reply, label: str) -> DestinationError:
    code, reason = api.refusal(reply)
    what = f"Salesforce refuses the campaign {label!r}: {code}, {reason}"
    return DestinationError("RVT-651", what, hint="the user needs the permission Marketing User, or `cohorts: field`")


def join(batch: Batch) -> Exchange:
    """Make people campaign members, or check their boxes."""
    if not batch.changes:
        return []
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    there = [c for c in batch.changes if ids[c.seq]]
    yield from api.settle(members.nobody(c) for c in batch.changes if not ids[c.seq])
    if not there:
        return []
    if is_box(batch):
        return (yield from _check(batch, there, ids, value=True))
    return (yield from members.insert(batch, place(batch), there, ids))


def part(batch: Batch) -> Exchange:
    """End memberships; those who are gone, or were never in, are done."""
    if not batch.changes:
        return []
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    there = [c for c in batch.changes if ids[c.seq]]
    if is_box(batch):
        yield from api.settle(Outcome.delivered(c) for c in batch.changes if not ids[c.seq])
        return (yield from _check(batch, there, ids, value=False)) if there else []
    found = yield from read.members(batch.object, [place(batch)], [ids[c.seq] for c in there])
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    rows = {person: row for (_, person), row in found.items()}
    inside = [c for c in there if ids[c.seq] in rows]
    leaving = {c.seq for c in inside}
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c.seq not in leaving)
    if not inside:
        return []
    ended = yield from endings.delete(inside, {c.seq: rows[ids[c.seq]] for c in inside})
    return api.refuse_all(ended, inside) if isinstance(ended, Reply) else ended


def _check(batch: Batch, there: Sequence[Change], ids: dict[int, str], *, value: bool) -> Exchange:
    """Set the cohort's checkbox on these records."""
    way = records.Way(batch, "PATCH", ids=ids, only={place(batch): value})
    result = yield from records.write(way, there)
    if isinstance(result, Reply):
        return api.refuse_all(result, there)
    gone = (members.nobody(c) if value else Outcome.delivered(c) for c in result.gone)
    return [*result.done, *gone]


def is_box(batch: Batch) -> bool:
    """Return whether the cohort lands in a field of the record, as the withdrawal of consent does."""
    return batch.cohort is not None and batch.cohort.style in ("field", UNSUBSCRIBE)


def place(batch: Batch) -> str:
    """Return the cohort's campaign, or the field that is checked."""
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    if batch.cohort.style == UNSUBSCRIBE:
        return read.OPT_OUT
    return str(batch.prepared["cohorts"][batch.cohort.name])
