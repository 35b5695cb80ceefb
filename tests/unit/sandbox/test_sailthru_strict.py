"""What Sailthru's pages demand of its stand-in: signatures, refusals by number, rates, jobs that take their time."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Clock

ADA = "ada@example.org"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def signed(payload: Any, secret: str = "sandbox", **more: str) -> dict[str, str]:
    """Return the parameters of a call, signed."""
    text = payload if isinstance(payload, str) else orjson.dumps(payload).decode()
    told = {"api_key": "sandbox", "format": "json", "json": text, **more}
    return {**told, "sig": hashlib.md5((secret + "".join(sorted(told.values()))).encode()).hexdigest()}


def send(box: Sandbox, method: str, path: str, told: dict[str, str]) -> tuple[int, Any]:
    """Return status and answer of a call with these parameters."""
    query, body = (urlencode(told), b"") if method != "POST" else ("", urlencode(told).encode())
    status, _, answer = box.handle(method, path, query, FORM, body)
    return status, orjson.loads(answer)


def call(box: Sandbox, method: str, path: str, payload: Any) -> tuple[int, Any]:
    """Return status and answer of a well-signed call."""
    return send(box, method, path, signed(payload))


def upload(box: Sandbox, file: bytes, payload: Any = None, secret: str = "sandbox") -> tuple[int, Any]:
    """Start an update job with a file."""
    told = signed(payload or {"job": "update"}, secret)
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in told.items()]
    front = "".join(parts) + '--x\r\nContent-Disposition: form-data; name="file"; filename="u.json"\r\n\r\n'
    body = front.encode() + file + b"\r\n--x--\r\n"
    status, _, answer = box.handle("POST", "/job", "", {"Content-Type": "multipart/form-data; boundary=x"}, body)
    return status, orjson.loads(answer)


def user(box: Sandbox, address: str = ADA) -> dict[str, Any]:
    """Return a profile by address."""
    status, found = call(box, "GET", "/user", {"id": address})
    assert status == 200
    return dict(found)


@pytest.fixture
def box() -> Sandbox:
    """Return an account with one user."""
    box = make("sailthru")
    assert call(box, "POST", "/user", {"id": ADA, "vars": {"city": "Brno"}})[0] == 200
    return box


def test_a_signature_holds_for_one_text_alone(box: Sandbox) -> None:
    """One character more, another secret, or no signature: 401 number 5, or 400 number 2."""
    told = signed({"id": ADA})
    for wrong in ({**told, "json": told["json"] + " "}, signed({"id": ADA}, "other"), {**told, "sig": "0" * 32}):
        assert send(box, "GET", "/user", wrong)[0] == 401
        assert send(box, "GET", "/user", wrong)[1]["error"] == 5
    for name in ("sig", "api_key", "format"):
        lacking = {n: v for n, v in told.items() if n != name}
        assert send(box, "GET", "/user", lacking)[1] == {
            "error": 2,
            "errormsg": f"Missing required parameter: {name}",
        }


def test_every_parameter_is_signed(box: Sandbox) -> None:
    """A parameter that joins after the signing makes it bad; signed with the others, it is good."""
    assert send(box, "GET", "/user", {**signed({"id": ADA}), "more": "1"})[1]["error"] == 5
    assert send(box, "GET", "/user", signed({"id": ADA}, more="1"))[0] == 200


def test_a_strange_key_or_address_opens_nothing() -> None:
    """Numbers 3 and 4, with 401 and 403."""
    assert send(make("sailthru", api_key="k"), "GET", "/user", signed({"id": ADA})) == (
        401,
        {"error": 3, "errormsg": "Invalid API key"},
    )
    assert call(make("sailthru", refused_ip=True), "GET", "/user", {"id": ADA})[1]["error"] == 4


def test_methods_and_paths_are_those_of_the_pages(box: Sandbox) -> None:
    """405 number 1 for a method that an endpoint lacks, 404 for an endpoint that there is not."""
    assert call(box, "PUT", "/user", {"id": ADA}) == (405, {"error": 1, "errormsg": "Unsupported HTTPS method: PUT"})
    assert call(box, "GET", "/users", {})[0] == 404
    assert box.handle("POST", "/user", "", {"Content-Type": "application/json"}, b"{}")[0] == 400


def test_nobody_is_400_to_a_read_and_404_to_a_deletion(box: Sandbox) -> None:
    """As recorded: number 99 both times, the sentence names the key."""
    nobody = {"error": 99, "errormsg": "User not found with email: bob@example.org"}
    assert call(box, "GET", "/user", {"id": "bob@example.org"}) == (400, nobody)
    assert call(box, "DELETE", "/user", {"id": "bob@example.org"}) == (404, nobody)
    assert call(box, "POST", "/user", {"id": "5f" * 12, "key": "sid"})[1]["error"] == 99
    assert len(box.store["users"]) == 1


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"id": "no address"}, 11),
        ({"key": "email"}, 2),
        ({"id": ADA, "key": "shoe_size"}, 99),
        ({"id": ADA, "vars": {"a" * 33: 1}}, 99),
        ({"id": ADA, "vars": [1]}, 99),
        ({"id": ADA, "lists": {"VIP": 2}}, 99),
        ({"id": ADA, "lists": {"Clever": 1}}, 99),
        ({"id": ADA, "optout_email": "some"}, 99),
        ({"id": ADA, "keysconflict": "perhaps"}, 99),
        ({"id": ADA, "keys": {"email": "no address"}}, 11),
        ({"id": ADA, "keys": {"sms": "555"}}, 99),
        ({"id": ADA, "fields": {"shoe_size": 1}}, 99),
        ("{", 99),
        ("[]", 99),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(told: Any, number: int) -> None:
    """400 and the number; the profile stays as it was."""
    box = make("sailthru", lists=[{"name": "Clever", "type": "smart"}])
    call(box, "POST", "/user", {"id": ADA, "vars": {"city": "Brno"}})
    before = box.dump()["store"]
    status, answer = call(box, "POST", "/user", told)
    assert (status, answer["error"]) == (400, number)
    assert {n: v for n, v in box.dump()["store"].items() if n != "lists"} == {
        n: v for n, v in before.items() if n != "lists"
    }


def test_an_extid_needs_to_be_switched_on() -> None:
    """Sailthru enables it for an account; before that it is no key."""
    box = make("sailthru", extid=False)
    assert call(box, "POST", "/user", {"id": "17", "key": "extid"})[0] == 400
    assert call(make("sailthru"), "POST", "/user", {"id": "17", "key": "extid"})[0] == 200


def test_addresses_are_compared_in_lower_case_and_null_clears(box: Sandbox) -> None:
    """One profile; what has nothing in it comes as null."""
    assert call(box, "POST", "/user", {"id": "ADA@Example.org", "vars": {"city": None}})[0] == 200
    found = user(box)
    assert (found["vars"], found["lists"], found["keys"]["email"]) == (None, None, ADA)


def test_keys_conflict_unless_told_to_merge(box: Sandbox) -> None:
    """409, and two people stay two; a merger is done if asked for, and flagged."""
    call(box, "POST", "/user", {"id": "bob@example.org", "keys": {"extid": "17"}})
    taken = {"id": ADA, "keys": {"extid": "17"}}
    for how in ({}, {"keysconflict": "error"}):
        assert call(box, "POST", "/user", {**taken, **how})[0] == 409
    assert len(box.store["users"]) == 2
    assert call(box, "POST", "/user", {**taken, "keysconflict": "merge"})[0] == 200
    assert (len(box.store["users"]), box.journal[-1]["flags"]) == (1, ["two profiles were merged, for good"])


def test_an_opt_out_taken_back_is_flagged(box: Sandbox) -> None:
    """Sailthru does as it is told; no caller should."""
    call(box, "POST", "/user", {"id": ADA, "optout_email": "all"})
    call(box, "POST", "/user", {"id": ADA, "optout_email": "blast"})
    assert box.journal[-1]["flags"] == ["an opt-out was taken back"]


def test_suppressed_people_are_not_written() -> None:
    """403 and their number."""
    box = make("sailthru", suppressed={ADA: 35})
    assert call(box, "POST", "/user", {"id": ADA}) == (
        403,
        {"error": 35, "errormsg": f"Email may not be emailed: {ADA}"},
    )


def test_lists_have_ids_and_unknown_ones_are_15(box: Sandbox) -> None:
    """Made once by name; a list that a user's call makes is flagged; $ is no good in a name."""
    made = call(box, "POST", "/list", {"list": "VIP"})[1]
    assert call(box, "POST", "/list", {"list": "VIP"})[1]["list_id"] == made["list_id"]
    assert call(box, "GET", "/list", {"list": "No"}) == (404, {"error": 15, "errormsg": "Unknown list: No"})
    assert call(box, "POST", "/list", {"list": "A$"})[0] == 400
    call(box, "POST", "/user", {"id": ADA, "lists": {"New": 1}})
    assert box.journal[-1]["flags"]
    assert [one["email_count"] for one in call(box, "GET", "/list", {"list": ""})[1]["lists"]] == [0, 1]


