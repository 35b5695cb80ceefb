"""The other end of a webhook: checks signatures, applies records to SQLite, refuses single rows by name.

    ORDERS_APP_SECRET=… python receiver.py customers.sqlite [port]

Every step is idempotent, as it must be: after a timeout or a crash revetl sends the same records again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY = 8_000_000  # bytes; revetl sends about half of it at most
TABLES = """
    create table if not exists customers (id text primary key, email text, band text);
    create table if not exists members (cohort text, id text, primary key (cohort, id));
"""


def signed(secret: str, body: bytes, signature: str) -> bool:
    """Return whether the body is signed with the secret: HMAC-SHA256, in hex."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={wanted}", signature)


def apply(store: sqlite3.Connection, message: dict[str, Any]) -> list[dict[str, str]]:
    """Apply one batch in one transaction; return the rows that are refused, each with a code and a reason."""
    refused = []
    with store:
        for record in message["records"]:
            key, fields = record["match"], record.get("fields", {})
            if "@" not in (fields.get("email") or "@"):
                refused.append({"id": record["id"], "code": "BAD_EMAIL", "message": "not an address"})
            elif message["op"] == "upsert":  # changed fields only: what is not named stays as it is
                store.execute("insert or ignore into customers (id) values (?)", (key,))
                for name in fields.keys() & {"email", "band"}:
                    store.execute(f"update customers set {name} = ? where id = ?", (fields[name], key))  # noqa: S608
            elif message["op"] == "leave":
                store.execute("delete from customers where id = ?", (key,))
            elif message["op"] == "join":
                store.execute("insert or ignore into members values (?, ?)", (message["cohort"]["name"], key))
            elif message["op"] == "part":
                store.execute("delete from members where cohort = ? and id = ?", (message["cohort"]["name"], key))
    return refused


def serve(path: str, secret: str, port: int) -> None:
    """Answer on the loopback interface until interrupted."""
    store = sqlite3.connect(path, check_same_thread=False)
    store.executescript(TABLES)
    one_writer = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take one batch: 401 unsigned, 200 with the rows that are refused."""
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), MAX_BODY))
            if not signed(secret, body, self.headers.get("x-revetl-signature", "")):
                self.answer(401, {"error": "signature"})
                return
            with one_writer:
                errors = apply(store, json.loads(body))
            self.answer(200, {"errors": errors})

        def answer(self, status: int, answer: dict[str, Any]) -> None:
            """Send JSON."""
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: bodies hold personal data."""

    # Threads, since revetl keeps several connections open: a server of one thread would wait on the first for ever.
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/revetl", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], os.environ["ORDERS_APP_SECRET"], int(sys.argv[2]) if len(sys.argv) > 2 else 8765)
