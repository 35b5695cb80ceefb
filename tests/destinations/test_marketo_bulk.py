"""Marketo's bulk import: what goes into a file and what does not, jobs in every state, rows that fail."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import orjson
import pytest
from marketo_case import Instance, of, people

from revetl.contract import Call, Http, JobStarted, Reply
from revetl.destinations.marketo import MARKETO, bulk
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import TEXTS, change
from revetl.types import Change, Effect, Mode, OnLeave, Op, Outcome, Proof, Status

IMPORT = MARKETO.actions[Op.UPSERT].bulk
DONE = Status.DELIVERED
MANY = bulk.LEAST


def load(instance: Any, rows: Sequence[Change], **more: Any) -> Driven:
    """Run the bulk form; each change gets one outcome."""
    assert IMPORT is not None
    seen = drive(IMPORT.run(of(rows, **more)), instance)
    assert seen.unreadable is None
    assert sorted(o.change.seq for o in seen.outcomes) == sorted(c.seq for c in rows)
    return seen


def resume(instance: Any, job: str, rows: Sequence[Change]) -> Driven:
    """Go on with a job as a later run does."""
    assert IMPORT is not None
    assert IMPORT.resume is not None
    return drive(IMPORT.resume(job, of(rows)), instance)


def kinds(seen: Driven) -> Counter[str]:
    """Return how many calls went to which path."""
    return Counter(call.path.partition(".json")[0] for call in seen.calls if isinstance(call, Http))


def table(call: Call) -> list[list[str]]:
    """Return the file inside an upload."""
    assert isinstance(call, Http)
    text = (call.content or b"").decode().split("\r\n\r\n", 1)[1].rsplit("\r\n--", 1)[0]
    return list(csv.reader(StringIO(text, newline="")))


def test_many_rows_are_one_file_and_a_count() -> None:
    """Ten thousand new people: an upload, a look, no more; the count that leaves nobody out proves each."""
    instance = Instance()
    rows = people(range(1, 10_001))
    seen = load(instance, rows)
    assert kinds(seen) == {"/bulk/v1/leads": 1, "/bulk/v1/leads/batch/3001": 1}
    assert {(o.status, o.proof, o.created) for o in seen.outcomes} == {(DONE, Proof.ACCOUNT, None)}
    assert len(instance.people()) == 10_000
    assert seen.jobs == ["3001 10000 email email,firstName,visits"]


def test_a_large_run_is_a_bulk_run() -> None:
    """The engine takes the bulk form from 10,000 changes on; it is the one that can be resumed."""
    action = MARKETO.actions[Op.UPSERT]
    assert action.for_many(9_999) is action
    assert action.for_many(10_000) is action.resumable is IMPORT


def test_values_survive_the_file() -> None:
    """Quotes, commas, line breaks, scripts, booleans, numbers, dates, instants: as by single calls."""
    instance = Instance()
    texts = [*TEXTS, 'a,"b"\r\n;c', "line\u2028separator", "tab\there", "true", "12"]
    rows = people(range(len(texts) + 1, MANY + 1))
    values = {"gift": True, "spent": 12.5, "visits": -7, "since": "2024-02-29", "seenAt": "2024-02-29T10:00:00Z"}
    odd = [change(n, fields={"firstName": text, **values}) for n, text in enumerate(texts, 1)]
    rows = [replace(row, body=orjson.dumps({"firstName": "x", **values})) for row in rows]
    seen = load(instance, [*odd, *rows])
    assert kinds(seen)["/rest/v1/leads"] == 0
    found = {one["email"]: one for one in instance.people().values()}
    for row in odd:
        stands = {name: found[row.match].get(name) for name in row.fields}
        assert stands == row.fields
    assert not [flag for entry in instance.box.journal for flag in entry["flags"]]


@pytest.mark.parametrize("value", [None, "", "NULL", "null", " padded", "padded\n"])
def test_what_a_file_cannot_say_goes_by_single_calls(value: str | None) -> None:
    """A clear, and a text that may mean another one in a file: before the file, by row, and exactly."""
    instance = Instance()
    instance.person("c1@example.org", city="Brno")
    rows = [change(1, fields={"city": value}), *people(range(2, MANY + 2))]
    seen = load(instance, rows)
    assert kinds(seen)["/rest/v1/leads"] == 1
    assert next(one for one in instance.people().values() if one["email"] == "c1@example.org").get("city") == (
        value or None
    )
    assert not [flag for entry in instance.box.journal for flag in entry["flags"]]


def test_a_file_has_no_empty_cell() -> None:
    """Rows with other fields than most go by single calls: nobody's value is touched by a column of others."""
    instance = Instance()
    rows = [*people(range(1, MANY + 1)), *(change(n, fields={"city": "Brno"}) for n in range(MANY + 1, MANY + 11))]
    seen = load(instance, rows)
    upload = next(c for c in seen.calls if isinstance(c, Http) and c.path == "/bulk/v1/leads.json")
    header, *cells = table(upload)
    assert (header, len(cells)) == (["email", "firstName", "visits"], MANY)
    assert all(all(row) for row in cells)
    assert kinds(seen)["/rest/v1/leads"] == 1


