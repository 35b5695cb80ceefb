"""From the rows that differ to changes: one per (key, operation, cohort), each with cause, identity and order.

A change may be *local*: nothing needs to leave (the record is kept, another record holds the identity now, no field
of it is written), yet the snapshot moves forward. A change may carry a *verdict* already: rejected by name, or waiting
for a predecessor that was.
"""

from __future__ import annotations

from revetl.diff.delta import STANDS
from revetl.diff.shape import Shape, Slot
from revetl.sqltext import quote_text
from revetl.types import CONSENT, OnLeave, OnNull, SyncPlan, Write

COLUMNS = "op, cohort, cause, m, i, bm, bi, remote_id, created, local, verdict, code, reason"
MATCHED = "x.m IS NOT NULL AND trim(x.m) <> ''"
COMING = "temp.main.coming"  # sync, key: records that this run means to write, judged before those that link to them


def full(shape: Shape) -> str:
    """Return SQL: whether an UPSERT of delta row ``x`` carries every field, not only the changed ones."""
    if shape.resend:
        return "true"
    return "(NOT x.known OR x.pend OR x.over)" if shape.partial else "NOT x.rest"


def sends(slot: Slot, shape: Shape) -> str:
    """Return SQL: whether an UPSERT of delta row ``x`` writes this field."""
    f, b = f"x.f{slot.ordinal}", f"x.b{slot.ordinal}"
    whole = full(shape) if slot.link is None else "(NOT x.known OR x.pend OR x.over)"  # a link is no part of a record
    value = f"{f} IS NOT NULL AND ({whole} OR {f} IS DISTINCT FROM {b})"
    if slot.ordinal == shape.match_slot and shape.partial:
        # the IDENTITY change writes it
        value += " AND NOT (x.known AND NOT x.pend AND NOT x.over AND x.i IS DISTINCT FROM x.si)"
    if slot.write is Write.CREATE:
        value = f"{f} IS NOT NULL AND NOT x.known AND x.remote_id IS NULL AND x.created IS NULL"
    if slot.on_null is OnNull.CLEAR and slot.write is not Write.IF_EMPTY:  # what stands there may be another's
        delivered = f"({b} IS NOT NULL OR coalesce(list_contains(x.touched, {slot.ordinal}), false))"
        return f"(({value}) OR ({f} IS NULL AND {delivered}))"
    return f"({value})"


def coming(shape: Shape) -> str:
    """Return the statement that notes which records of a sync, whose changes are judged, others may link to."""
    return (
        f"INSERT INTO {COMING} SELECT {quote_text(shape.sync)}, key FROM {shape.temp('changes')} "
        "WHERE op = 'upsert' AND local IS NULL AND verdict IS NULL"
    )


def hopeful(slot: Slot) -> str:
    """Return SQL: whether a link of delta row ``x`` waits for a record that this run means to write."""
    key, sync = f"x.w{slot.ordinal}", quote_text(slot.link.sync if slot.link else "")
    return f"({key} IS NOT NULL AND {key} IN (SELECT key FROM {COMING} WHERE sync = {sync}))"


def hopes(shape: Shape) -> str:
    """Return SQL: whether any link of delta row ``x`` may come about in this run."""
    return " OR ".join(hopeful(slot) for slot in shape.links) or "false"


def _idle(shape: Shape) -> str:
    """Return SQL: whether delta row ``x`` is there only because a link of it waits, for nothing of this run."""
    same = " AND ".join(f"x.f{s.ordinal} IS NOT DISTINCT FROM x.b{s.ordinal}" for s in shape.slots)
    return f"({STANDS} AND {same} AND NOT ({hopes(shape)}))" if shape.links and not shape.resend else "false"


def _cause(shape: Shape) -> str:
    old = [f"x.f{s.ordinal} IS DISTINCT FROM x.b{s.ordinal}" for s in shape.slots if not s.fresh]
    old += [hopeful(slot) for slot in shape.links if not slot.fresh]
    data = " OR ".join([*old, "x.m IS DISTINCT FROM x.sm"])
    cause = f"WHEN x.pend THEN 'retry' WHEN NOT x.known OR {data} THEN 'data' WHEN x.over THEN 'retry'"
    return f"CASE {cause} ELSE 'mapping' END"


