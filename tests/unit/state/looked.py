"""A state in memory whose clock goes on at each look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from revetl.state.outbox import begin_run
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.state.written import MAIL, NOON

COLUMNS = "run, seq, sync, key, op, cohort, cause, m, i, bm, bi, remote_id, created, local, body, links, consent"


class State(Store):
    """A state in memory whose crash points are written down and whose clock goes on by a minute at each look."""

    def __init__(self) -> None:
        """Begin at noon."""
        con = connect()
        con.execute("SET threads = 1")
        self.points: list[str] = []
        self.looks = 0
        super().__init__(con, None, self.look, self.points.append)

    def look(self) -> Any:
        """Return the time."""
        self.looks += 1
        return NOON + timedelta(minutes=self.looks)

    def put(self, seq: int, key: str = "a", run: str = "r1", **more: Any) -> None:
        """Put a change into the outbox: by default one of a record, to be sent."""
        row = {"run": run, "seq": seq, "sync": MAIL, "key": key, "op": "upsert", "cause": "data", "body": "{}", **more}
        values = [row.get(name) for name in COLUMNS.split(", ")]
        self.con.execute(f"INSERT INTO {STATE}.outbox ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)

    def add(self, table: str, *values: object) -> None:
        """Insert a row."""
        self.con.execute(f"INSERT INTO {STATE}.{table} VALUES ({', '.join('?' * len(values))})", list(values))


@pytest.fixture
def state() -> Iterator[State]:
    """Return a state in memory, with a run."""
    made = State()
    begin_run(made, "r1", {})
    yield made
    made.close()
