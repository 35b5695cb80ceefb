"""The bulk import: one file, one job, a count of its rows, and files that name those that failed or were warned of.

https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import

A file creates or updates, and does not tell which. What it cannot carry goes as single calls do, before it; whom
Marketo's files name goes so after it, which gives each its reason by code, and repairs ids that are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import BatchRejected, Exchange, Http, JobStarted, Pause, Reply, Settled, UnreadableReply
from revetl.destinations.marketo import api, csvfile, leads
from revetl.destinations.marketo.csvfile import Form
from revetl.types import JSON, Batch, Change, Effect, Mode, OnLeave, Outcome, Proof

LEAST = 2 * api.BATCH  # rows worth a file: as many calls as a job takes
CALL_BYTES = 950_000  # of one single call; the service takes 1 MB
_FULL = "1016"  # ten imports are queued
_QUEUE_WAITS = (15.0, 30.0, 60.0)  # seconds before a full queue is asked again; then single calls take over
_POLLS = (5.0, 10.0, 20.0, 30.0)  # seconds between looks at a job; the last one for as long as it takes
_RUNNING = ("Queued", "Importing")


def load(batch: Batch) -> Exchange:
    """Import the most rows that one file can carry, and send the others as single calls do."""
    form, rows = _largest(batch)
    chosen = {change.seq for change in rows}
    yield from _singly(batch, [change for change in batch.changes if change.seq not in chosen])
    if form is None:
        return []
    job = yield from _start(batch, form, rows)
    if isinstance(job, tuple):
        yield from _singly(batch, rows)
        return []
    yield JobStarted(" ".join((job, str(len(rows)), form.lookup, ",".join(form.columns))))
    return (yield from _settle(batch, form, rows, job, len(rows)))


def resume(job: str, batch: Batch) -> Exchange:
    """Go on with a job that an earlier run started: its id, its rows, and its form stand in its name."""
    number, count, lookup, columns = job.split(" ", 3)
    form = Form(lookup, tuple(columns.split(",")))
    rows = [change for change in batch.changes if csvfile.form_of(batch, change) == form]
    chosen = {change.seq for change in rows}
    yield from _singly(batch, [change for change in batch.changes if change.seq not in chosen])
    return (yield from _settle(batch, form, rows, number, int(count)))


def _largest(batch: Batch) -> tuple[Form | None, list[Change]]:
    forms = {
        change.seq: csvfile.form_of(batch, change) if _may_travel(batch, change) else None for change in batch.changes
    }
    counts = Counter(form for form in forms.values() if form is not None)
    if not counts or counts.most_common(1)[0][1] < LEAST:
        return None, []
    form = counts.most_common(1)[0][0]
    return form, [change for change in batch.changes if forms[change.seq] == form]


def _may_travel(batch: Batch, change: Change) -> bool:
    """A file can create: not where records are to be found only, and not where it matters whose they are."""
    if batch.mode is Mode.INSERT:
        return False
    return api.number(change.remote_id) is not None or (
        batch.mode is Mode.UPSERT and batch.on_leave is not OnLeave.DELETE
    )


def _start(batch: Batch, form: Form, rows: Sequence[Change]) -> Generator[Any, Any, str | api.Refused]:
    """Return the job's id; or why there is none, upon which nothing of the file was applied."""
    for wait in (*_QUEUE_WAITS, None):
        reply: Reply = yield csvfile.upload(batch, form, rows)
        refused = api.refusal(reply)
        if refused is None:
            number = _job(reply).get("batchId")
            if type(number) is not int:
                raise UnreadableReply(reply.status, "the import has no batchId")
            return str(number)
        if refused[0] != _FULL or wait is None:
            return refused
        yield Pause(wait)
    raise AssertionError("the last round returns")


def _job(reply: Reply) -> dict[str, JSON]:
    rows = api.rows(reply)
    if len(rows) != 1:
        raise UnreadableReply(reply.status, "result is not one import")
    return rows[0]


