"""Many at once by the Import API: a file, a job, counts, and a file that names the rows in error.

https://developer.salesforce.com/docs/marketing/pardot/guide/import-v5.html

A job is made, known under its id, given its file, and told to begin. Killed in between it is canceled, since nobody
knows whether it has its file, and made anew. What it names in error goes once more as single calls do.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from revetl.contract import Exchange, Http, JobStarted, Pause, Reply, UnreadableReply
from revetl.destinations.pardot import api, csvfile, lists, prospects
from revetl.destinations.pardot.csvfile import BY_ADDRESS, BY_ID, Form
from revetl.types import JSON, Batch, Change, Effect, Mode, Op, Outcome, Proof

WORTH = 50  # rows: as many calls as a job takes in the worst case
_AGAIN = 500  # rows in error that are sent once more one by one
_POLLS = (5.0, 10.0, 15.0, 30.0)  # seconds between looks at a job; the last one for as long as it takes
_SHOWN = "id,status,isExpired,createdCount,updatedCount,errorCount"
_OPEN = frozenset({"Open"})
_RUNNING = frozenset({"Ready", "Waiting", "Processing"})


def load(batch: Batch) -> Exchange:
    """Import rows that are alike together; few of a kind go singly where they can."""
    for form, changes in _forms(batch, batch.changes).items():
        if len(changes) >= WORTH or not _may_go_singly(batch, form):
            yield from _job(batch, form, changes)
        else:
            yield from _singly(batch, changes)
    return []


def by_address(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Import rows whose prospects have no known id: nobody is made who is not there."""
    unknown = [replace(change, remote_id=None) for change in changes]
    for form, some in _forms(batch, unknown).items():
        yield from _job(batch, form, some)


def resume(job: str, batch: Batch) -> Exchange:
    """Go on with a job that an earlier run started: its id and its form stand in its name."""
    number, count, match, columns = job.split(" ", 3)
    form = Form(match, tuple(name for name in columns.split(",") if name))
    forms = _forms(batch, batch.changes)
    changes = forms.get(form) or [replace(c, remote_id=None) for c in batch.changes if match == BY_ADDRESS]
    mine = {change.seq for change in changes}
    status = yield from _status(number)
    if isinstance(status, Reply):
        reason = "the import is not known any more"
        yield from api.settle(Outcome.unknown(c, code=str(status.status), reason=reason) for c in changes)
    elif status.get("status") in _OPEN:
        yield replace(_import("POST", f"/imports/{number}/do/cancel", None), template="/imports/{id}/do/cancel")
        yield from _job(batch, form, changes)
    else:
        yield from _settle(batch, form, changes, number, int(count))
    rest = [change for change in batch.changes if change.seq not in mine]
    if rest:
        yield from load(replace(batch, changes=rest))
    return []


def _may_go_singly(batch: Batch, form: Form) -> bool:
    """Return whether single calls can do it: who has no id can be made by address, but not looked for."""
    return form.match == BY_ID or (batch.op is Op.UPSERT and batch.mode is Mode.UPSERT)


def told(batch: Batch, change: Change) -> dict[str, JSON]:
    """Return the cells of a change, beside its match column."""
    if batch.op in (Op.JOIN, Op.PART):
        return {csvfile.ADD if batch.op is Op.JOIN else csvfile.REMOVE: lists.place(batch)}
    if batch.op is Op.LEAVE:
        return {name: None for name in change.fields if name != batch.match_field}
    own = prospects.values(batch, change)
    return own if change.remote_id else {**own, "email": change.match}


def _forms(batch: Batch, changes: Sequence[Change]) -> dict[Form, list[Change]]:
    found: dict[Form, list[Change]] = {}
    for change in changes:
        match = BY_ID if change.remote_id else BY_ADDRESS
        found.setdefault(Form(match, tuple(sorted(told(batch, change)))), []).append(change)
    return found


