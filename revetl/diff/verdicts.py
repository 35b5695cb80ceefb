"""Which changes may not go, and in which order the rest goes."""

from __future__ import annotations

from revetl.diff.changes import MATCHED
from revetl.diff.shape import STATE, Shape
from revetl.sqltext import quote_text

# Leaves and parts first, then data, retries, backfill; a key's operations stay together.
RANKS = {"data": 1, "retry": 2, "mapping": 3}


def digest(shape: Shape, version: str) -> str:
    """Return the statement that stamps changes of rejected keys with a digest of what would be sent.

    ``version`` names the mapping and the destination's wire format: a rejected change is tried again when it, or a
    value, changes.
    """
    values = ", ".join(["x.m", *(f"x.{f}" for f in shape.fs)])
    carried = ", ".join(f"y.{m}" for m in shape.ms)
    member = (
        f"WHEN c.op = 'join' THEN c.m || (SELECT CAST(to_json(struct_pack(v := row({carried}))) AS VARCHAR) "
        f"FROM {shape.temp('mchg')} y WHERE {shape.key_text('y')} = c.key AND y.cohort = c.cohort) "
    )
    return (
        f"UPDATE {shape.temp('changes')} AS c SET digest = md5(CASE WHEN c.op IN ('upsert', 'identity') "
        f"THEN (SELECT CAST(to_json(struct_pack(v := row({values}))) AS VARCHAR) FROM {shape.temp('delta')} x "
        f"WHERE x.key = c.key) {member if shape.ms else ''}ELSE c.m END || {quote_text(version)}) "
        f"WHERE c.key IN (SELECT key FROM {STATE}.rejected WHERE sync = {quote_text(shape.sync)})"
    )


def frozen(shape: Shape, now: str, *, retry: bool) -> list[str]:
    """Return statements that take out changes which were rejected as they are and are not due again.

    ``now`` is a UTC instant as SQL text. What was rejected and goes again has the cause *retry*.
    """
    same = (
        f"r.sync = {quote_text(shape.sync)} AND r.key = c.key AND r.op = c.op "
        "AND r.cohort IS NOT DISTINCT FROM c.cohort"
    )
    # a verdict of revetl's own over several records is no longer the same once another of them has changed
    ours = "r.code = c.code OR (c.verdict IS NULL AND r.code NOT IN ('MATCH_COLLISION', 'IDENTITY_SWAP'))"
    still = f"r.digest = c.digest AND r.next_at > {now} AND NOT {str(retry).lower()} AND ({ours})"
    return [
        f"CREATE OR REPLACE TEMP TABLE frozen_{shape.id} AS SELECT c.key, c.op, c.cohort "
        f"FROM {shape.temp('changes')} c "
        f"JOIN {STATE}.rejected r ON {same} WHERE {still}",
        f"DELETE FROM {shape.temp('changes')} AS c USING {shape.temp('frozen')} z "
        f"WHERE z.key = c.key AND z.op = c.op AND z.cohort IS NOT DISTINCT FROM c.cohort",
        f"DELETE FROM {shape.temp('changes')} AS c USING {shape.temp('frozen')} z WHERE z.key = c.key "
        "AND z.op IN ('identity', 'upsert') AND c.op IN ('identity', 'upsert', 'join') AND c.early IS NOT TRUE",
        # a record that is handed over is not let go of while one of its memberships there still has to end
        f"DELETE FROM {shape.temp('changes')} AS c USING {shape.temp('frozen')} z WHERE z.key = c.key "
        "AND z.op = 'part' AND c.op = 'leave' AND c.local = 'handed_over'",
        f"UPDATE {shape.temp('changes')} AS c SET cause = 'retry' FROM {STATE}.rejected r WHERE {same}",
    ]


def none_frozen(shape: Shape) -> str:
    """Return the statement that makes what :func:`frozen` makes, empty: for a sync without changes."""
    return f"CREATE OR REPLACE TEMP TABLE frozen_{shape.id} (key VARCHAR, op VARCHAR, cohort VARCHAR)"


def refuse(shape: Shape, refusal: str) -> str:
    """Return the statement that rejects UPSERTs which carry a value that the destination cannot carry exactly.

    ``refusal`` is SQL over delta row ``x``: a reason, or null.
    """
    return (
        f"UPDATE {shape.temp('changes')} AS c SET verdict = 'rejected', code = 'VALUE', reason = q.reason "
        f"FROM (SELECT x.key, {refusal} AS reason FROM {shape.temp('delta')} x WHERE x.wanted AND {MATCHED}) q "
        "WHERE q.key = c.key AND q.reason IS NOT NULL AND c.op IN ('upsert', 'identity') AND c.verdict IS NULL "
        "AND c.local IS NULL"
    )


