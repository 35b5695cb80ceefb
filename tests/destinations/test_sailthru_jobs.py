"""Sailthru's bulk updates: one upload for many, polled, resumed, and never taken at its word alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sailthru_case import Account, outcomes
from scripted import Script

from revetl.contract import Call, Http, Reply
from revetl.destinations.sailthru import SAILTHRU, jobs
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import change
from revetl.types import Mode, OnLeave, Op, Proof, Status

LONG = "a_name_of_more_than_32_characters"


def rows(count: int, op: Op = Op.UPSERT, **more: Any) -> list[Any]:
    """Return changes with a field each."""
    return [change(n, op, fields={"n": n} if op is Op.UPSERT else {}, **more) for n in range(1, count + 1)]


def proofs(seen: Driven) -> Counter[Proof | None]:
    """Return how many outcomes have which proof."""
    return Counter(o.proof for o in seen.outcomes)


def test_many_take_one_upload_a_few_polls_and_a_sample() -> None:
    """300 users: one job; 25 are read and proven by name, the rest stand on its word; all are written."""
    account = Account(options={"jobs": {"seconds": 40}}, step=3)
    seen = account.run(account.bulk(Op.UPSERT), rows(300))
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert proofs(seen) == {Proof.ROW: 25, Proof.ACCEPTED: 275}
    made = Counter(account.labels)
    assert made["POST /job"] == 1
    assert made["GET /user"] == 25
    assert made["GET /job"] > 2
    assert "POST /user" not in made
    assert (account.user("c300@example.org") or {})["vars"] == {"n": 300}
    assert len(seen.jobs) == 1


def test_the_job_is_known_before_it_is_polled() -> None:
    """JobStarted follows the upload's answer at once; nothing else is asked in between."""
    account = Account()
    exchange = account.bulk(Op.UPSERT).run(account.batch(rows(3)))
    upload = next(exchange)
    assert isinstance(upload, Http)
    assert (upload.method, upload.path) == ("POST", "/job")
    started = exchange.send(account(upload))
    assert getattr(started, "id", "").startswith("61000000")


def test_a_job_found_later_is_gone_on_with() -> None:
    """Killed after the start: what the job did is read back, nothing is uploaded again."""
    account = Account(options={"jobs": {"seconds": 60}})
    action = account.bulk(Op.UPSERT)
    work = account.batch(rows(60))
    exchange = action.run(work)
    job = exchange.send(account(next(exchange)))  # type: ignore[arg-type]
    exchange.close()
    account.now += 61
    assert action.resume is not None
    seen = drive(action.resume(job.id, work), account)  # type: ignore[union-attr]
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert Counter(account.labels)["POST /job"] == 1


@pytest.mark.parametrize("op", [Op.JOIN, Op.PART])
def test_a_cohorts_job_is_resumed_without_what_was_prepared(op: Op) -> None:
    """The list's name travels with the job: a later run has prepared nothing when it finds it."""
    account = Account(options={"jobs": {"seconds": 60, "fail": True}})
    account.run(Op.UPSERT, rows(20))
    account.run(Op.JOIN, rows(20, Op.JOIN))
    action = account.bulk(op)
    work = account.batch(rows(20, op))
    exchange = action.run(work)
    job: Any = None
    item: Any = next(exchange)
    while type(item).__name__ != "JobStarted":
        replies = tuple(map(account, item)) if isinstance(item, tuple) else None
        item = exchange.send(replies or (account(item) if isinstance(item, Http) else None))
    job = item
    account.now += 61
    assert action.resume is not None
    seen = drive(action.resume(job.id, replace(work, prepared={})), account)
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    held = [bool((account.user(f"c{n}@example.org") or {})["lists"]) for n in range(1, 21)]
    assert held == [op is Op.JOIN] * 20


