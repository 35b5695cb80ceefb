"""The nouns of revetl, frozen. This module imports nothing of ours.

Vocabulary: an *entity* is what a row stands for; a *sync* keeps one entity in step with one object of one
destination and is named ``destination.sync``; a *record* is the desired state of one entity instance in a sync; a
*change* is one operation on one key of a sync; an *outcome* says what became of a change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

JSON = Any  # a value that json.loads can return


class _Empty(Mapping[str, Any]):
    """A mapping with nothing in it that may stand as a default: hashable, and nobody can add to it."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, Any] = _Empty()


class Op(StrEnum):
    """What a change does; the order of members is the order in which the operations of one key run."""

    IDENTITY = "identity"  # the match value of a known record changes: rename it there, leave nothing behind
    UPSERT = "upsert"  # make the record's fields so (the sync's mode says whether it may create or update)
    JOIN = "join"  # make the record a member of a cohort
    PART = "part"  # end a membership that revetl made
    LEAVE = "leave"  # the record left the model: clear, archive or delete it, as the policy says


class Cause(StrEnum):
    """Why a change exists."""

    DATA = "data"  # the model's value differs from what the destination acknowledged
    MAPPING = "mapping"  # only fields that were mapped since then differ: a backfill
    RETRY = "retry"  # an earlier change of this key was rejected or its outcome is unknown


class Status(StrEnum):
    """What became of a change: exactly one of these per change."""

    DELIVERED = "delivered"  # proven applied, by the proof that the action declares
    REJECTED = "rejected"  # the destination (or encode) refused this change by name
    UNKNOWN = "unknown"  # it may or may not have been applied
    WAITING = "waiting"  # provably not applied: not sent, quota, deadline, signal, predecessor failed


class Mode(StrEnum):
    """Which records a sync may write."""

    UPSERT = "upsert"
    UPDATE = "update"
    INSERT = "insert"


class OnNull(StrEnum):
    """What a null does to a field there."""

    KEEP = "keep"
    CLEAR = "clear"  # only where revetl itself delivered a value before


class Write(StrEnum):
    """When a field is written."""

    ALWAYS = "always"
    CREATE = "create"  # only with the record's creation
    IF_EMPTY = "if_empty"  # only while nothing stands there


class OnLeave(StrEnum):
    """What happens at the destination to a record that left the model."""

    KEEP = "keep"
    CLEAR = "clear"
    ARCHIVE = "archive"
    DELETE = "delete"


class Proof(StrEnum):
    """How strongly *delivered* is proven, strongest first."""

    ROW = "row"  # the reply names the row
    ACCOUNT = "account"  # a complete vendor count or error list in which the row is not named
    ACCEPTED = "accepted"  # a documented acceptance, where the vendor offers nothing better


class Effect(StrEnum):
    """What repeating a call does."""

    READ = "read"
    REPEATABLE = "repeatable"
    ONCE = "once"  # a create without a key: never repeated unless it provably did not arrive


class Severity(StrEnum):
    """How grave a problem is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of ``check``: where it is, why it is one, and what to write instead."""

    code: str  # RVT-nnn
    message: str
    remedy: str = ""
    severity: Severity = Severity.ERROR
    sync: str | None = None  # the sync that cannot run because of it; None: the whole project
    model: str | None = None
    column: str | None = None
    file: str | None = None
    evidence: str = "manifest"  # manifest | catalog | relation


# --- what dbt built -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view in the warehouse, by its parts, never by a string to be pasted into SQL."""

    database: str | None
    schema: str | None
    identifier: str
    quoted: tuple[bool, bool, bool] = (True, True, True)  # per part, as dbt wrote them in relation_name

    def __str__(self) -> str:
        """Return the parts joined by dots, for messages."""
        return ".".join(part for part in (self.database, self.schema, self.identifier) if part)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the manifest describes it; ``meta`` follows the read rule of dbt's versions."""

    name: str
    data_type: str | None = None
    description: str = ""
    meta: Mapping[str, JSON] = EMPTY
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A model, seed, snapshot or source of the project."""

    unique_id: str
    name: str
    resource_type: str  # model | seed | snapshot | source | test | ...
    package: str
    file: str  # where its SQL (or CSV) stands, relative to the project
    patch_file: str | None  # the YAML file that describes it
    relation: Relation | None  # None: ephemeral
    materialized: str
    columns: Mapping[str, Column] = EMPTY
    meta: Mapping[str, JSON] = EMPTY
    config: Mapping[str, JSON] = EMPTY
    tags: tuple[str, ...] = ()
    fqn: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()  # unique ids
    description: str = ""
    checksum: str = ""
    code: str = ""  # raw_code, for state:modified; never printed
    access: str = "protected"
    group: str | None = None
    contract: bool = False
    primary_key: tuple[str, ...] = ()
    version: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A dbt test (data test or unit test) and what it guards."""

    unique_id: str
    name: str
    attached_node: str | None  # the model it belongs to; None for singular tests
    column: str | None
    parents: tuple[str, ...]
    severity: str = "error"
    kind: str = ""  # unique, not_null, relationships, ...


