"""The maker of benches, for every test of the sender."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.send.stand import build


@pytest.fixture
def make() -> Any:
    """Return a maker of senders on a virtual wire; see :func:`stand.build`."""
    return build
