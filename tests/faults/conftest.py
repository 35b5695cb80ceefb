"""Options of the fault tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed N``: replay one schedule."""
    parser.addoption("--seed", type=int, default=None, help="replay one schedule of tests/faults")
