"""What goes to a destination, what comes back, and what stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from revetl.types.base import EMPTY, JSON
from revetl.types.words import Cause, Mode, OnLeave, Op, Proof, Status

_LONG = re.compile(rb"[0-9]{19}")  # orjson, five times as fast, takes an integer beyond 64 bits for a float


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort as a destination's action sees it."""

    name: str
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link of a record points: remote ids of the other record; None: to nothing."""

    id: str | None
    before: str | None = None  # as last acknowledged: the link to be ended there where it is another one
    doubts: tuple[str, ...] = ()  # others that a lost request may have linked it to: to be ended, too

    @property
    def ended(self) -> tuple[str, ...]:
        """Return the ids to which no link may stand after this change."""
        return tuple(dict.fromkeys(i for i in (self.before, *self.doubts) if i is not None and i != self.id))


@dataclass(frozen=True)
class Change:
    """One operation on one key of a sync, ready to be sent.

    ``body`` is a JSON object, field of the destination → wire value, made when the change was written to the outbox.
    """

    seq: int
    sync: str
    key: str  # the typed key as a JSON array, such as ["c-17"] or [4, "eu"]
    op: Op
    match: str  # the identity there after the change (for LEAVE and PART: where the record is now)
    identity: str  # ``match`` normalised as the destination compares it
    cohort: str | None = None
    cause: Cause = Cause.DATA
    before_match: str | None = None  # for IDENTITY: the identity there until now
    before_identity: str | None = None
    remote_id: str | None = None
    created: bool | None = None  # True: revetl created the record; None: revetl never wrote it
    body: bytes = b"{}"
    # link's name at the destination → ids; of UPSERT, only links that must be written; of LEAVE, those to be cleared.
    # An UPSERT of links alone has an empty body, even where records can only be written whole
    links: Mapping[str, Link] = EMPTY
    consent: bool | None = None  # of UPSERT, where the sync has a consent column: False: a new record starts opted out

    @cached_property
    def fields(self) -> dict[str, JSON]:
        """Return the body parsed: field → wire value."""
        parse = json.loads if _LONG.search(self.body) else orjson.loads
        parsed: dict[str, JSON] = parse(self.body)
        return parsed


@dataclass(slots=True)
class Outcome:
    """What became of one change. The sender completes what it is given: one object a row, not frozen, for speed."""

    change: Change
    status: Status
    code: str = ""  # the vendor's or revetl's short code of a refusal
    reason: str = ""  # a sentence for people; scrubbed of secrets by the sender
    proof: Proof | None = None
    remote_id: str | None = None
    created: bool | None = None  # True: the reply says that this call made it; False: it was there, not by this change
    http_status: int | None = None
    request_id: str | None = None
    repeated: bool = False  # an earlier attempt was lost on its way and may still land
    kept: tuple[str, ...] = ()  # fields that were not written: something stood there (``write: if_empty``)

    @classmethod
    def delivered(
        cls,
        change: Change,
        *,
        proof: Proof = Proof.ROW,
        remote_id: str | None = None,
        created: bool | None = None,
    ) -> Outcome:
        """Return a delivery, proven by ``proof``."""
        return cls(change, Status.DELIVERED, "", "", proof, remote_id, created)

    @classmethod
    def rejected(cls, change: Change, *, code: str, reason: str, remote_id: str | None = None) -> Outcome:
        """Return a refusal of this change alone."""
        return cls(change, Status.REJECTED, code=code, reason=reason, remote_id=remote_id)

    @classmethod
    def unknown(cls, change: Change, *, code: str, reason: str) -> Outcome:
        """Return an outcome of which nothing is proven."""
        return cls(change, Status.UNKNOWN, code=code, reason=reason)

    @classmethod
    def waiting(cls, change: Change, *, code: str, reason: str) -> Outcome:
        """Return a change that provably was not applied and is tried again by a later run."""
        return cls(change, Status.WAITING, code=code, reason=reason)


@dataclass(frozen=True, slots=True)
class RemoteField:
    """A field of a destination's object, as its API describes it."""

    name: str
    type: str = "any"  # text | integer | number | boolean | date | timestamp | list | json | any
    label: str = ""
    writable: bool = True
    required: bool = False
    options: tuple[str, ...] = ()
    max_length: int | None = None  # characters
    unique: bool = False
    decimals: int | None = None  # of a number that is rounded there: digits after the point


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """What stands at a destination under one identity."""

    identity: str  # normalised
    remote_id: str | None = None
    fields: Mapping[str, JSON] = EMPTY  # field → wire value as the API returns it; of a link, the id (or ids) there
    cohorts: frozenset[str] = frozenset()  # labels
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to erase at a destination."""

    identity: str  # normalised
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a person's erasure at a destination."""

    identity: str
    status: str  # erased | archived (the vendor only hides) | absent | failed
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that travel together: one sync, object, operation and (for JOIN and PART) cohort; keys are unique."""

    sync: str
    object: str
    op: Op
    changes: Sequence[Change]
    settings: Any  # the destination's validated settings
    mode: Mode = Mode.UPSERT
    cohort: Cohort | None = None
    on_leave: OnLeave = OnLeave.KEEP
    match_field: str = ""
    prepared: Mapping[str, JSON] = field(default_factory=dict)  # what the destination's ``prepare`` returned
    new_as: str | None = None  # how records that are made there start, such as ``pending``

    @property
    def lo(self) -> int:
        """Return the first sequence number."""
        return self.changes[0].seq

    @property
    def hi(self) -> int:
        """Return the last sequence number."""
        return self.changes[-1].seq
