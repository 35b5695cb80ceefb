"""The table that all benches write into, and the projects they measure on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from revetl import run
from tests.bench.shop import Shop
from tests.bench.table import Table
from tests.bench.watch import InstantWire

ROWS = int(os.environ.get("REVETL_BENCH_ROWS", "1000000"))
FULL = os.environ.get("REVETL_BENCH_FULL") == "1"

Build = Callable[..., Shop]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--json PATH``."""
    parser.addoption("--json", metavar="PATH", help="write the measurements of tests/bench there")


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Collect measurements; print them at the end."""
    found = Table()
    yield found
    print(f"\n\n{found.text()}\n")
    path = request.config.getoption("--json", default=None)
    if path:
        found.write(Path(path))


@pytest.fixture(autouse=True)
def bearable(table: Table) -> Iterator[None]:
    """Fail a bench whose measurement misses its target by more than noise explains. Small models prove nothing."""
    before = len(table.rows)
    yield
    if ROWS >= 1_000_000:
        assert [row.cells for row in table.rows[before:] if not row.bearable] == []


@pytest.fixture(scope="session")
def rows() -> int:
    """Return how many rows a model has."""
    return ROWS


@pytest.fixture(scope="session")
def full() -> bool:
    """Return whether the big measurements are wanted, too."""
    return FULL


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return a maker of projects whose people all stand in the snapshot already, as a first sync leaves them."""

    def make(count: int, **more: object) -> Shop:
        shop = Shop(tmp_path / f"shop-{count}", **more).write()  # type: ignore[arg-type]
        shop.fill(count)
        done = run.sync(shop.options(limit=1), wire=InstantWire() if shop.type == "webhook" else None)
        assert [sync.error for sync in done.syncs] == [None]
        shop.deliver()
        return shop

    return make
