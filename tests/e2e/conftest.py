"""One dbt build and one first sync for all end-to-end tests; each test gets a copy of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.house import House, built, lived_in
from tests.shared import ROOT

LEFT_BY_RUNS = shutil.ignore_patterns("target", "logs", "*.duckdb*", ".user.yml", ".revetl", "exports", "__pycache__")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a function that makes a directory once for all workers of pytest-xdist.

    ``REVETL_BUILT`` names where such directories stay from one session to the next: a long measurement has many.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    if "REVETL_BUILT" in os.environ:
        shared = Path(os.environ["REVETL_BUILT"])
        shared.mkdir(parents=True, exist_ok=True)

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        done, place = shared / f"{name}.done", shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(place, ignore_errors=True)
                fill(place)
                done.touch()
        return place

    return make


@pytest.fixture(scope="session")
def shop(once: Callable[..., Path]) -> Path:
    """Return the demo shop as dbt built it; nothing was ever synced. Copy it, never change it."""

    def fill(place: Path) -> None:
        shutil.copytree(ROOT / "dbt_project", place, ignore=LEFT_BY_RUNS)
        built(place, "build")

    return once("shop", fill)


@pytest.fixture(scope="session")
def synced(once: Callable[..., Path], shop: Path) -> Path:
    """Return the shop after its first sync, with the stand-ins' accounts beside it. Copy it, never change it."""

    def fill(place: Path) -> None:
        with lived_in(shop, place) as house:
            assert house.sync().exit_code == 0
            kept = {name: box.dump() for name, box in house.boxes.items()}
        (place / "accounts.json").write_bytes(orjson.dumps(kept))

    return once("synced", fill)


@pytest.fixture
def fresh(shop: Path, tmp_path: Path) -> Iterator[House]:
    """Return a house where nothing was ever synced."""
    with lived_in(shop, tmp_path / "shop") as house:
        yield house


@pytest.fixture
def house(synced: Path, tmp_path: Path) -> Iterator[House]:
    """Return a house after its first sync."""
    with lived_in(synced, tmp_path / "shop") as house:
        yield house


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark everything below this folder: it needs dbt as a program."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.dbt)