def _verdict(condition: str, verdict: str, code: str, reason: str) -> str:
    """Return SQL for the three columns verdict, code, reason under a condition."""
    return ", ".join(f"CASE WHEN {condition} THEN {quote_text(v)} END" for v in (verdict, code, reason))


def create(shape: Shape) -> str:
    """Return the statement that makes the empty table of changes."""
    return (
        f"CREATE OR REPLACE TEMP TABLE changes_{shape.id} ({shape.columned}, key VARCHAR, op VARCHAR, cohort VARCHAR, "
        "cause VARCHAR, m VARCHAR, i VARCHAR, bm VARCHAR, bi VARCHAR, remote_id VARCHAR, created BOOLEAN, "
        "local VARCHAR, verdict VARCHAR, code VARCHAR, reason VARCHAR, digest VARCHAR, "
        "hope BOOLEAN, early BOOLEAN, implied BOOLEAN, depth INTEGER, rank INTEGER, seq BIGINT)"
    )


def _insert(shape: Shape, select: str) -> str:
    return f"INSERT INTO {shape.temp('changes')} ({', '.join(shape.ks)}, key, {COLUMNS}) {select}"


def upserts(shape: Shape) -> str:
    """Return the statement that adds an UPSERT for every wanted record that differs."""
    writes = " OR ".join([sends(slot, shape) for slot in shape.slots] or ["false"])
    collide = f"x.i IN (SELECT i FROM {shape.temp('collide')})"
    verdict = _verdict(collide, "rejected", "MATCH_COLLISION", "two records of the model have this match value")
    return _insert(
        shape,
        f"SELECT {', '.join(f'x.{k}' for k in shape.ks)}, x.key, 'upsert', NULL, {_cause(shape)}, x.m, x.i, NULL, "
        f"NULL, x.remote_id, x.created, CASE WHEN x.known AND NOT x.pend AND NOT ({writes}) AND NOT {collide} "
        f"AND NOT ({hopes(shape)}) THEN 'quiet' END, {verdict} FROM {shape.temp('delta')} x "
        f"WHERE x.wanted AND {MATCHED} AND NOT {_idle(shape)}",
    )


def hoping(shape: Shape) -> list[str]:
    """Return the statement that marks UPSERTs that exist only for links of which nothing is certain yet."""
    if not shape.links:
        return []
    writes = " OR ".join(sends(slot, shape) for slot in shape.slots)
    return [
        f"UPDATE {shape.temp('changes')} AS c SET hope = true FROM {shape.temp('delta')} x WHERE x.key = c.key "
        f"AND c.op = 'upsert' AND x.known AND NOT x.pend AND NOT ({writes}) AND ({hopes(shape)})"
    ]


def implied(shape: Shape) -> list[str]:
    """Return the statement that marks UPSERTs of renamed records that only go since a record cannot go in part."""
    if shape.partial:
        return []
    same = [f"x.f{s.ordinal} IS NOT DISTINCT FROM x.b{s.ordinal}" for s in shape.slots if s.ordinal != shape.match_slot]
    return [
        f"UPDATE {shape.temp('changes')} AS c SET implied = true FROM {shape.temp('delta')} x WHERE x.key = c.key "
        "AND c.op = 'upsert' AND x.known AND NOT x.pend AND NOT x.over AND x.i IS DISTINCT FROM x.si "
        f"AND x.remote_id IS NOT NULL AND {' AND '.join([*same, f'NOT ({hopes(shape)})'])}"
    ]


