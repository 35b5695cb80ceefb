"""What the sender reports, made durable: started calls, jobs, outcomes. Outcomes are committed in groups."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.state.usage import Used, write_usage
from revetl.types import HIDDEN, Batch, Op, Outcome, Status

# The code of a delivery before which an attempt was lost: that attempt may still land, over later deliveries.
REPEATED = "REPEATED"
# The code of a delivery that needed no call: another change of the key, in the same run, had done all of it.
IMPLIED = "IMPLIED"


@dataclass(slots=True)
class Tally:
    """Outcomes of one sync, counted when they are durable, never before."""

    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))


class Journal:
    """The sender's only way into state."""

    def __init__(self, store: Store, run: str) -> None:
        """Write for ``run``."""
        self.store = store.beside()  # it commits while the outbox stages what comes next
        self.run = run
        self.tallies: dict[str, Tally] = {}
        self._open: list[Outcome] = []
        self._brought = Counter[str]()
        self.calls = 0

    def tally(self, sync: str) -> Tally:
        """Return the counts of a sync so far."""
        return self.tallies.setdefault(sync, Tally())

    def started(self, batch: Batch) -> None:
        """Record, durably, that calls leave which must never be repeated blindly."""
        self.store.con.execute(f"INSERT INTO {STATE}.started VALUES (?, ?, ?)", [self.run, batch.lo, batch.hi])

    def job(self, batch: Batch, id: str) -> None:  # noqa: A002 - the vendor's word, as the sender's protocol has it
        """Record, durably, that a job runs at the vendor for this batch."""
        self.store.crash("before_job")
        self.store.con.execute(
            f"INSERT INTO {STATE}.jobs VALUES (?, ?, ?, ?, ?, ?)",
            [self.run, batch.sync, batch.lo, batch.hi, id, self.store.clock()],
        )
        self.store.crash("after_job")

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes; they are durable after the next ``flush``."""
        self._open.extend(outcomes)
        if any(map(_is_news, outcomes)):
            self._brought[outcomes[0].change.sync] += 1  # all are of one sync

    def brought_ids(self, sync: str) -> int:
        """Return how often outcomes of this run told of records what later changes must know."""
        return self._brought[sync]

    def used(self, usage: Used, /) -> None:
        """Keep what was used of quotas so far: a run that is killed has used it all the same."""
        with self.store.transaction():
            write_usage(self.store, usage)

    def call(self, _lane: object, _call: object, _status: int | None, _seconds: float, /) -> None:
        """Count one call of a destination."""
        self.calls += 1

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
        for (sync, status), count in Counter((o.change.sync, o.status) for o in outcomes).items():
            self.tally(sync).counts[status] += count

    def _write(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        ranges = [
            [self.run, lo, hi, "delivered", now, first.http_status, first.request_id]
            for lo, hi, first in ranges_of(outcomes)
        ]
        others = [
            [self.run, o.change.seq, o.status, _code(o), _impersonal(o), now, o.http_status, o.request_id]
            for o in outcomes
            if o.status is not Status.DELIVERED or o.repeated or o.code == IMPLIED
        ]
        kept = [[self.run, o.change.seq, json.dumps(dict.fromkeys(o.kept))] for o in outcomes if o.kept]
        insert_rows(self.store, f"{STATE}.kept", kept)
        insert_rows(self.store, f"{STATE}.acks", ranges)
        insert_rows(self.store, f"{STATE}.exceptions", others)
        self._write_ids(
            [o for o in outcomes if o.status is Status.DELIVERED and (o.remote_id is not None or o.created is not None)]
        )

    def _write_ids(self, outcomes: Sequence[Outcome]) -> None:
        """Insert what a batch brings for each of its rows, as JSON text: a third of the time that lists take."""
        if not outcomes:
            return
        columns = [o.change.seq for o in outcomes], [o.remote_id for o in outcomes], [o.created for o in outcomes]
        kinds = "BIGINT", "VARCHAR", "BOOLEAN"
        lists = ", ".join(f"unnest(from_json(j->{n}, '[\"{kind}\"]'))" for n, kind in enumerate(kinds))
        self.store.con.execute(
            f"INSERT INTO {STATE}.remote_new SELECT ?, {lists} FROM (SELECT CAST(? AS JSON) AS j)",
            [self.run, orjson.dumps(columns).decode()],
        )


def insert_rows(store: Store, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows as one list a column: a statement with a mark for each value takes 20 times as long to parse."""
    if rows:
        lists = [list(column) for column in zip(*rows, strict=True)]
        store.con.execute(f"INSERT INTO {table} SELECT {', '.join(['unnest(?)'] * len(lists))}", lists)


def ranges_of(outcomes: Iterable[Outcome]) -> list[tuple[int, int, Outcome]]:
    """Return delivered outcomes as ranges (lo, hi, first) of consecutive sequence numbers of one request."""
    found: list[tuple[int, int, Outcome]] = []
    for outcome in sorted(
        (o for o in outcomes if o.status is Status.DELIVERED and not o.repeated), key=lambda o: o.change.seq
    ):
        seq = outcome.change.seq
        if found:
            lo, hi, first = found[-1]
            if seq == hi + 1 and first.request_id == outcome.request_id and first.http_status == outcome.http_status:
                found[-1] = (lo, seq, first)
                continue
        found.append((seq, seq, outcome))
    return found


def _is_news(outcome: Outcome) -> bool:
    """Return whether the id of a record, or who made it, was learnt; after a rename the same id is news, too."""
    change = outcome.change
    known = (None, None) if change.op is Op.IDENTITY else (change.remote_id, change.created)
    return outcome.remote_id not in {None, known[0]} or outcome.created not in {None, known[1]}


def _code(outcome: Outcome) -> str:
    return REPEATED if outcome.repeated and outcome.status is Status.DELIVERED else outcome.code


def _impersonal(outcome: Outcome) -> str:
    """Return the reason without the person's identity in it: vendors like to repeat the address they refuse."""
    reason = outcome.reason
    for identity in (outcome.change.match, outcome.change.identity, outcome.change.before_match):
        if identity:
            reason = reason.replace(identity, HIDDEN)
    return reason
