"""What a run costs on this machine alone: reading, comparing, staging, applying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import pytest

from tests.bench.shop import Shop
from tests.bench.table import Table
from tests.bench.watch import REPEATS, InstantWire, Watch, scan_seconds, seconds, synced

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

Build = Callable[..., Shop]


def test_unchanged(build: Build, rows: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that did not change costs a few scans and not one call."""
    shop, wire = build(rows), InstantWire()
    synced(shop.options(), wire=wire)
    found, whole = [], []
    for _ in range(REPEATS):
        scan = scan_seconds(shop)
        with monkeypatch.context() as patched:
            watch = Watch(patched)
            whole.append(seconds(lambda: synced(shop.options(), wire=wire)) / scan)
            found.append(watch.seconds["diff"] / scan)
    table.add(f"unchanged, {rows:,} rows: calls", wire.calls, "<=", 0)
    table.add(f"unchanged, {rows:,} rows: diff / scan", median(found), "<=", 3.5)
    table.add(f"unchanged, {rows:,} rows: whole run / scan", median(whole), "<=", 3.5)


def test_one_percent(build: Build, rows: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row in a hundred changed: diff, outbox and apply stay within a few scans."""
    shop, found, parts = build(rows), [], []
    for _ in range(REPEATS):
        changed = shop.change(0.01)
        scan = scan_seconds(shop)
        with monkeypatch.context() as patched:
            watch = Watch(patched)
            assert synced(shop.options(), wire=InstantWire()).delivered == changed
        found.append(watch.local / scan)
        parts.append({part: watch.seconds[part] / scan for part in ("diff", "stage", "read", "apply", "send")})
    shown = ", ".join(f"{part} {median(p[part] for p in parts):.2f}" for part in parts[0])
    table.add(f"1 % of {rows:,} rows changed: local work / scan", median(found), "<=", 6, shown)


def test_most_changed(build: Build, rows: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most rows changed: moving the snapshot costs little more than writing the table anew."""
    shop = build(rows)
    shop.change(0.6)
    con = duckdb.connect(str(shop.state))
    anew = []
    for _ in range(3):
        anew.append(seconds(lambda: con.execute("CREATE OR REPLACE TABLE anew AS FROM snap_1")))
        anew[-1] += seconds(lambda: con.execute("CHECKPOINT"))
    con.execute("DROP TABLE anew")
    con.execute("CHECKPOINT")
    con.close()
    apply = Applying(monkeypatch)
    synced(shop.options(), wire=InstantWire())
    table.add(f"60 % of {rows:,} rows changed: apply / CREATE TABLE AS", apply.seconds / median(anew), "<=", 2)


class Applying:
    """How long the snapshot's own statements took: deleting old rows, inserting new ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between the close of a run and its snapshot."""
        from revetl.state import close

        self.seconds = 0.0
        inner = close._records
        monkeypatch.setattr(close, "_records", lambda *given: self._time(lambda: inner(*given)))

    def _time(self, function: Callable[[], None]) -> None:
        self.seconds += seconds(function)


def test_bytes_per_row(build: Build, rows: int, table: Table) -> None:
    """State keeps about what the model itself takes; nothing grows with runs that change nothing."""
    shop = build(rows)
    synced(shop.options(), wire=InstantWire())
    before = size(shop.state)
    synced(shop.options(), wire=InstantWire())
    table.add("state: bytes a row", before / rows, note=f"the model itself: {size(shop.warehouse) / rows:.0f}")
    table.add("state: bytes a row that an unchanged run adds", (size(shop.state) - before) / rows, "<=", 1)
    changed = shop.change(0.1)
    synced(shop.options(), wire=InstantWire())
    files = sum(size(path) for path in (shop.state.parent / "ledger").glob("*.parquet"))
    table.add("ledger: bytes a change", files / (changed + 1))
    table.add("state after 10 % changed / before", size(shop.state) / before, note="freed blocks are used again")


def size(path: Path) -> int:
    """Return a file's bytes."""
    return path.stat().st_size