def identities(shape: Shape) -> str:
    """Return the statement that adds an IDENTITY for every place where a renamed record stands or may stand."""
    collide = f"x.i IN (SELECT i FROM {shape.temp('collide')})"
    verdict = _verdict(collide, "rejected", "MATCH_COLLISION", "two records of the model have this match value")
    cause = "CASE WHEN x.pend THEN 'retry' ELSE 'data' END"
    return _insert(
        shape,
        f"SELECT {', '.join(f'x.{k}' for k in shape.ks)}, x.key, 'identity', NULL, {cause}, x.m, x.i, o.m, o.i, "
        f"x.remote_id, x.created, NULL, {verdict} FROM {shape.temp('delta')} x "
        f"JOIN {shape.temp('olds')} o ON o.key = x.key AND o.i <> x.i AND NOT o.taken WHERE x.wanted AND {MATCHED}",
    )


def leaves(plan: SyncPlan, shape: Shape) -> str:
    """Return the statement that adds a LEAVE for every record that is wanted no more."""
    held = f"o.i IN (SELECT i FROM {shape.temp('holders')})"
    local = f"WHEN {held} THEN 'handed_over'"
    if plan.on_leave is OnLeave.KEEP:
        local += " ELSE 'kept'"
    elif plan.on_leave is not OnLeave.CLEAR and plan.on_leave_scope == "created":
        local += " WHEN x.created IS DISTINCT FROM true THEN 'not_ours'"
    cause = "CASE WHEN x.pend THEN 'retry' ELSE 'data' END"
    return _insert(
        shape,
        f"SELECT {', '.join(f'x.{k}' for k in shape.ks)}, x.key, 'leave', NULL, {cause}, o.m, o.i, NULL, NULL, "
        f"x.remote_id, x.created, CASE {local} END, NULL, NULL, NULL FROM {shape.temp('delta')} x "
        f"JOIN {shape.temp('olds')} o ON o.key = x.key WHERE NOT x.wanted",
    )


def _member_cause(shape: Shape) -> str:
    """Return SQL of why a membership ``w`` is asserted or ended; fields that are mapped anew make a backfill."""
    old = [f"w.f{s.ordinal} IS DISTINCT FROM w.b{s.ordinal}" for s in shape.memberships if not s.fresh]
    new = [f"w.f{s.ordinal} IS DISTINCT FROM w.b{s.ordinal}" for s in shape.memberships if s.fresh]
    only = f"w.wish AND w.member AND ({' OR '.join(new or ['false'])}) AND NOT ({' OR '.join(old or ['false'])})"
    return f"CASE WHEN w.pend THEN 'retry' WHEN {only} THEN 'mapping' ELSE 'data' END"


def sends_member(slot: Slot) -> str:
    """Return SQL: whether a JOIN of membership ``y`` carries this field: all it has, and what is to be cleared."""
    f, b = f"y.f{slot.ordinal}", f"y.b{slot.ordinal}"
    mine = f"y.cohort = {quote_text(slot.cohort or '')}"
    if slot.on_null is OnNull.KEEP:
        return f"({mine} AND {f} IS NOT NULL)"
    delivered = f"({b} IS NOT NULL OR coalesce(list_contains(y.touched, {slot.ordinal}), false))"
    return f"({mine} AND ({f} IS NOT NULL OR {delivered}))"


