"""A real HTTP server before a strict stand-in that answers as badly as services do: by seeded dice, on real sockets."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import urlsplit

BOMB = gzip.compress(b"\0" * 8_000_000)
ABSURD = "99999999999"
Told = tuple[int, dict[str, str], bytes]


def waits() -> tuple[str | None, ...]:
    """Return what Retry-After may say: seconds, a date, nothing, nonsense, the past, too much."""
    now = datetime.now(UTC)
    soon, past = (format_datetime(now + timedelta(seconds=s), usegmt=True) for s in (1, -3600))
    return ("0", "1", soon, None, "soon", "-5", past, ABSURD)


@dataclass
class Chaos:
    """What stands between the wire and a stand-in: its dice, what it did, and every request that it received."""

    box: Any
    random: Random
    check: Callable[[str, bytes], None]  # called with each request's target and body before anything is done with it
    second: int = 0  # port of the host that redirects lead to
    faults: bool = True
    done: list[str] = field(default_factory=list)
    received: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self) -> str:
        """Return what becomes of the next request."""
        with self.lock:
            self.received += 1
            trouble = self.faults and (self.received == 1 or self.random.random() < 0.5)
            kind = self.random.choice(KINDS) if trouble else "plain"
            self.done.append(kind)
            return kind

    def ask(self, one: Handler, body: bytes) -> Told:
        """Let the stand-in do what is asked."""
        parts = urlsplit(one.path)
        headers = {name.lower(): value for name, value in one.headers.items()}
        status, told, answer = self.box.handle(one.command, parts.path, parts.query, headers, body)
        return status, {k: v for k, v in told.items() if k.lower() != "content-length"}, answer


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        """Receive a request and do with it what the dice say."""
        chaos = self.server.chaos
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            chaos.check(self.path, body)
        except AssertionError as error:
            chaos.wrong.append(str(error))
        kind = chaos.draw()
        with suppress(OSError):  # whoever asked may have given up
            getattr(self, kind)(chaos, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - as http.server wants it

    def reply(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        """Send an answer, whose length may be a lie."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def plain(self, chaos: Chaos, body: bytes) -> None:
        """Answer as the service does."""
        self.reply(*chaos.ask(self, body))

    def late(self, chaos: Chaos, body: bytes) -> None:
        """Answer after a while."""
        time.sleep(0.15)
        self.plain(chaos, body)

    def unheard(self, chaos: Chaos, body: bytes) -> None:
        """Drop the connection before anything was done."""
        self._reset()

    def reset(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and break off in the middle of the answer."""
        status, headers, answer = chaos.ask(self, body)
        self.reply(status, headers, answer[: len(answer) // 2], len(answer) + 50)
        self.wfile.flush()
        self._reset()

    def truncated(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and close before the answer is whole."""
        status, headers, answer = chaos.ask(self, body)
        self.reply(status, headers, answer[:-1], len(answer) + 9)
        self.close_connection = True

    def drip(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and answer byte by byte for longer than anybody waits."""
        chaos.ask(self, body)
        self.reply(200, {}, b"", 1_000)
        self.close_connection = True
        for _ in range(40):
            self.wfile.write(b" ")
            time.sleep(0.05)

    def huge(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and answer more than anybody takes."""
        chaos.ask(self, body)
        self.close_connection = True
        self.reply(200, {"Content-Type": "application/json"}, b" " * 600_000)

    def bomb(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and answer with little that decodes to much."""
        chaos.ask(self, body)
        self.close_connection = True
        self.reply(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, BOMB)

    def page(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and answer with a page of somebody between."""
        chaos.ask(self, body)
        self.reply(200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>")

    def broken(self, chaos: Chaos, body: bytes) -> None:
        """Do it, and say that it failed."""
        chaos.ask(self, body)
        self.reply(chaos.random.choice((500, 502, 503, 504)), {}, b"oops")

    def elsewhere(self, chaos: Chaos, body: bytes) -> None:
        """Send the caller to another host, with whatever they have."""
        status = chaos.random.choice((301, 302, 303, 307, 308))
        self.reply(status, {"Location": f"http://127.0.0.1:{chaos.second}{self.path}"}, b"")

    def busy(self, chaos: Chaos, body: bytes) -> None:
        """Turn it away, with any kind of wait."""
        wait = chaos.random.choice(waits())
        self.reply(429, {} if wait is None else {"Retry-After": wait}, b"{}")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


KINDS = (
    "late", "unheard", "reset", "truncated", "drip", "huge", "bomb", "page", "broken", "broken", "elsewhere", "busy",
    "busy", "busy",
)  # fmt: skip


class Server(ThreadingHTTPServer):
    """Listens on this machine."""

    daemon_threads = True
    chaos: Chaos

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were dropped on purpose."""


@contextmanager
def serving(chaos: Chaos) -> Iterator[str]:
    """Serve while the block runs; yield the origin. Redirects lead to a listener that must hear nothing."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as second, Server(("127.0.0.1", 0), Handler) as server:
        second.settimeout(0.0)
        chaos.second, server.chaos = second.getsockname()[1], chaos
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            with suppress(BlockingIOError):
                heard.append(second.accept()[0].recv(1))
    assert heard == [], "the second host was called"
