"""High-water marks: up to when a sync has settled what changed in each of its models, and when it last read all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one sync; without any, it reads all of its models."""

    version: str  # digest of the plan under which they were made
    whole_at: datetime  # when all was read that is settled
    at: Mapping[str, int]  # model's unique id → ``updated_at``, in microseconds since 1970 (UTC)


def load_marks(store: Reads, sync: str) -> Marks | None:
    """Return the marks of a sync, None where it must read all."""
    rows = store.rows(f"SELECT model, mark, whole_at, version FROM {STATE}.marks WHERE sync = ?", [sync])
    if not rows:
        return None
    return Marks(rows[0][3], rows[0][2], {model: mark for model, mark, *_ in rows})


def save_marks(store: Store, sync: str, marks: Marks) -> None:
    """Advance the marks of a sync: everything up to them is settled; the caller commits it."""
    store.con.execute(f"DELETE FROM {STATE}.marks WHERE sync = ?", [sync])
    for model, mark in marks.at.items():
        row = [sync, model, mark, marks.whole_at, marks.version]
        store.con.execute(f"INSERT INTO {STATE}.marks VALUES (?, ?, ?, ?, ?)", row)


def forget_marks(store: Store, sync: str | None = None) -> None:
    """Let the next run of a sync (of all syncs) read all of its models."""
    store.con.execute(f"DELETE FROM {STATE}.marks WHERE coalesce(sync = ?, true)", [sync])
