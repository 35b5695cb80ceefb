"""Account Engagement's readers lag, its imports may not count memberships, and addresses may be taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson
import pytest
from test_pardot_conformance import TestPardot as Suite

from revetl.contract import Call, Http, Reply
from revetl.destinations.pardot import PARDOT, api, imports
from revetl.sandbox import Fault, make
from revetl.sandbox.core import Sandbox
from revetl.send import Failure, Lane, Work
from revetl.testing.drive import Handler, deliver
from revetl.types import Change, Op, Status
from tests.unit.send.stand import Bench, ListFeed, build


class Late(Suite):
    """A business unit whose readers learn of writes a minute later, and whose imports count no memberships."""

    __test__ = False
    account: ClassVar[dict[str, Any]] = {**Suite.account, "lag": 60.0, "counts_members": False}


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Late:
    """Return the suite's helpers before such a unit, where ten rows are worth an import."""
    monkeypatch.setattr(imports, "WORTH", 10)
    return Late()


# --- imports of memberships -------------------------------------------------------------------------------------------


def members(suite: Late, service: Handler, count: int = 12) -> tuple[list[Change], dict[str, Any]]:
    """Return people who are there, and the list."""
    rows = suite.delivers(service, [suite.change(n, fields={"city": "Brno"}) for n in range(1, count + 1)])
    prepared = suite.prepared(service)
    suite.at += 120  # what was written so far is known to every reader
    return rows, prepared


def job(suite: Late, op: Op, rows: list[Change], prepared: dict[str, Any], service: Handler) -> dict[int, Status]:
    """Join or part by an import; return what became of each."""
    changes = [replace(row, op=op, body=b"{}") for row in rows]
    work = suite.batch(changes, op, prepared=prepared)
    return deliver(suite.needs(op).resumable, work, service, pause=suite.pass_time).statuses()


@pytest.mark.parametrize("op", [Op.JOIN, Op.PART])
def test_memberships_that_no_import_counts_are_looked_at(late: Late, op: Op) -> None:
    """The counts say nothing of them: the list is read once every reader knows, and proves each."""
    service = late.service()
    rows, prepared = members(late, service)
    if op is Op.PART:
        late.move(service, Op.JOIN, rows, prepared)
        late.at += 120
    began = late.at
    assert set(job(late, op, rows, prepared, service).values()) == {Status.DELIVERED}
    assert late.at - began >= api.STALE
    late.at += 120
    assert late.members(service, rows, prepared) == ({row.seq for row in rows} if op is Op.JOIN else set())


def test_a_list_that_does_not_show_a_member_proves_nothing(late: Late) -> None:
    """Who was taken off the list while the import ran is in doubt; the others are delivered."""
    service = late.service()
    rows, prepared = members(late, service)

    def forgetful(call: Call) -> Reply:
        reply = service(call)
        if isinstance(call, Http) and call.path.endswith("/list-memberships") and call.method == "GET":
            document = orjson.loads(reply.content)
            document["values"] = [row for row in document["values"] if str(row["prospectId"]) != rows[4].remote_id]
            return replace(reply, content=orjson.dumps(document))
        return reply

    told = job(late, Op.JOIN, rows, prepared, forgetful)
    assert told.pop(rows[4].seq) is Status.UNKNOWN
    assert set(told.values()) == {Status.DELIVERED}


def test_readers_that_lag_take_nothing_back(late: Late) -> None:
    """Right after a write its reader shows the record of before; writing again goes by id and needs no reader."""
    service = late.service()
    fields = late.fields(service)
    (row,) = late.delivers(service, [late.change(1, fields={"city": "Brno"})])
    late.at += 120
    news = replace(row, body=orjson.dumps({"email": row.match, "city": "Zlin"}))
    late.delivers(service, [news])
    assert late.read(service, row.match, fields=fields)[row.identity].fields["city"] == "Brno"
    late.at += 120
    assert late.read(service, row.match, fields=fields)[row.identity].fields["city"] == "Zlin"


# --- addresses that are taken -----------------------------------------------------------------------------------------


def told(service: Handler, code: int) -> Handler:
    """Return the service whose renames are refused with ``code``."""

    def handle(call: Call) -> Reply:
        assert isinstance(call, Http)
        if call.method == "PATCH" and "/prospects/" in call.path and b'"email"' in (call.content or b""):
            return Reply(400, orjson.dumps({"code": code, "message": "taken"}), {"content-type": "application/json"})
        return service(call)

    return handle