def test_few_rows_of_one_kind_are_no_file() -> None:
    """Below what is worth a file, of the same fields, there is no job at all."""
    seen = load(Instance(), people(range(1, MANY)))
    assert (kinds(seen), seen.jobs) == ({"/rest/v1/leads": 2}, [])


def test_known_people_are_imported_by_id() -> None:
    """An address that was changed there makes no double; an id that vanished is repaired by a single call."""
    instance = Instance()
    rows = people(range(1, MANY + 1))
    ids = {
        o.change.seq: o.remote_id
        for at in range(0, MANY, 300)
        for o in instance.run(Op.UPSERT, rows[at : at + 300]).outcomes
    }
    instance.ask("POST", "/rest/v1/leads/delete.json", {"input": [{"id": int(ids[5] or 0)}]})
    by_id = {"action": "updateOnly", "lookupField": "id"}
    instance.ask(
        "POST", "/rest/v1/leads.json", {**by_id, "input": [{"id": int(ids[7] or 0), "email": "moved@example.org"}]}
    )
    known = [replace(c, remote_id=ids[c.seq], created=True) for c in people(range(1, MANY + 1), firstName="new")]
    seen = load(instance, known)
    outcomes = {o.change.seq: o for o in seen.outcomes}
    assert {o.status for o in seen.outcomes} == {DONE}
    assert (outcomes[5].created, outcomes[5].proof) == (True, Proof.ROW)
    assert outcomes[5].remote_id not in ids.values()
    assert sorted(one["email"] for one in instance.people().values()) == sorted(c.match for c in known)
    assert {one["firstName"] for one in instance.people().values()} == {"new"}


def test_where_it_matters_who_is_new_there_is_no_file() -> None:
    """A file creates without telling: not under insert or update, nor where leaving people are deleted."""
    rows = people(range(1, MANY + 1))
    for more in ({"mode": Mode.INSERT}, {"mode": Mode.UPDATE}, {"on_leave": OnLeave.DELETE}):
        seen = load(Instance(), rows, **more)
        assert seen.jobs == []
        if more.get("mode") is not Mode.UPDATE:
            assert all(outcome.created for outcome in seen.outcomes)


def test_who_said_no_is_opted_out_by_the_file() -> None:
    """The mark is a column of theirs; people of another mind are not in the same file."""
    instance = Instance()
    rows = people(range(1, MANY + 11))
    load(
        instance, [replace(row, consent=row.seq > 10) if row.seq <= 10 else replace(row, consent=False) for row in rows]
    )
    marks = Counter(one.get("unsubscribed") for one in instance.people().values())
    assert marks == {True: MANY + 10}


def test_rows_that_failed_or_were_warned_of_get_their_reason_by_code() -> None:
    """Whom the files name goes again by a single call: refused by name, and nobody else is hurt."""
    instance = Instance()
    rows = people(range(1, MANY + 1))
    rows[3] = replace(rows[3], body=orjson.dumps({"firstName": "x", "visits": 'many, "really"\nmany'}))
    rows[4] = replace(rows[4], body=orjson.dumps({"firstName": "y" * 300, "visits": 1}))
    seen = load(instance, rows)
    refused = {o.change.seq: o.code for o in seen.outcomes if o.status is Status.REJECTED}
    assert refused == {4: "1003", 5: "1003"}
    assert kinds(seen) == {
        "/bulk/v1/leads": 1,
        "/bulk/v1/leads/batch/3001": 1,
        "/bulk/v1/leads/batch/3001/failures": 1,
        "/bulk/v1/leads/batch/3001/warnings": 1,
        "/rest/v1/leads": 1,
    }


