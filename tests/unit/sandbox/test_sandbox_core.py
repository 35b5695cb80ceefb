from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from revetl.errors import StateError, UsageError
from revetl.sandbox import SANDBOXES, Fault, make, statefile
from revetl.sandbox.limits import SlidingWindow
from tests.unit.sandbox.sandbox_caller import Caller

UPSERT = {"inputs": [{"id": "ada@example.org", "idProperty": "email", "properties": {"firstname": "Ada"}}]}
URL = "/objects/contacts/batch/upsert"


def count(hubspot: Caller) -> int:
    return len(hubspot.box.store["objects"]["contacts"]["records"])


def test_unknown_stand_in_is_named_with_the_nearest() -> None:
    """A misspelt stand-in is RVT-680 and says which was meant."""
    with pytest.raises(UsageError, match=r"RVT-680.*did you mean hubspot"):
        make("hubspt")


@pytest.mark.parametrize("name", SANDBOXES)
def test_unknown_option_is_named(name: str) -> None:
    """A misspelt option is RVT-681, not passed over."""
    with pytest.raises(UsageError, match=r"RVT-681.*strict_field'"):
        make(name, strict_field=False)


def test_unknown_field_type_is_named() -> None:
    """Fields of an unknown type are RVT-681 at once."""
    with pytest.raises(UsageError, match="RVT-681"):
        make("hubspot", properties={"a": "text"})
    with pytest.raises(UsageError, match="RVT-681"):
        make("mailchimp", merge_fields={"A": "string"})


def test_journal_holds_what_was_received(hubspot: Caller) -> None:
    """One entry a request: method, path, query, status, size and time; no body unless asked for."""
    hubspot("POST", URL, UPSERT)
    hubspot("GET", "/nope", query="a=b")
    first, second = hubspot.box.journal
    assert (first["n"], first["method"], first["path"], first["status"]) == (1, "POST", "/crm/v3" + URL, 200)
    assert (first["size"], first["at"]) == (len(orjson.dumps(UPSERT)), 1_000_000.0)
    assert "body" not in first
    assert (second["n"], second["query"], second["status"]) == (2, "a=b", 404)


def test_journal_is_bounded_and_keeps_bodies_where_asked() -> None:
    """The oldest entries go first; bodies are kept as text."""
    box = make("mailchimp", journal_size=2, keep_bodies=True)
    for n in range(3):
        box.handle("GET", "/3.0/ping", "", {}, b"%d" % n)
    assert [(one["n"], one["body"]) for one in box.journal] == [(2, "1"), (3, "2")]


def test_fault_replaces_answers_without_effect(hubspot: Caller) -> None:
    """The next `times` requests get the ordered status and body, and change nothing."""
    hubspot.box.inject(Fault(503, {"Retry-After": "7"}, {"message": "down"}, times=2))
    for _ in range(2):
        assert hubspot("POST", URL, UPSERT) == (503, {"message": "down"})
    assert count(hubspot) == 0
    assert hubspot("POST", URL, UPSERT)[0] == 200


def test_fault_after_the_request_was_applied(hubspot: Caller) -> None:
    """With `applied` the request takes effect, and only its answer is lost."""
    hubspot.box.inject(Fault(502, body="<html>", applied=True))
    status, headers, body = hubspot.box.handle(
        "POST",
        "/crm/v3" + URL,
        "",
        {"Authorization": "Bearer sandbox", "Content-Type": "application/json"},
        orjson.dumps(UPSERT),
    )
    assert (status, body, count(hubspot)) == (502, b"<html>", 1)
    assert "content-type" in headers


@pytest.mark.parametrize("applied", [True, False])
def test_fault_drops_the_connection(hubspot: Caller, applied: bool) -> None:
    """A dropped connection is a ConnectionResetError, before or after the effect; the journal has no status for it."""
    hubspot.box.inject(Fault(drop=True, applied=applied))
    with pytest.raises(ConnectionResetError):
        hubspot("POST", URL, UPSERT)
    assert count(hubspot) == int(applied)
    assert hubspot.box.journal[-1]["status"] is None


def test_fault_meets_only_what_it_names(hubspot: Caller) -> None:
    """A fault for a method and a part of the path waits for such a request."""
    hubspot.box.inject(Fault(500, method="POST", path="/batch/upsert"))
    assert hubspot("GET", "/objects/contacts")[0] == 200
    assert hubspot("POST", URL, UPSERT)[0] == 500


