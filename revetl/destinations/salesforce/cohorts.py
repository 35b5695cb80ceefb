"""Cohorts as campaigns, whose members are rows of CampaignMember, or as a checkbox field on the record."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.salesforce import api, endings, read, records, soql
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Outcome

# What an insert says of somebody who is a member already, and of somebody who is not there.
_MEMBER = "DUPLICATE_VALUE"
_NOBODY = frozenset({*records.GONE, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"})


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create what each cohort lands in; return ``{"cohorts": {model name: campaign id or field}}``.

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
    return {"cohorts": found}


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
        return str(api.document(reply)["id"])
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
    yield from api.settle(_nobody(c) for c in batch.changes if not ids[c.seq])
    if not there:
        return []
    if _as_field(batch):
        return (yield from _check(batch, there, ids, value=True))
    reply = yield _insertion(batch, there, ids)
    if reply.status != 200:
        return api.refuse_all(reply, there)
    rows = api.results(reply, len(there))
    return [_joined(change, row, ids[change.seq]) for change, row in zip(there, rows, strict=True)]


def _insertion(batch: Batch, there: Sequence[Change], ids: dict[int, str]) -> Http:
    """Return the insert of memberships; a repeat finds them there, since campaign and person are unique together."""
    person = f"{batch.object}Id"
    rows = ({"CampaignId": _place(batch), person: ids[c.seq]} for c in there)
    return api.collection("POST", "", "CampaignMember", rows)


def _joined(change: Change, row: dict[str, JSON], record: str) -> Outcome:
    if row["success"]:
        return Outcome.delivered(change, remote_id=record)
    code, reason = api.error(row)
    if code == _MEMBER:
        return Outcome.delivered(change, remote_id=record)
    if code == records.LOCKED:
        return Outcome.waiting(change, code=code, reason=reason)
    return _nobody(change) if code in _NOBODY else Outcome.rejected(change, code=code, reason=reason)


def _nobody(change: Change) -> Outcome:
    return Outcome.rejected(change, code="RECORD_MISSING", reason="no such record to put into the cohort")


def part(batch: Batch) -> Exchange:
    """End memberships; those who are gone, or were never in, are done."""
    if not batch.changes:
        return []
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.refuse_all(ids, batch.changes)
    there = [c for c in batch.changes if ids[c.seq]]
    if _as_field(batch):
        yield from api.settle(Outcome.delivered(c) for c in batch.changes if not ids[c.seq])
        return (yield from _check(batch, there, ids, value=False)) if there else []
    members = yield from read.members(batch.object, [_place(batch)], [ids[c.seq] for c in there])
    if isinstance(members, Reply):
        return api.refuse_all(members, batch.changes)
    rows = {person: row for (_, person), row in members.items()}
    inside = [c for c in there if ids[c.seq] in rows]
    leaving = {c.seq for c in inside}
    yield from api.settle(Outcome.delivered(c) for c in batch.changes if c.seq not in leaving)
    if not inside:
        return []
    ended = yield from endings.delete(inside, {c.seq: rows[ids[c.seq]] for c in inside})
    return api.refuse_all(ended, inside) if isinstance(ended, Reply) else ended


def _check(batch: Batch, there: Sequence[Change], ids: dict[int, str], *, value: bool) -> Exchange:
    """Set the cohort's checkbox on these records."""
    field = _place(batch)
    way = records.Way(batch, "PATCH", ids=ids, only={field: value})
    result = yield from records.write(way, there)
    if isinstance(result, Reply):
        return api.refuse_all(result, there)
    gone = (_nobody(c) if value else Outcome.delivered(c) for c in result.gone)
    return [*result.done, *gone]


def _as_field(batch: Batch) -> bool:
    return batch.cohort is not None and batch.cohort.style == "field"


def _place(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["cohorts"][batch.cohort.name])
