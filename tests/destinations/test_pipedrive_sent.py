"""Pipedrive through the real sender: tokens that end, a day that is spent, windows, what refusals mean."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from pydantic import ValidationError

from revetl.contract import Context, Fault, Http, Reply
from revetl.destinations.pipedrive import PIPEDRIVE, api
from revetl.destinations.pipedrive.api import PipedriveSettings
from revetl.errors import DestinationError
from revetl.sandbox import Fault as Order
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.send import Lane, Work
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Status
from tests.unit.send.stand import Bench, ListFeed, build

TOKEN = {"company": "acme", "api_token": "sandbox"}
APP = {"company": "acme", "client_id": "sandbox", "client_secret": "sandbox", "refresh_token": "sandbox"}


def lane(**told: Any) -> Lane:
    """Return a lane with these settings."""
    return Lane("crm", PIPEDRIVE, PipedriveSettings.model_validate(told or TOKEN), "acme")


class Wire:
    """A stand-in whose clocks are the virtual wire's."""

    def __init__(self, **options: Any) -> None:
        """Make the company."""
        self.at = 0.0
        self.box: Sandbox = make("pipedrive", clock=lambda: self.at, now=lambda: self.at, **options)
        self.statuses: list[int] = []
        self.prepared: Any = None
        self.bench: Bench = build(self._answer)

    def _answer(self, _: Lane, call: Http, at: float) -> Reply:
        self.at = at
        headers = {"content-type": call.content_type, **dict(call.headers)}
        status, told, body = self.box.handle(
            call.method, call.path, urlencode(call.query), headers, call.content or b""
        )
        self.statuses.append(status)
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    def work(self, on: Lane, numbers: range) -> Work:
        """Return upserts of so many people, as a run prepares them."""
        assert PIPEDRIVE.prepare is not None
        context = Context("t", "persons", on.settings, ("name",), "email")
        self.prepared = self.prepared or self.bench.sender.call(on, PIPEDRIVE.prepare(context))
        rows = [change(n, fields={"name": f"Person {n}"}) for n in numbers]
        return Work(batch(rows, on.settings, object="persons", match_field="email", prepared=self.prepared))

    def send(self, on: Lane, works: list[Work]) -> list[Status]:
        """Send, and return the statuses."""
        self.bench.run(ListFeed(on, works, "test.customer"))
        return list(self.bench.journal.statuses().values())

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Return (origin, path) of each call so far."""
        return [(call.origin or "", call.path) for _, call in self.bench.seen if isinstance(call, Http)]


def test_an_api_token_goes_in_its_header_to_the_companys_host() -> None:
    """No token is traded; no secret stands in a path or query."""
    wire, on = Wire(), lane()
    assert set(wire.send(on, [wire.work(on, range(1, 4))])) == {Status.DELIVERED}
    assert {origin for origin, _ in wire.calls} == {"https://acme.pipedrive.com"}
    assert "/oauth/token" not in [path for _, path in wire.calls]
    sent = [call for _, call in wire.bench.seen if isinstance(call, Http)]
    assert all(dict(call.headers)["x-api-token"] == "sandbox" for call in sent)


def test_an_apps_token_is_traded_and_renewed_once() -> None:
    """Calls go to the api_domain that came with the token; a session that ends costs one more trade."""
    wire, on = Wire(), lane(**APP)
    work = wire.work(on, range(1, 3))
    wire.box.end_sessions()  # type: ignore[attr-defined]
    assert wire.send(on, [work]) == [Status.DELIVERED] * 2
    assert wire.calls[0] == ("https://oauth.pipedrive.com", "/oauth/token")
    assert [path for _, path in wire.calls].count("/oauth/token") == 2
    rest = {origin for origin, path in wire.calls if path != "/oauth/token"}
    assert rest == {"https://sandbox.pipedrive.com"}


def test_a_refused_app_is_told_why() -> None:
    """RVT-651 with what Pipedrive says, and what to do."""
    settings = PipedriveSettings.model_validate(APP)
    reply = Reply(400, orjson.dumps({"success": False, "error": "invalid_grant"}))
    with pytest.raises(DestinationError, match=r"RVT-651.*invalid_grant.*60 days"):
        drive(api.token(settings), lambda _: reply)


def test_a_spent_day_leaves_the_rest_waiting() -> None:
    """429 with nothing left of the day: the account stops, nothing is unknown."""
    wire, on = Wire(), lane()
    works = [wire.work(on, range(at, at + 2)) for at in (1, 3, 5)]
    spent = {"x-daily-ratelimit-token-remaining": "0", "retry-after": "3"}
    wire.box.inject(Order(status=429, headers=spent, body={"success": False, "error": "no"}, method="POST", times=9))
    assert set(wire.send(on, works)) == {Status.WAITING}
    assert wire.bench.journal.of(1).code == "RVT-602"


def test_what_others_spent_of_the_day_is_believed() -> None:
    """The header says less than our own count: the account stops before it is turned away."""
    wire, on = Wire(daily=100), lane()
    found = wire.send(on, [wire.work(on, range(n, n + 1)) for n in range(1, 9)])
    assert set(wire.statuses) <= {200, 201}
    assert set(found) <= {Status.DELIVERED, Status.WAITING}
    assert Status.WAITING in found


def test_our_own_count_stops_before_the_vendors() -> None:
    """daily_tokens: 60 are room for the fields and two new people; no call is refused."""
    wire, on = Wire(), lane(**TOKEN, daily_tokens=60)
    found = wire.send(on, [wire.work(on, range(n, n + 1)) for n in (1, 2, 3, 4)])
    assert set(wire.statuses) <= {200, 201}
    assert Status.UNKNOWN not in found
    assert found.count(Status.WAITING) > 0


def test_windows_are_kept() -> None:
    """60 new people with the smallest plan: 20 calls in 2 seconds, 10 searches among them; nothing is refused."""
    wire, on = Wire(plan="lite"), lane()
    works = [wire.work(on, range(at, at + 10)) for at in range(1, 61, 10)]
    assert wire.send(on, works) == [Status.DELIVERED] * 60
    assert set(wire.statuses) == {200, 201}
    assert wire.at >= (60 / 10 - 1) * 2  # seconds: the searches set the pace


def test_a_create_without_an_answer_is_not_repeated() -> None:
    """The server fails after it applied: the outcome is unknown, and there is one person."""
    wire, on = Wire(), lane()
    work = wire.work(on, range(1, 2))
    wire.box.inject(Order(status=502, applied=True, method="POST", path="/persons"))
    assert wire.send(on, [work]) == [Status.UNKNOWN]
    assert len(wire.box.store["records"]["persons"]) == 1


# --- what a reply means ---------------------------------------------------------------------------------------------


def told(status: int, body: Any = None, **headers: str) -> Reply:
    """Return a reply at noon of 1970-01-01."""
    content = body if isinstance(body, bytes) else orjson.dumps(body or {"success": False, "error": "no"})
    return Reply(status, content, {name.replace("_", "-"): text for name, text in headers.items()}, 43_200.0)


@pytest.mark.parametrize(
    ("reply", "fault", "after", "until"),
    [
        (told(429, x_daily_ratelimit_token_remaining="0", retry_after="3"), Fault.QUOTA, None, 86_400.0),
        (told(429, x_daily_requests_left="0"), Fault.QUOTA, None, 86_400.0),
        (told(429, x_daily_ratelimit_token_remaining="9", x_ratelimit_reset="5"), Fault.THROTTLED, 5.0, None),
        (told(429, x_ratelimit_reset="900"), Fault.THROTTLED, 10.0, None),
        (told(429), Fault.THROTTLED, 2.0, None),
        (told(401), Fault.EXPIRED, None, None),
        (told(402), Fault.FATAL, None, None),
        (told(403, b"<html>Cloudflare</html>"), Fault.THROTTLED, 60.0, None),
        (told(403, {"success": False, "error": "Scope and URL mismatch"}), Fault.FATAL, None, None),
    ],
)
def test_what_a_refusal_means(reply: Reply, fault: Fault, after: float | None, until: float | None) -> None:
    """A burst waits for its window, a day until midnight (UTC is as near as anybody is told), a block for a minute."""
    found = api.diagnose(reply)
    assert found is not None
    assert (found.fault, found.after, found.until) == (fault, after, until)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 500])
def test_what_is_about_a_row_or_for_everybody_to_judge(status: int) -> None:
    """The exchange, or the sender's general reading, says what it means."""
    assert api.diagnose(told(status)) is None


