"""Marketo through the real sender: tokens that end, windows, a day that is spent, an import that is lost on its way."""

from __future__ import annotations

from urllib.parse import urlencode

from marketo_case import FIELDS, SETTINGS, people
from marketo_case import of as batch_of

from revetl.contract import Http, Reply
from revetl.destinations.marketo import MARKETO, bulk
from revetl.sandbox import Fault, make
from revetl.sandbox.core import Sandbox
from revetl.send import Failure, Lane, Work
from revetl.types import JSON, Op, Status
from tests.unit.send.stand import Bench, ListFeed, build

LANE = Lane("marketo", MARKETO, SETTINGS, "123-ABC-456")
TOKEN, LEADS, FILE = "/identity/oauth/token", "/rest/v1/leads.json", "/bulk/v1/leads.json"


def before(**options: JSON) -> tuple[Sandbox, Bench]:
    """Return an instance and a sender before it, on one clock."""
    box: Sandbox

    def answer(_: Lane, call: Http, __: float) -> Reply | Failure:
        headers = {"content-type": call.content_type, **dict(call.headers)}
        try:
            status, told, body = box.handle(call.method, call.path, urlencode(call.query), headers, call.content or b"")
        except ConnectionResetError:
            return Failure("RVT-605", "the connection broke")
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    bench = build(answer)
    box = make("marketo", fields=FIELDS, clock=bench.clock.monotonic, now=bench.clock.now, **options)
    return box, bench


def send(bench: Bench, *sizes: int, first: int = 1) -> None:
    """Deliver batches of so many new people."""
    works, at = [], first
    for size in sizes:
        works.append(Work(batch_of(people(range(at, at + size)))))
        at += size
    bench.run(ListFeed(LANE, works, "test.customer"))


def paths(bench: Bench) -> list[str]:
    """Return where calls went."""
    return [call.path for _, call in bench.seen]


def test_a_token_is_had_once_and_travels_in_the_header() -> None:
    """The secret is in the body of the token call alone; no URL carries either."""
    _, bench = before()
    send(bench, 3, 3)
    assert paths(bench) == [TOKEN, LEADS, LEADS]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert [call.query for _, call in bench.seen] == [()] * 3
    assert dict(bench.seen[1][1].headers)["authorization"].startswith("Bearer ")


def test_a_token_that_ends_is_renewed_and_the_call_repeated() -> None:
    """601 inside HTTP 200: one new token, the same call again, nothing lost."""
    box, bench = before()
    send(bench, 3)
    box.store["token"] = None
    send(bench, 3, first=4)
    assert paths(bench) == [TOKEN, LEADS, LEADS, TOKEN, LEADS]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_a_call_turned_away_waits_for_the_window() -> None:
    """606 inside HTTP 200: the same call 20 seconds later."""
    box, bench = before()
    box.inject(
        Fault(status=200, body={"success": False, "errors": [{"code": "606", "message": "Max rate"}]}, path=LEADS)
    )
    send(bench, 3)
    assert paths(bench) == [TOKEN, LEADS, LEADS]
    assert bench.times()[2] - bench.times()[1] >= 20
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_the_window_is_never_exceeded() -> None:
    """150 calls: the stand-in, which counts for itself, turns none away."""
    box, bench = before()
    send(bench, *([1] * 150))
    assert {entry["status"] for entry in box.journal} == {200}
    assert paths(bench).count(LEADS) == 150
    assert bench.times()[-1] >= 20


def test_too_many_at_once_is_no_refusal() -> None:
    """615: fewer at once, and the same call again."""
    box, bench = before()
    told = {"success": False, "errors": [{"code": "615", "message": "Concurrent access limit reached"}]}
    box.inject(Fault(status=200, body=told, path=LEADS, times=2))
    send(bench, 3)
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_a_spent_day_leaves_the_rest_waiting() -> None:
    """607 stops the instance; what was not sent waits, and nothing is unknown."""
    _, bench = before(allow={"daily": 1})
    send(bench, 2, 2, 2)
    found = [*bench.journal.statuses().values()]
    assert (found.count(Status.DELIVERED), found.count(Status.WAITING)) == (2, 4)


def test_a_lost_upload_is_unknown_and_not_sent_again() -> None:
    """The import may run there: a second one at once would double its new people."""
    box, bench = before()
    box.inject(Fault(drop=True, applied=True, path=FILE))
    work = Work(batch_of(people(range(1, bulk.LEAST + 1))), action=MARKETO.actions[Op.UPSERT].bulk)
    bench.run(ListFeed(LANE, [work], "test.customer"))
    assert paths(bench).count(FILE) == 1
    assert set(bench.journal.statuses().values()) == {Status.UNKNOWN}


def test_a_bulk_run_is_an_upload_and_a_look() -> None:
    """Started in state before it is looked at; each row delivered by the account's count."""
    _, bench = before(seconds={"import": 12.0})
    work = Work(batch_of(people(range(1, 5_001))), action=MARKETO.actions[Op.UPSERT].bulk)
    bench.run(ListFeed(LANE, [work], "test.customer"))
    assert paths(bench) == [TOKEN, FILE, *["/bulk/v1/leads/batch/3001.json"] * 2]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}
    assert [told for kind, told in bench.journal.events if kind == "job"] == ["3001 5000 email email,firstName,visits"]
