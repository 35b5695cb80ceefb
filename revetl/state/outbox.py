"""The outbox: every change with its wire bytes, durable before the first byte of its chunk leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from revetl.state.journal import insert_rows
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import EMPTY, Cause, Change, Link, Op

# Rows per chunk: what a crash may leave in doubt without having left, against a durable commit each.
CHUNK = 5_000
SOME = 500  # rows fetched at once
# Chunks whose wire bytes are made by one statement, which is planned and passes over the delta each time. It runs while
# the chunk before is being sent: more of them would take longer than that, and nothing would leave meanwhile.
WINDOW = 2
FIRST = 1  # chunks of the first such statement: nothing leaves before it is done
_COLUMNS = "seq, sync, key, op, m, i, cohort, cause, bm, bi, remote_id, created, body, links, consent"
_OPS = {op.value: op for op in Op}
_CAUSES = {cause.value: cause for cause in Cause}
Chunk = tuple[int, Sequence[Change]]  # its last number, and what of it is to be sent


@dataclass(frozen=True, slots=True)
class Stage:
    """How the changes of one sync get into the outbox: SQL with ``{lo}``, ``{hi}`` (the chunk) and ``{now}``."""

    sync: str
    lo: int
    hi: int
    ready: str  # makes what the others read, for many chunks
    done: str  # drops it again
    outbox: str  # INSERT INTO outbox
    after: str  # INSERT INTO after_<id>
    verdicts: str | None = None  # INSERT INTO exceptions: what is refused before it is sent, if anything is


Learnt = tuple[str | None, bool | None]
"""What an outcome told of a record: its id there, and whether revetl made it."""


class Outbox:
    """The changes of one run. ``stage`` commits a chunk of intents; ``read`` gives them out in order."""

    def __init__(self, store: Store, run: str, chunk: int = CHUNK, worker: Executor | None = None) -> None:
        """Work for ``run``; a ``worker`` of one thread stages a chunk while the one before it is being sent.

        From the first change of :meth:`changes` to :meth:`rest`, the store belongs to the worker.
        """
        self.store = store
        self.run = run
        self.chunk = chunk
        self._worker = worker
        self._coming: list[Future[Chunk]] = []

    def changes(self, stage: Stage) -> Iterator[Change]:
        """Yield the changes of one sync that are to be sent; while those of one chunk are, the next one is staged."""
        coming = self._from(stage, stage.lo)
        while coming is not None:
            hi, found = coming.result()
            coming = self._from(stage, hi + 1)
            yield from found

    def _from(self, stage: Stage, lo: int) -> Future[Chunk] | None:
        return self.later(partial(self._chunk, stage, lo)) if lo <= stage.hi else None

    def _chunk(self, stage: Stage, lo: int) -> Chunk:
        hi = self.stage(stage, lo)
        return hi, self.read(lo, hi)

    def later(self, work: Callable[[], Chunk]) -> Future[Chunk]:
        """Return the result of ``work`` to come; without a worker it is done at once."""
        if self._worker is not None:
            coming = self._worker.submit(work)
            self._coming = [*(other for other in self._coming if not other.done()), coming]
            return coming
        coming = Future()
        coming.set_result(work())
        return coming

    def rest(self) -> None:
        """Let nothing more be staged; return once the store is free. What was not staged waits."""
        for coming in self._coming:
            coming.cancel()
        wait(self._coming)

    def stage(self, stage: Stage, lo: int) -> int:
        """Commit the chunk that starts at ``lo``, then the head; return its last sequence number."""
        hi = min(lo + self.chunk - 1, stage.hi)
        number = (lo - stage.lo) // self.chunk
        if number == 0 or (number - FIRST) % WINDOW == 0:
            chunks = WINDOW if number else FIRST
            self.store.con.execute(stage.ready.format(lo=lo, hi=lo + chunks * self.chunk - 1))
        self.store.crash("before_intent")
        now = self.store.clock().isoformat()
        with self.store.transaction():
            for statement in filter(None, (stage.outbox, stage.after, stage.verdicts)):
                self.store.con.execute(statement.format(lo=lo, hi=hi, now=now))
            self.store.set_meta("seq", str(max(hi, self.store.last_seq())))
        self.store.crash("after_intent")
        self.store.advance_head(self.run)
        self.store.crash("after_head")
        if hi == stage.hi:
            self.store.con.execute(stage.done)
        return hi

    def unsettled(self, lo: int, hi: int) -> Sequence[Change]:
        """Return the changes of a range that have no outcome yet."""
        done = {
            row[0]
            for row in self.store.rows(
                f"SELECT o.seq FROM {STATE}.outbox o WHERE o.run = ? AND o.seq BETWEEN ? AND ? AND ("
                f"EXISTS (SELECT 1 FROM {STATE}.acks a WHERE a.run = o.run AND o.seq BETWEEN a.lo AND a.hi) OR "
                f"EXISTS (SELECT 1 FROM {STATE}.exceptions e WHERE e.run = o.run AND e.seq = o.seq))",
                [self.run, lo, hi],
            )
        }
        return [change for change in self.read(lo, hi) if change.seq not in done]

    def read(self, lo: int, hi: int) -> Sequence[Change]:
        """Return the changes of a range that are for the destination: not local, without a verdict."""
        cursor = self.store.con.execute(
            f"SELECT {_COLUMNS} FROM {STATE}.outbox o WHERE run = ? AND seq BETWEEN ? AND ? AND local IS NULL "
            f"AND body IS NOT NULL ORDER BY seq",
            [self.run, lo, hi],
        )
        found: list[Change] = []
        while rows := cursor.fetchmany(SOME):  # nobody else computes while rows become objects
            found += map(_change, rows)
        return found


def _change(row: Sequence[Any]) -> Change:
    """Return a row as a change, filled past the frozen class's own ``__init__``: that takes a dozen times as long."""
    change = Change.__new__(Change)
    made = change.__dict__
    (
        made["seq"], made["sync"], made["key"], op, made["match"], made["identity"], made["cohort"], cause,
        made["before_match"], made["before_identity"], made["remote_id"], made["created"], body, links, made["consent"],
    ) = row  # fmt: skip
    made["op"], made["cause"], made["body"] = _OPS[op], _CAUSES[cause], body.encode()
    made["links"] = _links(links) if links else EMPTY
    return change


