"""Salesforce through the real sender: sessions that end, a day that is spent, one bad row among many."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from revetl.contract import Context, Http, Reply
from revetl.destinations.salesforce import SALESFORCE
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.send import Lane, Work
from revetl.testing.seeds import batch, change
from revetl.types import JSON, Batch, Op, Status
from tests.unit.send.stand import Bench, ListFeed, build

MATCH = "External_Id__c"
ACME = {"host": "acme.my.salesforce.com", "client_id": "sandbox", "client_secret": "sandbox"}
SETTINGS = SalesforceSettings.model_validate(ACME)
LANE = Lane("crm", SALESFORCE, SETTINGS, "acme")


def org(**options: Any) -> Sandbox:
    """Return an org whose contacts have a key and a number."""
    fields = {"Contact": {MATCH: {"externalId": True, "unique": True}, "Spent__c": "double"}}
    return make("salesforce", fields=fields, keep_bodies=True, **options)


def before(box: Sandbox) -> Bench:
    """Return a sender before ``box``, which sees what would be on the wire."""

    def answer(_: Lane, call: Http, __: float) -> Reply:
        headers = {"content-type": call.content_type, **dict(call.headers)}
        status, told, body = box.handle(call.method, call.path, urlencode(call.query), headers, call.content or b"")
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    return build(answer)


def people(numbers: range, **fields: JSON) -> Batch:
    """Return upserts of so many contacts."""
    rows = [change(n, fields={"LastName": f"L{n}", "Spent__c": n, **fields}) for n in numbers]
    return batch(rows, SETTINGS, object="Contact", match_field=MATCH)


def test_calls_go_where_the_token_says() -> None:
    """The token is had once from the configured host; everything else goes to the instance that came with it."""
    bench = before(org())
    bench.run(ListFeed(LANE, [Work(people(range(1, 4))), Work(people(range(4, 6)))], "test.customer"))
    assert [(call.origin, call.path) for _, call in bench.seen] == [
        ("https://acme.my.salesforce.com", "/services/oauth2/token"),
        *[("https://sandbox.my.salesforce.com", f"/services/data/v68.0/composite/sobjects/Contact/{MATCH}")] * 2,
    ]
    assert set(bench.journal.statuses().values()) == {Status.DELIVERED}


def test_a_session_that_ends_is_renewed_once() -> None:
    """401 INVALID_SESSION_ID: one new token, the same call again, nothing lost."""
    box = org()
    bench = before(box)
    assert SALESFORCE.account is not None
    assert bench.sender.call(LANE, SALESFORCE.account(SETTINGS)).id == "00D000000000001EAA"
    box.store["sessions"] = []
    bench.run(ListFeed(LANE, [Work(people(range(1, 3)))], "test.customer"))
    assert bench.journal.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}
    assert [call.path for _, call in bench.seen].count("/services/oauth2/token") == 2


def test_one_bad_row_among_200_costs_nobody_else() -> None:
    """A value of the wrong type refuses the call; halves find it, and 199 are delivered."""
    work = people(range(1, 201))
    rows = [*work.changes]
    rows[76] = change(77, fields={"LastName": "L77", "Spent__c": "a lot"})
    bench = before(org())
    bench.run(ListFeed(LANE, [Work(batch(rows, SETTINGS, object="Contact", match_field=MATCH))], "test.customer"))
    statuses = bench.journal.statuses()
    assert {seq for seq, status in statuses.items() if status is not Status.DELIVERED} == {77}
    assert (statuses[77], bench.journal.of(77).code) == (Status.REJECTED, "JSON_PARSER_ERROR")


def test_a_spent_day_leaves_the_rest_waiting() -> None:
    """403 REQUEST_LIMIT_EXCEEDED stops the account; what was not sent waits, nothing is unknown."""
    bench = before(org(daily=1))
    works = [Work(people(range(at, at + 2))) for at in (1, 3, 5)]
    bench.run(ListFeed(LANE, works, "test.customer"))
    found = [*bench.journal.statuses().values()]
    assert (found.count(Status.DELIVERED), found.count(Status.WAITING)) == (2, 4)


def test_the_orgs_own_count_stops_before_the_refusal() -> None:
    """Sforce-Limit-Info says that others have used the day up: nothing more leaves, though our own count has room."""
    box = org(daily=3)
    bench = before(box)
    assert SALESFORCE.account is not None
    bench.sender.call(LANE, SALESFORCE.account(SETTINGS))
    token = box.store["sessions"][0]
    for _ in range(2):  # another integration
        box.handle(
            "GET", "/services/data/v68.0/sobjects/Contact/describe", headers={"authorization": f"Bearer {token}"}
        )
    bench.run(ListFeed(LANE, [Work(people(range(1, 3)))], "test.customer"))
    assert bench.journal.of(1).code == "RVT-602"
    bench = before(org(daily=1))
    bench.sender.call(LANE, SALESFORCE.account(SETTINGS))
    seen = len(bench.seen)
    bench.run(ListFeed(LANE, [Work(people(range(1, 3)))], "test.customer"))
    assert bench.journal.statuses() == {1: Status.WAITING, 2: Status.WAITING}
    assert len(bench.seen) == seen


def test_what_is_read_back_is_what_was_sent() -> None:
    """Fields and campaigns of a batch, by the same sender."""
    bench = before(org())
    context = Context("t", "Contact", SETTINGS, match_field=MATCH, fields=("LastName",), cohorts=(("vip", "VIP"),))
    assert SALESFORCE.prepare is not None
    prepared = bench.sender.call(LANE, SALESFORCE.prepare(context))
    bench.run(ListFeed(LANE, [Work(people(range(1, 4)))], "test.customer"))
    told = {"object": "Contact", "match_field": MATCH, "prepared": prepared}
    joins = [change(n, Op.JOIN, match=f"c{n - 10}@example.org", key=f'["j-{n}"]') for n in (11, 12)]
    bench.run(ListFeed(LANE, [Work(batch(joins, SETTINGS, Op.JOIN, **told))], "test.customer"))
    assert SALESFORCE.read_back is not None
    asked = Context("t", "Contact", SETTINGS, ("LastName",), MATCH, (("vip", "VIP"),), prepared=prepared)
    records = bench.sender.call(LANE, SALESFORCE.read_back.run(asked, [f"c{n}@example.org" for n in range(1, 5)]))
    assert [(r.fields["LastName"], sorted(r.cohorts)) for r in records] == [
        ("L1", ["VIP"]),
        ("L2", ["VIP"]),
        ("L3", []),
    ]
