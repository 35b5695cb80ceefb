"""Exchanges that are not about rows, and files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.contract import Auth, Http, PutFile, Reply, Token
from revetl.errors import DestinationError, TryLater
from revetl.send import Failure
from revetl.send.files import FORMULA, FileCarrier, cell, render
from revetl.types import Effect
from tests.unit.send.stand import OK, ListFeed, apply, batches, build, destination, lane


def account() -> Any:
    """Read the account's name."""
    reply = yield Http("GET", "/me", effect=Effect.READ)
    return reply.json()["name"]


ME = Reply(200, b'{"name": "shop"}')


def test_a_call_returns_what_its_exchange_returns() -> None:
    """The result comes through, after repeats like any other."""
    bench = build([Reply(503, b""), ME])
    assert bench.sender.call(lane(), account()) == "shop"
    assert len(bench.seen) == 2


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Failure("RVT-600", "down", sent=False), TryLater, "RVT-600"),
        (Reply(500, b""), TryLater, "RVT-604"),
        (Reply(401, b"{}"), DestinationError, "RVT-601"),
        (Reply(200, b"<html>"), DestinationError, "RVT-606"),
        (Reply(200, b"{}"), DestinationError, "RVT-618"),
        (Failure("RVT-608", "moved", fatal=True), DestinationError, "RVT-608"),
        (Reply(429, b"", {"retry-after": "99999"}), TryLater, "RVT-621"),
    ],
)
def test_a_call_fails_by_what_to_do_next(answer: Any, error: Any, code: Any) -> None:
    """Later or never: the class of the error says which."""
    bench = build(answer)
    with pytest.raises(error) as raised:
        bench.sender.call(lane(), account())
    assert raised.value.code == code


def test_what_an_exchange_raises_comes_through() -> None:
    """A module's own refusal is not rewritten."""

    def refuse() -> Any:
        yield Http("GET", "/lists", effect=Effect.READ)
        raise DestinationError("RVT-601", "the list is gone")

    with pytest.raises(DestinationError, match="the list is gone"):
        build().sender.call(lane(), refuse())


def test_a_failed_call_does_not_stop_the_lane() -> None:
    """A sync whose preparation fails keeps no other sync of the destination from running."""
    bench = build([Reply(200, b"<html>"), OK])
    to = lane()
    with pytest.raises(DestinationError):
        bench.sender.call(to, account())
    report = bench.run(ListFeed(to, batches(3)))["shop"]
    assert report.stopped is None
    assert len(bench.journal.outcomes) == 3


def test_a_stopped_lane_makes_no_further_call() -> None:
    """After refused credentials nothing leaves any more, neither calls nor rows."""
    bench = build(Reply(401, b"{}"))
    to = lane()
    for _ in range(2):
        with pytest.raises(DestinationError):
            bench.sender.call(to, account())
    feed = ListFeed(to, batches(3))
    assert bench.run(feed)["shop"].stopped.code == "RVT-601"
    assert (len(bench.seen), feed.pulled) == (1, 0)


def test_a_token_that_cannot_be_had_is_told() -> None:
    """When the token call itself is refused, the lane ends with that reason, without any other call."""

    def token(settings: Any) -> Any:
        reply = yield Http("POST", "/token", authenticated=False)
        return Token(reply.json()["access_token"])

    bench = build(Reply(401, b"{}"))
    with pytest.raises(DestinationError) as raised:
        bench.sender.call(lane(destination(auth=Auth(apply, token))), account())
    assert raised.value.code == "RVT-601"
    assert len(bench.seen) == 1


def test_a_token_is_renewed_before_it_ends() -> None:
    """A token with a known life is not used to its last second."""
    tokens = iter(range(9))

    def token(settings: Any) -> Any:
        yield Http("POST", "/token", authenticated=False)
        return Token(f"token-{next(tokens)}", seconds=100.0)

    bench = build(lambda lane, call, now: (60.0, OK))
    bench.run(ListFeed(lane(destination(auth=Auth(apply, token)), max_in_flight=1), batches(4)))
    assert [call.path.rpartition("/")[2] for _, call in bench.seen].count("token") == 2


