"""A record's identity changes: its row gets another match value, and its memberships follow by their foreign key."""

from __future__ import annotations

from revetl.contract import Exchange
from revetl.destinations.postgres import api
from revetl.sqltext import quote_identifier
from revetl.types import JSON, Batch, Change, Outcome


def rename(batch: Batch) -> Exchange:
    """Move rows; where another one has the new value, ours is deleted or the change refused, in the same statement."""
    if not batch.changes:
        return []
    at = api.table(batch.settings, batch.sync)
    match = batch.match_field
    moves = [
        {"old": {match: c.before_match or c.match}, "new": {match: c.match}, "ours": c.created is True}
        for c in batch.changes
    ]
    reply = yield api.call("rename in", at, _statement(at, match), moves)
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    named = api.by_match(reply)
    return [_outcome(c, named[c.match]) if c.match in named else api.unnamed(c) for c in batch.changes]


def _statement(at: api.Table, match_field: str) -> str:
    match = quote_identifier(match_field)
    new = api.given(at, "o.f->'new'")
    old = f"jsonb_populate_record(NULL::{at}, s.f->'old')"
    differs = f"(r.x).{match} IS DISTINCT FROM (r.old).{match}"
    ends = "p.there AND p.taken AND p.ours"
    return (
        f"WITH r AS MATERIALIZED (SELECT s.*, {old} AS old FROM ({new}) s), "
        "p AS MATERIALIZED (SELECT r.*, (r.f->>'ours')::boolean AS ours, "
        f"EXISTS (SELECT FROM {at} t WHERE t.{match} = (r.old).{match}) AS there, "
        f"{differs} AND EXISTS (SELECT FROM {at} t WHERE t.{match} = (r.x).{match}) AS taken FROM r), "
        f"moved AS (UPDATE {at} t SET {match} = (p.x).{match} FROM p "
        f"WHERE p.there AND NOT p.taken AND t.{match} = (p.old).{match}), "
        f"ended AS (DELETE FROM {at} t USING p WHERE {ends} AND t.{match} = (p.old).{match}) "
        + api.found("p s", match_field, record="s.f->'new'", there="s.there", taken="s.taken")
    )


def _outcome(change: Change, row: dict[str, JSON]) -> Outcome:
    """Return what a row says; nothing under the old value is a rename that was done before, or nobody to rename."""
    if row.get("there") is not True or row.get("taken") is not True:
        return Outcome.delivered(change)
    if change.created is True:
        return Outcome.delivered(change, created=False)
    reason = "another row has the new value, and revetl did not create the old one: merge them there"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)
