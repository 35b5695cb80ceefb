from __future__ import annotations

from typing import Any

import orjson
import pytest

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Caller, Clock

HEADERS = {"Authorization": "Bearer sandbox"}
URL = "/account-info/v3/details"


def call(box: Sandbox, headers: dict[str, str] = HEADERS) -> tuple[int, dict[str, str], Any]:
    status, given, body = box.handle("GET", URL, "", headers)
    return status, given, orjson.loads(body)


def test_no_window_of_ten_seconds_holds_more_than_the_limit(clock: Clock) -> None:
    """190 calls pass in any 10 s, wherever the window begins; the next waits until the oldest leaves it."""
    box = make("hubspot", clock=clock, now=clock)
    for n in range(190):
        clock.at = 1000 + n * 0.05  # 190 calls within 9.45 s
        assert call(box)[0] == 200
    assert call(box)[0] == 429
    clock.at = 1009.99
    assert call(box)[0] == 429
    clock.at = 1010.0  # the first call is 10 s old, the second is not
    assert call(box)[0] == 200
    assert call(box)[0] == 429


def test_the_refusal_names_its_policy(clock: Clock) -> None:
    """A burst is refused as TEN_SECONDLY_ROLLING, with no Retry-After."""
    box = make("hubspot", burst=1, clock=clock)
    call(box)
    status, headers, body = call(box)
    assert (status, body["errorType"], body["policyName"]) == (429, "RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert body["status"] == "error"
    assert body["correlationId"]
    assert "retry-after" not in {name.lower() for name in headers}


def test_headers_count_down(clock: Clock) -> None:
    """Each answer tells what is left of the burst and of the day."""
    box = make("hubspot", burst=3, daily=100, clock=clock, now=clock)
    told = [call(box)[1] for _ in range(2)][-1]
    assert told["X-HubSpot-RateLimit-Max"] == "3"
    assert told["X-HubSpot-RateLimit-Remaining"] == "1"
    assert told["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert (told["X-HubSpot-RateLimit-Daily"], told["X-HubSpot-RateLimit-Daily-Remaining"]) == ("100", "98")


def test_day_quota_lasts_until_the_next_day(clock: Clock) -> None:
    """A spent day is refused as DAILY until midnight UTC, however long ago the last call was."""
    box = make("hubspot", daily=2, clock=clock, now=clock)
    clock.at = 86_400 * 10 + 5.0
    assert [call(box)[0] for _ in range(3)] == [200, 200, 429]
    clock.at = 86_400 * 11 - 1.0
    assert call(box)[2]["policyName"] == "DAILY"
    clock.at = 86_400 * 11
    assert call(box)[0] == 200


def test_secondly_limit(clock: Clock) -> None:
    """A limit of calls a second is refused as SECONDLY."""
    box = make("hubspot", secondly=1, clock=clock)
    assert call(box)[0] == 200
    assert call(box)[2]["policyName"] == "SECONDLY"
    clock.at += 1.0
    assert call(box)[0] == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "sandbox"}])
def test_credentials(headers: dict[str, str]) -> None:
    """Without the right bearer token everything is 401, and counts against no limit."""
    box = make("hubspot", burst=1)
    status, _, body = call(box, headers)
    assert (status, body["category"]) == (401, "INVALID_AUTHENTICATION")
    assert call(box)[0] == 200


def test_account() -> None:
    """The account names its portal, so that a caller knows where it is."""
    assert isinstance(call(make("hubspot"))[2]["portalId"], int)


def test_requests_that_are_not_of_the_api(hubspot: Caller) -> None:
    """Unknown paths, objects, methods, content types and bodies that are not JSON are refused in HubSpot's envelope."""
    assert hubspot("GET", "/nope")[0] == 404
    assert hubspot("GET", "/properties/deals")[0] == 404
    assert hubspot("DELETE", "/objects/contacts/batch/upsert")[0] == 405
    url, headers = "/crm/v3/objects/contacts/batch/upsert", {**HEADERS, "Content-Type": "application/json"}
    assert hubspot.box.handle("POST", url, "", HEADERS, b"{}")[0] == 415
    for broken in (b"{", b"\xff", b'{"inputs": NaN}', b"[]", b"7"):
        assert hubspot.box.handle("POST", url, "", headers, broken)[0] == 400
