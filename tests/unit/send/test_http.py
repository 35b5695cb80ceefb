"""The real wire against real sockets: bounded replies, no redirects, not sent told from unknown, no secret shown."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme

from revetl.contract import Http, Reply
from revetl.send import Failure
from revetl.send.http import HttpCarrier
from revetl.send.threads import ThreadWire
from tests.unit.send.stand import CANARY, lane

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def server(talk: Any, *, context: ssl.SSLContext | None = None) -> Any:
    """Run ``talk(connection)`` for each connection; yield the port and a list of what was received."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: Any) -> None:
        try:
            with (
                connection,
                connection if context is None else context.wrap_socket(connection, server_side=True) as ready,
            ):
                talk(ready, received)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], received
    finally:
        listener.close()


def replying(*chunks: bytes, pause: float = 0.0) -> Any:
    """Return a talk that reads one request and answers in ``chunks``."""

    def talk(connection: Any, received: Any) -> None:
        received.append(read_request(connection))
        for chunk in chunks:
            connection.sendall(chunk)
            if pause:
                time.sleep(pause)

    return talk


def read_request(connection: Any) -> bytes:
    """Return one whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def posting(port: int, *, scheme: str = "http", host: str = "127.0.0.1") -> Http:
    """Return a POST with a secret in header, query and body."""
    return Http(
        "POST",
        "/v1/rows/17",
        content=f'{{"key": "{CANARY}"}}'.encode(),
        query=(("token", CANARY),),
        headers=(("Authorization", f"Bearer {CANARY}"),),
        origin=f"{scheme}://{host}:{port}",
        template="/rows/{id}",
    )


def perform(
    port: int, *, scheme: str = "http", host: str = "127.0.0.1", context: ssl.SSLContext = PLAIN, **options: Any
) -> Any:
    """Make one POST."""
    carrier, call = HttpCarrier(context), posting(port, scheme=scheme, host=host)
    try:
        return carrier.perform(lane(origin=call.origin, **options), call)
    finally:
        carrier.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: r-1\r\nx-two: a\r\nX-Two: b\r\n\r\n{}"


def test_a_plain_reply() -> None:
    """Status, body and lower-case headers come through; the request is as the call says."""
    with server(replying(OK)) as (port, received):
        reply = perform(port)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content, reply.headers["x-request-id"]) == (200, b"{}", "r-1")
    assert reply.headers["x-two"] == "a, b"
    assert abs(reply.at - time.time()) < 5
    head = received[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[0] == f"POST /v1/rows/17?token={CANARY} HTTP/1.1"
    assert {f"host: 127.0.0.1:{port}", "accept-encoding: gzip, deflate"} <= {line.lower() for line in head}


def test_a_connection_is_kept_for_as_long_as_it_is_whole() -> None:
    """Calls to one place share a connection; where that was closed, or a reply broke off, there is a new one."""
    cut, ended = OK[:-1], threading.Semaphore(0)
    plan = [[OK, OK], [OK, cut], [OK, OK]]

    def talk(connection: Any, received: Any) -> None:
        for reply in plan.pop(0):
            replying(reply)(connection, received)
        connection.shutdown(socket.SHUT_RDWR)
        ended.release()

    carrier = HttpCarrier(PLAIN)
    with server(talk) as (port, _):
        call, found = posting(port), []
        for _ in range(3):
            for _ in range(2):
                done = carrier.perform(lane(origin=call.origin), call)
                found.append(done.status if isinstance(done, Reply) else done.code)
            assert ended.acquire(timeout=5)
    carrier.close()
    assert found == [200, 200, 200, "RVT-605", 200, 200]


def test_gzip_is_decoded() -> None:
    """A compressed reply is decoded."""
    body = gzip.compress(b"[1, 2]")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server(replying(head + body)) as (port, _):
        reply = perform(port)
    assert isinstance(reply, Reply)
    assert reply.json() == [1, 2]


DRIP = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", *[b"x"] * 100]
HEADER_DRIP = [b"HTTP/1.1 200 OK\r\n", *[b"x"] * 100]


@pytest.mark.parametrize("chunks", [DRIP, HEADER_DRIP, []], ids=["body", "headers", "silence"])
def test_a_slow_reply_ends_with_the_deadline(chunks: Any) -> None:
    """A server that drips, in body or headers, or says nothing, holds a call no longer than its total time."""

    def talk(connection: Any, received: Any) -> None:
        replying(*chunks, pause=0.05)(connection, received)
        time.sleep(2)

    with server(talk) as (port, _):
        began = time.monotonic()
        failure = perform(port, timeout=0.4)
        took = time.monotonic() - began
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent, failure.timeout) == ("RVT-605", True, True)
    assert took < 1.0


def test_a_gzip_bomb_is_cut() -> None:
    """A small body that decodes to a large one is refused, and is not asked for again."""
    body = gzip.compress(b"\0" * 30_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server(replying(head + body)) as (port, _):
        failure = perform(port, max_decoded=1_000_000)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent, failure.again) == ("RVT-607", True, False)


def test_an_endless_body_is_cut() -> None:
    """More raw bytes than the cap end the call."""
    with server(replying(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 40)) as (port, _):
        failure = perform(port, max_raw=1_000_000)
    assert isinstance(failure, Failure)
    assert failure.code == "RVT-607"


def test_a_header_flood_is_cut() -> None:
    """Headers without end are no reply."""
    flood = [b"HTTP/1.1 200 OK\r\n", *[b"X-Flood: " + b"y" * 8_000 + b"\r\n"] * 200]
    with server(replying(*flood)) as (port, _):
        failure = perform(port)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-605", True)


@pytest.mark.parametrize("status", range(300, 309))
def test_no_redirect_is_followed(status: Any) -> None:
    """A second server receives not one byte; the message names its host alone."""
    with server(replying(OK)) as (second, received):
        location = f"http://127.0.0.1:{second}/take?token={CANARY}"
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        with server(replying(head.encode())) as (port, _):
            failure = perform(port)
        assert received == []
    assert isinstance(failure, Failure)
    assert (failure.code, failure.fatal) == ("RVT-608", True)
    assert "127.0.0.1" in failure.what
    assert "take" not in failure.what


@pytest.mark.parametrize(
    "chunks",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
        [b"HTTP/1.1 20"],
        [b"no http at all\r\n\r\n"],
        [],
    ],
    ids=["length", "chunked", "status", "noise", "closed"],
)
def test_a_truncated_reply_is_unknown(chunks: Any) -> None:
    """A reply that ends too early proves nothing: the call was sent."""
    with server(replying(*chunks)) as (port, _):
        failure = perform(port)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent, failure.again) == ("RVT-605", True, True)


def test_a_reset_is_unknown() -> None:
    """A connection that is reset after the request was sent proves nothing."""

    def talk(connection: Any, received: Any) -> None:
        received.append(read_request(connection))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with server(talk) as (port, received):
        failure = perform(port)
    assert received
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-605", True)


def test_no_connection_means_not_sent() -> None:
    """A closed port is a certain refusal."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = perform(port)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-600", False)


