"""What a destination is: data, and generators that yield calls and receive replies.

A destination never touches the network, the clock or the disk. Its actions are generators, as httpx's auth flows are;
the one sender (:mod:`revetl.send`) owns limits, retries, halving, tokens, deadlines and accounting for all of them.

What an exchange may yield, and what it gets back:

======================  =============================================================================================
``Call``                its final, fully read :class:`Reply` (any status the sender does not handle itself)
tuple of ``Call``       a tuple of replies in the same order; the calls go out side by side
:class:`Pause`          ``None``, after that many seconds
:class:`JobStarted`     ``None``, once the job's id is durable; yield it right after the job's creation
:class:`Settled`        ``None``; these outcomes are acknowledged at once and must not be returned again
======================  =============================================================================================

It returns one :class:`~revetl.types.Outcome` for every change of its batch that it did not settle, or
:class:`BatchRejected`, upon which the sender halves the batch and runs the action again on each half.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from pydantic import BaseModel

from revetl.types import (
    EMPTY,
    JSON,
    Batch,
    Effect,
    Mode,
    OnLeave,
    Op,
    Outcome,
    Proof,
    RemoteField,
    RemoteRecord,
)

# --- calls and replies ----------------------------------------------------------------------------------------------


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


Call = Http | PutFile


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


# --- what a reply means beyond its rows -----------------------------------------------------------------------------


class Fault(StrEnum):
    """What the sender does with a reply that is not about rows."""

    THROTTLED = "throttled"  # refused, nothing applied: wait ``after`` seconds, then the same call again
    BUSY = "busy"  # too many at once: one call less in flight, short wait, again
    QUOTA = "quota"  # the day's allowance is spent: stop this account, resume point at ``until``
    EXPIRED = "expired"  # the token is not valid any more: renew once, again
    UNAVAILABLE = "unavailable"  # may or may not be applied: repeat where the call allows it
    FATAL = "fatal"  # credentials, rights, wrong account: stop this destination


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A vendor's reply, understood."""

    fault: Fault
    reason: str = ""
    code: str = ""
    after: float | None = None  # seconds
    until: float | None = None  # UTC epoch seconds


