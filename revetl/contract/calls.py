"""Calls and replies, and all else that an exchange may yield and return."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from revetl.types import EMPTY, JSON, Effect, Outcome


@dataclass(frozen=True, slots=True)
class Http:
    """One HTTP request.

    ``path`` is joined to the destination's base URL, or to ``origin`` (``https://login.example.com``) where a vendor
    has more than one host. ``template`` is the path without any value in it, for messages and the ledger.
    """

    method: str
    path: str
    content: bytes | None = None
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    origin: str | None = None
    effect: Effect = Effect.REPEATABLE
    cost: Mapping[str, int] = EMPTY  # limit name → units, where not 1; 0 leaves that limit alone
    template: str = ""
    authenticated: bool = True  # False for the token calls themselves

    @property
    def label(self) -> str:
        """Return method and path template: what messages and logs may show."""
        return f"{self.method} {self.template or self.path}"


@dataclass(frozen=True, slots=True)
class PutFile:
    """Write one file below the destination's directory, atomically; a repeat with the same name replaces it."""

    path: str  # relative; no "..", no absolute path
    rows: Sequence[Mapping[str, JSON]]
    format: str = "jsonl"  # jsonl | csv | parquet
    columns: tuple[str, ...] = ()  # csv, parquet: their order
    effect: Effect = Effect.REPEATABLE
    cost: Mapping[str, int] = EMPTY

    @property
    def label(self) -> str:
        """Return what messages and logs may show."""
        return f"PUT {self.path}"


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement, a transaction of its own, on the database that the destination's ``database`` names.

    It takes one parameter, ``$1`` (``argument``: JSON as text), or none. What it selects is one text, a JSON array: the
    reply is 200 with ``{"rows": [...]}``. A refusal undid everything: 400 (a value or a constraint), 423 (locks), 503
    (the server), 404 (the statement itself), with ``{"sqlstate", "column", "constraint"}`` and none of the server's own
    words, which may repeat values.
    """

    text: str
    argument: bytes | None = None
    name: str = ""  # what messages and logs may show, such as ``upsert public.customer``
    effect: Effect = Effect.REPEATABLE
    cost: Mapping[str, int] = EMPTY

    @property
    def label(self) -> str:
        """Return what messages and logs may show."""
        return f"SQL {self.name}"


Call = Http | PutFile | Sql


@dataclass(frozen=True, slots=True)
class Reply:
    """A final, fully read answer. Header names are in lower case. ``at`` is UTC epoch seconds: the only clock."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = EMPTY
    at: float = 0.0

    def json(self) -> JSON:
        """Return the body parsed.

        Raises:
            UnreadableReply: the body is not JSON; the sender makes the batch's outcomes *unknown* (or a refusal where
                the status says so).
        """
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise UnreadableReply(self.status) from None

    def document(self) -> dict[str, JSON]:
        """Return the body as a JSON object.

        Raises:
            UnreadableReply: it is none.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise UnreadableReply(self.status, "the body is not a JSON object")
        return found

    def problem(self) -> dict[str, JSON]:
        """Return the body as a JSON object, empty where it is none: what a refusal may say, and need not."""
        try:
            found = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx, which by itself proves nothing about any row."""
        return 200 <= self.status < 300


class UnreadableReply(Exception):
    """A reply whose body is not what the vendor documents; generators may let it rise, the sender handles it."""

    def __init__(self, status: int, what: str = "the body is not JSON") -> None:
        """Name the status and what could not be read."""
        super().__init__(f"HTTP {status}: {what}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after ``seconds``, as a job asks to be polled."""

    seconds: float


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A job exists at the vendor under ``id`` (text that ``resume`` can start from alone)."""

    id: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcomes to acknowledge now, before the exchange goes on."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class BatchRejected:
    """The vendor refused the whole batch because of some row in it; nothing of it was applied."""

    code: str
    reason: str


Yield = Call | tuple[Call, ...] | Pause | JobStarted | Settled
Sent = Any  # Reply, tuple of replies, or None, by what was yielded
Exchange = Generator[Yield, Sent, Iterable[Outcome] | BatchRejected]
