"""Everything that state knows about one key of one sync."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from revetl.state.layout import StoredSync
from revetl.state.schema import STATE
from revetl.state.views import View
from revetl.types import EMPTY


@dataclass(frozen=True, slots=True)
class Doubt:
    """A change of unknown outcome."""

    op: str
    cohort: str | None
    since: datetime
    run: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that was refused, by the destination (``code``, ``reason``, ``next_at``) or held by a guard."""

    op: str
    cohort: str | None
    code: str
    reason: str
    since: datetime
    next_at: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Awaited:
    """A link whose other record has no id there yet."""

    field: str
    target: str  # the other record's sync
    key: str


@dataclass(frozen=True, slots=True)
class KeyState:
    """What was last acknowledged of a key, and what of it is still open."""

    known: bool = False  # a record of it is in the snapshot
    values: Mapping[str, str | None] = EMPTY  # field → the acknowledged value as text
    hidden: frozenset[str] = frozenset()  # fields with personal values: not to be shown
    cohorts: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    rejected: tuple[Refusal, ...] = ()
    held: tuple[Refusal, ...] = ()  # ``code`` is the guard, ``reason`` the hash of the refusal
    links: tuple[Awaited, ...] = ()  # that wait
    unmatched: bool = False
    created: bool | None = None
    opted_out: datetime | None = None  # since when the person is known to have opted out there


def normalised(kind: str, text: str) -> str:
    """Return SQL for an identity as the destination compares it; ``text`` is SQL."""
    if kind == "email":
        return f"lower(trim({text}))"
    return f"lower({text})" if kind == "lower" else text


def keys_of_identity(view: View, sync: StoredSync, identity: str) -> Sequence[str]:
    """Return the keys whose acknowledged record stands under an identity there."""
    rows = view.rows(
        f"SELECT {sync.key_text()} FROM {STATE}.snap_{sync.id} "
        f"WHERE {normalised(sync.normalise, 'm')} = {normalised(sync.normalise, '?')}",
        [identity],
    )
    return [str(row[0]) for row in rows]


def key_state(view: View, sync: StoredSync, key: str, parts: Sequence[object]) -> KeyState:
    """Return what state knows of a key; ``parts`` are its typed parts, ``key`` is its text."""
    at = [sync.sync, key]
    doubts = view.rows(f"SELECT op, cohort, since, run FROM {STATE}.pending WHERE sync = ? AND key = ?", at)
    refused = view.rows(
        "SELECT op, cohort, coalesce(code, ''), coalesce(reason, ''), since, next_at, attempts "
        f"FROM {STATE}.rejected WHERE sync = ? AND key = ? ORDER BY since",
        at,
    )
    held = view.rows(
        f"SELECT DISTINCT op, cohort, guard, hash, ts FROM {STATE}.refused WHERE sync = ? AND key = ? ORDER BY ts", at
    )
    links = view.rows(
        f"SELECT field, target, awaits FROM {STATE}.waiting_links WHERE sync = ? AND key = ? ORDER BY field", at
    )
    values, cohorts = _acknowledged(view, sync, parts)
    return KeyState(
        known=values is not None,
        values=values or {},
        hidden=frozenset(field.field for field in sync.fields if field.pii is not None),
        cohorts=cohorts,
        doubts=tuple(Doubt(*row) for row in doubts),
        rejected=tuple(Refusal(*row) for row in refused),
        held=tuple(Refusal(*row) for row in held),
        links=tuple(Awaited(*row) for row in links),
        unmatched=bool(view.rows(f"SELECT 1 FROM {STATE}.unmatched WHERE sync = ? AND key = ?", at)),
        opted_out=view.one(f"SELECT min(since) FROM {STATE}.opted_out WHERE sync = ? AND key = ?", at),
        created=view.one(f"SELECT created FROM {STATE}.remote WHERE sync = ? AND key = ?", at),
    )


def _acknowledged(
    view: View, sync: StoredSync, parts: Sequence[object]
) -> tuple[Mapping[str, str | None] | None, tuple[str, ...]]:
    if len(parts) != len(sync.keys):
        return None, ()
    same = " AND ".join(f"CAST(k{n} AS VARCHAR) = ?" for n in range(len(parts)))
    texts = [part_text(part) for part in parts]
    columns = ", ".join(["m", *(f"CAST(f{field.ordinal} AS VARCHAR)" for field in sync.fields)])
    rows = view.rows(f"SELECT {columns} FROM {STATE}.snap_{sync.id} WHERE {same} LIMIT 1", texts)
    members = view.rows(f"SELECT cohort FROM {STATE}.members_{sync.id} WHERE {same} ORDER BY cohort", texts)
    values = dict(zip((field.field for field in sync.fields), rows[0][1:], strict=True)) if rows else None
    return values, tuple(row[0] for row in members)


def part_text(part: object) -> str:
    """Return one part of a key as DuckDB casts it to text."""
    return str(part).lower() if isinstance(part, bool) else str(part)