@dataclass(frozen=True)
class Project:
    """What revetl takes from a manifest."""

    name: str
    dbt_version: str
    adapter: str
    generated_at: datetime
    invocation_id: str
    nodes: Mapping[str, Node]  # by unique id: models, seeds, snapshots, sources; enabled ones
    disabled: Mapping[str, Node]
    checks: Mapping[str, Check]
    exposures: Mapping[str, Mapping[str, JSON]] = EMPTY
    path: str = "target/manifest.json"

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Return each node's direct children by unique id."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for parent in node.parents:
                found.setdefault(parent, []).append(node.unique_id)
        return {parent: tuple(sorted(kids)) for parent, kids in found.items()}


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The newest real result of one node or test."""

    unique_id: str
    status: str  # success, pass, warn, error, fail, skipped, "runtime error", no-op, reused, "partial success"
    at: datetime
    which: str  # build, run, test, seed, snapshot, retry
    message: str = ""
    failures: int | None = None
    invocation_id: str = ""
    partial: str | None = None  # "--empty" or "--sample" where the build was not of all rows


# --- the static plan of a sync: what meta and revetl.yml say ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One model of a sync and how its key columns map to the entity's key, in the entity's key order."""

    model: str  # name, as users know it
    unique_id: str
    relation: Relation
    key: tuple[str, ...]  # column names in this model, position by position of the entity's key
    updated_at: str | None = None
    valid_to: str | None = None  # of a dbt snapshot: the column that is null in current rows, the only ones read


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One property of a model landing in one field of the destination's object."""

    field: str  # the destination's name of it
    property: str  # the column
    model: str  # unique id of the model that carries the column
    pii: str | None = None  # None: not personal; else true | email | phone | name | ...
    on_null: OnNull = OnNull.CLEAR
    write: Write = Write.ALWAYS
    was: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A guard's limit: the greater of a share (0..1) and a number of rows; None for both: off."""

    share: float | None = None
    rows: int | None = None

    @property
    def off(self) -> bool:
        """Return whether this limit lets everything through."""
        return self.share is None and self.rows is None

    def allowed(self, total: int) -> int | None:
        """Return how many of ``total`` rows may go, None for any number."""
        if self.off:
            return None
        return max(int((self.share or 0.0) * total), self.rows or 0)


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits beyond which changes of a sync (or parts of a cohort) are held or the sync is stopped."""

    max_leave: Limits = Limits(0.10, 10)
    max_change: Limits = Limits(0.50, 100)
    max_null: Limits = Limits(0.20, 10)  # a field that suddenly turns mostly null
    min_rows: int = 1
    on_trip: str = "hold"  # hold | stop
    max_age: str | None = None  # manifest age, such as 36h


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """One cohort model, as one destination shows it."""

    name: str  # the model's name: the cohort's id
    label: str  # what people see there
    ref: ModelRef
    guards: Guards = Guards()
    was: str | None = None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Everything that meta and revetl.yml say about one sync, resolved; no rows, no secrets."""

    name: str  # destination.sync
    destination: str
    type: str  # the destination's type: mailchimp, hubspot, ...
    object: str
    entity: str
    key: tuple[str, ...]  # the entity's key, names as in the base model
    base: ModelRef
    match_field: str
    match_property: str
    fields: tuple[FieldPlan, ...] = ()
    joined: tuple[ModelRef, ...] = ()  # other properties models of the entity, left-joined on the key
    cohorts: tuple[CohortPlan, ...] = ()
    audience: tuple[ModelRef, ...] = ()  # members of all of these
    exclude: tuple[ModelRef, ...] = ()  # members of any of these never leave
    mode: Mode = Mode.UPSERT
    on_leave: OnLeave = OnLeave.KEEP
    on_leave_scope: str = "created"  # created | all
    cohort_style: str | None = None
    create_cohorts: bool = True  # whether a tag or list that does not exist there may be made
    constants: tuple[Constant, ...] = ()
    guards: Guards = Guards()
    timezone: str | None = None
    require_tests: str = "failed"  # failed | all | off
    was: str | None = None
    sandbox: bool = False  # this target goes to the local stand-in
    settings: Mapping[str, JSON] = EMPTY  # per-sync settings of the destination (never secrets)

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """Return every model that the sync reads, base first, each once."""
        refs = (self.base, *self.joined, *(c.ref for c in self.cohorts), *self.audience, *self.exclude)
        return tuple({ref.unique_id: ref for ref in refs}.values())


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value sent with records of a sync."""

    field: str
    value: JSON
    write: Write = Write.CREATE


# --- what goes to a destination -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort as a destination's action sees it."""

    name: str
    label: str
    style: str


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

    @cached_property
    def fields(self) -> dict[str, JSON]:
        """Return the body parsed: field → wire value."""
        parsed: dict[str, JSON] = json.loads(self.body)
        return parsed

    @property
    def tokens(self) -> tuple[tuple[str, ...], ...]:
        """Return what no two calls in flight may share: the key, and each identity it touches."""
        found = [("key", self.sync, self.key), ("identity", self.sync, self.identity)]
        if self.before_identity is not None:
            found.append(("identity", self.sync, self.before_identity))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change."""

    change: Change
    status: Status
    code: str = ""  # the vendor's or revetl's short code of a refusal
    reason: str = ""  # a sentence for people; scrubbed of secrets by the sender
    proof: Proof | None = None
    remote_id: str | None = None
    created: bool | None = None  # True where the reply says that this call created the record
    http_status: int | None = None
    request_id: str | None = None
    repeated: bool = False  # an earlier attempt was lost on its way and may still land

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
        return cls(change, Status.DELIVERED, proof=proof, remote_id=remote_id, created=created)

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


# --- what a run would do, and what it did ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A guard's verdict: what it held, why, and what releases it."""

    sync: str
    guard: str  # max_leave, max_change, tests, min_rows, ...
    reason: str
    stops: bool  # True: the whole sync; False: only the changes named
    cohort: str | None = None
    found: int = 0
    allowed: int = 0
    total: int = 0
    sample: tuple[str, ...] = ()  # keys
    hash: str = ""  # of the guarded keys, for ``--approve HASH``
    release: str = ""  # the command that releases it


