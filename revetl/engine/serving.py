"""``docs --serve``: the page, and ``why`` behind a token, for this machine alone."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from revetl.config.schema import as_mapping
from revetl.docs.page import why_page
from revetl.engine.belief import FieldBelief
from revetl.engine.documenting import document
from revetl.engine.sealing import hidden
from revetl.engine.times import moment, parse_moment
from revetl.engine.why import SyncAnswer, why
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError, UsageError
from revetl.types import HIDDEN, JSON

HOST = "127.0.0.1"
LARGEST = 4_096  # bytes of a question
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A server at work: where it listens, and the token without which it answers no question."""

    port: int
    token: str

    @property
    def page(self) -> str:
        """Return the page's address."""
        return f"http://{HOST}:{self.port}/"

    @property
    def ask(self) -> str:
        """Return the address for questions; what stands behind # no browser sends to anybody."""
        return f"{self.page}why#{self.token}"


@contextmanager
def served(workspace: Workspace, port: int = 0) -> Iterator[Serving]:
    """Serve while the block runs; port 0 takes a free one.

    Raises:
        UsageError: RVT-801, the port is taken.
    """
    token = secrets.token_urlsafe(32)
    try:
        server = _Server(workspace, port, token)
    except OSError as error:
        raise UsageError("RVT-801", f"port {port} cannot be used: {error.strerror}", hint="--port 0") from None
    thread = threading.Thread(target=server.serve_forever, name="revetl-docs", daemon=True)
    thread.start()
    try:
        yield Serving(server.server_port, token)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    """What answers need; one question at a time."""

    daemon_threads = True

    def __init__(self, workspace: Workspace, port: int, token: str) -> None:
        self.workspace, self.token, self.turn = workspace, token, threading.Lock()
        super().__init__((HOST, port), _Handler)

    def page(self) -> str:
        with self.turn:
            return document(self.workspace)

    def form(self) -> str:
        names = [plan.name for plan in self.workspace.syncs] if self.workspace.resolved.syncs else []
        return why_page(self.workspace.project.name, self.workspace.target, names)

    def answer(self, question: Mapping[str, JSON]) -> dict[str, JSON]:
        key, to, at = (str(question.get(name) or "").strip() for name in ("key", "to", "at"))
        then = parse_moment(at, datetime.now(UTC)) if at else None
        with self.turn:
            found = why(self.workspace, key, to=to or None, at=then)
        return {"syncs": [_told(one) for one in found.syncs], "notes": list(found.notes)}


class _Handler(BaseHTTPRequestHandler):
    """Refuses whoever came by another name than this machine's: a page of elsewhere cannot make a browser ask."""

    server: _Server
    timeout = 10
    server_version, sys_version = "revetl", ""

    def do_GET(self) -> None:
        pages = {"/": self.server.page, "/why": self.server.form}
        make = pages.get(self.path)
        if self._stranger():
            self._json(403, {"error": "this server answers to its own address alone"})
        elif make is None:
            self._json(404, {"error": "there is nothing here"})
        else:
            self._send(200, make().encode("utf-8", "replace"), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self._stranger() or self.path != "/why":
            self._json(403, {"error": "this server answers to its own address alone"})
        elif not self._trusted():
            self._json(401, {"error": "the token is missing or wrong: open the address that revetl docs --serve says"})
        elif not length.isdigit() or int(length) > LARGEST:
            self._json(413, {"error": f"a question has at most {LARGEST} bytes"})
        else:
            self._json(*self._answered(self.rfile.read(int(length))))

    def _stranger(self) -> bool:
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        known = {f"http://{host}" for host in hosts}
        return self.headers.get("Host") not in hosts or (origin is not None and origin not in known)

    def _trusted(self) -> bool:
        said = self.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(said, f"Bearer {self.server.token}".encode())

    def _answered(self, body: bytes) -> tuple[int, dict[str, JSON]]:
        try:
            return 200, self.server.answer(as_mapping(json.loads(body)))
        except ValueError:
            return 400, {"error": "the question is no JSON"}
        except RevetlError as error:
            return 400, {"error": " · ".join(part for part in (error.what, error.hint) if part)}

    def _json(self, status: int, data: JSON) -> None:
        self._send(status, json.dumps(data).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing: what is asked concerns people."""


def _told(found: SyncAnswer) -> dict[str, JSON]:
    """Return an answer as texts; personal values are hidden, also where the ledger keeps them in clear."""
    belief = found.belief
    fields = [[name, _shown(one, found), moment(one.since)] for name, one in sorted(belief.fields.items())]
    steps = [
        [moment(step.flow.time), step.flow.op, step.flow.cohort or "", step.flow.outcome, step.flow.run]
        for step in found.steps
    ]
    stays = [[s.cohort, moment(s.since), moment(s.until) if s.until else ""] for s in belief.memberships]
    return {
        "sync": found.sync, "key": found.key or "", "reason": found.reason.text, "fields": fields, "cohorts": stays,
        "steps": steps,
    }  # fmt: skip


def _shown(one: FieldBelief, found: SyncAnswer) -> str:
    if one.hidden or one.field in found.hidden or hidden(one.value):
        return HIDDEN
    return one.value if isinstance(one.value, str) else json.dumps(one.value, ensure_ascii=False)