def _links(text: str) -> Mapping[str, Link]:
    return {
        name: Link(told["id"], told["before"], tuple(told.get("doubts") or ()))
        for name, told in json.loads(text).items()
    }


def open_runs(state: Reads) -> Sequence[str]:
    """Return runs that never closed, oldest first."""
    return [row[0] for row in state.rows(f"SELECT run FROM {STATE}.runs WHERE closed_at IS NULL ORDER BY started_at")]


def begin_run(store: Store, run: str, facts: Mapping[str, str | None]) -> None:
    """Record that a run exists, before it does anything."""
    store.con.execute(
        f"INSERT INTO {STATE}.runs VALUES (?, ?, NULL, NULL, ?, ?, ?, NULL, NULL)",
        [run, store.clock(), facts.get("git_commit"), facts.get("dbt_invocation"), facts.get("flows_hash")],
    )


def note_models(store: Store, run: str, models: Sequence[Sequence[str | None]]) -> None:
    """Record of which version each model is that a run reads: rows of (sync, model, version, checksum)."""
    insert_rows(store, f"{STATE}.run_models", [(run, *row) for row in models])


def learnt_ids(store: Store, run: str, sync: str, lo: int, hi: int) -> Mapping[str, Learnt | None]:
    """Return key → what earlier outcomes of this run brought, of all keys that have changes from ``lo`` to ``hi``."""
    rows = store.rows(
        "SELECT c.key, n.remote_id, n.created, n.seq IS NOT NULL FROM "
        f"(SELECT DISTINCT key FROM {STATE}.outbox WHERE run = $1 AND sync = $2 AND seq BETWEEN $3 AND $4) c "
        f"LEFT JOIN (SELECT o.key, n.* FROM {STATE}.remote_new n JOIN {STATE}.outbox o ON o.run = n.run "
        "AND o.seq = n.seq WHERE n.run = $1 AND o.sync = $2) n USING (key) ORDER BY n.seq",
        [run, sync, lo, hi],
    )
    return {key: (remote_id, created) if brought else None for key, remote_id, created, brought in rows}