def test_a_name_that_does_not_resolve_means_not_sent() -> None:
    """Nothing leaves without an address."""
    call = Http("GET", "/", origin="https://revetl.invalid")
    to = lane()
    to = replace(to, destination=replace(to.destination, hosts=("revetl.invalid",)))
    failure = HttpCarrier(PLAIN).perform(to, call)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-600", False)


def certificate(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts of a server called ``name`` and of a client that trusts its authority."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(name).configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


def test_tls_with_a_trusted_certificate() -> None:
    """The right name under a trusted authority is let through."""
    serving, trusting = certificate("localhost")
    with server(replying(OK), context=serving) as (port, _):
        assert isinstance(perform(port, scheme="https", host="localhost", context=trusting), Reply)


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_tls_with_a_wrong_certificate_sends_nothing(wrong: Any) -> None:
    """A wrong name or an unknown authority ends the call before the request: not sent."""
    serving, trusting = certificate("other.example.com" if wrong == "name" else "localhost")
    with server(replying(OK), context=serving) as (port, received):
        failure = perform(
            port, scheme="https", host="localhost", context=trusting if wrong == "name" else certificate("x")[1]
        )
    assert received == []
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("RVT-600", False)
    assert "TLS" in failure.what


def test_a_header_cannot_smuggle_another() -> None:
    """A line break in a header's value ends the call before it leaves."""
    with server(replying(OK)) as (port, received):
        origin = f"http://127.0.0.1:{port}"
        call = Http("GET", "/", origin=origin, headers=(("X-A", "a\r\nX-B: b"),))
        failure = HttpCarrier(PLAIN).perform(lane(origin=origin), call)
    assert isinstance(failure, Failure)
    assert (failure.sent, failure.again) == (False, False)
    assert b"".join(received) == b""


def test_no_secret_in_messages_and_logs(caplog: Any) -> None:
    """Whatever goes wrong: neither the failure nor any log line of any library shows query, header or body."""
    caplog.set_level(logging.DEBUG)
    talks = [
        replying(OK),
        replying(b"HTTP/1.1 200 OK\r\nX: " + CANARY.encode()),
        replying(CANARY.encode() + b"\r\n\r\n"),
    ]
    talks.append(replying(f"HTTP/1.1 302 x\r\nLocation: https://example.org/{CANARY}\r\n\r\n".encode()))
    shown = []
    for talk in talks:
        with server(talk) as (port, _):
            shown.append(perform(port, timeout=1.0))
    shown.append(perform(1))
    assert CANARY not in "".join(repr(found) for found in shown) + caplog.text


def test_the_environment_is_not_trusted(monkeypatch: Any, tmp_path: Any) -> None:
    """Proxies, certificate files and key logs of a poisoned environment change nothing."""
    keys = tmp_path / "keys"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    wire = ThreadWire()
    try:
        with server(replying(OK)) as (port, _):
            origin = f"http://127.0.0.1:{port}"
            wire.submit(1, lane(origin=origin), Http("GET", "/", origin=origin))
            (completion,) = wire.collect(5)
    finally:
        wire.close()
    assert completion.reply is not None
    assert not keys.exists()


def many(connection: Any, received: Any) -> None:
    """Answer requests on one connection until it closes."""
    while read_request(connection):
        time.sleep(0.02)
        connection.sendall(OK)


def test_threads_work_side_by_side() -> None:
    """Calls are in flight together, each ticket completes once, idle threads are used again."""
    wire = ThreadWire()
    with server(many) as (port, _):
        origin = f"http://127.0.0.1:{port}"
        to, call = lane(origin=origin), Http("GET", "/", origin=origin)
        began = time.monotonic()
        done: list[Any] = []
        for start in (0, 20):
            for ticket in range(start, start + 20):
                wire.submit(ticket, to, call)
            while len(done) < start + 20:
                done += wire.collect(5)
        took = time.monotonic() - began
    assert sorted(completion.ticket for completion in done) == list(range(40))
    assert all(completion.reply is not None for completion in done)
    assert took < 40 * 0.02
    assert len(wire._workers) == 20
    wire.close()


def test_collect_ends_with_its_timeout() -> None:
    """Without completions, an empty list after the timeout."""
    wire = ThreadWire()
    assert wire.collect(0.01) == []
    wire.close()
