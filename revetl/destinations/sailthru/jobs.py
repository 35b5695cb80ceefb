"""Many users as one job: a file of users is uploaded, the job polled, and its word checked.

A finished job names no user. Where it links a report of the lines that failed, those lines are sent again one by one,
which says why. Of the others a sample is read back: as soon as one of it is not as sent, everybody is read, and whoever
is not as sent goes one by one too. Who was read is proven by name; the rest by the job's word (ACCEPTED).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from revetl.contract import Exchange, Http, JobStarted, Pause, Reply, UnreadableReply
from revetl.destinations.sailthru import api, people, sign
from revetl.destinations.sailthru.forms import Form, Line
from revetl.types import JSON, Batch, Change, Effect, Outcome, Proof

WORTH = 1_000  # changes: fewer are done sooner one by one, at 300 a second
MOST_ROWS = 10_000
MOST_BYTES = 20_000_000
SAMPLE = 25
REPORT_HOSTS = ("s3.amazonaws.com", "*.s3.amazonaws.com")
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 30.0


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that was started: its form, what it was about beside its users, its users, and who of them is new."""

    form: Form
    id: str
    detail: str
    batch: Batch
    new: Mapping[int, bool | None] = field(default_factory=dict)
    lines: int = 0  # of the file; more than users are left of it, where some are settled

    def delivered(self, change: Change, proof: Proof, sid: str | None = None) -> Outcome:
        """Return a delivery by this job."""
        return Outcome.delivered(change, proof=proof, remote_id=sid, created=self.new.get(change.seq))


def run(form: Form) -> Callable[[Batch], Exchange]:
    """Return the exchange that does a batch of this form as a job."""

    def exchange(batch: Batch) -> Exchange:
        if not batch.changes:
            return []
        lines = yield from form.select(batch)
        if not lines:
            return []
        reply = yield _upload(lines)
        sent = replace(batch, changes=[line.change for line in lines])
        if api.failed(reply):  # of the file as a whole: one by one, each row hears for itself
            return (yield from form.single(sent))
        number = reply.document().get("job_id")
        if not isinstance(number, str) or not number:
            raise UnreadableReply(reply.status, "the reply shows no job_id")
        new = {line.change.seq: line.new for line in lines}
        job = _Job(form, number, form.detail(batch), sent, new, len(lines))
        yield JobStarted(f"{job.id} {job.lines} {job.detail}")
        yield from _follow(job)
        return []

    return exchange


def resume(form: Form) -> Callable[[str, Batch], Exchange]:
    """Return the exchange that goes on with a job, whatever became of it."""

    def exchange(started: str, batch: Batch) -> Exchange:
        number, lines, detail = started.split(" ", 2)
        yield from _follow(_Job(form, number, detail, _prepared(batch, detail), lines=int(lines)))
        return []

    return exchange


def _prepared(batch: Batch, name: str) -> Batch:
    """Return the batch with its list's name, which a later run may not have prepared."""
    if batch.cohort is None or batch.cohort.name in (batch.prepared.get("names") or {}):
        return batch
    return replace(batch, prepared={**batch.prepared, "names": {batch.cohort.name: name}})


def _upload(lines: Sequence[Line]) -> Http:
    content = b"".join(orjson.dumps(line.told, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    query = (("json", orjson.dumps({"job": "update"}).decode()),)
    return Http("POST", "/job", content=content, query=query, content_type=sign.UPLOAD, cost={"POST job": 1})


def _follow(job: _Job) -> Generator[Any, Any, None]:
    """Poll until the job is over; one that failed, or is not known any more, leaves everybody in doubt."""
    wait = _FIRST_WAIT
    while True:
        reply = yield api.get("job", {"job_id": job.id})
        shown = {"status": "error"} if api.failed(reply) else reply.document()
        match shown.get("status"):
            case "completed":
                yield from _settle(job, *(yield from _reported(job, shown)))
                return
            case "error":
                yield from _settle(job, (), job.batch.changes)
                return
            case str():
                yield Pause(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            case _:
                raise UnreadableReply(reply.status, "the reply shows no status")


Doubts = tuple[Sequence[Change], Sequence[Change]]  # named as failed; to be read back


def _reported(job: _Job, shown: Mapping[str, JSON]) -> Generator[Any, Any, Doubts]:
    """Return whom the report of errors names, and who is in doubt: a sample, or all where it cannot be read.

    It names lines by number, which says nothing any more once some users of the file are settled.
    """
    changes = job.batch.changes
    url = shown.get("error_report_url")
    if not url:
        return (), _sample(changes)
    call = _report_call(str(url))
    reply = (yield call) if call is not None else None
    rows = _rows(reply) if reply is not None and reply.ok else None
    if rows is None or len(changes) != job.lines:
        return (), changes
    named = [change for number, change in enumerate(changes, 1) if number in rows]
    return named, _sample([change for number, change in enumerate(changes, 1) if number not in rows])


def _report_call(url: str) -> Http | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not (host == REPORT_HOSTS[0] or host.endswith(REPORT_HOSTS[1][1:])):
        return None
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    told: dict[str, Any] = {"effect": Effect.READ, "authenticated": False, "template": "(report of errors)"}
    return Http("GET", parts.path, query=query, origin=f"https://{host}", **told)


def _rows(reply: Reply) -> set[int] | None:
    """Return the numbers of the lines that failed; None where the report is not what it is known to be."""
    try:
        found = [orjson.loads(line) for line in reply.content.splitlines() if line.strip()]
        return {int(one["lineNumber"]) for one in found}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _sample(changes: Sequence[Change]) -> list[Change]:
    """Return some changes, spread over the whole file, its last one among them."""
    step = max(1, -(-len(changes) // SAMPLE))
    return list(changes[::-1][::step])


def _settle(job: _Job, named: Sequence[Change], doubted: Sequence[Change]) -> Generator[Any, Any, None]:
    """Read those in doubt, and everybody if one of them is not as sent; send one by one who is not."""
    lacking = yield from _lacking(job, doubted)
    seen = {c.seq for c in (*named, *doubted)}
    rest = [c for c in job.batch.changes if c.seq not in seen]
    if lacking:
        lacking += yield from _lacking(job, rest)
    else:
        yield from api.settle(job.delivered(c, Proof.ACCEPTED) for c in rest)
    again = sorted([*named, *lacking], key=lambda c: c.seq)
    if again:
        yield from job.form.single(replace(job.batch, changes=again))


def _lacking(job: _Job, changes: Sequence[Change]) -> Generator[Any, Any, list[Change]]:
    """Read users back and settle those who are as sent; return the others."""
    match = job.batch.match_field
    users = yield from people.find(match, [c.match for c in changes])
    if isinstance(users, Reply):
        code, reason = api.refusal(users)
        yield from api.settle(Outcome.unknown(c, code=code, reason=reason) for c in changes)
        return []
    there = {c.seq: users.get(api.normal(match, c.match)) for c in changes}
    held = {c.seq for c in changes if job.form.holds(job.batch, c, there[c.seq], job.detail)}
    sids = {seq: user["sid"] if user is not None else None for seq, user in there.items()}
    yield from api.settle(job.delivered(c, Proof.ROW, sids[c.seq]) for c in changes if c.seq in held)
    return [c for c in changes if c.seq not in held]