def test_a_repeat_of_a_token_call_does_not_lock_the_lane() -> None:
    """A token call that fails at first is repeated while the others wait."""

    def token(settings: Any) -> Any:
        yield Http("POST", "/token", authenticated=False)
        return Token("token-one")

    bench = build([Reply(503, b""), Reply(429, b"", {"retry-after": "2"}), OK])
    bench.run(ListFeed(lane(destination(auth=Auth(apply, token))), batches(3)))
    assert len(bench.journal.outcomes) == 3


def test_calls_end_with_the_deadline() -> None:
    """A read does not outlive the run."""
    bench = build(lambda lane, call, now: (500.0, ME), deadline=10.0)
    with pytest.raises(TryLater) as raised:
        bench.sender.call(lane(), account())
    assert raised.value.code == "RVT-610"
    assert bench.clock.monotonic() - 1_000.0 <= 15.0


def test_same_seed_same_calls() -> None:
    """Two runs with one seed make the same calls at the same times."""

    def unreliable() -> Any:
        count = iter(range(10**6))
        return lambda lane, call, now: Reply(503, b"") if next(count) % 7 == 3 else OK

    runs = []
    for _ in range(2):
        bench = build(unreliable(), seed=5)
        bench.run(ListFeed(lane(), batches(200)))
        runs.append(([(at, call.content) for at, call in bench.seen], bench.journal.events))
    assert runs[0] == runs[1]


# --- files ---

ROWS = ({"id": 1, "name": "Ann", "note": None}, {"id": 2, "name": "=1+1", "note": {"a": [1]}})


def to_directory(path: Any) -> Any:
    """Return a lane to a directory."""
    base = destination()
    return lane(replace(base, base_url=lambda _: str(path)))


def test_a_file_appears_whole(tmp_path: Any) -> None:
    """The file stands under its name, nothing else beside it, and the reply counts its rows."""
    reply = FileCarrier().perform(to_directory(tmp_path), PutFile("a/rows.jsonl", ROWS))
    assert isinstance(reply, Reply)
    assert reply.json()["rows"] == 2
    assert [json.loads(line) for line in (tmp_path / "a/rows.jsonl").read_text().splitlines()] == list(ROWS)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("name", ["../x.csv", "/etc/x", "a/../../x", "", "a\\..\\x", "c:x", "a\0b"])
def test_no_file_leaves_its_directory(tmp_path: Any, name: Any) -> None:
    """Names that lead elsewhere are refused before anything is written."""
    root = tmp_path / "root"
    root.mkdir()
    failure = FileCarrier().perform(to_directory(root), PutFile(name, ROWS))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent, failure.fatal) == ("RVT-620", False, True)
    assert list(tmp_path.rglob("*")) == [root]


def test_a_symbolic_link_leads_nowhere(tmp_path: Any) -> None:
    """A link inside the directory does not open what lies outside of it."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    assert isinstance(FileCarrier().perform(to_directory(tmp_path / "root"), PutFile("link/x", ROWS)), Failure)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Any) -> None:
    """A value that the format cannot carry leaves what was there, and is not shown."""
    (tmp_path / "x.jsonl").write_text("old")
    failure = FileCarrier().perform(to_directory(tmp_path), PutFile("x.jsonl", ({"a": object()},)))
    assert isinstance(failure, Failure)
    assert (tmp_path / "x.jsonl").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@given(st.text())
def test_no_cell_is_a_formula(text: Any) -> None:
    """No text makes a spreadsheet compute; all of it is still there."""
    found = cell(text)
    assert not found.startswith(FORMULA)
    assert found in (text, f"'{text}")


def test_csv_keeps_its_columns() -> None:
    """Columns stand in the declared order; numbers are not taken for formulas."""
    call = PutFile("x.csv", ({"b": -5, "a": "-5"}, {"a": None, "b": True}), format="csv", columns=("a", "b"))
    assert list(csv.reader(io.StringIO(render(call).decode()))) == [["a", "b"], ["'-5", "-5"], ["", "true"]]


def test_parquet_can_be_read_back() -> None:
    """Rows come back as they went in."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = ({"id": 1, "name": "Ann"}, {"id": 2, "name": None})
    content = render(PutFile("x.parquet", rows, format="parquet", columns=("id", "name")))
    assert parquet.read_table(io.BytesIO(content)).to_pylist() == list(rows)
