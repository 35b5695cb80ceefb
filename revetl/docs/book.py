"""What the page tells: names, definitions and counts; never a value of a row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goes:
    """Where a property lands. ``how``: what else is done to it, such as a hash."""

    sync: str
    field: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """One property of the glossary: a column that leaves, in the words of whoever described it."""

    name: str
    model: str
    description: str
    owner: str
    pii: str | None
    goes: tuple[Goes, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How many members a cohort had at a destination from a moment on. ``at``: 2026-11-20 12:00."""

    at: str
    members: int


@dataclass(frozen=True, slots=True)
class Use:
    """One destination that knows a cohort, under which label, with how many members when."""

    sync: str
    label: str
    sizes: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class CohortEntry:
    """One cohort. ``limits``: syncs whose audience it is, or that leave its members out."""

    name: str
    description: str
    owner: str
    file: str
    uses: tuple[Use, ...]
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field that a sync fills. ``source``: columns of a model."""

    field: str
    model: str
    source: str
    pii: str | None
    how: str = ""


@dataclass(frozen=True, slots=True)
class SyncEntry:
    """One sync: what it fills where, within which limits, and how it stands; numbers None: it never ran."""

    name: str
    title: str
    object: str
    entity: str
    match: str
    facts: tuple[tuple[str, str], ...]
    fields: tuple[FieldEntry, ...]
    cohorts: tuple[str, ...]
    limits: tuple[str, ...] = ()
    last: str = ""
    records: int | None = None
    rejected: int | None = None
    lag: str = ""  # of the last sync, from the build of its models to the acknowledgement


@dataclass(frozen=True, slots=True)
class Kept:
    """A model that syncs read, and its columns that never leave."""

    model: str
    columns: tuple[tuple[str, str], ...]  # name, description


@dataclass(frozen=True, slots=True)
class Book:
    """The whole page. ``unread``: models that no sync reads."""

    project: str
    target: str
    made: str
    terms: tuple[Term, ...] = ()
    cohorts: tuple[CohortEntry, ...] = ()
    syncs: tuple[SyncEntry, ...] = ()
    kept: tuple[Kept, ...] = ()
    unread: tuple[str, ...] = ()
    notice: str = ""
