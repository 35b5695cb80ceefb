"""Options of the fault tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed N`` and what it is played in: replay one schedule."""
    parser.addoption("--seed", type=int, default=None, help="replay one schedule of tests/faults")
    parser.addoption("--world", default="crowd", help="the world it is played in: see tests/faults/worlds.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the schedule that is asked for, and nothing else."""
    if config.getoption("--seed") is not None:
        items[:] = [item for item in items if item.name == "test_the_seed_that_is_asked_for"]