def moved_in_place(store: Store, run: str, sync: str, keys: Sequence[str]) -> list[str]:
    """Return the keys whose IDENTITY is acknowledged, at once, under the id that the record had before it."""
    rows = store.rows(
        f"SELECT o.key FROM {STATE}.outbox o JOIN {STATE}.remote_new n ON n.run = o.run AND n.seq = o.seq "
        f"WHERE o.run = ? AND o.sync = ? AND o.op = 'identity' AND o.key IN (SELECT unnest(?)) "
        "AND n.remote_id = o.remote_id AND n.created IS DISTINCT FROM false "
        f"AND NOT EXISTS (SELECT 1 FROM {STATE}.exceptions e WHERE e.run = o.run AND e.seq = o.seq)",
        [run, sync, list(keys)],
    )
    return [row[0] for row in rows]


def staged_rows(store: Store, run: str) -> Mapping[str, int]:
    """Return sync → how many changes of it are in the outbox."""
    return dict(store.rows(f"SELECT sync, count(*) FROM {STATE}.outbox WHERE run = ? GROUP BY sync", [run]))


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job at a vendor that was started for a range of a run's changes and is not known to have ended."""

    run: str
    sync: str
    lo: int
    hi: int
    job: str


STILL_RUNS = "RVT-617"  # the code of changes whose job the sender could not wait for


def open_jobs(store: Store) -> Sequence[OpenJob]:
    """Return the jobs of runs that never closed, oldest first."""
    rows = store.rows(
        f"SELECT j.run, j.sync, j.lo, j.hi, j.job FROM {STATE}.jobs j JOIN {STATE}.runs r USING (run) "
        "WHERE r.closed_at IS NULL ORDER BY j.ts"
    )
    return [OpenJob(*row) for row in rows]


def leave_running(store: Store, run: str) -> None:
    """Move changes whose jobs still run out of ``run``, into one that stays open until a later start resumes them."""
    later = f"{run}.jobs"
    still = f"SELECT seq FROM {STATE}.exceptions WHERE run = '{run}' AND code = '{STILL_RUNS}'"
    if not store.one(f"SELECT count(*) FROM ({still})"):
        return
    with store.transaction():
        job = (
            f"run = '{run}' AND EXISTS (SELECT 1 FROM {STATE}.outbox o WHERE o.run = '{later}' "
            "AND o.seq BETWEEN {0}.lo AND {0}.hi)"
        )
        _move(store, "outbox", later, f"run = '{run}' AND seq IN ({still})")
        _move(store, "jobs", later, job.format("jobs"))
        store.con.execute(f"DELETE FROM {STATE}.exceptions WHERE run = '{run}' AND code = '{STILL_RUNS}'")
        store.con.execute(
            f"INSERT INTO {STATE}.runs SELECT '{later}', started_at, NULL, NULL, git_commit, dbt_invocation, "
            f"flows_hash, NULL, NULL FROM {STATE}.runs WHERE run = '{run}'"
        )


def _move(store: Store, table: str, run: str, where: str) -> None:
    """Move rows of a table into another run: by what they are known changes, so they are taken out and put in."""
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE moved AS SELECT * REPLACE ('{run}' AS run) FROM {STATE}.{table} WHERE {where}"
    )
    store.con.execute(f"DELETE FROM {STATE}.{table} WHERE {where}")
    store.con.execute(f"INSERT INTO {STATE}.{table} SELECT * FROM moved")