def test_a_file_that_fails_as_a_whole_is_sent_by_single_calls() -> None:
    """A column that is no field: each row is told so by code, nothing is guessed."""
    rows = people(range(1, MANY + 1), nothing="x")
    seen = load(Instance(), rows)
    assert {(o.status, o.code) for o in seen.outcomes} == {(Status.REJECTED, "1006")}


def test_a_full_queue_is_waited_for_then_gone_around() -> None:
    """1016 four times: single calls take over, all rows arrive."""
    instance = Instance(seconds={"import": 10**6})
    for n in range(10):
        head = 'Content-Disposition: form-data; name="file"; filename="f"'
        body = f"--b\r\n{head}\r\n\r\nemail\r\nx{n}@example.org\r\n--b--\r\n"
        call = Http(
            "POST",
            "/bulk/v1/leads.json",
            content=body.encode(),
            query=(("format", "csv"), ("lookupField", "email")),
            content_type="multipart/form-data; boundary=b",
        )
        assert instance(call).json()["success"]
    seen = load(instance, people(range(1, MANY + 1)))
    assert kinds(seen) == {"/bulk/v1/leads": 4, "/rest/v1/leads": 2}
    assert {(o.status, o.proof) for o in seen.outcomes} == {(DONE, Proof.ROW)}


def test_a_job_is_durable_before_it_is_looked_at() -> None:
    """JobStarted comes right behind the answer to the upload; single rows are settled before it."""
    assert IMPORT is not None
    instance = Instance()
    rows = [change(1, fields={"city": None}), *people(range(2, MANY + 2))]
    steps, sent, story = IMPORT.run(of(rows)), None, []
    while True:
        try:
            item = steps.send(sent)
        except StopIteration:
            break
        story.append(f"{item.method} {item.path}" if isinstance(item, Http) else type(item).__name__)
        sent = instance(item) if isinstance(item, Http) else None
    assert story == [
        "POST /rest/v1/leads.json", "Settled", "POST /bulk/v1/leads.json", "JobStarted", "Pause",
        "GET /bulk/v1/leads/batch/3001.json", "Settled",
    ]  # fmt: skip


def test_an_upload_in_doubt_is_repeated_only_by_id() -> None:
    """Two imports of the same new people would double them; by id nobody is made."""
    instance = Instance()
    rows = people(range(1, MANY + 1))
    first = load(instance, rows).calls[0]
    known = [replace(c, remote_id=str(1_000 + c.seq)) for c in rows]
    second = load(instance, known).calls[0]
    assert (first.effect, second.effect) == (Effect.ONCE, Effect.REPEATABLE)
    assert isinstance(second, Http)
    assert dict(second.query) == {"format": "csv", "lookupField": "id"}


def test_a_job_is_resumed_in_every_state() -> None:
    """Done, still running, failed, or no longer known: each change gets its outcome, no file is sent twice."""
    rows = people(range(1, MANY + 1))
    clock = Clock()
    instance = Instance(seconds={"import": 60.0}, clock=clock)

    def slow(call: Call) -> Reply:
        clock.at += 25
        return instance(call)

    started = halted(instance, rows)
    seen = resume(slow, started, rows)
    assert {(o.status, o.proof) for o in seen.outcomes} == {(DONE, Proof.ACCOUNT)}
    assert len(seen.calls) == 3
    assert len(resume(instance, started, rows).calls) == 1
    clock.at += 8 * 86_400
    instance.token = instance.login()
    unknown = resume(instance, started, rows).outcomes
    assert {(o.status, o.code) for o in unknown} == {(Status.UNKNOWN, "1013")}
    failed = halted(instance, people(range(1, MANY + 1), nothing="x"))
    seen = resume(slow, failed, people(range(1, MANY + 1), nothing="x"))
    assert {(o.status, o.code) for o in seen.outcomes} == {(Status.REJECTED, "1006")}
    assert len(instance.people()) == MANY