def test_lines_of_the_report_are_sent_again_alone_and_say_why() -> None:
    """Two poisoned rows of 100: refused by name and number, everybody else delivered, nobody read needlessly."""
    account = Account(options={"jobs": {"reports": True}, "suppressed": {"c7@example.org": 35}})
    work = rows(100)
    work[49] = change(50, fields={LONG: 1})
    seen = account.run(account.bulk(Op.UPSERT), work)
    bad = [one for one in outcomes(seen) if one[1] != "delivered"]
    assert bad == [(7, "rejected", "35"), (50, "rejected", "99")]
    assert Counter(account.labels)["POST /user"] == 2
    assert Counter(account.labels)["GET /user"] == 25


def test_without_a_report_a_sample_that_lacks_somebody_has_everybody_read() -> None:
    """The last row is in every sample; as it is not there, all are read, and each gets its own answer."""
    account = Account(options={"suppressed": {"c7@example.org": 34, "c100@example.org": 35}})
    seen = account.run(account.bulk(Op.UPSERT), rows(100))
    bad = [one for one in outcomes(seen) if one[1] != "delivered"]
    assert bad == [(7, "rejected", "34"), (100, "rejected", "35")]
    assert proofs(seen) == {Proof.ROW: 98, None: 2}
    assert Counter(account.labels)["GET /user"] == 100


def test_a_job_that_fails_half_way_is_finished_one_by_one() -> None:
    """Nobody is believed: all are read, those whom the job did not reach are written."""
    account = Account(options={"jobs": {"fail": True}})
    seen = account.run(account.bulk(Op.UPSERT), rows(40))
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert proofs(seen) == {Proof.ROW: 40}
    assert Counter(account.labels) == {"POST /job": 1, "GET /job": 1, "GET /user": 40, "POST /user": 20}


@pytest.mark.parametrize("report", [b"<Error/>", b'{"line": 3}\n', b"[1]\n", None])
def test_a_report_that_cannot_be_read_leaves_all_in_doubt(report: bytes | None) -> None:
    """Expired, or of another shape: somebody failed, nobody knows who, so all are read."""
    account = Account(options={"jobs": {"reports": True}, "suppressed": {"c7@example.org": 35}})

    def odd(call: Call) -> Reply:
        reply = account(call)
        if "report" not in call.label:
            return reply
        return Reply(403, b"") if report is None else Reply(200, report)

    action = account.bulk(Op.UPSERT)
    seen = drive(action.run(account.batch(rows(60))), odd)
    assert [one for one in outcomes(seen) if one[1] != "delivered"] == [(7, "rejected", "35")]


def test_a_report_anywhere_else_is_not_fetched() -> None:
    """A link is followed only to the storage that is known; all are read instead."""
    done = {"status": "completed", "error_report_url": "https://evil.example.com/report.json"}
    there = {"keys": {"sid": "5f1", "email": "c1@example.org"}, "vars": {"n": 1}, "lists": None}
    script = Script(("POST /job", 200, {"job_id": "j"}), ("GET /job", 200, done), ("GET /user", 200, there))
    account = Account()
    upload = script.left[0]

    def answer(call: Call) -> Reply:
        if call.label == "POST /job":
            script.left.remove(upload)
            return Reply(200, orjson.dumps(upload[2]))
        return script(call)

    seen = drive(account.bulk(Op.UPSERT).run(account.batch(rows(1))), answer)
    assert outcomes(seen) == [(1, "delivered", "")]
    assert not script.left


def test_a_report_says_nothing_once_some_rows_are_settled() -> None:
    """It numbers lines of the file; a later run that knows fewer rows reads them all."""
    account = Account(options={"jobs": {"reports": True}, "suppressed": {"c2@example.org": 35}})
    work = rows(30)
    exchange = account.bulk(Op.UPSERT).run(account.batch(work))
    job: Any = exchange.send(account(next(exchange)))  # type: ignore[arg-type]
    action = account.bulk(Op.UPSERT)
    assert action.resume is not None
    seen = drive(action.resume(job.id, account.batch(work[1:])), account)
    assert [one for one in outcomes(seen) if one[1] != "delivered"] == [(2, "rejected", "35")]
    assert proofs(seen)[Proof.ACCEPTED] == 0


