"""What stands in state about runs and about changes that did not get through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from revetl.errors import StateError
from revetl.state import ledger
from revetl.state.head import GENESIS, read_head
from revetl.state.layout import known_syncs
from revetl.state.schema import STATE
from revetl.state.views import View
from revetl.types import JSON, Held


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as state remembers it. ``closed_at`` None: it is running, or it was killed."""

    run: str
    started_at: datetime
    closed_at: datetime | None
    exit_code: int | None
    git_commit: str | None
    dbt_invocation: str | None
    flows_hash: str | None
    file: str | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one sync still has to do, in changes; ``records`` and ``members`` are what was acknowledged."""

    sync: str
    records: int
    members: int
    pending: int  # of unknown outcome: sent again by the next runs
    pending_since: datetime | None
    rejected: int
    unmatched: int
    next_retry: datetime | None  # the earliest next try of a rejected change
    account: str | None
    links_waiting: int = 0  # links whose other record has no id there yet


@dataclass(frozen=True, slots=True)
class Rejected:
    """One change that the destination (or revetl) refused by name, and when it is tried again."""

    sync: str
    key: str
    op: str
    cohort: str | None
    code: str
    reason: str
    since: datetime
    attempts: int
    next_at: datetime
    run: str


_RUN = "run, started_at, closed_at, exit_code, git_commit, dbt_invocation, flows_hash, file, summary"


def recent_runs(view: View, limit: int = 10) -> tuple[RunRow, ...]:
    """Return the last runs, newest first; none where the state cannot be read."""
    if not view.readable:
        return ()
    return tuple(
        RunRow(*row) for row in view.rows(f"SELECT {_RUN} FROM {STATE}.runs ORDER BY started_at DESC LIMIT ?", [limit])
    )


def run_facts(view: View, runs: Sequence[str]) -> Mapping[str, RunRow]:
    """Return what state remembers of these runs, by id."""
    if not view.readable or not runs:
        return {}
    rows = view.rows(f"SELECT {_RUN} FROM {STATE}.runs WHERE run IN (SELECT unnest(?))", [list(runs)])
    return {row[0]: RunRow(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class RunModel:
    """A model as a sync read it in a run: dbt's version of it, if it has any, and dbt's checksum of its code."""

    model: str
    version: str | None
    checksum: str


def run_models(view: View, sync: str, runs: Sequence[str]) -> Mapping[str, tuple[RunModel, ...]]:
    """Return run → the models from which a sync read in it, by name; nothing of runs before it was recorded."""
    if not view.readable or not runs:
        return {}
    rows = view.rows(
        f"SELECT run, model, version, checksum FROM {STATE}.run_models WHERE sync = ? AND run IN (SELECT unnest(?)) "
        "ORDER BY run, model",
        [sync, list(runs)],
    )
    found: dict[str, tuple[RunModel, ...]] = {}
    for run, *what in rows:
        found[run] = (*found.get(run, ()), RunModel(*what))
    return found


def backlog(view: View) -> tuple[Backlog, ...]:
    """Return the backlog of every sync that state knows, by name."""
    if not view.readable:
        return ()
    pending = {r[0]: r[1:] for r in view.rows(f"SELECT sync, count(*), min(since) FROM {STATE}.pending GROUP BY sync")}
    refused = {
        r[0]: r[1:] for r in view.rows(f"SELECT sync, count(*), min(next_at) FROM {STATE}.rejected GROUP BY sync")
    }
    nobody = dict(view.rows(f"SELECT sync, count(*) FROM {STATE}.unmatched GROUP BY sync"))
    links = dict(view.rows(f"SELECT sync, count(*) FROM {STATE}.waiting_links GROUP BY sync"))
    found = []
    for sync in known_syncs(view):
        count, since = pending.get(sync.sync, (0, None))
        rejected_count, next_at = refused.get(sync.sync, (0, None))
        records = view.one(f"SELECT count(*) FROM {STATE}.snap_{sync.id}")
        members = view.one(f"SELECT count(*) FROM {STATE}.members_{sync.id}")
        found.append(
            Backlog(sync.sync, records, members, count, since, rejected_count, nobody.get(sync.sync, 0), next_at,
                    sync.account, links.get(sync.sync, 0))
        )  # fmt: skip
    return tuple(found)


def rejected(view: View, syncs: Sequence[str] = (), limit: int | None = None) -> tuple[Rejected, ...]:
    """Return rejected changes of these syncs (of all, where none is named), by sync, code and key."""
    if not view.readable:
        return ()
    where = "WHERE sync IN (SELECT unnest(?))" if syncs else "WHERE ?::VARCHAR[] IS NULL"
    rows = view.rows(
        "SELECT sync, key, op, cohort, coalesce(code, ''), coalesce(reason, ''), since, attempts, next_at, run "
        f"FROM {STATE}.rejected {where} ORDER BY sync, code, key, op, cohort"
        + ("" if limit is None else f" LIMIT {int(limit)}"),
        [list(syncs) or None],
    )
    return tuple(Rejected(*row) for row in rows)


def last_results(view: View, runs: int = 100) -> Mapping[str, tuple[RunRow, Mapping[str, JSON]]]:
    """Return sync → the last run that it took part in, and its result there as revetl_results.json spells it."""
    found: dict[str, tuple[RunRow, Mapping[str, JSON]]] = {}
    for run in recent_runs(view, runs):
        summary = json.loads(run.summary) if run.summary else {}
        for result in summary.get("syncs", ()):
            found.setdefault(str(result.get("sync")), (run, result))
    return dict(sorted(found.items()))


def held(view: View) -> tuple[Held, ...]:
    """Return what guards held in the last run of each sync; where the state cannot be read, in the last run."""
    if not view.readable:
        return tuple(_held(item) for item in view.status.get("held") or ())
    return tuple(_held(item) for _, result in last_results(view).values() for item in result.get("held") or ())


def _held(item: Mapping[str, JSON]) -> Held:
    known = {field.name: item[field.name] for field in fields(Held) if field.name in item}
    return Held(**{**known, "sample": tuple(item.get("sample") or ())})


def verify(view: View) -> tuple[int, Sequence[str]]:
    """Return how many entries the ledger's chain has, and everything that does not hold; empty if all does.

    Raises:
        StateError: RVT-522, the chain cannot be read now.
    """
    if not view.readable:
        if not view.ledger.is_dir():
            raise StateError("RVT-508", "there is no ledger for this target yet", hint="revetl sync")
        raise StateError("RVT-522", f"the ledger's chain cannot be read: {view.notice}", hint="try again later")
    found = list(ledger.verify(view, None))
    chain = ledger.links(view)
    head = None if view.busy else read_head(view.directory / "head.json")
    if head is not None and head.chain not in {GENESIS, *(link.hash for link in chain)}:
        found.append(f"the chain does not contain what the head record of run {head.run} says")
    return len(chain), tuple(found)
