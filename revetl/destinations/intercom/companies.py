"""Companies, one call each: ``POST /companies`` finds them by ``company_id``, which can never change, or makes them.

Its answer does not say which of the two it did: where the policy is to archive who leaves, it is asked for first.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.intercom import api, fields
from revetl.types import JSON, Batch, Change, Effect, Mode, OnLeave, Outcome


def by_company_id(company_id: str) -> Http:
    """Return the read of a company by our id."""
    return Http("GET", "/companies", query=(("company_id", company_id),), effect=Effect.READ)


def found_id(reply: Reply) -> str | None:
    """Return Intercom's id of the company that a read by our id shows; "" for none there, None for an odd answer."""
    if reply.status == 404:
        return ""
    found = row(reply).get("id")
    return found if isinstance(found, str) and found else None


def row(reply: Reply) -> dict[str, JSON]:
    """Return the company that a read by our id shows: itself, or the only one of a list; empty for none."""
    found = api.shown(reply) if reply.ok else {}
    listed = found.get("data")
    if isinstance(listed, list):
        return listed[0] if len(listed) == 1 and isinstance(listed[0], dict) else {}
    return found


def places(changes: Sequence[Change]) -> Generator[Any, Any, dict[int, str]]:
    """Return by number the ids of the companies that stand there, "" for none; settle the reads that were refused."""
    found: dict[int, str] = {}
    for group in api.chunks(changes):
        replies: tuple[Reply, ...] = yield tuple(by_company_id(change.match) for change in group)
        for change, reply in zip(group, replies, strict=True):
            there = found_id(reply)
            if there is not None:
                found[change.seq] = there
            elif not reply.ok:
                yield from api.settle([api.declined(change, reply)])
    return found


def upsert(batch: Batch) -> Exchange:
    """Write companies; those of which more must be known are read first."""
    asked = [change for change in batch.changes if _asks(batch, change)]
    there = yield from places(asked)
    left = [c for c in batch.changes if c not in asked or c.seq in there]
    unwanted = [c for c in left if _unwanted(batch, exists=bool(there.get(c.seq)))]
    yield from api.settle(_passed_over(batch, change) for change in unwanted)
    for group in api.chunks([c for c in left if c not in unwanted]):
        replies: tuple[Reply, ...] = yield tuple(_post(change) for change in group)
        pairs = zip(group, replies, strict=True)
        yield from api.settle(_outcome(c, reply, new=there.get(c.seq) == "") for c, reply in pairs)
    return []


def _asks(batch: Batch, change: Change) -> bool:
    if batch.mode is not Mode.UPSERT:
        return True
    return batch.on_leave is OnLeave.ARCHIVE and change.created is None


def _unwanted(batch: Batch, *, exists: bool) -> bool:
    return (batch.mode is Mode.INSERT and exists) or (batch.mode is Mode.UPDATE and not exists)


def _passed_over(batch: Batch, change: Change) -> Outcome:
    if batch.mode is Mode.INSERT:
        reason = "the company is there already, and mode insert leaves it alone"
        return Outcome.rejected(change, code="COMPANY_EXISTS", reason=reason)
    return Outcome.rejected(change, code="COMPANY_MISSING", reason="there is no such company in Intercom")


def _post(change: Change) -> Http:
    return api.call("POST", "/companies", fields.body("company", {**change.fields, "company_id": change.match}))


def _outcome(change: Change, reply: Reply, *, new: bool) -> Outcome | None:
    if not reply.ok:
        return api.declined(change, reply)
    company = api.shown_id(reply)
    if not company or api.shown(reply).get("company_id") != change.match:
        return None
    created: bool | None = True if new else None
    if not new and (change.created is None or (change.remote_id and change.remote_id != company)):
        created = False
    return Outcome.delivered(change, remote_id=company, created=created)


def clear(changes: Sequence[Change]) -> Exchange:
    """Clear fields of the companies that are there; who is gone is done, and is not made by the write."""
    there = yield from places(changes)
    yield from api.settle(Outcome.delivered(c) for c in changes if there.get(c.seq) == "")
    for group in api.chunks([c for c in changes if there.get(c.seq)]):
        replies: tuple[Reply, ...] = yield tuple(_post(change) for change in group)
        yield from api.settle(_outcome(c, reply, new=False) for c, reply in zip(group, replies, strict=True))
    return []


def delete(company: str) -> Http:
    """Return the call that archives a company, by Intercom's id, and detaches its contacts."""
    return api.call("DELETE", f"/companies/{api.segment(company)}", template="/companies/{company_id}")
