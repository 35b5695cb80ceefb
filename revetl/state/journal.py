"""What the sender reports, made durable: started calls, jobs, outcomes. Outcomes are committed in groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import Batch, Outcome, Status


@dataclass(slots=True)
class Tally:
    """Outcomes of one sync, counted when they are durable, never before."""

    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    calls: int = 0


class Journal:
    """The sender's only way into state."""

    def __init__(self, store: Store, run: str) -> None:
        """Write for ``run``."""
        self.store = store
        self.run = run
        self.tallies: dict[str, Tally] = {}
        self._open: list[Outcome] = []

    def tally(self, sync: str) -> Tally:
        """Return the counts of a sync so far."""
        return self.tallies.setdefault(sync, Tally())

    def started(self, batch: Batch) -> None:
        """Record, durably, that calls leave which must never be repeated blindly."""
        self.store.con.execute(f"INSERT INTO {STATE}.started VALUES (?, ?, ?)", [self.run, batch.lo, batch.hi])

    def job(self, batch: Batch, job: str) -> None:
        """Record, durably, that a job runs at the vendor for this batch."""
        self.store.crash("before_job")
        self.store.con.execute(
            f"INSERT INTO {STATE}.jobs VALUES (?, ?, ?, ?, ?, ?)",
            [self.run, batch.sync, batch.lo, batch.hi, job, self.store.clock()],
        )
        self.store.crash("after_job")

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes; they are durable after the next ``flush``."""
        self._open.extend(outcomes)

    def call(self, sync: str) -> None:
        """Count one call."""
        self.tally(sync).calls += 1

    def flush(self) -> None:
        """Commit the outcomes taken since the last flush: a range per run of deliveries, a row per exception."""
        if not self._open:
            return
        outcomes, self._open = self._open, []
        now = self.store.clock()
        self.store.crash("before_ack")
        with self.store.transaction():
            self._write(outcomes, now)
        self.store.crash("after_ack")
        for outcome in outcomes:
            self.tally(outcome.change.sync).counts[outcome.status] += 1

    def _write(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        ranges = [
            [self.run, lo, hi, "delivered", now, first.http_status, first.request_id]
            for lo, hi, first in ranges_of(outcomes)
        ]
        others = [
            [self.run, o.change.seq, o.status, o.code, o.reason, now, o.http_status, o.request_id]
            for o in outcomes
            if o.status is not Status.DELIVERED
        ]
        remote = [
            [self.run, o.change.seq, o.remote_id, o.created]
            for o in outcomes
            if o.status is Status.DELIVERED and (o.remote_id is not None or o.created is not None)
        ]
        insert_rows(self.store, "acks", ranges)
        insert_rows(self.store, "exceptions", others)
        insert_rows(self.store, "remote_new", remote)


def insert_rows(store: Store, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows in one statement each thousand: far cheaper than one statement a row."""
    for start in range(0, len(rows), 1000):
        some = rows[start : start + 1000]
        marks = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
        store.con.execute(f"INSERT INTO {STATE}.{table} VALUES {marks}", [value for row in some for value in row])


def ranges_of(outcomes: Iterable[Outcome]) -> list[tuple[int, int, Outcome]]:
    """Return delivered outcomes as ranges (lo, hi, first) of consecutive sequence numbers of one request."""
    found: list[tuple[int, int, Outcome]] = []
    for outcome in sorted((o for o in outcomes if o.status is Status.DELIVERED), key=lambda o: o.change.seq):
        seq = outcome.change.seq
        if found:
            lo, hi, first = found[-1]
            if seq == hi + 1 and first.request_id == outcome.request_id and first.http_status == outcome.http_status:
                found[-1] = (lo, seq, first)
                continue
        found.append((seq, seq, outcome))
    return found
