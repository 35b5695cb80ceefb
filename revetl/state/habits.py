"""What earlier runs of a sync found, kept to tell when a run is unlike them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import Habit

KEPT = 400  # runs of a sync: weeks of hourly ones


def load_habits(store: Reads, sync: str) -> tuple[Habit, ...]:
    """Return what runs of a sync found, oldest first."""
    rows = store.rows(f"SELECT ts, whole, counts FROM {STATE}.habits WHERE sync = ? ORDER BY ts", [sync])
    return tuple(Habit(at, whole, json.loads(counts)) for at, whole, counts in rows)


def save_habit(store: Store, sync: str, run: str, counts: Mapping[str, int], *, whole: bool) -> None:
    """Keep what a run found, and forget the oldest; the caller commits it."""
    row = [sync, run, store.clock(), whole, json.dumps(dict(counts))]
    store.con.execute(f"INSERT INTO {STATE}.habits VALUES (?, ?, ?, ?, ?)", row)
    oldest = store.one(f"SELECT ts FROM {STATE}.habits WHERE sync = ? ORDER BY ts DESC LIMIT 1 OFFSET {KEPT}", [sync])
    if oldest is not None:
        store.con.execute(f"DELETE FROM {STATE}.habits WHERE sync = ? AND ts <= ?", [sync, oldest])