def refuse_members(shape: Shape, refusal: str) -> str:
    """Return the statement that rejects JOINs which carry such a value; ``refusal`` is SQL over membership ``y``."""
    return (
        f"UPDATE {shape.temp('changes')} AS c SET verdict = 'rejected', code = 'VALUE', reason = q.reason "
        f"FROM (SELECT {shape.key_text('y')} AS key, y.cohort, {refusal} AS reason FROM {shape.temp('mchg')} y) q "
        "WHERE q.key = c.key AND q.cohort = c.cohort AND q.reason IS NOT NULL AND c.op = 'join' AND c.verdict IS NULL"
    )


def busy(shape: Shape) -> str:
    """Return the statement that takes out changes of keys which a job at the vendor is still working on."""
    return (
        f"DELETE FROM {shape.temp('changes')} WHERE key IN "
        f"(SELECT key FROM {STATE}.outbox WHERE sync = {quote_text(shape.sync)})"
    )


def strangers(shape: Shape) -> list[str]:
    """Return the statement for changes whose identity is held by a record that was not read.

    They wait; where such a record is known to be unchanged, both claim the identity.
    """
    if not shape.asked:
        return []
    told = "verdict = 'waiting', code = 'PREDECESSOR', "
    told += "reason = 'another record, which this run did not read, holds this match value'"
    if shape.settled:
        told = (
            "verdict = 'rejected', code = 'MATCH_COLLISION', reason = 'two records of the model have this match value'"
        )
    return [
        f"UPDATE {shape.temp('changes')} SET {told} WHERE verdict IS NULL AND op IN ('identity', 'upsert') "
        f"AND key IN (SELECT key FROM {shape.temp('beyond')})"
    ]


def chains(shape: Shape) -> list[str]:
    """Return statements that order identity changes (who moves out before who moves in) and reject swaps by name."""
    changes = shape.temp("changes")
    return [
        f"CREATE OR REPLACE TEMP TABLE chain_{shape.id} AS WITH RECURSIVE ids AS ("
        f"SELECT key, i, bi FROM {changes} WHERE op = 'identity' AND verdict IS NULL), "
        "chain AS (SELECT key, i, bi, 0 AS depth FROM ids a "
        "WHERE NOT EXISTS (SELECT 1 FROM ids y WHERE y.bi = a.i AND y.key <> a.key) UNION "
        "SELECT a.key, a.i, a.bi, c.depth + 1 FROM ids a JOIN chain c ON c.bi = a.i AND c.key <> a.key "
        "WHERE c.depth < 2 * (SELECT count(*) FROM ids)) "  # only a circle, which something leads into, goes beyond one
        "SELECT key, bi, max(depth) AS depth FROM chain GROUP BY key, bi "
        "HAVING max(depth) < (SELECT count(*) FROM ids)",
        f"UPDATE {changes} AS c SET depth = z.depth FROM {shape.temp('chain')} z "
        "WHERE c.op = 'identity' AND z.key = c.key AND z.bi = c.bi",
        f"UPDATE {changes} SET verdict = 'rejected', code = 'IDENTITY_SWAP', "
        "reason = 'two records exchange their match values' "
        "WHERE op = 'identity' AND verdict IS NULL AND depth IS NULL",
    ]