# --- the parts of a declaration -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """One allowance of an account, shared by all workers and syncs that resolve to it.

    ``kind``: ``window`` (at most ``allowance`` units in any ``seconds``), ``concurrency`` (at most ``allowance`` calls
    at once) or ``quota`` (like a window, but spending it stops the account instead of waiting).
    A slot of a window is free again one window after its *reply*.
    """

    name: str
    allowance: int
    seconds: float = 0.0
    kind: str = "window"
    default_cost: int = 1
    remaining_header: str | None = None  # a header with what is left, honoured when lower than our own count
    reset_header: str | None = None
    reset_is: str = "seconds"  # seconds | epoch


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How values are spelt there; :mod:`revetl.encode` renders it. ``version`` goes up with any change of it.

    Temporal patterns are strftime patterns, or ``epoch_s`` / ``epoch_ms``; instants are rendered in UTC. A pattern is a
    documented precision: what a timestamp has below it is cut off, towards the past. That is the only loss there is;
    every other value is carried exactly or its row is refused by name.
    """

    version: int = 1
    null: JSON = None  # what clears a field: None or ""
    boolean: str = "json"  # json | text ("true"/"false")
    number: str = "json"  # json | text
    max_integer: int = 2**53 - 1  # beyond it, either sign: text if number is text, else the row is rejected
    max_digits: int = 15  # significant digits of a decimal sent as a JSON number
    date: str = "%Y-%m-%d"
    timestamp: str = "%Y-%m-%dT%H:%M:%SZ"
    list: str = "json"  # json | a separator such as ";" | refuse
    json: str = "json"  # json | text | refuse
    max_text: int | None = None  # characters, where every text field has the same limit


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and where it is good for."""

    value: str
    seconds: float | None = None  # life; None: until refused
    base_url: str | None = None  # some vendors name the host with the token


@dataclass(frozen=True, slots=True)
class Auth:
    """How calls are authenticated.

    ``apply(settings, token, call)`` returns the call with its credentials on it; ``token(settings)`` is an exchange of
    unauthenticated calls that returns a :class:`Token`, run once per account under a lock, and again on EXPIRED.
    """

    apply: Callable[[Any, Token | None, Http], Http]
    token: Callable[[Any], Generator[Http, Reply, Token]] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """How one operation is done.

    ``run(batch)`` is the exchange. ``resume(job, batch)`` goes on with a job found in state, whatever it became.
    ``max_bytes`` counts the bodies of the changes plus ``overhead`` bytes each.
    ``fits(settings)`` is the number of records a batch may have where the user's settings decide; never more than
    ``max_records`` counts. ``calls(n)`` is the number of calls that a batch of n changes takes, for estimates.
    """

    run: Callable[[Batch], Exchange]
    max_records: int
    proof: Proof = Proof.ROW
    max_bytes: int = 4_000_000
    overhead: int = 100
    resume: Callable[[str, Batch], Exchange] | None = None
    calls: Callable[[int], int] = lambda _: 1
    fits: Callable[[Any], int] | None = None

    def room(self, settings: Any) -> int:
        """Return how many records a batch may have under these settings."""
        return self.max_records if self.fits is None else max(1, min(self.max_records, self.fits(settings)))


@dataclass(frozen=True, slots=True)
class CohortStyle:
    """A primitive in which a cohort lands: a tag, a list, a field, a campaign."""

    name: str
    what: str  # one sentence for docs
    max_label: int | None = None  # characters


@dataclass(frozen=True, slots=True)
class Object:
    """One kind of record at a destination.

    ``match``: identity fields, default first. ``normalise``: how identities are compared, ``email`` (trim and lower
    case), ``lower`` or ``exact``. ``partial``: False where every write must carry the full record.
    ``required``: fields that must be mapped or constant, beside the match field.
    """

    match: tuple[str, ...]
    normalise: str = "email"
    partial: bool = True
    required: tuple[str, ...] = ()
    cohorts: Mapping[str, CohortStyle] = EMPTY  # default first
    on_leave: frozenset[OnLeave] = frozenset({OnLeave.KEEP})
    modes: frozenset[Mode] = frozenset(Mode)
    any_field: bool = False  # schemaless: every field name is good
    if_empty: bool = False  # ``write: if_empty`` is possible there


@dataclass(frozen=True, slots=True)
class Context:
    """What ``prepare``, ``discover`` and ``read_back`` know of the sync they serve."""

    sync: str
    object: str
    settings: Any
    fields: tuple[str, ...] = ()
    match_field: str = ""
    cohorts: tuple[tuple[str, str], ...] = ()  # (model name, label)
    cohort_style: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)  # what earlier runs' ``prepare`` stored: cohort → remote id
    prepared: Mapping[str, JSON] = field(default_factory=dict)
    create: bool = True  # False: ``prepare`` only finds; what is missing is left out, nothing is renamed


@dataclass(frozen=True, slots=True)
class ReadBack:
    """``run(context, identities)`` returns what stands there under each identity that exists, at most
    ``max_records`` identities at a time. ``remote_id`` is used where given (identity → id)."""

    run: Callable[[Context, Sequence[str]], Generator[Call | tuple[Call, ...], Sent, Iterable[RemoteRecord]]]
    max_records: int


@dataclass(frozen=True, slots=True)
class Account:
    """Which account the credentials open: pinned at a sync's first run."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """One tool that revetl can write to. Everything it needs stands here; nothing about it stands elsewhere."""

    name: str
    title: str
    settings: type[BaseModel]  # secrets are pydantic SecretStr
    objects: Mapping[str, Object]  # default first
    actions: Mapping[Op, Action]
    wire: WireFormat
    base_url: Callable[[Any], str] = lambda _: ""  # settings → https://host/prefix
    hosts: tuple[str, ...] = ()  # allow-list; "*.example.com" matches one label or more, "*" the settings' own host
    auth: Auth | None = None
    limits: Callable[[Any], tuple[Limit, ...]] = lambda _: ()
    account: Callable[[Any], Generator[Call, Reply, Account]] | None = None  # one read; also the credentials check
    account_key: Callable[[Any], str] = lambda _: ""  # offline: what limits are shared by, without secrets
    discover: Callable[[Context], Generator[Call, Reply, tuple[RemoteField, ...]]] | None = None
    prepare: Callable[[Context], Generator[Call, Reply, Mapping[str, JSON]]] | None = None
    read_back: ReadBack | None = None
    diagnose: Callable[[Reply], Diagnosis | None] = lambda _: None
    request_id: str | None = None  # header that names the request at the vendor
    late_apply: float = 900.0  # seconds after which a lost request is taken as never applied
    same: Callable[[RemoteField | None, JSON, JSON], bool] | None = None  # our wire value against theirs
    docs: str = ""  # the vendor's page


def check_actions(destination: Destination) -> None:
    """Refuse a declaration that contradicts itself.

    Raises:
        ValueError: an object is without identity, a cohort style without JOIN and PART, a leave policy without LEAVE.
    """
    for name, thing in destination.objects.items():
        if not thing.match:
            raise ValueError(f"{destination.name}.{name} names no match field")
        if thing.cohorts and not {Op.JOIN, Op.PART} <= set(destination.actions):
            raise ValueError(f"{destination.name}.{name} has cohort styles but no JOIN and PART actions")
        if thing.on_leave - {OnLeave.KEEP} and Op.LEAVE not in destination.actions:
            raise ValueError(f"{destination.name}.{name} has leave policies but no LEAVE action")
    if Op.UPSERT not in destination.actions:
        raise ValueError(f"{destination.name} has no UPSERT action")