def test_there_is_one_way_in() -> None:
    """A token or an app, not both and not half of one; no complaint shows a value."""
    bad = [{"company": "acme"}, {**TOKEN, **APP}, {**TOKEN, "client_id": "x"}, {**TOKEN, "company": "acme.evil.com/"}]
    for one in [*bad, {**APP, "refresh_token": None}]:
        with pytest.raises(ValidationError) as error:
            PipedriveSettings.model_validate(one)
        assert "sandbox" not in str(error.value)


@pytest.mark.parametrize(
    ("more", "allowances"),
    [
        ({}, (30_000, 20, 10)),
        ({"plan": "premium", "seats": 4}, (600_000, 100, 10)),
        ({"plan": "ultimate", "daily_tokens": 5}, (5, 120, 10)),
    ],
)
def test_allowances_follow_the_plan(more: dict[str, Any], allowances: tuple[int, ...]) -> None:
    """30,000 tokens times the plan's factor times seats; an app may burst four times as much."""
    limits = PIPEDRIVE.limits(PipedriveSettings.model_validate({**TOKEN, **more}))
    assert tuple(limit.allowance for limit in limits) == allowances
    app = PIPEDRIVE.limits(PipedriveSettings.model_validate({**APP, **more}))
    assert app[1].allowance == 4 * limits[1].allowance
