"""A webhook's other end: keeps what it receives, as slow or as unwilling as a test wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from tests.e2e.house import House


@dataclass
class Receiver:
    """What came in, oldest first. ``latency`` in seconds; ``status`` and ``more`` headers are the answer to all."""

    latency: float = 0.0
    status: int = 200
    more: dict[str, str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, headers: dict[str, str], content: bytes) -> int:
        """Keep one request, wait, and return the status to answer."""
        with self._lock:
            self.bodies.append(orjson.loads(content))
            self.headers.append(headers)
        self.came.release()
        time.sleep(self.latency)
        return self.status

    def keys(self, since: int = 0, op: str = "upsert") -> list[str]:
        """Return the key of every record that came with an operation after the first ``since`` requests, in order."""
        return [record["id"] for body in self.bodies[since:] if body["op"] == op for record in body["records"]]

    def state(self) -> dict[str, dict[str, Any]]:
        """Return what a tool would hold that applied each record as it came: key → fields."""
        held: dict[str, dict[str, Any]] = {}
        for body in self.bodies:
            for record in body["records"]:
                if body["op"] == "upsert":
                    held.setdefault(record["id"], {}).update(record["fields"])
                elif body["op"] == "leave":
                    held.pop(record["id"], None)
        return held


@contextmanager
def listening(**options: Any) -> Iterator[Receiver]:
    """Serve a receiver on this machine for the block."""
    receiver = Receiver(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take({k.lower(): v for k, v in self.headers.items()}, content)
            self.send_response(status)
            for name, value in receiver.more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the other side was killed: what tests are here for
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def hook_up(house: House, receiver: Receiver, *, rows: int = 5, target: str = "dev", more: str = "") -> None:
    """Put a webhook into HubSpot's place, for one target alone; ``more`` are settings of it, as YAML."""
    settings = "{url: \"{{ env_var('HOOK_URL') }}\", max_records: " + f"{rows}{more}}}"
    house.variables["HOOK_URL"] = receiver.url
    (house.root / "revetl.yml").write_text(
        f"""
version: 1
timezone: UTC
destinations:
  mailchimp: {{type: mailchimp, targets: {{elsewhere: sandbox}}, syncs: {MAIL_SYNC}}}
  exports: {{type: file, targets: {{elsewhere: {{directory: x}}}}, syncs: {FILE_SYNC}}}
  hubspot:
    type: webhook
    targets: {{{target}: {settings}}}
    syncs:
      customer:
        entity: customer
        match: {{email: email}}
        on_leave: delete
        allow_delete: true
        allow_pii: [email, name, phone]
      company: {{entity: company, match: {{shop_company_id: company_id}}}}
""",
        encoding="utf-8",
    )


MAIL_SYNC = "{customer: {entity: customer, match: {email_address: email}, allow_pii: [email, name]}}"
FILE_SYNC = "{company: {entity: company, match: {company_id: company_id}}}"