@dataclass(frozen=True, slots=True)
class Count:
    """How many changes of one operation and cause a sync has."""

    op: Op
    cause: Cause
    cohort: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One change shown before it leaves: field → (before, after), personal values masked."""

    key: str
    op: Op
    cause: Cause
    cohort: str | None
    fields: Mapping[str, tuple[str | None, str | None]] = EMPTY


@dataclass(frozen=True, slots=True)
class SyncPreview:
    """What one sync of a run would do."""

    sync: str
    rows: int  # desired records
    known: int  # records in the snapshot
    counts: tuple[Count, ...] = ()
    samples: tuple[Sample, ...] = ()
    held: tuple[Held, ...] = ()
    unmatched: int = 0
    collisions: int = 0  # rows rejected because two entities share one match value
    frozen: int = 0  # rejected rows that are not due yet
    first: bool = False  # no snapshot yet
    calls: int = 0  # estimated
    seconds: float = 0.0  # estimated, by the limits
    notes: tuple[str, ...] = ()
    remote: Mapping[str, int] = EMPTY  # first sync: create / same / overwrite, as read back

    @property
    def changes(self) -> int:
        """Return how many changes would leave."""
        return sum(count.rows for count in self.counts)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, over all its syncs; the object that ``sync`` executes and ``plan`` prints."""

    target: str
    syncs: tuple[SyncPlan, ...]
    previews: tuple[SyncPreview, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one sync of a run did; the counts come from outcomes and their sum is the number of changes."""

    sync: str
    rows: int = 0
    delivered: int = 0
    rejected: int = 0
    newly_rejected: int = 0
    unknown: int = 0
    waiting: int = 0
    unmatched: int = 0
    calls: int = 0
    seconds: float = 0.0
    counts: tuple[Count, ...] = ()
    held: tuple[Held, ...] = ()
    error: str | None = None  # why it could not run or stopped, with its code
    exit_code: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did."""

    run: str
    target: str
    started_at: datetime
    finished_at: datetime
    syncs: tuple[SyncResult, ...]
    exit_code: int
    problems: tuple[Problem, ...] = ()
    dbt_invocation: str | None = None
    git_commit: str | None = None
    interrupted: str | None = None  # SIGINT, SIGTERM


@dataclass(frozen=True, slots=True)
class Progress:
    """One beat of a running sync, for progress bars and logs."""

    sync: str
    phase: str  # read | diff | stage | send | record
    done: int = 0
    total: int | None = None
    message: str = ""


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


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """What stands at a destination under one identity."""

    identity: str  # normalised
    remote_id: str | None = None
    fields: Mapping[str, JSON] = EMPTY  # field → wire value as the API returns it
    cohorts: frozenset[str] = frozenset()  # labels
    opted_out: bool = False


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

    @property
    def lo(self) -> int:
        """Return the first sequence number."""
        return self.changes[0].seq

    @property
    def hi(self) -> int:
        """Return the last sequence number."""
        return self.changes[-1].seq
