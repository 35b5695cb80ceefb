"""What a run tells while it is at work: how far it is, what was answered, what is held, and its end."""

from __future__ import annotations

from dataclasses import dataclass

from revetl.types.results import Held, RunResult


@dataclass(frozen=True, slots=True)
class Progress:
    """One beat of a running sync, for progress bars and logs; a few a second at most."""

    sync: str
    phase: str  # read | diff | stage | send | record
    done: int = 0
    total: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcomes of changes of one sync that were settled together, in numbers of changes."""

    sync: str
    delivered: int = 0
    rejected: int = 0
    unknown: int = 0  # in doubt; a later run sends them again
    waiting: int = 0  # provably not applied; a later run sends them


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guard's verdict, told before the first call of the run: what it names is not sent."""

    held: Held


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run; nothing follows it."""

    result: RunResult


Event = Progress | Delivery | Guarded | Finished