def memberships(shape: Shape) -> str:
    """Return the statement that adds JOIN and PART; records without a match value are frozen."""
    now = "trim(coalesce(w.m, '')) <> ''"
    key = shape.key_text("w")
    no, early = f"starts_with(w.cohort, {quote_text(CONSENT)})", _early()
    waits = (
        f"w.wish AND {shape.normalised('w.m')} IN (SELECT i FROM {shape.temp('collide')}) AND NOT ({no} AND {early})"
    )
    wish = f"(w.wish OR ({no} AND w.pend AND w.gone))"  # nothing takes back a no that may not have arrived
    match = (
        f"CASE WHEN {no} AND {early} THEN coalesce(w.sm, w.em, w.tried[1].m) WHEN w.wanted THEN w.m "
        "ELSE coalesce(w.sm, w.tried[1].m) END"
    )
    taken = (
        f"EXISTS (SELECT 1 FROM {shape.temp('takes')} t "
        f"WHERE NOT w.wanted AND t.cohort = w.cohort AND t.i = {shape.normalised('coalesce(w.sm, w.tried[1].m)')})"
    )
    return _insert(
        shape,
        f"SELECT {', '.join(f'w.{k}' for k in shape.ks)}, {key}, CASE WHEN {wish} THEN 'join' ELSE 'part' END, "
        f"w.cohort, {_member_cause(shape)}, {match}, {shape.normalised(match)}, NULL, NULL, "
        f"r.remote_id, r.created, CASE WHEN {no} AND NOT {wish} THEN 'forgotten' "
        f"WHEN {taken} THEN 'handed_over' WHEN {match} IS NULL THEN 'nobody' END, "
        f"{_verdict(waits, 'waiting', 'PREDECESSOR', 'the record itself was rejected')} "
        f"FROM {shape.temp('who')} w LEFT JOIN revetl_state.remote r "
        f"ON r.sync = {quote_text(shape.sync)} AND r.key = {key} WHERE NOT w.wanted OR {now} OR {no}",
    )


def repeated(shape: Shape) -> list[str]:
    """Return the statement that says a no again to whoever stands, after a rename, where another record stood.

    It went first, to where our record is; but one of the two ends, and it can be ours, and the no with it.
    """
    if shape.consent is None:
        return []
    waits = f"x.i IN (SELECT i FROM {shape.temp('collide')})"
    return [
        _insert(
            shape,
            f"SELECT {', '.join(f'w.{k}' for k in shape.ks)}, x.key, 'join', w.cohort, {_member_cause(shape)}, x.m, "
            f"x.i, NULL, NULL, x.remote_id, x.created, NULL, "
            f"{_verdict(waits, 'waiting', 'PREDECESSOR', 'the record itself was rejected')} "
            f"FROM {shape.temp('who')} w JOIN {shape.temp('delta')} x ON {shape.same_key('x', 'w')} "
            f"WHERE w.wish AND starts_with(w.cohort, {quote_text(CONSENT)}) AND {_early()} "
            f"AND x.wanted AND x.known AND x.over AND x.i IS DISTINCT FROM x.si AND {MATCHED}",
        )
    ]


def _early() -> str:
    """Return SQL: whether a withdrawal ``w`` goes before all else, to where the record is known to stand."""
    return "(NOT w.wanted OR (w.sm IS NOT NULL AND NOT w.astray))"


def early(shape: Shape) -> list[str]:
    """Return the statement that marks withdrawals which wait for nothing and nobody."""
    if shape.consent is None:
        return []
    return [
        f"UPDATE {shape.temp('changes')} AS c SET early = true FROM {shape.temp('who')} w WHERE c.op = 'join' "
        f"AND starts_with(c.cohort, {quote_text(CONSENT)}) AND c.cohort = w.cohort AND c.key = {shape.key_text('w')} "
        f"AND {_early()}"
    ]


def statements(plan: SyncPlan, shape: Shape, *, moves: bool, members: bool) -> list[str]:
    """Return the statements that fill ``changes`` from ``delta`` and ``mchg``, before guards.

    ``moves``: somebody comes, leaves, is renamed or in doubt; ``members``: memberships begin or end.
    """
    return [
        create(shape),
        upserts(shape),
        *hoping(shape),
        *([*implied(shape), identities(shape), leaves(plan, shape)] if moves else []),
        *([memberships(shape), *early(shape), *repeated(shape)] if members else []),
    ]


def awaited(shape: Shape) -> str:
    """Return a SELECT of links that wait for a record without an id there: key, link, the other sync, its key."""
    parts = [
        f"SELECT x.key, {quote_text(slot.field)} AS field, {quote_text(slot.link.sync)} AS target, "
        f"x.w{slot.ordinal} AS awaits FROM {shape.temp('delta')} x WHERE x.wanted AND x.w{slot.ordinal} IS NOT NULL"
        for slot in shape.links
        if slot.link is not None
    ]
    return " UNION ALL ".join(parts)