def test_calls_are_counted_by_minute_endpoint_and_method() -> None:
    """The headers say what is left and when it ends; one too many is 43, and the next minute is a new one."""
    clock = Clock(at=120.0)
    box = make("sailthru", now=clock, rates={"GET /user": 2})
    told = urlencode(signed({"id": ADA}))
    left = [box.handle("GET", "/user", told)[1]["x-rate-limit-remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    status, headers, answer = box.handle("GET", "/user", told)
    assert (status, orjson.loads(answer)["error"], headers["x-rate-limit-reset"]) == (429, 43, "180")
    assert call(box, "GET", "/settings", {})[0] == 200
    clock.at = 180.0
    assert box.handle("GET", "/user", told)[0] == 400


def test_a_job_works_through_its_file_and_numbers_what_failed() -> None:
    """Pending, then under way, then completed; lines that are wrong are reported for two hours, the others done."""
    clock = Clock(at=1_000.0)
    box = make("sailthru", now=clock, jobs={"seconds": 100, "reports": True})
    lines = [{"id": f"p{n}@example.org", "vars": {"n": n}} for n in range(8)]
    file = b"\n".join([*map(orjson.dumps, lines), b'{"id": "nobody"}', b"{"])
    status, started = upload(box, file)
    assert (status, started["status"], started["name"]) == (200, "pending", "Bulk Update")
    asked = {"job_id": started["job_id"]}
    assert "start_time" not in call(box, "GET", "/job", asked)[1]
    clock.at += 50
    assert "start_time" in call(box, "GET", "/job", asked)[1]
    assert len(box.store["users"]) == 5
    clock.at += 50
    done = call(box, "GET", "/job", asked)[1]
    assert (done["status"], len(box.store["users"])) == ("completed", 8)
    path = done["error_report_url"].removeprefix("https://s3.amazonaws.com").partition("?")[0]
    rows = [orjson.loads(line) for line in box.handle("GET", path)[2].splitlines()]
    assert [(row["lineNumber"], row["error"]) for row in rows] == [("9", 11), ("10", 99)]
    clock.at += 7_300
    assert box.handle("GET", path)[0] == 403


def test_a_job_can_fail_half_way() -> None:
    """What it did stays done."""
    box = make("sailthru", jobs={"fail": True})
    started = upload(box, b'{"id": "a@example.org"}\n{"id": "b@example.org"}')[1]
    assert call(box, "GET", "/job", {"job_id": started["job_id"]})[1]["status"] == "error"
    assert len(box.store["users"]) == 1


@pytest.mark.parametrize("payload", [{"job": "mystery"}, {"job": "update", "url": "https://x"}, {"list": "VIP"}])
def test_a_job_takes_one_source_and_a_kind(payload: Any) -> None:
    """Exactly one of emails, url, file and query."""
    assert upload(make("sailthru"), b"{}", payload)[0] == 400
    assert call(make("sailthru"), "POST", "/job", {"job": "update"})[0] == 400


def test_an_upload_is_signed_without_its_file() -> None:
    """Key, format and JSON text alone; the file may be any."""
    assert upload(make("sailthru"), b'{"id": "a@example.org"}')[0] == 200
    assert upload(make("sailthru"), b"", secret="other")[1]["error"] == 5
    assert call(make("sailthru"), "GET", "/job", {"job_id": "61"})[0] == 400


def test_the_store_survives_a_dump(box: Sandbox) -> None:
    """What one process kept another takes over."""
    other = make("sailthru")
    other.load(box.dump())
    assert user(other)["vars"] == {"city": "Brno"}
