"""The way out: a proxy and authorities of one's own are used where revetl.yml names them, and only there."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from revetl.contract import Http, Reply
from revetl.send import Failure, telemetry
from revetl.send.network import DIRECT, Network
from revetl.send.notices import post
from revetl.send.telemetry import Flow, Ran, openlineage, opentelemetry
from revetl.send.threads import ThreadWire
from tests.unit.send.stand import CANARY, destination, lane
from tests.unit.send.test_http import OK, read_request, replying, server

HOST = "api.example.com"  # which no resolver is asked for: the proxy knows the way


@contextmanager
def proxy(
    port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> Iterator[tuple[int, list[bytes]]]:
    """Run a proxy that leads every CONNECT to a port of this machine; yield its own port, and all that it read."""

    def talk(connection: Any, read: list[bytes]) -> None:
        read.append(read_request(connection))
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", port)) as other:
            back = threading.Thread(target=_pipe, args=(other, connection, []), daemon=True)
            back.start()
            _pipe(connection, other, read)
            back.join(5)

    with server(talk) as (mine, read):
        yield mine, read


def _pipe(source: Any, sink: Any, read: list[bytes]) -> None:
    try:
        while data := source.recv(65_536):
            read.append(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context for HOST, and the file of the private authority that signed it."""
    ca = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(HOST).configure_cert(serving)
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return serving, file


def call(network: Network, origin: str = f"https://{HOST}") -> Reply | Failure | None:
    """Make one POST with a secret in it over the wire of production."""
    wire = ThreadWire(network=network)
    request = Http("POST", "/rows", content=CANARY.encode(), headers=(("Authorization", CANARY),), origin=origin)
    try:
        wire.submit(1, lane(replace(destination(), hosts=(HOST, "127.0.0.1")), origin=None), request)
        (done,) = wire.collect(10)
    finally:
        wire.close()
    return done.reply or done.failure


def test_through_a_proxy_to_a_host_of_a_private_authority(authority: tuple[ssl.SSLContext, Path]) -> None:
    """The proxy is told the host and its own login, and sees nothing of the request."""
    serving, file = authority
    with server(replying(OK), context=serving) as (port, received), proxy(port) as (door, read):
        reply = call(Network(f"http://me:p%40ss@127.0.0.1:{door}", ca_file=str(file)))
    assert isinstance(reply, Reply)
    assert received[0].endswith(CANARY.encode())
    assert read[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
    assert b"Basic " + b64encode(b"me:p@ss") in read[0]
    assert CANARY.encode() not in b"".join(read)


def test_an_authority_that_nobody_named_is_not_trusted(authority: tuple[ssl.SSLContext, Path]) -> None:
    """A proxy is no reason to trust whoever answers behind it: nothing of the request leaves."""
    with server(replying(OK), context=authority[0]) as (port, received), proxy(port) as (door, _):
        failure = call(Network(f"http://127.0.0.1:{door}"))
    assert received == []
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent, "TLS" in failure.what) == ("RVT-600", False, True)


def test_a_proxy_that_refuses_leaves_no_doubt() -> None:
    """Nothing was sent; the message has the proxy's status, and neither its words nor our login."""
    refusal = f"HTTP/1.1 407 {CANARY}\r\nContent-Length: 0\r\n\r\n".encode()
    with proxy(0, refusal) as (door, _):
        failure = call(Network(f"http://me:{CANARY}@127.0.0.1:{door}"))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-600", False)
    assert "the proxy answered HTTP 407" in failure.what
    assert CANARY not in failure.what


def test_this_machine_is_reached_without_it() -> None:
    """Stand-ins, and hosts that are named, need no proxy; what is below a domain is named by a star."""
    with server(replying(OK)) as (port, _):
        assert isinstance(call(Network("http://127.0.0.1:9"), f"http://127.0.0.1:{port}"), Reply)
    found = Network("http://127.0.0.1:9", ("*.internal", "crm.example.com"))
    hosts = ("api.example.com", "crm.example.com", "a.internal", "internal", "localhost", "127.0.0.1", "::1")
    assert [host for host in hosts if found.proxied(host)] == ["api.example.com", "internal"]
    assert not DIRECT.proxied("api.example.com")


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither calls nor notices take a proxy that is not named in revetl.yml."""
    with proxy(0) as (door, read):
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{door}")
        assert isinstance(call(DIRECT, "https://127.0.0.1:9"), Failure)
        assert "Connect" in (post("https://127.0.0.1:9/hook", {}) or "")
    assert read == []


def test_notices_go_the_same_way(authority: tuple[ssl.SSLContext, Path]) -> None:
    """A channel is reached through the proxy, by the authorities that are named."""
    with server(replying(OK), context=authority[0]) as (port, received), proxy(port) as (door, _):
        way = Network(f"http://127.0.0.1:{door}", ca_file=str(authority[1]))
        assert post(f"https://{HOST}/hook", {"text": "held"}, way=way) is None
    assert b"held" in received[0]


RAN = Ran("shop", "prod", "r1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), 0, (
    Flow("crm.customer", (), ("crm", "contacts"), counts={"delivered": 1}),
))  # fmt: skip


# a client that is told nothing would send its next event over a connection that is about to be closed
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize("tell", [openlineage, opentelemetry])
def test_telemetry_goes_the_same_way(
    tell: Callable[..., str | None], authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clients take the proxy and the authorities that are named, and none of the environment."""
    with server(replying(LAST), context=authority[0]) as (port, received), proxy(port) as (door, read):
        way = Network(f"http://127.0.0.1:{door}", ca_file=str(authority[1]))
        assert tell(RAN, f"https://{HOST}", way=way) is None
        assert read[0].startswith(f"CONNECT {HOST}:443 ".encode())
        assert b"POST" in b"".join(received)
        reached, heard = doors(read), len(received)
        monkeypatch.setattr(telemetry, "TIMEOUT", 2.0)  # for which what fails is tried again
        assert tell(RAN, f"https://{HOST}", way=replace(way, ca_file=None)) is not None
        assert doors(read) > reached
        reached = doors(read)
        monkeypatch.setenv("HTTPS_PROXY", str(way.proxy))
        assert tell(RAN, f"https://{HOST}", way=replace(way, proxy=None)) is not None
        assert (doors(read), len(received)) == (reached, heard)


def doors(read: list[bytes]) -> int:
    """Return how often a proxy was asked for a way."""
    return sum(one.startswith(b"CONNECT ") for one in read)
