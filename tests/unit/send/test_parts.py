"""The small pure parts: texts, addresses, bodies, the number of calls in flight."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from revetl.contract import Http
from revetl.send.adapt import Adapt
from revetl.send.inflate import Garbled, TooLarge, read_body
from revetl.send.origin import NotAllowed, admit, matches, resolve, target
from revetl.send.scrub import MAX_TEXT, scrub, secrets_of
from tests.unit.send.stand import CANARY, lane

# --- scrub ---


class Inner(BaseModel):
    """A nested model."""

    password: SecretStr


class Outer(BaseModel):
    """Secrets at several depths."""

    inner: Inner
    many: list[SecretStr]
    plain: str = "visible"


def test_secrets_are_found_at_every_depth() -> None:
    """Nested models and lists give their secrets, plain texts do not."""
    found = set(secrets_of(Outer(inner=Inner(password=SecretStr("pass word/1")), many=[SecretStr("list-secret")])))
    assert {"pass word/1", "pass%20word%2F1", "list-secret"} <= found
    assert "visible" not in found


@given(st.text(), st.text(min_size=4, max_size=30))
def test_no_secret_and_no_control_character_survives(text: Any, secret: Any) -> None:
    """Whatever stands around it: the secret is gone, and so is all that moves a terminal's cursor."""
    found = scrub(f"{text}{secret}{text}", [secret])
    assert secret not in found or secret in "***" * 20
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in found)
    assert len(found) <= MAX_TEXT


def test_a_secret_split_by_control_characters_is_still_masked() -> None:
    """Escape sequences inside a secret do not hide it."""
    assert scrub(f"key {CANARY[:6]}\x1b[0m{CANARY[6:]} is bad", [CANARY]) == "key *** is bad"


# --- addresses ---


def call(**parts: Any) -> Http:
    """Return a GET."""
    return Http("GET", parts.pop("path", "/x"), **parts)


@pytest.mark.parametrize(
    ("host", "pattern", "good"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com.", "api.example.com", True),
        ("us1.api.example.com", "*.api.example.com", True),
        ("a.b.api.example.com", "*.api.example.com", True),
        ("api.example.com", "*.api.example.com", False),
        ("evilapi.example.com", "*.api.example.com", False),
        ("api.example.com.evil.net", "api.example.com", False),
    ],
)
def test_host_patterns(host: Any, pattern: Any, good: Any) -> None:
    """A star stands for one label or more, never for a part of one."""
    assert matches(host, pattern) is good


@pytest.mark.parametrize(
    "origin",
    [
        "http://api.example.com",
        "https://evil.example.net",
        "https://api.example.com@evil.example.net",
        "https://user:pw@api.example.com",
        "file:///etc/passwd",
        "https://169.254.169.254",
        "http://169.254.169.254",
        "https://api.example.com\\@evil.example.net",
        "https://",
        "gopher://api.example.com",
        "https://api.example.com:99999",
        "http://127.0.0.1:8000",
    ],
)
def test_what_may_not_be_called(origin: Any) -> None:
    """Only https, only listed hosts, no name and password: nothing else leaves."""
    with pytest.raises(NotAllowed) as refused:
        admit(resolve(call(origin=origin), lane(), "https://api.example.com/v1"), lane())
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("home", ["https://hooks.example.net/a", "http://127.0.0.1:8000"])
def test_a_destination_of_any_host_goes_where_its_settings_point(home: Any) -> None:
    """A star alone allows the host of the user's own URL, this machine's included, and no other."""
    to = lane()
    to = replace(to, destination=replace(to.destination, hosts=("*",), base_url=lambda _: home))
    admit(resolve(call(), to, home), to)
    with pytest.raises(NotAllowed):
        admit(resolve(call(origin="https://evil.example.org"), to, home), to)


def test_a_stand_in_replaces_every_origin() -> None:
    """With a loopback origin all calls go there, with the base URL's prefix; another machine is refused."""
    local = lane(origin="http://127.0.0.1:8765")
    plain = resolve(call(), local, "https://api.example.com/v1")
    assert (plain.origin, plain.path, plain.template) == ("http://127.0.0.1:8765", "/v1/x", "/x")
    login = resolve(call(origin="https://login.example.com", path="/token"), local, "https://api.example.com/v1")
    assert (login.origin, login.path) == ("http://127.0.0.1:8765", "/token")
    admit(plain, local)
    far = lane(origin="https://api.example.com")
    with pytest.raises(NotAllowed):
        admit(resolve(call(), far, "https://api.example.com/v1"), far)


@given(st.text(max_size=30))
def test_a_path_stays_a_path(path: Any) -> None:
    """No value in a path can end the request line, begin a query or change the host."""
    try:
        found = target(call(path=path))
    except UnicodeEncodeError:
        return
    assert found.startswith("/")
    assert not set(found) & set(" \r\n?#\\")


# --- bodies ---


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("", b"hello"),
        ("identity", b"hello"),
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("GZIP", gzip.compress(b"hello", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", zlib.compress(b"hello")[2:-4]),
    ],
)
def test_bodies_are_decoded(encoding: Any, raw: Any) -> None:
    """Every encoding that is offered is understood, in chunks of any size."""
    assert read_body([raw], encoding, 1_000, 1_000) == b"hello"
    assert read_body([bytes([b]) for b in raw], encoding, 1_000, 1_000) == b"hello"


def test_bodies_are_capped() -> None:
    """Raw and decoded size are bounded, whichever is passed first."""
    with pytest.raises(TooLarge):
        read_body([b"x" * 600, b"x" * 600], "", 1_000, 5_000)
    with pytest.raises(TooLarge):
        read_body([gzip.compress(b"x" * 10_000)], "gzip", 1_000, 5_000)


@pytest.mark.parametrize(
    ("encoding", "raw"), [("gzip", gzip.compress(b"hello" * 99, mtime=0)[:-9]), ("gzip", b"no"), ("br", b"x")]
)
def test_garbled_bodies(encoding: Any, raw: Any) -> None:
    """Cut, damaged or unasked encodings are no reply."""
    with pytest.raises(Garbled):
        read_body([raw], encoding, 1_000, 1_000)


# --- the number of calls in flight ---


def rounds(adapt: Adapt, count: int, *, latency: float, workers: int = 10**9) -> None:
    """Play ``count`` rounds against a server that works on ``workers`` calls at once."""
    now = 0.0
    for _ in range(count):
        size = adapt.window
        adapt.filled()
        took = latency * max(1.0, size / workers)
        now += took
        for _ in range(size):
            adapt.replied(now, took)


def test_it_ramps_up_quickly() -> None:
    """Where throughput follows, the ceiling is reached within five rounds."""
    adapt = Adapt(64)
    rounds(adapt, 5, latency=0.05)
    assert adapt.window == 64


def test_it_stays_where_more_does_not_help() -> None:
    """A server that works on eight at once is not flooded with sixty-four."""
    adapt = Adapt(64)
    rounds(adapt, 40, latency=0.05, workers=8)
    assert 8 <= adapt.window <= 16


def test_it_halves_once_for_one_congestion() -> None:
    """All complaints of calls that were in flight together count as one."""
    adapt = Adapt(64)
    rounds(adapt, 6, latency=0.05)
    for _ in range(30):
        adapt.congested(100.0)
    assert adapt.window == 32


def test_it_takes_no_more_than_the_allowance_needs() -> None:
    """Ten calls a second at 100 ms need one in flight: a handful is plenty."""
    adapt = Adapt(64, rate=10.0)
    rounds(adapt, 10, latency=0.1)
    assert adapt.window <= 8