def test_a_job_that_nobody_knows_any_more_is_no_loss() -> None:
    """All are read back, and written one by one where need be."""
    account = Account()
    action = account.bulk(Op.UPSERT)
    assert action.resume is not None
    seen = drive(action.resume("61ff 3 ", account.batch(rows(3))), account)
    assert outcomes(seen) == [(n, "delivered", "") for n in (1, 2, 3)]
    assert Counter(account.labels)["POST /user"] == 3


def test_an_upload_that_is_refused_is_done_one_by_one() -> None:
    """What the refusal is about is not said: each row hears for itself."""
    account = Account()

    def no_jobs(call: Call) -> Reply:
        refusal = orjson.dumps({"error": 99, "errormsg": "no"})
        return Reply(400, refusal) if call.label == "POST /job" else account(call)

    seen = drive(account.bulk(Op.UPSERT).run(account.batch(rows(5))), no_jobs)
    assert outcomes(seen) == [(n, "delivered", "") for n in range(1, 6)]


def test_opt_outs_never_travel_by_a_job() -> None:
    """Who has no consent is written alone, before the job, with an answer of their own."""
    account = Account()
    work = [replace(row, consent=row.seq != 2) for row in rows(4)]
    assert {o.status for o in account.run(account.bulk(Op.UPSERT), work).outcomes} == {Status.DELIVERED}
    assert account.labels[:2] == ["POST /user", "POST /job"]
    assert (account.user("c2@example.org") or {})["optout_email"] == "all"
    assert (account.user("c3@example.org") or {})["optout_email"] == "none"


def test_modes_and_ownership_hold_in_jobs_too() -> None:
    """update makes nobody; with on_leave delete, who was there before is not taken for ours."""
    account = Account()
    account.run(Op.UPSERT, rows(2))
    seen = account.run(account.bulk(Op.UPSERT), rows(4), mode=Mode.UPDATE)
    assert [(one[0], one[2]) for one in outcomes(seen) if one[1] == "rejected"] == [(3, "notFound"), (4, "notFound")]
    seen = account.run(account.bulk(Op.UPSERT), rows(40), on_leave=OnLeave.DELETE)
    assert {o.change.seq: o.created for o in seen.outcomes} == {n: n > 2 for n in range(1, 41)}


def test_parting_many_makes_nobody() -> None:
    """Those who are not there are done; the others travel by sid, and are off the list."""
    account = Account()
    account.run(Op.UPSERT, rows(10))
    account.run(Op.JOIN, rows(10, Op.JOIN))
    seen = account.run(account.bulk(Op.PART), rows(12, Op.PART))
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert len(account.box.store["users"]) == 10
    assert not any(one["lists"] for one in account.box.store["users"].values())


def test_bulk_forms_are_worth_it_and_bounded() -> None:
    """From 1,000 changes; estimates count upload, polls and sample; every form can be resumed."""
    for op in (Op.UPSERT, Op.JOIN, Op.PART):
        action = SAILTHRU.actions[op]
        assert action.for_many(jobs.WORTH - 1) is action
        many = action.for_many(jobs.WORTH)
        assert many.resume is not None
        assert many.proof is Proof.ACCEPTED
        assert many.calls(10_000) < 50
    assert Op.LEAVE in SAILTHRU.actions
    assert SAILTHRU.actions[Op.LEAVE].bulk is None


def test_values_of_all_kinds_are_recognised_when_read_back() -> None:
    """What a job wrote is found as sent, nulls, nested things and keys included: nobody is written twice."""
    account = Account()
    fields = {"a": None, "b": True, "c": 1.5, "d": ["x", 1], "e": {"f": "g"}, "h": "", "extid": "17"}
    seen = account.run(account.bulk(Op.UPSERT), [change(1, fields=fields)])
    assert proofs(seen) == {Proof.ROW: 1}
    assert "POST /user" not in account.labels
