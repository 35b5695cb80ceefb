"""What a run would do, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from revetl.types.base import EMPTY
from revetl.types.project import Problem
from revetl.types.words import Cause, Op

# Exit codes of a run that a signal ended, as a shell tells them: 128 and the signal's number.
SIGNALS: Mapping[str, int] = {"SIGINT": 130, "SIGTERM": 143}


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
class Habit:
    """What an earlier run of a sync found: how many changes of each kind."""

    at: datetime
    whole: bool  # all rows were read
    counts: Mapping[str, int]


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
    links_waiting: int = 0  # links whose other record has no id there yet
    first: bool = False  # no snapshot yet
    calls: int = 0  # estimated
    seconds: float = 0.0  # estimated, by the limits
    notes: tuple[str, ...] = ()
    remote: Mapping[str, int] = EMPTY  # first sync: create / same / overwrite, as read back
    error: str | None = None  # why it cannot run, with its code

    @property
    def changes(self) -> int:
        """Return how many changes would leave."""
        return sum(count.rows for count in self.counts)


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from the build of a sync's models to the acknowledgement of what a run delivered: median, 95 of 100."""

    p50: float
    p95: float


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
    lag: Lag | None = None  # None: nothing was delivered
    counts: tuple[Count, ...] = ()
    held: tuple[Held, ...] = ()
    error: str | None = None  # why it could not run or stopped, with its code
    exit_code: int = 0
    notes: tuple[str, ...] = ()
    sandbox: bool = False  # it went to a local stand-in


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
