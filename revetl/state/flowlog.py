"""Searching the ledger: the closed runs' files, and the outbox of runs that are still open, as one list of flows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from revetl.errors import StateError
from revetl.sqltext import quote_text
from revetl.state.ledger import COLUMNS
from revetl.state.rekeying import Span, present, spans, within
from revetl.state.schema import STATE
from revetl.state.views import View
from revetl.types import JSON

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)


@dataclass(frozen=True, slots=True)
class Flow:
    """One change that left, or was decided not to leave, as the ledger keeps it. ``time`` is in UTC."""

    run: str
    seq: int
    time: datetime
    sync: str
    key: str
    op: str
    cause: str
    cohort: str | None
    identity: str | None
    before_identity: str | None
    values: Mapping[str, JSON] | None  # field → wire value; personal ones as {"hmac": hex}
    outcome: str  # delivered | rejected | unknown | waiting | local; of an open run also: open (no answer yet)
    code: str | None = None
    reason: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    open: bool = False  # the run has not closed: it is running, or it was killed


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for; everything that is given must hold. Times are aware; ``until`` is included."""

    keys: Sequence[str] = ()  # as JSON arrays
    identities: Sequence[str] = ()  # as the ledger keeps them; before or after an identity change
    syncs: Sequence[str] = ()  # names of syncs, or of destinations for all their syncs
    since: datetime | None = None
    until: datetime | None = None
    field: str | None = None
    cohort: str | None = None
    outcome: str | None = None
    op: str | None = None
    run: str | None = None  # its id, or the beginning of it
    limit: int | None = None
    newest_first: bool = True

    def where(self, former: Sequence[Span] = ()) -> tuple[str, list[object]]:
        """Return the SQL condition and its parameters; ``former``: when keys were those of others, and theirs other."""
        parts = list(self._parts(former))
        return " AND ".join(["true", *(sql for sql, _ in parts)]), [value for _, values in parts for value in values]

    def _parts(self, former: Sequence[Span]) -> Iterator[tuple[str, Sequence[object]]]:
        if self.keys:
            yield within(former, self.keys)
        if self.identities:
            known = list(self.identities)
            yield "(identity IN (SELECT unnest(?)) OR before_identity IN (SELECT unnest(?)))", (known, known)
        if self.syncs:
            names = list(self.syncs)
            yield "(sync IN (SELECT unnest(?)) OR split_part(sync, '.', 1) IN (SELECT unnest(?)))", (names, names)
        if self.field is not None:
            yield 'list_contains(json_keys("values"), ?)', (self.field,)
        if self.run is not None:
            yield "starts_with(run, ?)", (self.run,)
        exact = (("time >= ?", self.since), ("time <= ?", self.until), ("cohort = ?", self.cohort))
        for sql, value in (*exact, ("outcome = ?", self.outcome), ("op = ?", self.op)):
            if value is not None:
                yield sql, (value,)


def relation(view: View) -> str:
    """Return a SELECT of every flow: the columns of the ledger, and ``open``."""
    files = sorted(view.ledger.glob("*.parquet"))
    parts = [f"SELECT {_NAMES}, false AS open FROM (SELECT {EMPTY_COLUMNS}) WHERE false"]
    if files:
        listed = ", ".join(quote_text(str(file)) for file in files)
        parts.append(f"SELECT {_NAMES}, false FROM read_parquet([{listed}], union_by_name = true)")
    if view.readable:
        parts.append(_open_flows(view, [file.stem for file in files]))
    return " UNION ALL ".join(parts)


EMPTY_COLUMNS = (
    'NULL::VARCHAR AS run, NULL::BIGINT AS seq, NULL::TIMESTAMPTZ AS "time", NULL::VARCHAR AS sync, '
    "NULL::VARCHAR AS key, NULL::VARCHAR AS op, NULL::VARCHAR AS cause, NULL::VARCHAR AS cohort, "
    'NULL::VARCHAR AS identity, NULL::VARCHAR AS before_identity, NULL::VARCHAR AS "values", '
    "NULL::VARCHAR AS outcome, NULL::VARCHAR AS code, NULL::VARCHAR AS reason, NULL::INTEGER AS http_status, "
    "NULL::VARCHAR AS request_id"
)


