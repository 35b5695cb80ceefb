"""One dbt build of the demo shop, shared with the end-to-end tests; each example gets a copy with its own meta."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from revetl.sandbox import SANDBOXES
from tests.e2e.conftest import once, shop
from tests.e2e.house import House, built, lived_in
from tests.shared import ROOT

__all__ = ["once", "shop"]

Settle = Callable[[str], House]


@pytest.fixture
def settle(shop: Path, tmp_path: Path) -> Iterator[Settle]:
    """Return a function that moves the shop into an example: its revetl.yml, its meta in place of the shop's own."""
    with ExitStack() as stack:

        def move(example: str) -> House:
            own: dict[str, dict[str, Any]] = {example: {}} if example in SANDBOXES else {}
            house = stack.enter_context(lived_in(shop, tmp_path / example, **own))
            for path in (house.root / "models/marts").glob("*.yml"):
                path.unlink()
            shutil.copy(ROOT / "examples" / example / "models.yml", house.root / "models/marts")
            shutil.copy(ROOT / "examples" / example / "revetl.yml", house.root)
            built(house.root, "parse")
            return house

        yield move


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark everything below this folder: it needs dbt as a program."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.dbt)
