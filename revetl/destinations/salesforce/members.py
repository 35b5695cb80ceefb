"""Campaign members: inserted, updated where they are members already, with a status that the campaign has."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import orjson

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.salesforce import api, read, records, soql
from revetl.types import JSON, Batch, Change, Outcome, RemoteField

KIND = "CampaignMember"
STATUS = RemoteField("Status", "text", "Status", max_length=40)
# What an insert says of somebody who is a member already, and of somebody who is not there.
MEMBER = "DUPLICATE_VALUE"
NOBODY = frozenset({*records.GONE, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"})

Rows = list[dict[str, JSON]]
_Outcomes = Generator[Any, Any, list[Outcome]]


def known_statuses(campaigns: Sequence[str]) -> Generator[Any, Any, dict[str, list[str]]]:
    """Return campaign → the labels that its members' status may have; empty where one may not look."""
    start = soql.select("CampaignMemberStatus", "CampaignId", "Label")
    rows = yield from soql.answers(soql.lookups(start, "CampaignId", campaigns))
    found: dict[str, list[str]] = {}
    for row in () if isinstance(rows, Reply) else rows:
        found.setdefault(str(row.get("CampaignId")), []).append(str(row.get("Label")))
    return found


def make_statuses(batch: Batch, campaign: str, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Make the statuses that the campaign lacks; where that is refused, so will be the members, by name."""
    known = {label.lower() for label in batch.prepared.get("statuses", {}).get(campaign, ())}
    wanted = {str(c.fields[STATUS.name]) for c in changes if c.fields.get(STATUS.name)}
    for label in sorted(label for label in wanted if label.lower() not in known):
        body = orjson.dumps({"CampaignId": campaign, "Label": label})
        yield Http("POST", "/sobjects/CampaignMemberStatus", content=body)


def rows(batch: Batch, campaign: str, changes: Sequence[Change], ids: Mapping[int, str]) -> Rows:
    """Return the memberships as they are inserted; campaign and person are unique together."""
    return [{"CampaignId": campaign, f"{batch.object}Id": ids[c.seq], **_own(c)} for c in changes]


def _own(change: Change) -> dict[str, JSON]:
    """Return what the membership carries; a status cannot be empty, and has a default."""
    return {name: value for name, value in change.fields.items() if value not in (None, "")}


def insert(batch: Batch, campaign: str, changes: Sequence[Change], ids: dict[int, str]) -> Exchange:
    """Make people members; who is one already gets the status, and whose id is not there any more is looked up."""
    yield from make_statuses(batch, campaign, changes)
    reply = yield api.collection("POST", "", KIND, rows(batch, campaign, changes, ids))
    if reply.status != 200:
        return api.refuse_all(reply, changes)
    answers = api.results(reply, len(changes))
    members = {c.seq: row for c, row in zip(changes, answers, strict=True)}
    yield from api.settle(outcome for c in changes if (outcome := judge(c, members[c.seq], ids)) is not None)
    yield from refresh(batch, campaign, [c for c in changes if is_member(c, members[c.seq])], ids)
    stale = [c for c in changes if is_stale(c, members[c.seq])]
    return (yield from again(batch, campaign, stale)) if stale else []


def judge(change: Change, row: Mapping[str, JSON], ids: Mapping[int, str]) -> Outcome | None:
    """Return what an insert made of a person; None for who is to be updated or looked up."""
    if is_member(change, row) or is_stale(change, row):
        return None
    if row["success"]:
        return Outcome.delivered(change, remote_id=ids[change.seq])
    code, reason = api.error(row)
    if code == MEMBER:
        return Outcome.delivered(change, remote_id=ids[change.seq])
    if code == records.LOCKED:
        return Outcome.waiting(change, code=code, reason=reason)
    return nobody(change) if code in NOBODY else Outcome.rejected(change, code=code, reason=reason)


def is_member(change: Change, row: Mapping[str, JSON]) -> bool:
    """Return whether the person was a member before, of whom something is to be written."""
    return not row["success"] and api.error(row)[0] == MEMBER and bool(_own(change))


def is_stale(change: Change, row: Mapping[str, JSON]) -> bool:
    """Return whether the id that is known of a person is not there (any more)."""
    return not row["success"] and api.error(row)[0] in NOBODY and change.remote_id is not None


def nobody(change: Change) -> Outcome:
    """Return the refusal of somebody who is not there."""
    return Outcome.rejected(change, code="RECORD_MISSING", reason="no such record to put into the cohort")


def refresh(
    batch: Batch, campaign: str, changes: Sequence[Change], ids: Mapping[int, str]
) -> Generator[Any, Any, None]:
    """Write what memberships carry to those that are there, and settle them."""
    for at in range(0, len(changes), api.BATCH):
        yield from api.settle((yield from _refresh(batch, campaign, changes[at : at + api.BATCH], ids)))


def _refresh(batch: Batch, campaign: str, few: Sequence[Change], ids: Mapping[int, str]) -> _Outcomes:
    found = yield from read.members(batch.object, [campaign], [ids[c.seq] for c in few])
    if isinstance(found, Reply):
        return api.wait_all(found, few)
    inside = [c for c in few if (campaign, ids[c.seq]) in found]
    left = [_wait(c) for c in few if (campaign, ids[c.seq]) not in found]
    if not inside:
        return left
    reply = yield api.collection("PATCH", "", KIND, ({"id": found[campaign, ids[c.seq]], **_own(c)} for c in inside))
    if reply.status != 200:
        return [*left, *api.wait_all(reply, inside)]
    answers = api.results(reply, len(inside))
    return [*left, *(_written(c, row, ids) for c, row in zip(inside, answers, strict=True))]


def _wait(change: Change) -> Outcome:
    return Outcome.waiting(change, code="MOVED", reason="the membership came and went while it was written")


def _written(change: Change, row: Mapping[str, JSON], ids: Mapping[int, str]) -> Outcome:
    if row["success"]:
        return Outcome.delivered(change, remote_id=ids[change.seq])
    code, reason = api.error(row)
    if code == records.LOCKED:
        return Outcome.waiting(change, code=code, reason=reason)
    return Outcome.rejected(change, code=code, reason=reason)


def again(batch: Batch, campaign: str, stale: Sequence[Change]) -> _Outcomes:
    """Make people members under the ids that they have now; who has none is refused."""
    found = yield from soql.find(batch, (c.match for c in stale))
    if isinstance(found, Reply):
        return api.wait_all(found, stale)
    ids = {c.seq: found.get(api.normal(c.match), "") for c in stale}
    moved = [c for c in stale if ids[c.seq] not in ("", c.remote_id)]
    yield from api.settle(nobody(c) for c in stale if ids[c.seq] in ("", c.remote_id))
    if not moved:
        return []
    reply = yield api.collection("POST", "", KIND, rows(batch, campaign, moved, ids))
    if reply.status != 200:
        return api.wait_all(reply, moved)
    answers = api.results(reply, len(moved))
    return [judge(c, row, ids) or _wait(c) for c, row in zip(moved, answers, strict=True)]