@pytest.mark.parametrize("code", [9, 54])
@pytest.mark.parametrize("ours", [True, False])
def test_a_taken_address_has_two_codes(code: int, *, ours: bool) -> None:
    """9 and 54 alike: the prospect that revetl made goes, a stranger's stays and the change is refused."""
    suite = Suite()
    service = suite.service()
    row, holder = suite.delivers(service, [suite.change(n, fields={"city": "Brno"}) for n in (1, 2)])
    rename = suite.renamed(row, holder.match, created=ours)
    (outcome,) = deliver(PARDOT.actions[Op.IDENTITY], suite.batch([rename], Op.IDENTITY), told(service, code),
                         pause=suite.pass_time).outcomes  # fmt: skip
    left = set(suite.read(service, row.match, holder.match))
    if ours:
        assert (outcome.status, outcome.created, outcome.remote_id) == (Status.DELIVERED, False, holder.remote_id)
        assert left == {holder.identity}
    else:
        assert (outcome.status, outcome.code) == (Status.REJECTED, "IDENTITY_TAKEN")
        assert left == {row.identity, holder.identity}


def test_any_other_code_of_a_rename_ends_nobody() -> None:
    """A malformed address is refused by its own code; our prospect stays."""
    suite = Suite()
    service = suite.service()
    (row,) = suite.delivers(service, [suite.change(1, fields={"city": "Brno"})])
    rename = suite.renamed(row, "new@example.org", created=True)
    (outcome,) = deliver(PARDOT.actions[Op.IDENTITY], suite.batch([rename], Op.IDENTITY), told(service, 65),
                         pause=suite.pass_time).outcomes  # fmt: skip
    assert (outcome.status, outcome.code) == (Status.REJECTED, "65")
    assert set(suite.read(service, row.match)) == {row.identity}


# --- through the sender -----------------------------------------------------------------------------------------------


SENT = PARDOT.settings.model_validate(Suite.settings)
LANE = Lane("pardot", PARDOT, SENT, "unit")
TOKEN = "/services/oauth2/token"


def before(**options: Any) -> tuple[Sandbox, Bench]:
    """Return a business unit and a sender before it, on one clock."""
    box: Sandbox

    def answer(_: Lane, call: Any, __: float) -> Reply | Failure:
        headers = {"content-type": call.content_type, **{name.lower(): text for name, text in call.headers}}
        try:
            status, shown, body = box.handle(
                call.method, call.path, urlencode(call.query), headers, call.content or b""
            )
        except ConnectionResetError:
            return Failure("RVT-605", "the connection broke")
        return Reply(status, body, {name.lower(): text for name, text in shown.items()})

    bench = build(answer)
    box = make("pardot", **{**Suite.account, **options}, clock=bench.clock.monotonic, now=bench.clock.now)
    return box, bench


def send(bench: Bench, *numbers: int) -> dict[int, Status]:
    """Deliver new people, each in a batch of its own; return what became of each."""
    suite = Suite()
    rows = [suite.change(n, fields={"city": "Brno"}) for n in numbers]
    bench.run(ListFeed(LANE, [Work(suite.batch([row], Op.UPSERT)) for row in rows], "test.customer"))
    return {seq: status for seq, status in bench.journal.statuses().items() if seq in numbers}


def test_the_org_s_token_is_had_once_and_opens_the_unit() -> None:
    """One token for all calls, in the header with the business unit; no secret in any path."""
    _, bench = before()
    assert set(send(bench, 1, 2, 3).values()) == {Status.DELIVERED}
    paths = [call.path for _, call in bench.seen]
    assert paths.count(TOKEN) == 1
    for _, call in bench.seen:
        assert not [secret for secret in Suite.secrets if secret in f"{call.path} {call.query}"]


def test_a_token_that_ended_is_renewed_and_the_call_repeated() -> None:
    """184 in a 401: a new token, the same call again, nobody lost."""
    box, bench = before()
    send(bench, 1)
    box.end_sessions()  # type: ignore[attr-defined]
    assert set(send(bench, 2, 3).values()) == {Status.DELIVERED}
    assert [call.path for _, call in bench.seen].count(TOKEN) == 2


def test_too_many_at_once_is_no_refusal() -> None:
    """66: the same call again, later."""
    box, bench = before()
    box.inject(
        Fault(status=429, body={"code": 66, "message": "Too many concurrent requests"}, times=1, path="/api/v5/")
    )
    assert set(send(bench, 1, 2).values()) == {Status.DELIVERED}


def test_a_spent_day_leaves_the_rest_waiting() -> None:
    """122: what was not sent waits for midnight UTC, nothing is rejected or in doubt."""
    _, bench = before(daily=2)
    found = list(send(bench, *range(1, 8)).values())
    assert (found.count(Status.DELIVERED), found.count(Status.WAITING)) == (2, 5)
