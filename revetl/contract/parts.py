"""The parts of a declaration: limits, formats, credentials, actions, objects."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from revetl.contract.calls import Call, Exchange, Http, Reply, Sent
from revetl.types import EMPTY, JSON, Batch, Erased, Mode, OnLeave, Person, Proof, RemoteField, RemoteRecord


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
    usage_header: str | None = None  # a header that tells used/allowance, such as ``api-usage=18/5000``, in their place


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
    ``bulk`` runs in its place where a run has ``bulk_from`` changes or more of this operation (and cohort): a job API.
    """

    run: Callable[[Batch], Exchange]
    max_records: int
    proof: Proof = Proof.ROW
    max_bytes: int = 4_000_000
    overhead: int = 100
    resume: Callable[[str, Batch], Exchange] | None = None
    calls: Callable[[int], int] = lambda _: 1
    fits: Callable[[Any], int] | None = None
    bulk: Action | None = None
    bulk_from: int = 0

    def for_many(self, rows: int) -> Action:
        """Return the action for ``rows`` changes of one run: this one, or its bulk form."""
        return self.bulk if self.bulk is not None and rows >= self.bulk_from else self

    @property
    def resumable(self) -> Action:
        """Return the form of it that starts jobs, and whose ``resume`` goes on with those of either form."""
        return self.bulk if self.bulk is not None and self.bulk.resume is not None else self

    def room(self, settings: Any) -> int:
        """Return how many records a batch may have under these settings."""
        return self.max_records if self.fits is None else max(1, min(self.max_records, self.fits(settings)))


@dataclass(frozen=True, slots=True)
class CohortStyle:
    """A primitive in which a cohort lands: a tag, a list, a field, a campaign.

    ``fields``: what a membership itself can carry there (the status of a campaign member); a JOIN has them in its body,
    and is sent again when one of them changes. ``field``: the type of the field that the cohort is, where it is one;
    ``--create-fields`` and rehearsals make it, asking for a field whose name and label are the cohort's label.
    """

    name: str
    what: str  # one sentence for docs
    max_label: int | None = None  # characters
    fields: tuple[RemoteField, ...] = ()
    field: str = ""


@dataclass(frozen=True, slots=True)
class LinkStyle:
    """A link from a record to one of another object there, such as a contact's company: see ``Change.links``."""

    to: str  # the object it points to
    what: str  # one sentence for docs


@dataclass(frozen=True, slots=True)
class Object:
    """One kind of record at a destination.

    ``match``: identity fields, default first. ``normalise``: how identities are compared, ``email`` (trim and lower
    case), ``lower`` or ``exact``; ``normalise_of`` says it of match fields that are compared otherwise.
    ``partial``: False where every write must carry the full record. ``required``: fields that must be mapped or
    constant, beside the match field; ``creation``: fields without which no record can be made, though one is updated
    without them: `revetl init` sees to them.
    """

    match: tuple[str, ...]
    normalise: str = "email"
    partial: bool = True
    required: tuple[str, ...] = ()
    creation: tuple[str, ...] = ()
    cohorts: Mapping[str, CohortStyle] = EMPTY  # default first
    on_leave: frozenset[OnLeave] = frozenset({OnLeave.KEEP})
    modes: frozenset[Mode] = frozenset(Mode)
    any_field: bool = False  # schemaless: every field name is good
    if_empty: bool = False  # ``write: if_empty`` is possible there
    links: Mapping[str, LinkStyle] = EMPTY  # field of the link → what it points to
    consent: Mapping[str, CohortStyle] = EMPTY  # what ``on_false`` may say → how it is withdrawn: a JOIN of that style
    new_as: tuple[str, ...] = ()  # what ``new_as`` may say of records that are made there
    normalise_of: Mapping[str, str] = EMPTY  # match field → how its values are compared, where not by ``normalise``

    def compared(self, match_field: str) -> str:
        """Return how identities of ``match_field`` are compared."""
        return self.normalise_of.get(match_field, self.normalise)


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
class Erase:
    """``run(context, people)`` removes each person there, for good where the vendor can, and says what became of each.

    Repeatable: who is not there (any more) is *absent*. ``what`` is one sentence of what the vendor does and keeps.
    """

    run: Callable[[Context, Sequence[Person]], Generator[Call | tuple[Call, ...], Sent, Iterable[Erased]]]
    max_records: int
    what: str
