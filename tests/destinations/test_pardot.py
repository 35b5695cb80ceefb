"""Account Engagement's nuances, before its stand-in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from test_pardot_conformance import TestPardot as Suite

from revetl.contract import Fault, Http, Reply
from revetl.destinations.pardot import PARDOT, auth, prospects
from revetl.testing.drive import deliver, drive
from revetl.types import Cohort, Mode, Op, Person, Status


@pytest.fixture
def suite() -> Any:
    """Return the conformance suite's helpers, with a business unit of their own."""
    found = Suite()
    found.at = Suite.at
    return found


def refusal(code: int, status: int = 400, **headers: str) -> Reply:
    """Return a refusal as API v5 writes it."""
    return Reply(status, orjson.dumps({"code": code, "message": "no"}), headers, at=1_790_000_000.0)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (refusal(122), Fault.QUOTA),
        (refusal(66, 429), Fault.BUSY),
        (refusal(184, 401), Fault.EXPIRED),
        (refusal(181, 403), Fault.FATAL),
        (Reply(403, b"<err/>", {"content-type": "application/xml"}), Fault.FATAL),
    ],
)
def test_codes_in_the_body_say_what_to_do(reply: Reply, fault: Fault) -> None:
    """Statuses are coarse: the day's end, too many at once, a token, rights are told by codes."""
    found = auth.diagnose(reply)
    assert found is not None
    assert found.fault is fault


def test_the_day_ends_at_midnight_utc() -> None:
    """A spent allowance stops the account until the next day."""
    found = auth.diagnose(refusal(122))
    assert found is not None
    assert found.until == 1_790_035_200.0


def test_a_row_s_refusal_is_no_fault() -> None:
    """What is wrong with one prospect is that prospect's matter alone."""
    assert auth.diagnose(refusal(65)) is None


def test_a_deleted_prospect_comes_back(suite: Any) -> None:
    """Who lies in the recycle bin is written again, for no second one can be made of that address."""
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    suite.delivers(service, [replace(row, op=Op.LEAVE, body=b"{}")])
    assert suite.read(service, row.match) == {}
    (again,) = suite.delivers(service, [suite.change(2, match=row.match, key=row.key, fields={"city": "Olomouc"})])
    assert again.remote_id == row.remote_id
    there = suite.read(service, row.match)[row.match]
    assert there.fields.get("city", "Olomouc") == "Olomouc"


def test_an_id_that_is_gone_is_found_by_address(suite: Any) -> None:
    """A remembered id that nobody has any more costs one call more, not the row."""
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    lost = replace(row, remote_id="999999", body=b'{"email":"c1@example.org","city":"Zlin"}')
    (found,) = suite.delivers(service, [lost])
    assert found.remote_id == row.remote_id


def test_a_new_person_without_consent_is_never_emailed(suite: Any) -> None:
    """The very call that makes the prospect says so."""
    service = suite.service()
    change = replace(suite.change(1, fields={"city": "Brno"}), consent=False)
    body = orjson.loads(prospects.touch(suite.batch([change], Op.UPSERT), change).content or b"")
    assert body["prospect"]["isDoNotEmail"] is True
    suite.delivers(service, [change])
    assert suite.read(service, change.match)[change.match].opted_out


def test_consent_is_withdrawn_and_kept(suite: Any) -> None:
    """A withdrawal stands, and an ordinary update does not take it back."""
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    no = Cohort("consent:unsubscribe", "consent", "unsubscribe")
    suite.delivers(service, [replace(row, op=Op.JOIN, body=b"{}")], cohort=no)
    suite.delivers(service, [replace(row, body=b'{"email":"c1@example.org","city":"Zlin"}')])
    assert suite.read(service, row.match)[row.match].opted_out


def test_do_not_email_cannot_be_mapped(suite: Any) -> None:
    """A column could let people be emailed again who said no there."""
    found = {f.name: f for f in drive(PARDOT.discover(suite.context()), suite.service()).value}  # type: ignore[misc]
    assert found["isDoNotEmail"].writable is False


def test_update_makes_nobody(suite: Any) -> None:
    """Mode ``update`` goes by import, which leaves out who is not there; that row is rejected by name."""
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    rows = [replace(row, remote_id=None), suite.change(2, fields={"city": "Nowhere"})]
    action = PARDOT.actions[Op.UPSERT]
    work = suite.batch(rows, Op.UPSERT, mode=Mode.UPDATE)
    seen = deliver(action, work, service, pause=suite.pass_time)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    assert set(suite.read(service, "c1@example.org", "c2@example.org")) == {"c1@example.org"}


def test_erasing_twice_is_absent(suite: Any) -> None:
    """The first erasure puts the prospect into the bin, the second finds nobody."""
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    erase = PARDOT.erase
    assert erase is not None
    person = [Person(row.identity, row.remote_id)]
    told = [next(iter(drive(erase.run(suite.context(), person), service).value)).status for _ in range(2)]
    assert told == ["archived", "absent"]


def test_few_rows_start_no_job(suite: Any) -> None:
    """Below the bulk form's size each prospect takes one call, and no import is made."""
    service = suite.service()
    rows = [suite.change(n, fields={"city": "Brno"}) for n in range(1, 8)]
    seen = deliver(PARDOT.actions[Op.UPSERT], suite.batch(rows, Op.UPSERT), service, pause=suite.pass_time)
    labels = {call.label for call in seen.calls if isinstance(call, Http)}
    assert (len(seen.calls), labels) == (7, {"POST /objects/prospects/do/upsertLatestByEmail"})
