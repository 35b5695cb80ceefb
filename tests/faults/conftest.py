"""Options of the fault tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed N`` and what it is played in: replay one schedule."""
    parser.addoption("--seed", type=int, default=None, help="replay one schedule of tests/faults")
    parser.addoption("--world", default="crowd", help="the world it is played in: see tests/faults/worlds.py")
