"""A state in memory and tables of picked rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.diff import picked
from tests.unit.diff.picked import Picker


@pytest.fixture(scope="package")
def empty() -> Iterator[Any]:
    """Return a connection with an empty state."""
    con = connect()
    Store(con, None, lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    con.execute("CREATE TEMP TABLE coming (sync VARCHAR, key VARCHAR)")
    yield con
    con.close()


@pytest.fixture
def picker(empty: Any) -> Iterator[Picker]:
    """Return a picker over an empty state, which it is again afterwards."""
    picked.NUMBERS = count()
    made = Picker(empty)
    empty.execute("BEGIN")
    yield made
    empty.execute("ROLLBACK")