def test_delay_keeps_the_request_in_flight() -> None:
    """A delayed answer is the true one; latency and delay add up."""
    slept: list[float] = []
    box = make("mailchimp", sleep=slept.append, latency=0.5)
    box.inject(Fault(delay=2.0))
    assert box.handle("GET", "/3.0/ping", "", {"Authorization": "Bearer sandbox-us1"})[0] == 200
    assert slept == [2.5]
    assert box.in_flight == 0


def test_dump_and_load_carry_a_rehearsal(hubspot: Caller, tmp_path: Path) -> None:
    """A dump is JSON; another stand-in goes on from it, and the original is not touched."""
    hubspot("POST", URL, UPSERT)
    file = tmp_path / "deep" / "state.json"
    statefile.write(file, [hubspot.box])
    assert file.stat().st_mode & 0o777 == 0o600
    other = make("hubspot")
    statefile.read(file, [other, make("mailchimp")])
    assert other.store == hubspot.box.store
    other.store["objects"]["contacts"]["records"].clear()
    assert count(hubspot) == 1
    assert list(file.parent.iterdir()) == [file]


def test_a_dump_leaves_the_accounts_of_others(hubspot: Caller, tmp_path: Path) -> None:
    """A run that serves one stand-in only replaces that one's account in the file."""
    hubspot("POST", URL, UPSERT)
    file = tmp_path / "state.json"
    statefile.write(file, [hubspot.box])
    statefile.write(file, [make("mailchimp")])
    again = make("hubspot")
    statefile.read(file, [again])
    assert again.store == hubspot.box.store


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"hubspot": 1}',
        b'{"hubspot": {}}',
        b'{"hubspot": {"sandbox": "hubspot", "version": 99, "store": {}}}',
    ],
)
def test_bad_state_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is not a rehearsal's is RVT-683, and the stand-in keeps what it had."""
    file = tmp_path / "state.json"
    file.write_bytes(content)
    box = make("hubspot")
    before = box.dump()
    with pytest.raises(StateError, match="RVT-683"):
        statefile.read(file, [box])
    assert box.dump() == before


def test_missing_state_file_is_an_empty_account(tmp_path: Path) -> None:
    """The first rehearsal starts from nothing."""
    box = make("hubspot")
    statefile.read(tmp_path / "none.json", [box])
    assert box.dump() == make("hubspot").dump()


def test_reset_forgets_store_journal_and_faults(hubspot: Caller) -> None:
    """After a reset the account is new."""
    hubspot("POST", URL, UPSERT)
    hubspot.box.inject(Fault(500))
    hubspot.box.reset()
    assert (count(hubspot), len(hubspot.box.journal)) == (0, 0)
    assert hubspot("POST", URL, UPSERT)[0] == 200


def test_control_plane(hubspot: Caller) -> None:
    """State and journal are read, faults ordered and all reset, without credentials and outside journal and limits."""
    box = hubspot.box

    def ask(method: str, what: str, body: bytes = b"") -> tuple[int, Any]:
        status, _, answer = box.handle(method, "/__sandbox/" + what, "", {}, body)
        return status, orjson.loads(answer) if answer else None

    hubspot("POST", URL, UPSERT)
    assert ask("GET", "state") == (200, box.dump())
    assert ask("GET", "journal")[1][0]["path"] == "/crm/v3" + URL
    assert ask("POST", "inject", b'{"status": 500, "times": 1}') == (204, None)
    assert hubspot("POST", URL, UPSERT)[0] == 500
    assert [ask("POST", "inject", bad)[0] for bad in (b"{", b"[]", b'{"statu": 1}')] == [400] * 3
    assert ask("GET", "nope")[0] == 404
    assert ask("POST", "reset")[0] == 204
    assert count(hubspot) == 0
    assert box.received == 2


def test_sliding_window_counts_only_what_it_let_in() -> None:
    """The window's edge is exact: an event leaves it `seconds` later."""
    window = SlidingWindow(2, 10.0)
    window.add(0.0)
    window.add(9.0)
    assert (window.full(9.999), window.remaining(9.999)) == (True, 0)
    assert (window.full(10.0), window.remaining(10.0)) == (False, 1)