def _open_flows(view: View, closed: Sequence[str]) -> str:
    """Return a SELECT of the outboxes of runs without a ledger file, under the ledger's rules for identities."""
    runs = ", ".join(quote_text(run) for run in closed)
    known = f"AND o.run NOT IN ({runs})" if closed else ""
    answered = "CASE WHEN a.hi >= o.seq THEN a.{0} END"
    return (
        "SELECT o.run, o.seq, coalesce(e.ts, " + answered.format("ts") + ", r.started_at), o.sync, o.key, o.op, "
        f"o.cause, o.cohort, {view.identity('o.i')}, {view.identity('o.bi')}, coalesce(o.record, o.body), "
        "coalesce(e.status, " + answered.format("status") + ", CASE WHEN o.local IS NOT NULL THEN 'local' END, "
        "'open'), e.code, e.reason, coalesce(e.http_status, " + answered.format("http_status") + "), "
        "coalesce(e.request_id, " + answered.format("request_id") + "), true "
        f"FROM {STATE}.outbox o JOIN {STATE}.runs r ON r.run = o.run "
        f"LEFT JOIN {STATE}.exceptions e ON e.run = o.run AND e.seq = o.seq "
        f"ASOF LEFT JOIN {STATE}.acks a ON a.run = o.run AND a.lo <= o.seq "
        f"WHERE o.local IS DISTINCT FROM 'quiet' {known}"
    )


def search_ledger(view: View, filters: Filters) -> list[Flow]:
    """Return the flows that pass, newest first unless asked otherwise.

    Raises:
        StateError: RVT-521, a file of the ledger cannot be read.
    """
    rows = relation(view)
    former = spans(view, rows, filters.keys) if view.readable else ()
    where, values = filters.where(former)
    order = "seq DESC, run DESC" if filters.newest_first else "seq, run"
    limit = "" if filters.limit is None else f" LIMIT {int(filters.limit)}"
    sql = f"SELECT {_NAMES}, open FROM ({rows}) WHERE {where} ORDER BY {order}{limit}"
    return [_flow(row) for row in asked(view, sql, values)]


def under_present_keys(view: View, flows: Sequence[Flow]) -> list[Flow]:
    """Return flows under the keys that their records have now."""
    if not view.readable:
        return list(flows)
    keys = present(view, relation(view), [(flow.sync, flow.key, flow.seq) for flow in flows])
    return [flow if flow.key == key else replace(flow, key=key) for flow, key in zip(flows, keys, strict=True)]


def introduced(view: View, sync: str) -> Mapping[tuple[str, str], tuple[str, datetime]]:
    """Return (``field`` or ``cohort``, name) → the run whose delivery first carried it in a sync, and when."""
    sql = (
        f"WITH sent AS (SELECT * FROM ({relation(view)}) WHERE sync = ? AND outcome = 'delivered') "
        "SELECT 'field', name, arg_min(run, seq), min(time) FROM "
        "(SELECT unnest(json_keys(\"values\")) AS name, run, seq, time FROM sent WHERE op = 'upsert') GROUP BY name "
        "UNION ALL SELECT 'cohort', cohort, arg_min(run, seq), min(time) FROM sent WHERE op = 'join' GROUP BY cohort"
    )
    return {(kind, name): (run, time) for kind, name, run, time in asked(view, sql, [sync])}


def asked(view: View, sql: str, values: Sequence[object]) -> list[Any]:
    """Run a statement over the ledger.

    Raises:
        StateError: RVT-521.
    """
    try:
        return view.con.execute(sql, list(values)).fetchall()
    except duckdb.Error as error:
        raise unreadable(error) from None


def unreadable(error: duckdb.Error) -> StateError:
    """Return the error of a ledger that DuckDB cannot read."""
    return StateError(
        "RVT-521",
        f"the ledger cannot be read: {str(error).partition(chr(10))[0]}",
        kept="its files are left as they are",
        hint="revetl log --verify names the file that was changed",
    )


def _flow(row: Sequence[Any]) -> Flow:
    found = dict(zip((*COLUMNS, "open"), row, strict=True))
    found["values"] = None if found["values"] is None else json.loads(found["values"])
    return Flow(**found)
