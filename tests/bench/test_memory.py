"""How much memory a run takes: its share for DuckDB, and little beside, however much changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.shop import Shop
from tests.bench.table import Table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

Build = Callable[..., Shop]

LIMIT = 256  # MB
RUN = """
import sys
from pathlib import Path
from tests.bench.shop import Shop
from tests.bench.watch import InstantWire, synced
print(synced(Shop(Path(sys.argv[1])).options(), wire=InstantWire()).delivered)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(shop: Shop) -> tuple[int, float]:
    """Return how many changes a sync delivered in a process of its own, and the process's peak in MB."""
    command = [sys.executable, "-c", RUN, str(shop.root)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    delivered, kilobytes = map(int, done.stdout.split())
    return delivered, kilobytes / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_flat_in_changed_rows(build: Build, rows: int, table: Table) -> None:
    """A run that sends a hundred times as much takes hardly more memory: what suffices for few changes does for all.

    The limit is what comparing a million rows needs anyway; a greater one would be used, too, as a cache.
    """
    shop = build(rows, memory=f"{LIMIT}MB")
    peaks: list[tuple[int, float]] = []
    for share in (0.01, 0.1, 1):
        assert peak_after(shop, share, peaks)
    note = ", ".join(f"{changed:,}: {mb:.0f} MB" for changed, mb in peaks)
    table.add(f"peak memory, all changed / 1 % changed (limit {LIMIT} MB)", peaks[-1][1] / peaks[0][1], "<=", 1.5, note)
    table.add("peak memory beyond the limit, MB", max(mb for _, mb in peaks) - LIMIT, "<=", 120)


def peak_after(shop: Shop, share: float, peaks: list[tuple[int, float]]) -> bool:
    """Change a share, sync, and keep the peak; return whether all that changed was delivered."""
    changed = shop.change(share)
    peaks.append(peak(shop))
    return peaks[-1][0] == changed


def test_memory_limit_at_ten_million(build: Build, full: bool, table: Table) -> None:
    """Ten million rows are compared within the limit."""
    if not full:
        pytest.skip("needs minutes and gigabytes: REVETL_BENCH_FULL=1")
    shop = build(10_000_000, memory="1GB")
    shop.change(0.001)
    _, mb = peak(shop)
    table.add("10 M rows, limit 1 GB: peak beyond it, MB", mb - 1000, "<=", 120)
