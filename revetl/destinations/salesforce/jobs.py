"""The bulk forms of UPSERT and JOIN: one job for thousands of rows, gone on with after a kill.

A batch makes one job at most, so that a job found in state speaks for all of its changes that are not settled: of
rows that are updated by id and rows that are upserted by external id, the fewer go by collections calls before it.
PART has no bulk form: ids of memberships must be read first, as many people a call as a deletion takes, and a
deletion's results would name memberships, not people.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from revetl.contract import BatchRejected, Exchange, Reply
from revetl.destinations.salesforce import api, bulk, cohorts, members, records, soql
from revetl.destinations.salesforce.records import Way
from revetl.types import JSON, Batch, Change, Mode, Outcome

MOST = 10_000  # rows of a job: Salesforce cuts a job into batches of so many
MOST_BYTES = 10_000_000  # results repeat what was sent, and each must fit one reply
FROM = 2_000  # changes of a run, from which on jobs are used
WORTH = 1_000  # rows: fewer take no more collections calls than a job takes calls

Ids = Mapping[int, str]  # sequence number → record id, empty where there is none


def calls(rows: int) -> int:
    """Return the calls that a batch takes at least: create, upload, close, look, and one sheet of results."""
    return 5 if rows >= WORTH else -(-rows // api.BATCH)


def upsert(batch: Batch) -> Exchange:
    """Write records, most of them by a job."""
    ids: dict[int, str] | Reply = api.known_ids(batch.changes, {})
    if batch.mode is Mode.UPDATE:
        ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.wait_all(ids, batch.changes)
    update, make = _ways(batch, ids)
    rows = [c for c in batch.changes if ids[c.seq] or batch.mode is not Mode.UPDATE]
    yield from api.settle(records.absent(c) for c in batch.changes if not ids[c.seq] and batch.mode is Mode.UPDATE)
    yield from api.settle(_unspeakable(c) for c in rows if _unsayable(c))
    known = [c for c in rows if not _unsayable(c) and _is_known(batch, ids, c)]
    new = [c for c in rows if not _unsayable(c) and not _is_known(batch, ids, c)]
    parts = sorted([(update, known), (make, new)], key=lambda part: len(part[1]))
    way, many = parts.pop() if len(parts[1][1]) >= WORTH else (make, [])
    for small, few in parts:
        yield from _by_calls(small, few)
    if not many:
        return []
    results = yield from bulk.load(_job(way, many))
    if isinstance(results, Reply):
        return api.wait_all(results, many)
    return (yield from _finish(batch, ids, results, many))


def resume_upsert(job: str, batch: Batch) -> Exchange:
    """Go on with a job of :func:`upsert`, whatever became of it."""
    results = yield from bulk.follow(job, batch.match_field)
    return (yield from _finish(batch, api.known_ids(batch.changes, {}), results, batch.changes))


def _is_known(batch: Batch, ids: Ids, change: Change) -> bool:
    return batch.mode is not Mode.INSERT and bool(ids[change.seq])


def _ways(batch: Batch, ids: Ids) -> tuple[Way, Way]:
    """Return how known records and how others are written."""
    make = Way(batch, "POST", creates=True) if batch.mode is Mode.INSERT else records.by_external_id(batch)
    return records.by_id(batch, dict(ids)), make


def _unsayable(change: Change) -> bool:
    """Return whether a value would clear its field in a job, though it is a text."""
    return any(isinstance(value, str) and value.strip() == bulk.CLEARS for value in change.fields.values())


def _unspeakable(change: Change) -> Outcome:
    reason = f"a job takes the text {bulk.CLEARS} for nothing: a later run sends it by another call"
    return Outcome.waiting(change, code="NOT_IN_BULK", reason=reason)


def _job(way: Way, changes: Sequence[Change]) -> bulk.Job:
    batch, rows = way.batch, [_cells(way.row(change)) for change in records.by_parent(changes)]
    if way.ids is not None:
        return bulk.Job(batch.object, "update", batch.match_field, rows)
    if way.creates:
        return bulk.Job(batch.object, "insert", batch.match_field, rows)
    return bulk.Job(batch.object, "upsert", batch.match_field, rows, batch.match_field)


def _cells(row: dict[str, JSON]) -> dict[str, JSON]:
    return {"Id" if name == "id" else name: value for name, value in row.items()}


def _by_calls(way: Way, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Write rows by collections calls and settle them; a call that is refused for some row is halved."""
    for at in range(0, len(changes), api.BATCH):
        yield from _call(way, changes[at : at + api.BATCH])