def _job(batch: Batch, form: Form, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    makes = batch.op is Op.UPSERT and batch.mode is Mode.UPSERT
    body = {
        "operation": "Upsert",
        "object": "Prospect",
        "restoreDeleted": makes,
        "createOnNoMatch": makes,
        "fields": [
            {"field": name, "overwrite": True, "nullOverwrite": True}
            for name in form.columns
            if name not in (csvfile.ADD, csvfile.REMOVE)
        ],
    }
    reply: Reply = yield _import("POST", "/imports", body, effect=Effect.ONCE)
    if not reply.ok:
        yield from api.settle(api.refuse(reply, change) for change in changes)
        return
    number = str(api.row(reply)["id"])
    yield JobStarted(" ".join((number, str(len(changes)), form.match, ",".join(form.columns))))
    reply = yield csvfile.upload(number, form, [(change, told(batch, change)) for change in changes])
    if reply.ok:
        reply = yield replace(_import("PATCH", f"/imports/{number}", {"status": "Ready"}), template="/imports/{id}")
    if not reply.ok:
        yield from api.settle(api.refuse(reply, change) for change in changes)
        return
    yield from _settle(batch, form, changes, number, len(changes))


def _import(method: str, path: str, body: JSON, effect: Effect = Effect.REPEATABLE) -> Http:
    content = None if body is None else orjson.dumps(body)
    return Http(method, path, content=content, query=(("fields", "id,status"),), effect=effect)


def _status(number: str) -> Generator[Any, Any, api.Row | Reply]:
    query = (("fields", _SHOWN),)
    reply: Reply = yield Http("GET", f"/imports/{number}", query=query, effect=Effect.READ, template="/imports/{id}")
    if not reply.ok:
        return reply
    return api.row(reply)


def _settle(batch: Batch, form: Form, changes: Sequence[Change], number: str, count: int) -> Generator[Any, Any, None]:
    """Wait for a job that has begun, and settle its rows."""
    waits = iter(_POLLS)
    while True:
        yield Pause(next(waits, _POLLS[-1]))
        status = yield from _status(number)
        if isinstance(status, Reply) or status.get("status") not in _RUNNING:
            break
    if isinstance(status, Reply) or status.get("isExpired") is True or status.get("status") != "Complete":
        end = f"HTTP {status.status}" if isinstance(status, Reply) else str(status.get("status"))
        reason = f"the import ended as {end}, which says nothing of a row"
        yield from api.settle(Outcome.unknown(change, code="IMPORT", reason=reason) for change in changes)
        return
    named = yield from _named(number, form, status.get("errorCount"))
    good = [change for change in changes if csvfile.key(form, change) not in named]
    bad = [(change, named[csvfile.key(form, change)]) for change in changes if csvfile.key(form, change) in named]
    yield from _good(batch, good, _agrees(status, count))
    yield from _bad(batch, form, bad)


def _agrees(status: Mapping[str, JSON], count: int) -> bool:
    told = (status.get(name) for name in ("createdCount", "updatedCount", "errorCount"))
    counts = [number for number in told if type(number) is int]
    return len(counts) == 3 and sum(counts) == count


def _named(number: str, form: Form, count: JSON) -> Generator[Any, Any, dict[str, str]]:
    """Return the rows in error, as many as the job counts."""
    if not count:
        return {}
    reply: Reply = yield Http("GET", f"/imports/{number}/errors", effect=Effect.READ, template="/imports/{id}/errors")
    found = csvfile.errors(reply, form)
    if len(found) != count:
        raise UnreadableReply(reply.status, f"the file of errors does not name {count} rows")
    return found


def _good(batch: Batch, changes: Sequence[Change], agrees: bool) -> Generator[Any, Any, None]:  # noqa: FBT001
    """Settle the rows that no error names: by the counts, or for memberships by a look at the list."""
    if agrees:
        yield from api.settle(Outcome.delivered(change, proof=Proof.ACCOUNT) for change in changes)
    elif batch.op in (Op.JOIN, Op.PART):
        yield from lists.verified(batch, changes)
    else:
        reason = "the counts of the import leave some rows out"
        yield from api.settle(Outcome.unknown(change, code="COUNTS", reason=reason) for change in changes)


def _bad(batch: Batch, form: Form, bad: Sequence[tuple[Change, str]]) -> Generator[Any, Any, None]:
    """Settle the rows in error: gone is what an ending wished; an id that is gone is looked for by address."""
    if batch.op in (Op.PART, Op.LEAVE):
        yield from api.settle(Outcome.delivered(change, proof=Proof.ACCOUNT) for change, _ in bad)
    elif form.match == BY_ID and batch.op is Op.JOIN and bad:
        yield from by_address(batch, [change for change, _ in bad])
    elif batch.op is Op.UPSERT and batch.mode is Mode.UPSERT and len(bad) <= _AGAIN:
        yield from _singly(batch, [change for change, _ in bad])
    else:
        yield from api.settle(
            Outcome.rejected(change, code="IMPORT_ERROR", reason=reason or "the import names this row in error")
            for change, reason in bad
        )


def _singly(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Do as single calls do; all is settled there."""
    single = {Op.UPSERT: prospects.upsert, Op.JOIN: lists.join, Op.PART: lists.part}[batch.op]
    left = yield from single(replace(batch, changes=list(changes)))
    yield from api.settle(left if isinstance(left, list) else [])
