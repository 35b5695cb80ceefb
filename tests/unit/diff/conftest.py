"""A state in memory and tables of picked rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.diff import picked
from tests.unit.diff.picked import Picker


@pytest.fixture
def picker() -> Iterator[Picker]:
    """Return a picker over an empty state."""
    con = connect()
    Store(con, None, lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    con.execute("CREATE TEMP TABLE coming (sync VARCHAR, key VARCHAR)")
    picked.NUMBERS = count()
    yield Picker(con)
    con.close()
