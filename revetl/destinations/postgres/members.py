"""Cohorts: rows of ``<table>_cohorts``, which end with their record and follow its match value."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from revetl.contract import Context, Exchange, Reply
from revetl.destinations.postgres import api
from revetl.errors import DestinationError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Batch, Change, Effect, Outcome

_SHAPE = (
    "SELECT coalesce(json_agg(json_build_object('type', format_type(a.atttypid, a.atttypmod), 'members', EXISTS ("
    "SELECT FROM pg_catalog.pg_class m WHERE m.relnamespace = c.relnamespace "
    "AND m.relname = $1::text::jsonb->>'members'))), '[]')::text FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid "
    "WHERE n.nspname = $1::text::jsonb->>'schema' AND c.relname = $1::text::jsonb->>'table' "
    "AND a.attname = $1::text::jsonb->>'match' AND a.attnum > 0 AND NOT a.attisdropped"
)


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Return ``{"cohorts": {name: its name there}}``; make the table where it is missing, and follow changed labels.

    Raises:
        DestinationError: RVT-651, there is no such table or column, or no table of cohorts can be made.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    at = api.table(context.settings, context.sync)
    names = {"schema": at.schema, "table": at.name, "members": at.members.name, "match": context.match_field}
    reply: Reply = yield api.call("look at", at, _SHAPE, names, effect=Effect.READ)
    shape = api.expect(reply, f"to show {at}")
    if not shape:
        what = f"{at} has no column {context.match_field}, or there is no such table"
        raise DestinationError("RVT-651", what, hint="create it, with a unique constraint on that column")
    if not shape[0]["members"]:
        if not context.create:
            return {"cohorts": {}}
        made = yield api.call("make", at.members, _create(at, context.match_field, str(shape[0]["type"])))
        api.expect(made, f"to make {at.members}")
    ids = {name: context.ids.get(name, name) for name, _ in context.cohorts}
    if context.create:
        yield from _relabel(at, [{"cohort": ids[name], "label": label} for name, label in context.cohorts])
    return {"cohorts": dict(ids)}


def _create(at: api.Table, match_field: str, kind: str) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {at.members} (cohort text NOT NULL, label text NOT NULL, member {kind} NOT NULL "
        f"REFERENCES {at} ({quote_identifier(match_field)}) ON UPDATE CASCADE ON DELETE CASCADE, "
        "since timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (cohort, member), UNIQUE (member, cohort))"
    )


def _relabel(at: api.Table, cohorts: list[dict[str, str]]) -> Generator[Any, Any, None]:
    """Give members the label that their cohort has now, where one of them has another."""
    wished = "jsonb_to_recordset($1::text::jsonb) AS w(cohort text, label text)"
    differs = f"(SELECT m.label FROM {at.members} m WHERE m.cohort = w.cohort LIMIT 1) <> w.label"
    look = f"SELECT coalesce(json_agg(json_build_object('cohort', w.cohort)), '[]')::text FROM {wished} WHERE {differs}"
    reply: Reply = yield api.call("look at", at.members, look, cohorts, effect=Effect.READ)
    if api.expect(reply, f"to show {at.members}"):
        text = f"UPDATE {at.members} m SET label = w.label FROM {wished} WHERE m.cohort = w.cohort"
        told = yield api.call("relabel in", at.members, text, cohorts)
        api.expect(told, "a cohort's new label")


def join(batch: Batch) -> Exchange:
    """Make those members who are there, and refuse the others by name."""
    if not batch.changes:
        return []
    at, match = api.table(batch.settings, batch.sync), quote_identifier(batch.match_field)
    name, label = _cohort(batch)
    text = (
        f"WITH r AS MATERIALIZED ({api.given(at)}), "
        f"p AS MATERIALIZED (SELECT r.*, t.{match} AS m FROM r LEFT JOIN {at} t ON t.{match} = (r.x).{match}), "
        f"made AS (INSERT INTO {at.members} (cohort, label, member) "
        f"SELECT {quote_text(name)}, {quote_text(label)}, p.m FROM p WHERE p.m IS NOT NULL "
        "ON CONFLICT (cohort, member) DO NOTHING) " + api.found("p s", batch.match_field, there="s.m IS NOT NULL")
    )
    given = api.people(batch.match_field, (change.match for change in batch.changes))
    reply = yield api.call("join in", at.members, text, given)
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    named = api.by_match(reply)
    return [_joined(change, named.get(change.match)) for change in batch.changes]


def _joined(change: Change, row: dict[str, JSON] | None) -> Outcome:
    if row is None:
        return api.unnamed(change)
    if row.get("there") is True:
        return Outcome.delivered(change)
    return Outcome.rejected(change, code="NOT_THERE", reason="there is no such row")


def part(batch: Batch) -> Exchange:
    """End memberships; one that is not there has ended."""
    if not batch.changes:
        return []
    at, match = api.table(batch.settings, batch.sync), quote_identifier(batch.match_field)
    name, _ = _cohort(batch)
    text = (
        f"WITH r AS MATERIALIZED ({api.given(at)}), gone AS (DELETE FROM {at.members} m USING r "
        f"WHERE m.cohort = {quote_text(name)} AND m.member = (r.x).{match}) " + api.found("r s", batch.match_field)
    )
    given = api.people(batch.match_field, (change.match for change in batch.changes))
    reply = yield api.call("part in", at.members, text, given)
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    named = api.by_match(reply)
    return [Outcome.delivered(c) if c.match in named else api.unnamed(c) for c in batch.changes]


def _cohort(batch: Batch) -> tuple[str, str]:
    """Return what the cohort is called there, and its label."""
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    ids = batch.prepared.get("cohorts") or {}
    return str(ids.get(batch.cohort.name, batch.cohort.name)), batch.cohort.label