def _settle(batch: Batch, form: Form, rows: Sequence[Change], number: str, count: int) -> Exchange:
    job = yield from _ended(number)
    if isinstance(job, tuple):
        return [Outcome.unknown(change, code=job[0], reason=f"the import is not known: {job[1]}") for change in rows]
    if job.get("status") != "Complete":
        yield from _singly(batch, rows)
        return []
    failed = yield from _file(number, form, "failures", job.get("numOfRowsFailed"))
    warned = yield from _file(number, form, "warnings", job.get("numOfRowsWithWarning"))
    keys = {change.seq: _key(form, change) for change in rows}
    named = {*failed, *warned}
    again = [change for change in rows if keys[change.seq] in named]
    good = [change for change in rows if keys[change.seq] not in named]
    known = len(rows) < count or named <= set(keys.values())
    if not known or job.get("numOfLeadsProcessed") != count - len(failed):
        reason = "the counts of the import leave some rows out"
        return [Outcome.unknown(change, code="COUNTS", reason=reason) for change in rows]
    yield from api.settle(Outcome.delivered(change, proof=Proof.ACCOUNT) for change in good)
    yield from _singly(batch, again)
    return []


def _key(form: Form, change: Change) -> str:
    return str(change.remote_id) if form.lookup == "id" else api.normal(change.match)


def _ended(number: str) -> Generator[Any, Any, dict[str, JSON] | api.Refused]:
    """Look at the job until it has ended."""
    waits = iter(_POLLS)
    while True:
        yield Pause(next(waits, _POLLS[-1]))
        reply: Reply = yield _look(number, "")
        refused = api.refusal(reply)
        if refused is not None:
            return refused
        job = _job(reply)
        if job.get("status") not in _RUNNING:
            return job


def _look(number: str, what: str) -> Http:
    path, template = (f"/bulk/v1/leads/batch/{one}{what}.json" for one in (number, "{batchId}"))
    return Http("GET", path, effect=Effect.READ, template=template)


def _file(number: str, form: Form, what: str, count: JSON) -> Generator[Any, Any, list[str]]:
    """Return whom the file names; as many as the job counts, or it is not believed."""
    if not count:
        return []
    reply: Reply = yield _look(number, f"/{what}")
    found = csvfile.named(reply, form)
    if len(found) != count:
        raise UnreadableReply(reply.status, f"the file of {what} does not have {count} rows")
    return found


def _singly(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Send rows as single calls do, all settled here; a call that is refused goes again in halves."""
    for part in _parts(changes):
        left = yield from _call(replace(batch, changes=part))
        if left:
            half = (len(left) + 1) // 2
            yield from _singly(batch, left[:half])
            yield from _singly(batch, left[half:])


def _call(batch: Batch) -> Generator[Any, Any, list[Change]]:
    """Run one single action; return what it left of a refused batch of several."""
    steps, sent = leads.upsert(batch), None
    settled: set[int] = set()
    while True:
        try:
            item = steps.send(sent)
        except StopIteration as end:
            result = end.value
            break
        if isinstance(item, Settled):
            settled |= {outcome.change.seq for outcome in item.outcomes}
        sent = yield item
    left = [change for change in batch.changes if change.seq not in settled]
    if not isinstance(result, BatchRejected):
        yield from api.settle(result)
        return []
    if len(left) > 1:
        return left
    yield from api.settle(Outcome.rejected(change, code=result.code, reason=result.reason) for change in left)
    return []


def _parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield the changes in lists that fit one single call each."""
    part: list[Change] = []
    size = 0
    for change in changes:
        bytes_ = len(change.body) + len(change.match) + leads.OVERHEAD
        if part and (len(part) == api.BATCH or size + bytes_ > CALL_BYTES):
            yield part
            part, size = [], 0
        part.append(change)
        size += bytes_
    if part:
        yield part
