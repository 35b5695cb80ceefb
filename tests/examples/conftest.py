"""One dbt build of the demo shop, shared with the end-to-end tests; each example gets a copy with its own meta."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from revetl.sandbox import SANDBOXES
from tests.e2e.conftest import once, shop
from tests.e2e.house import TACIT, House, environment, lived_in
from tests.e2e.walk import nothing_to_build, stand_ins_alone, walk
from tests.shared import ROOT

__all__ = ["once", "shop", "told"]

EXAMPLES = ROOT / "examples"
MOVES = sorted(path.parent.name for path in EXAMPLES.glob("*/models.yml"))
Settle = Callable[..., House]

# dbt takes longer to load than to parse: one process for all of them
PARSE = """
import os, sys
from dbt.cli.main import dbtRunner
for place in sys.argv[1:]:
    os.chdir(place)
    done = dbtRunner().invoke(["--quiet", "parse", "--profiles-dir", "."])
    if not done.success:
        sys.exit(f"{place}: {done.exception}")
"""


def moved_in(shop: Path, example: str, place: Path) -> Path:
    """Copy the shop, with the example's revetl.yml, and its meta in place of the shop's own."""
    shutil.copytree(shop, place, ignore=shutil.ignore_patterns("compiled", "run", "logs"))
    for path in (place / "models/marts").glob("*.yml"):
        path.unlink()
    shutil.copy(EXAMPLES / example / "models.yml", place / "models/marts")
    for path in EXAMPLES.joinpath(example).iterdir():
        if path.is_file() and path.name not in {"models.yml", "README.md"}:
            shutil.copy(path, place)
    return place


@pytest.fixture(scope="session")
def moved(once: Callable[..., Path], shop: Path) -> Path:
    """Return a folder with the shop in each example, parsed by dbt. Copy them, never change them."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        places = [str(moved_in(shop, example, folder / example)) for example in MOVES]
        env = environment(**TACIT)
        command = [sys.executable, "-c", PARSE, *places]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr

    return once("moved", fill)


@pytest.fixture
def settle(moved: Path, tmp_path: Path) -> Iterator[Settle]:
    """Return a function that gives the shop in an example a home, with its stand-in and others that are named."""
    with ExitStack() as stack:

        def move(example: str, *others: str) -> House:
            own: dict[str, dict[str, Any]] = {name: {} for name in (example, *others) if name in SANDBOXES}
            return stack.enter_context(lived_in(moved / example, tmp_path / example, **own))

        yield move


def told(house: House) -> str:
    """Do what the README of the house's example says, after a check; return what was printed last.

    The models were built, and the example's YAML parsed, for all examples at once. Accounts are stand-ins.
    """
    checked = house.program("check", "--strict")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    env = nothing_to_build(house.env, house.root.parent / "bin")
    return walk(EXAMPLES / house.root.name / "README.md", house.root, env, between=stand_ins_alone)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark everything below this folder: it needs dbt as a program."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.dbt)
