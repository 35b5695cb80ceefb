"""Rows: made, updated, cleared, deleted. One statement for all changes that carry the same columns."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from revetl.contract import BatchRejected, Context, Exchange, Reply, Sql
from revetl.destinations.postgres import api
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Batch, Change, Erased, Mode, OnLeave, Outcome, Person

_ROUNDING = "'numeric'::regtype, 'real'::regtype, 'double precision'::regtype"  # types that round what they are given


def upsert(batch: Batch) -> Exchange:
    """Update who is there and insert who is not, as the mode allows."""
    return (yield from _write(batch, batch.mode, _written))


def leave(batch: Batch) -> Exchange:
    """Delete rows, or clear columns of them; who is not there is done."""
    if batch.on_leave is OnLeave.CLEAR:
        return (yield from _write(batch, Mode.UPDATE, lambda _, change, __: Outcome.delivered(change)))
    if not batch.changes or batch.on_leave is not OnLeave.DELETE:
        return [Outcome.delivered(change) for change in batch.changes]
    at = api.table(batch.settings, batch.sync)
    reply = yield _delete(at, batch.match_field, [change.match for change in batch.changes])
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    named = api.by_match(reply)
    return [Outcome.delivered(c) if c.match in named else api.unnamed(c) for c in batch.changes]


def _write(batch: Batch, mode: Mode, outcome: Any) -> Exchange:
    at = api.table(batch.settings, batch.sync)
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in batch.changes:
        groups.setdefault(tuple(sorted(set(change.fields) - {batch.match_field})), []).append(change)
    for columns, changes in groups.items():
        rows = [_row(batch.match_field, change) for change in changes]
        argument = b"[" + b",".join(rows) + b"]"
        reply: Reply = yield Sql(
            statement(at, batch.match_field, columns, mode), argument, name=f"write {at.schema}.{at.name}"
        )
        if not reply.ok:
            refused = api.refuse_all(reply, changes)
            if isinstance(refused, BatchRejected):
                return refused
            yield from api.settle(refused)
            continue
        named = api.by_match(reply)
        yield from api.settle(outcome(mode, c, named[c.match]) if c.match in named else api.unnamed(c) for c in changes)
    return []


def _row(match_field: str, change: Change) -> bytes:
    """Return a row's values as they are spelt, then its match value: of two equal names jsonb keeps the last."""
    own = orjson.dumps({match_field: change.match})
    return own if change.body == b"{}" else change.body[:-1] + b"," + own[1:]


def statement(at: api.Table, match_field: str, columns: Sequence[str], mode: Mode) -> str:
    """Return the statement that writes rows which carry ``columns``, and tells of each whether it was there.

    A value that its column would change (a number that it rounds) is written nowhere: the row is not ``exact``.
    """
    match, names = quote_identifier(match_field), [quote_identifier(column) for column in columns]
    exact = " AND ".join(_exact(column) for column in (match_field, *columns))
    there = f"EXISTS (SELECT FROM {at} t WHERE t.{match} = (r.x).{match})"
    parts = [
        f"r AS MATERIALIZED ({api.given(at)})",
        f"s AS MATERIALIZED (SELECT r.*, {exact} AS exact, {there} AS there FROM r)",
    ]
    if names and mode is not Mode.INSERT:
        told = ", ".join(f"{name} = (s.x).{name}" for name in names)
        other = " OR ".join(f"t.{name}::text IS DISTINCT FROM (s.x).{name}::text" for name in names)
        parts.append(
            f"changed AS (UPDATE {at} t SET {told} FROM s "
            f"WHERE s.there AND s.exact AND t.{match} = (s.x).{match} AND ({other}))"
        )
    made, source = "false", "s"
    if mode is not Mode.UPDATE:
        values = ", ".join(f"(s.x).{name}" for name in (match, *names))
        parts.append(
            f"made AS (INSERT INTO {at} ({', '.join((match, *names))}) SELECT {values} FROM s "
            f"WHERE NOT s.there AND s.exact ON CONFLICT ({match}) DO NOTHING RETURNING {match} AS m)"
        )
        made, source = "made.m IS NOT NULL", f"s LEFT JOIN made ON made.m = (s.x).{match}"
    told_of = api.found(source, match_field, there="s.there", exact="s.exact", made=made)
    return f"WITH {', '.join(parts)} {told_of}"


def _exact(column: str) -> str:
    """Return SQL: whether a number stands in its column with the digits that it came with."""
    kept, came = f"(r.x).{quote_identifier(column)}", f"(r.f->>{quote_text(column)})"
    same = f"{came}::numeric IS NOT DISTINCT FROM {kept}::text::numeric"
    return f"(CASE WHEN pg_typeof({kept}) IN ({_ROUNDING}) THEN {same} ELSE true END)"


def _written(mode: Mode, change: Change, row: dict[str, JSON]) -> Outcome:
    if row.get("exact") is not True:
        reason = "a number has more digits than its column keeps"
        return Outcome.rejected(change, code="INEXACT", reason=reason)
    if row.get("made") is True:
        return Outcome.delivered(change, created=True)
    if row.get("there") is not True:
        if mode is Mode.UPDATE:
            reason = "there is no such row, and mode update makes none"
            return Outcome.rejected(change, code="NOT_THERE", reason=reason)
        return Outcome.waiting(change, code="CONCURRENT", reason="somebody else made the row at the same moment")
    if mode is Mode.INSERT:
        return Outcome.rejected(change, code="THERE", reason="there is such a row, and mode insert changes none")
    return Outcome.delivered(change, created=False if change.created is None else None)


def _delete(at: api.Table, match_field: str, identities: Sequence[str]) -> Sql:
    match = quote_identifier(match_field)
    text = (
        f"WITH r AS MATERIALIZED ({api.given(at)}), gone AS (DELETE FROM {at} t USING r "
        f"WHERE t.{match} = (r.x).{match} RETURNING r.n) "
    )
    told = api.found("r s LEFT JOIN gone ON gone.n = s.n", match_field, there="gone.n IS NOT NULL")
    return api.call("delete from", at, text + told, api.people(match_field, identities))


def erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Delete the rows of people, and with them their memberships."""
    if not people:
        return []
    at = api.table(context.settings, context.sync)
    reply: Reply = yield _delete(at, context.match_field, [person.identity for person in people])
    if reply.ok:
        named = api.by_match(reply)
        return [_erased(person, named.get(person.identity)) for person in people]
    if reply.status == 400 and len(people) > 1:
        half = len(people) // 2
        return (yield from erase(context, people[:half])) + (yield from erase(context, people[half:]))
    return [Erased(person.identity, "failed", *api.refusal(reply)) for person in people]


def _erased(person: Person, row: dict[str, JSON] | None) -> Erased:
    if row is None:
        return Erased(person.identity, "failed", "UNNAMED", "the answer does not name the row")
    return Erased(person.identity, "erased" if row.get("there") is True else "absent")