def _call(way: Way, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    result = yield from records.write(way, changes)
    if isinstance(result, records.Answer):
        yield from api.settle(result.done)
        yield from _gone(way.batch, result.gone)
        return
    refused = api.refuse_all(result, changes)
    if not isinstance(refused, BatchRejected):
        yield from api.settle(refused)
    elif len(changes) == 1:
        yield from api.settle([Outcome.rejected(changes[0], code=refused.code, reason=refused.reason)])
    else:
        middle = len(changes) // 2
        yield from _call(way, changes[:middle])
        yield from _call(way, changes[middle:])


def _gone(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Write those whose ids are not there (any more) by their external ids."""
    if batch.mode is Mode.UPDATE:
        yield from api.settle(records.absent(change) for change in changes)
    else:
        yield from _by_calls(records.by_external_id(batch), changes)


def _finish(batch: Batch, ids: Ids, results: bulk.Results, changes: Sequence[Change]) -> Exchange:
    """Settle what a job did; who is gone is written by external id, who was not processed waits."""
    update, make = _ways(batch, ids)
    done: list[Outcome] = []
    gone: list[Change] = []
    for change in changes:
        row = results.rows.get(api.normal(change.match))
        way = update if _is_known(batch, ids, change) else make
        outcome = _unnamed(change, results, change.match) if row is None else way.verdict(change, row)
        if outcome is None:
            gone.append(change)
        else:
            done.append(outcome)
    yield from api.settle(done)
    yield from _gone(batch, gone)
    return []


def _unnamed(change: Change, results: bulk.Results, key: str) -> Outcome:
    """Return the outcome of a row that was neither written nor refused."""
    if results.whole or api.normal(key) in results.left:
        return Outcome.waiting(change, code=results.code, reason=results.reason)
    reason = f"the job's results do not name it ({results.reason})"
    return Outcome.unknown(change, code=results.code or "JOB_UNCLEAR", reason=reason)


# --- cohorts --------------------------------------------------------------------------------------------------------


def join(batch: Batch) -> Exchange:
    """Insert campaign members, or check boxes, by a job."""
    if len(batch.changes) < WORTH:
        return (yield from _join_by_calls(batch))
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return api.wait_all(ids, batch.changes)
    there = [c for c in batch.changes if ids[c.seq]]
    yield from api.settle(members.nobody(c) for c in batch.changes if not ids[c.seq])
    if cohorts.is_box(batch):
        rows = [{"Id": ids[c.seq], cohorts.place(batch): True} for c in there]
        job = bulk.Job(batch.object, "update", "Id", rows)
    else:
        campaign = cohorts.place(batch)
        yield from members.make_statuses(batch, campaign, there)
        rows = members.rows(batch, campaign, there, ids)
        job = bulk.Job(members.KIND, "insert", f"{batch.object}Id", rows)
    results = yield from bulk.load(job)
    if isinstance(results, Reply):
        return api.wait_all(results, there)
    return (yield from _joined(batch, ids, results, there))


def _join_by_calls(batch: Batch) -> Exchange:
    for at in range(0, len(batch.changes), api.BATCH):
        few = batch.changes[at : at + api.BATCH]
        result = yield from cohorts.join(replace(batch, changes=few))
        if isinstance(result, BatchRejected):
            return result
        yield from api.settle(result)
    return []


def resume_join(job: str, batch: Batch) -> Exchange:
    """Go on with a job of :func:`join`, whatever became of it."""
    ids = yield from soql.find_ids(batch, batch.changes)
    if isinstance(ids, Reply):
        return [Outcome.unknown(c, code="JOB_UNCLEAR", reason="people cannot be looked up") for c in batch.changes]
    key = "Id" if cohorts.is_box(batch) else f"{batch.object}Id"
    results = yield from bulk.follow(job, key)
    return (yield from _joined(batch, ids, results, batch.changes))


def _joined(batch: Batch, ids: dict[int, str], results: bulk.Results, changes: Sequence[Change]) -> Exchange:
    """Settle what a job did; members who get a status, and people under other ids, go by collections calls."""
    rows = {c.seq: results.rows.get(api.normal(ids[c.seq]), {}) if ids[c.seq] else {} for c in changes}
    verdicts = {c.seq: _entered(batch, c, rows[c.seq], ids, results) for c in changes}
    yield from api.settle(outcome for outcome in verdicts.values() if outcome is not None)
    rest = [c for c in changes if verdicts[c.seq] is None]
    if not rest:
        return []
    if not batch.prepared:
        reason = "the job is done; the status of members, and people under other ids, come with a later run"
        return [Outcome.waiting(c, code="JOB_RESUMED", reason=reason) for c in rest]
    inside = [c for c in rest if members.is_member(c, rows[c.seq])]
    yield from members.refresh(batch, cohorts.place(batch), inside, ids)
    stale = [c for c in rest if not members.is_member(c, rows[c.seq])]
    for at in range(0, len(stale), api.BATCH):
        yield from api.settle((yield from members.again(batch, cohorts.place(batch), stale[at : at + api.BATCH])))
    return []


def _entered(
    batch: Batch, change: Change, row: dict[str, JSON], ids: dict[int, str], results: bulk.Results
) -> Outcome | None:
    if not row:
        return _unnamed(change, results, ids[change.seq])
    if cohorts.is_box(batch):
        return Way(batch, "PATCH", ids=ids).verdict(change, row) or members.nobody(change)
    return members.judge(change, row, ids)
