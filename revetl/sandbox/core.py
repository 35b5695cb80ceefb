"""A stand-in: a store, a journal of what it received, faults on order, and an answer to every request."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import orjson

from revetl.errors import StateError
from revetl.sandbox import control
from revetl.sandbox.asgi import ASGI, app_of
from revetl.sandbox.faults import Fault, Faults
from revetl.sandbox.wire import Answer, RefusedError, Request
from revetl.types import EMPTY, JSON

DUMP_VERSION = 1


class Sandbox(ABC):
    """One stand-in of one destination's API, strict where the vendor is.

    ``store`` holds JSON-able values only. Rate windows use ``clock`` (monotonic seconds), times in records ``now``
    (epoch seconds). Thread-safe: requests are answered one at a time, but stay in flight while they wait.
    """

    name: ClassVar[str]

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        latency: float = 0.0,
        journal_size: int = 10_000,
        keep_bodies: bool = False,
        options: Mapping[str, JSON] = EMPTY,
    ) -> None:
        """Make a stand-in with a fresh store.

        Each request stays in flight for ``latency`` seconds; ``options`` is what the vendor's handlers look up.
        """
        self.clock, self.now, self.sleep, self.latency = clock, now, sleep, latency
        self.keep_bodies = keep_bodies
        self.options = options
        self.journal: deque[dict[str, JSON]] = deque(maxlen=journal_size)
        self.in_flight = 0
        self.received = 0
        self._faults = Faults()
        self._flags: list[str] = []
        self._lock = threading.RLock()
        self.store: dict[str, JSON] = self.fresh()

    @abstractmethod
    def fresh(self) -> dict[str, JSON]:
        """Return a store as it is in a new account."""

    @abstractmethod
    def respond(self, request: Request) -> Answer:
        """Apply ``request`` and return its answer, or raise ``RefusedError`` having applied nothing."""

    @abstractmethod
    def refuse(self, refused: RefusedError) -> Answer:
        """Return a refusal in the vendor's envelope."""

    @cached_property
    def app(self) -> ASGI:
        """Return this stand-in as an ASGI application."""
        return app_of(self)

    def handle(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request without a server: (status, headers, body); ``path`` is as on the wire.

        ``ConnectionResetError`` where a fault drops the connection.
        """
        known = {name.lower(): value for name, value in dict(headers).items()}
        with self.flight():
            answer = self.receive(Request(method.upper(), path, query, known, body))
            if answer.delay:
                self.sleep(answer.delay)
        if answer.drop:
            raise ConnectionResetError("the stand-in dropped the connection, as ordered")
        return answer.status, dict(answer.headers), answer.body

    @contextmanager
    def flight(self) -> Iterator[None]:
        """Count one request as in flight while the block runs."""
        with self._lock:
            self.in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self.in_flight -= 1

    def receive(self, request: Request) -> Answer:
        """Answer a request that is already counted as in flight; the caller waits for ``Answer.delay``."""
        with self._lock:
            if request.path.startswith(control.PREFIX):
                return control.respond(self, request)
            self.received += 1
            self._flags = []
            fault = self._faults.take(request)
            answer = self._respond(request) if fault is None else fault.strike(lambda: self._respond(request))
            self._record(request, answer)
        return answer

    def _respond(self, request: Request) -> Answer:
        try:
            answer = self.respond(request)
        except RefusedError as refused:
            answer = self.refuse(refused)
        return replace(answer, delay=answer.delay + self.latency) if self.latency else answer

    def _record(self, request: Request, answer: Answer) -> None:
        entry: dict[str, JSON] = {
            "n": self.received,
            "at": self.clock(),
            "time": self.now(),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "status": None if answer.drop else answer.status,
            "size": len(request.body),
            "in_flight": self.in_flight,
            "flags": self._flags,
        }
        if self.keep_bodies:
            entry["body"] = request.body.decode("utf-8", "replace")
        self.journal.append(entry)

    def flag(self, note: str) -> None:
        """Mark the request being answered in the journal: accepted, yet something no caller should do."""
        if note not in self._flags:
            self._flags.append(note)

    def inject(self, fault: Fault) -> None:
        """Order a fault for coming requests."""
        with self._lock:
            self._faults.add(fault)

    def reset(self) -> None:
        """Return to a new account: store, journal and faults; limits keep counting."""
        with self._lock:
            self.store = self.fresh()
            self.journal.clear()
            self._faults.clear()

    def request_id(self) -> str:
        """Return the id of the request being answered, shaped as a UUID, the same on every replay."""
        return f"00000000-0000-4000-8000-{self.received:012x}"

    def dump(self) -> dict[str, JSON]:
        """Return a copy of the store that JSON can carry to another process."""
        with self._lock:
            copied: dict[str, JSON] = orjson.loads(orjson.dumps(self.store))
        return {"sandbox": self.name, "version": DUMP_VERSION, "store": copied}

    def load(self, dumped: Mapping[str, JSON]) -> None:
        """Take over a dumped store; ``StateError`` RVT-683 where it is not one of this stand-in."""
        if dumped.get("sandbox") != self.name or dumped.get("version") != DUMP_VERSION:
            found = f"{dumped.get('sandbox')!r} version {dumped.get('version')!r}"
            raise StateError(
                "RVT-683",
                f"The rehearsal kept for {self.name!r} holds {found}, not version {DUMP_VERSION} of it.",
                kept="The stand-in keeps what it had.",
                hint="delete the stand-in's state file to rehearse from an empty account",
            )
        with self._lock:
            self.store = orjson.loads(orjson.dumps(dumped["store"]))