def predecessors(shape: Shape, *, moves: bool) -> list[str]:
    """Return statements that make changes wait whose predecessor cannot go: by key or, if any ``moves``, identity."""
    changes = shape.temp("changes")
    wait = "verdict = 'waiting', code = 'PREDECESSOR', reason = 'an earlier change that it depends on was rejected'"
    own = (
        f"UPDATE {changes} SET {wait} WHERE verdict IS NULL AND early IS NOT TRUE "
        f"AND op IN ('identity', 'upsert', 'join') AND key IN "
        f"(SELECT key FROM {changes} WHERE verdict IS NOT NULL AND op IN ('identity', 'upsert'))"
    )
    if not moves:
        return [own]
    staying = (  # who should move out but does not in this run: refused, not due, no canary
        f"{shape.temp('olds')} o JOIN {shape.temp('delta')} x ON x.key = o.key AND x.i <> o.i "
        f"ANTI JOIN (SELECT key, bi FROM {changes} WHERE op = 'identity' AND verdict IS NULL) c "
        "ON c.key = o.key AND c.bi = o.i WHERE x.wanted AND NOT o.taken"
    )
    there = f"SELECT key FROM {shape.temp('delta')} WHERE wanted AND known AND i = si"  # who comes from nowhere
    return [
        own,
        # that one is in the way of who follows, and that one of the next
        f"CREATE OR REPLACE TEMP TABLE stuck_{shape.id} AS WITH RECURSIVE stuck AS (SELECT o.i FROM {staying} UNION "
        f"SELECT c.bi FROM {changes} c JOIN stuck s ON s.i = c.i WHERE c.op = 'identity') SELECT i FROM stuck",
        f"UPDATE {changes} SET {wait} WHERE verdict IS NULL AND op IN ('identity', 'upsert') AND i IN "
        f"(SELECT i FROM {shape.temp('stuck')}) AND (op = 'identity' OR key NOT IN ({there}))",
        f"UPDATE {changes} SET {wait} WHERE verdict IS NULL AND early IS NOT TRUE AND op = 'join' AND key IN "
        f"(SELECT key FROM {changes} WHERE verdict IS NOT NULL AND op IN ('identity', 'upsert'))",
        # where such a record should be by now, another may stand: it is parted from nothing
        f"UPDATE {changes} SET {wait} WHERE verdict IS NULL AND op = 'part' AND key IN (SELECT o.key FROM {staying})",
    ]


def behind(shape: Shape) -> str:
    """Return the statement that says of who waits for a place of a person who is forgotten (``gone``) why they wait."""
    changes = shape.temp("changes")
    return (
        f"WITH RECURSIVE behind AS (SELECT o.i FROM {shape.temp('olds')} o SEMI JOIN {shape.temp('gone')} g "
        f"ON g.key = o.key WHERE NOT o.taken UNION SELECT c.bi FROM {changes} c JOIN behind b ON b.i = c.i "
        f"WHERE c.op = 'identity') UPDATE {changes} SET reason = 'somebody who is left out, since a person is "
        "forgotten, stands where this is to go: give one of them another match value' "
        f"WHERE code = 'PREDECESSOR' AND key IN (SELECT c.key FROM {changes} c SEMI JOIN behind b ON b.i = c.i "
        "WHERE c.op IN ('identity', 'upsert'))"
    )


def order(shape: Shape, first: int) -> list[str]:
    """Return statements that number the changes from ``first`` in sending order."""
    changes = shape.temp("changes")
    causes = " ".join(f"WHEN '{cause}' THEN {rank}" for cause, rank in RANKS.items())
    urgent = "(early OR op IN ('part', 'leave', 'identity')) AND local IS NULL"
    ops = "CASE WHEN early THEN -1 WHEN op = 'identity' THEN 0 WHEN op = 'upsert' THEN 1 WHEN op = 'join' THEN 2 "
    ops += "WHEN op = 'part' THEN 3 ELSE 4 END"
    # what needs no call comes last: a crash must not leave it committed while its key's calls are not even staged
    turn = "CASE WHEN local IS NOT NULL THEN 2 WHEN verdict IS NULL THEN 1 ELSE 0 END"
    return [
        f"UPDATE {changes} AS c SET rank = z.rank FROM (SELECT key, CASE WHEN bool_or({urgent}) THEN 0 "
        f"ELSE max(CASE cause {causes} END) END AS rank FROM {changes} GROUP BY key) z WHERE z.key = c.key",
        f"CREATE OR REPLACE TEMP TABLE order_{shape.id} AS SELECT rowid AS id, {first - 1} + row_number() OVER "
        f"(ORDER BY {turn}, rank, {ops}, coalesce(depth, 0), cohort, key, bi) AS seq "
        f"FROM {changes}",
        f"UPDATE {changes} AS c SET seq = o.seq FROM {shape.temp('order')} o WHERE o.id = c.rowid",
    ]


def tallies(shape: Shape) -> str:
    """Return a SELECT of the changes that would be sent: op, cause, cohort, rows."""
    return (
        f"SELECT op, cause, cohort, count(*) FROM {shape.temp('changes')} "
        "WHERE local IS NULL AND verdict IS NULL GROUP BY ALL ORDER BY ALL"
    )
