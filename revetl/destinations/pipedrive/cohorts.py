"""Cohorts as labels, or as a field of their own; consent withdrawn.

A record's labels are written as a whole, so they are read just before: what somebody else adds in between is lost.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.pipedrive import api, fields, finding, preparing, records
from revetl.types import JSON, Batch, Change, Outcome

UNSUBSCRIBED = "unsubscribed"
# Nobody may be mailed under either; who has no valid address stays "no_consent" whatever is asked for.
_WITHDRAWN = frozenset({UNSUBSCRIBED, "no_consent"})


def join(batch: Batch) -> Exchange:
    """Put records into the cohort, or withdraw their consent."""
    if batch.cohort is not None and batch.cohort.style == "unsubscribe":
        return (yield from _withdraw(batch))
    lost = yield from _move(batch, inside=True)
    return [_nobody(change) for change in lost]


def part(batch: Batch) -> Exchange:
    """Take records out of the cohort; those who are gone, or were never in, are done."""
    lost = yield from _move(batch, inside=False)
    return [Outcome.delivered(change) for change in lost]


def _nobody(change: Change) -> Outcome:
    return Outcome.rejected(change, code="RECORD_MISSING", reason="no such record to put into the cohort")


def _move(batch: Batch, *, inside: bool) -> Generator[Any, Any, list[Change]]:
    """Write memberships and settle them; return those who are not there."""
    if not batch.changes:
        return []
    ids, lost = yield from known(batch)
    there = [c for c in batch.changes if c.seq in ids]
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    place = str(batch.prepared["cohorts"][batch.cohort.name])
    if batch.cohort.style == "field":
        code, _, option = place.partition("/")
        value = (int(option) if option else preparing.TEXT_YES) if inside else None
        gone = yield from records.updated(batch, there, ids, lambda *_: {"custom_fields": {code: value}}, reads=False)
    else:
        gone = yield from records.updated(
            batch, there, ids, lambda _, record: _labels(record or {}, int(place), inside=inside), reads=True
        )
    return lost + gone


def _labels(record: Mapping[str, JSON], label: int, *, inside: bool) -> dict[str, JSON]:
    """Return the write of a record's labels, empty where they are as wished."""
    have = list(record.get(fields.LABELS) or ())
    if (label in have) is inside:
        return {}
    return {fields.LABELS: [*have, label] if inside else [one for one in have if one != label]}


def known(batch: Batch) -> Generator[Any, Any, tuple[dict[int, str], list[Change]]]:
    """Return sequence number → record id, and the changes without a record; refused searches are settled."""
    ids = {c.seq: c.remote_id for c in batch.changes if c.remote_id}
    missing = [c for c in batch.changes if not c.remote_id]
    found = yield from finding.find(batch, missing)
    yield from api.settle(found.refused)
    away = {outcome.change.seq for outcome in found.refused}
    ids |= found.ids
    return ids, [c for c in missing if c.seq not in ids and c.seq not in away]


def _withdraw(batch: Batch) -> Exchange:
    """Set people unsubscribed; nothing here ever subscribes anybody, and Pipedrive would not let it be undone."""
    if not batch.prepared.get("marketing"):
        reason = "the company has no Campaigns: there is no consent to withdraw there"
        return [Outcome.rejected(c, code="NO_CAMPAIGNS", reason=reason) for c in batch.changes]
    ids, lost = yield from known(batch)
    yield from api.settle(_nobody(c) for c in lost)
    there = [c for c in batch.changes if c.seq in ids]
    for at in range(0, len(there), api.SIDE_BY_SIDE):
        some = there[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(
            api.change_of(batch.object, ids[c.seq], {"marketing_status": UNSUBSCRIBED}) for c in some
        )
        yield from api.settle(_withdrawn(reply, c, ids[c.seq]) for reply, c in zip(replies, some, strict=True))
    return []


def _withdrawn(reply: Reply, change: Change, record_id: str) -> Outcome:
    """Return what the answer proves: a status that may not change any more is answered as it is, with success."""
    if reply.status in records.GONE:
        return _nobody(change)
    if not reply.ok:
        return api.refuse(reply, change)
    status = str(api.record(reply).get("marketing_status"))
    if status in _WITHDRAWN:
        return records.written(change, record_id)
    reason = f"Pipedrive keeps the marketing status {status!r}: change it there by hand"
    return Outcome.rejected(change, code="CONSENT_KEPT", reason=reason)


def members_of(place: str, style: str | None, record: Mapping[str, JSON]) -> bool:
    """Return whether a record is in the cohort that lands in ``place``."""
    if style != "field":
        return place in {str(one) for one in record.get(fields.LABELS) or ()}
    code, _, option = place.partition("/")
    value = (record.get("custom_fields") or {}).get(code)
    return value is not None and str(value) == (option or preparing.TEXT_YES)


def labels_of(
    places: Mapping[str, JSON], cohorts: Sequence[tuple[str, str]], style: str | None, record: Mapping[str, JSON]
) -> frozenset[str]:
    """Return the labels of the cohorts that a record is in."""
    return frozenset(
        label for name, label in cohorts if name in places and members_of(str(places[name]), style, record)
    )
