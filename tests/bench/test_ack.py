"""What it costs to remember an answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import pytest

from revetl.state.journal import Journal
from revetl.state.store import Store
from revetl.types import Change, Op, Outcome
from revetl.warehouse.connection import connect
from tests.bench.shop import Shop
from tests.bench.table import Table
from tests.bench.watch import seconds

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]


def test_ack_commit(build: Callable[..., Shop], rows: int, table: Table) -> None:
    """An acknowledgement costs an fsync and a little more, however big the model is."""
    beyond = {count: ack_seconds(build(count)) for count in (rows // 100, rows)}
    small, big = beyond.values()
    table.add(f"ack commit beyond fsync, {rows:,} rows: ms", 1000 * big, "<=", 1.0)
    table.add(f"ack commit: {rows:,} rows / {rows // 100:,} rows, ms apart", 1000 * (big - small), "<=", 0.5)


def ack_seconds(shop: Shop, times: int = 200) -> float:
    """Return the seconds of one flush of a batch's outcomes, less those of an fsync of as many bytes."""
    store = Store(connect(), shop.state.parent, lambda: datetime.now(UTC))
    journal, taken = Journal(store, "bench"), []
    wal = shop.state.with_name("state.duckdb.wal")
    before = size(wal)
    for number in range(times):
        changes = [Change(100 * number + n, "crm.people", "k", Op.UPSERT, "m", "m") for n in range(100)]
        journal.settle([Outcome.delivered(change) for change in changes])
        taken.append(seconds(journal.flush))
    written = max(1, (size(wal) - before) // times)
    store.con.close()
    return undisturbed(taken) - fsync_seconds(shop.root / "probe", written, times)


def size(path: Path) -> int:
    """Return a file's bytes, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def fsync_seconds(path: Path, count: int, times: int) -> float:
    """Return the seconds of appending so many bytes durably."""
    taken = []
    with path.open("ab") as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * count)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return undisturbed(taken)


def undisturbed(taken: list[float]) -> float:
    """Return the first decile: where cores are shared, a median of milliseconds tells how long others compute."""
    return quantiles(taken, n=10)[0]