def test_what_was_settled_before_a_crash_is_not_asked_for_again() -> None:
    """A job found again for its last rows alone: those the files name get their reason, the others are proven."""
    instance = Instance()
    rows = people(range(1, MANY + 1))
    rows[3] = replace(rows[3], body=orjson.dumps({"firstName": "x", "visits": "many"}))
    job = halted(instance, rows)
    seen = resume(instance, job, rows[3:4])
    assert [(o.change.seq, o.status, o.code) for o in seen.outcomes] == [(4, Status.REJECTED, "1003")]
    seen = resume(instance, job, rows[4:6])
    assert {(o.status, o.proof) for o in seen.outcomes} == {(DONE, Proof.ACCOUNT)}


@pytest.mark.parametrize(
    "told",
    [
        {"numOfLeadsProcessed": MANY - 1, "numOfRowsFailed": 0, "numOfRowsWithWarning": 0},
        {"numOfLeadsProcessed": MANY - 1, "numOfRowsFailed": 1, "numOfRowsWithWarning": 0},
        {"numOfLeadsProcessed": MANY, "numOfRowsFailed": 1, "numOfRowsWithWarning": 0},
        {"numOfLeadsProcessed": MANY, "numOfRowsFailed": 0, "numOfRowsWithWarning": 1},
        {},
    ],
)
def test_counts_that_leave_somebody_out_prove_nothing(told: dict[str, int]) -> None:
    """Fewer than were sent, files that name a stranger or fewer than counted: unknown, not delivered."""
    rows = people(range(1, MANY + 1))

    def answer(call: Call) -> Reply:
        assert isinstance(call, Http)
        if call.path.endswith(("failures.json", "warnings.json")):
            return Reply(200, b"email,Import Failure Reason\nstranger@example.net,why\n")
        row = {"batchId": 9, "status": "Queued" if call.method == "POST" else "Complete", **told}
        return Reply(200, orjson.dumps({"success": True, "result": [row]}))

    assert IMPORT is not None
    seen = drive(IMPORT.run(of(rows)), answer)
    assert DONE not in {outcome.status for outcome in seen.outcomes}


@pytest.mark.parametrize("file", [b"", b"<html>", b'email,why\n"open', b"why\nx", b"email,why\n"])
def test_a_file_that_cannot_be_read_proves_nothing(file: bytes) -> None:
    """The counts say that one failed, and the file does not say who."""
    rows = people(range(1, MANY + 1))

    def answer(call: Call) -> Reply:
        assert isinstance(call, Http)
        if call.path.endswith("failures.json"):
            return Reply(200, file)
        row = {"batchId": 9, "status": "Complete", "numOfLeadsProcessed": MANY - 1, "numOfRowsFailed": 1}
        return Reply(200, orjson.dumps({"success": True, "result": [row]}))

    assert IMPORT is not None
    seen = drive(IMPORT.run(of(rows)), answer)
    assert seen.unreadable is not None
    assert seen.outcomes == []


def test_a_refused_single_call_is_halved_within_the_bulk_form() -> None:
    """One row that Marketo's reader chokes on is found; its neighbours are delivered."""
    instance = Instance()

    def picky(call: Call) -> Reply:
        assert isinstance(call, Http)
        if b'"F7"' in (call.content or b""):
            return Reply(200, b'{"success": false, "errors": [{"code": "609", "message": "Invalid JSON"}]}')
        return instance(call)

    seen = load(picky, people(range(1, 11)))
    refused: list[Outcome] = [outcome for outcome in seen.outcomes if outcome.status is not DONE]
    assert [(o.change.seq, o.code) for o in refused] == [(7, "609")]


class Clock:
    """A clock that moves when told."""

    at = 1_000_000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.at


def halted(instance: Instance, rows: Sequence[Change]) -> str:
    """Start a job and die; return its name as state has it."""
    assert IMPORT is not None
    steps, sent = IMPORT.run(of(rows)), None
    while True:
        item = steps.send(sent)
        if isinstance(item, JobStarted):
            return item.id
        sent = instance(item) if isinstance(item, Http) else None
