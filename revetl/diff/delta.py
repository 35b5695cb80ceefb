"""From snapshot and models to the rows that differ: one hash join, then both sides of the changed keys alone.

Only (key, 64-bit hash) is joined, and nothing but the changed rows is fetched in full. A hash is compared within one
statement and never stored: DuckDB's ``hash()`` differs between releases. A changed row is missed with p = 2^-64.
"""

from __future__ import annotations

from collections.abc import Sequence

from revetl.diff import differing, meeting, stirring, strangers
from revetl.diff.differing import snapshot
from revetl.diff.shape import STATE, Shape, Slot
from revetl.diff.stirring import Stir
from revetl.sqltext import quote_text
from revetl.types import CONSENT, OnNull, Write

STANDS = "x.known AND NOT x.pend AND NOT x.over AND x.m IS NOT DISTINCT FROM x.sm"  # of delta row ``x``
NOWHERE = "CAST(NULL AS STRUCT(m VARCHAR, i VARCHAR)[])"  # no request of unknown outcome names an identity


def pending(shape: Shape) -> list[str]:
    """Return statements about keys of unknown outcome: ``pend`` (records), ``mpend`` (memberships), ``near``.

    ``near`` has every identity that a lost request may still change when it lands late: whoever holds it is in doubt,
    too, not only the key that the request was for.
    """
    keys = shape.key_from_text("p.key")
    of_sync = f"FROM {STATE}.pending p WHERE p.sync = {quote_text(shape.sync)}"
    return [
        # what was delivered under an identity in doubt may have moved with the record to whoever shares the doubt
        f"CREATE OR REPLACE TEMP TABLE pend_{shape.id} AS WITH d AS (SELECT p.*, unnest(p.near) AS i {of_sync} "
        "AND p.op IN ('identity', 'upsert', 'leave')) "
        f"SELECT {keys}, p.key, flatten(list(q.touched)) AS touched, any_value(p.tried) AS tried, "
        "flatten(list(coalesce(q.linked, []))) AS linked FROM d p JOIN d q ON q.i = p.i GROUP BY p.key",
        f"CREATE OR REPLACE TEMP TABLE near_{shape.id} AS SELECT p.key, p.op, p.cohort, unnest(p.near) AS i {of_sync}",
        f"CREATE OR REPLACE TEMP TABLE mpend_{shape.id} AS SELECT {keys}, p.cohort, p.tried, p.touched "
        f"{of_sync} AND p.op IN ('join', 'part')",
    ]


def changed(shape: Shape, *, doubt: bool) -> list[str]:
    """Return statements that make ``changed``: the keys that differ, and (``doubt``) those in doubt."""
    both = ", ".join(f"coalesce(d.{k}, s.{k}) AS {k}" for k in shape.ks)
    k0 = shape.ks[0]
    known = f"({snapshot(shape)}) z{shape.within('z')}"
    found = [
        f"CREATE OR REPLACE TEMP TABLE changed_{shape.id} AS "
        f"SELECT {both}, d.{k0} IS NOT NULL AS wanted, s.{k0} IS NOT NULL AS known "
        f"{differing.records(shape, shape.temp('desired'), known)}"
    ]
    if not doubt:
        return found
    near = f"(SELECT i FROM {shape.temp('near')} WHERE op <> 'join')"
    return [
        *found,
        f"INSERT INTO {shape.temp('changed')} "
        f"SELECT {', '.join(f'd.{k}' for k in shape.ks)}, true, s.{k0} IS NOT NULL FROM {shape.temp('desired')} d "
        f"LEFT JOIN ({snapshot(shape)}) s ON {shape.same_key('d', 's')} "
        f"ANTI JOIN {shape.temp('changed')} c ON {shape.same_key('d', 'c')} "
        f"WHERE {shape.normalised('d.m')} IN {near}",
        f"INSERT INTO {shape.temp('changed')} "
        f"SELECT {', '.join(f'p.{k}' for k in shape.ks)}, d.{k0} IS NOT NULL, s.{k0} IS NOT NULL "
        f"FROM (SELECT z.* FROM {shape.temp('pend')} z{shape.within('z')}) p "
        f"LEFT JOIN {shape.temp('desired')} d ON {shape.same_key('p', 'd')} "
        f"LEFT JOIN ({snapshot(shape)}) s ON {shape.same_key('p', 's')} "
        f"ANTI JOIN {shape.temp('changed')} c ON {shape.same_key('p', 'c')}",
    ]


def delta(shape: Shape, stir: Stir) -> str:
    """Return the statement that makes ``delta``: the changed keys with after (``f…``) and before (``b…``) values.

    ``over``: it takes over an identity at which another key stood, or may stand by an unknown outcome. Then it is sent
    in full, and what revetl delivered there for the other key counts as delivered: it may be cleared. ``rest``, where
    records go whole: nothing of it is to be written.
    """
    own = [f"c.{k}" for k in shape.ks]
    stands = {slot.ordinal: f"c.sf{slot.ordinal}" for slot in shape.slots}
    key, takes, joins = shape.key_text("c"), "false", ""
    if stir.meets:
        stands = {slot.ordinal: f"coalesce(c.sf{slot.ordinal}, h.f{slot.ordinal})" for slot in shape.slots}
        takes = f"h.{shape.ks[0]} IS NOT NULL"
        mine = " AND ".join(f"h.c{n} = c.{k}" for n, k in enumerate(shape.ks))
        joins = f" LEFT JOIN {shape.temp('rival')} h ON {mine}"
    before = [f"{sql} AS b{n}" for n, sql in stands.items()]
    # a link that waits leaves what stands there as it is
    waits = {n: f"CASE WHEN c.w{n} IS NOT NULL THEN {stands[n]} ELSE c.f{n} END AS f{n}" for n in shape.linked}
    after = [waits.get(slot.ordinal, f"c.f{slot.ordinal}") for slot in shape.slots]
    after += [f"c.{w}" for w in shape.ws]
    doubts, more = _doubts(shape, key, takes) if stir.doubt else (_certain(takes), "")
    columns = [
        *own,
        f"{key} AS key",
        "c.wanted, c.known, c.m, c.i, c.sm, c.si",
        *after,
        *before,
        "r.remote_id, r.created",
        *(["c.okay"] if shape.consent is not None else []),
        *doubts,
    ]
    rows = (
        f"SELECT {', '.join(columns)} FROM {shape.temp('pair')} c{joins} "
        f"LEFT JOIN {STATE}.remote r ON r.sync = {quote_text(shape.sync)} AND r.key = {key}{more}"
    )
    if not shape.partial:
        rows = f"SELECT x.*, {_at_rest(shape)} AS rest FROM ({rows}) x"
    return f"CREATE OR REPLACE TEMP TABLE delta_{shape.id} AS {rows}"


def _at_rest(shape: Shape) -> str:
    """Return SQL: whether nothing of the record of delta row ``x`` is to be written; links are no part of it."""
    if shape.resend:
        return "false"
    slots = [slot for slot in shape.slots if slot.link is None and slot.write is not Write.CREATE]
    return " AND ".join([STANDS, *map(_unwritten, slots)])


def _unwritten(slot: Slot) -> str:
    same = f"x.f{slot.ordinal} IS NOT DISTINCT FROM x.b{slot.ordinal}"
    clears = slot.on_null is OnNull.CLEAR and slot.write is not Write.IF_EMPTY
    return same if clears else f"(x.f{slot.ordinal} IS NULL OR {same})"


def _certain(takes: str) -> list[str]:
    """Return the columns that tell of doubts where there are none."""
    return [
        "CAST([] AS INTEGER[]) AS touched, CAST([] AS STRUCT(n INTEGER, id VARCHAR)[]) AS linked",
        f"{NOWHERE} AS tried, {takes} AS over, false AS pend",
    ]


def _doubts(shape: Shape, key: str, takes: str) -> tuple[list[str], str]:
    """Return the columns that tell of doubts, and the joins that they need."""
    others = (
        f"(SELECT t.i AS i, flatten(list(touched)) AS touched, list(key) AS keys, flatten(list(linked)) AS linked FROM "
        f"(SELECT key, touched, linked, unnest(tried) AS t FROM {shape.temp('pend')}) GROUP BY t.i)"
    )
    columns = [
        *(f"coalesce(p.{name}, []) || coalesce(o.{name}, []) AS {name}" for name in ("touched", "linked")),
        "p.tried",
        f"{takes} OR len(list_filter(coalesce(o.keys, []), lambda k: k <> {key})) > 0 AS over",
        f"p.{shape.ks[0]} IS NOT NULL OR coalesce(c.i IN (SELECT i FROM {shape.temp('near')} "
        "WHERE op <> 'join'), false) AS pend",
    ]
    joins = f" LEFT JOIN {shape.temp('pend')} p ON {shape.same_key('c', 'p')} LEFT JOIN {others} o ON o.i = c.i"
    return columns, joins


def member_changes(shape: Shape) -> str:
    """Return the statement that makes ``mchg``: memberships to begin (``wish``) and to end."""
    if not shape.cohorts:
        return next(stirring.empty(shape, stirring.MEMBERS))
    k0 = shape.ks[0]
    both = ", ".join(f"coalesce(d.{k}, s.{k}) AS {k}" for k in shape.ks)
    known = f"SELECT * FROM ({differing.memberships(shape)}) z{shape.within('z')}"
    if not shape.stored:
        known = f"SELECT {', '.join((*shape.ks, 'cohort', *shape.ms))} FROM {shape.temp('mwish')} WHERE false"
    return (
        f"CREATE OR REPLACE TEMP TABLE mchg_{shape.id} AS "
        f"SELECT {both}, coalesce(d.cohort, s.cohort) AS cohort, d.{k0} IS NOT NULL AS wish, false AS pend, "
        f"{NOWHERE} AS tried, s.{k0} IS NOT NULL AS member, "
        f"CAST([] AS INTEGER[]) AS touched{''.join(f', d.{m}, s.{m} AS b{m[1:]}' for m in shape.ms)} "
        f"{differing.members(shape, shape.temp('mwish'), known)}"
    )


def _members_in_doubt(shape: Shape) -> list[str]:
    """Return statements that assert memberships of unknown outcome."""
    return [
        f"UPDATE {shape.temp('mchg')} AS c SET pend = true, tried = p.tried, touched = p.touched "
        f"FROM {shape.temp('mpend')} p WHERE {shape.same_key('c', 'p')} AND c.cohort = p.cohort",
        f"INSERT INTO {shape.temp('mchg')} BY NAME SELECT {', '.join(f'p.{k}' for k in shape.ks)}, p.cohort, "
        f"d.{shape.ks[0]} IS NOT NULL AS wish, true AS pend, p.tried, p.touched, false AS member"
        f"{''.join(f', d.{m}' for m in shape.ms)} FROM (SELECT z.* FROM {shape.temp('mpend')} z{shape.within('z')}) p "
        f"LEFT JOIN {shape.temp('mwish')} d ON {shape.same_key('p', 'd')} AND d.cohort = p.cohort "
        f"ANTI JOIN {shape.temp('mchg')} c ON {shape.same_key('p', 'c')} AND c.cohort = p.cohort",
        *_members_nearby(shape),
    ]


def _taken_over(shape: Shape) -> list[str]:
    """Return statements that assert memberships of who moves to where another record stands, or away from there.

    One of the two ends. Which one, and with it the memberships that had been delivered, is the destination's affair;
    and whoever moves away takes along those of the other, which end where they are not wished.
    """
    ks = ", ".join(f"x.{k}" for k in shape.ks)
    fresh = f"ANTI JOIN {shape.temp('mchg')} c ON {shape.same_key('x', 'c')} AND c.cohort"
    nothing = "false AS pend, false AS member, CAST([] AS INTEGER[]) AS touched"
    asserted = (
        f"INSERT INTO {shape.temp('mchg')} BY NAME SELECT {ks}, w.cohort, true AS wish, {nothing}"
        f"{''.join(f', w.{m}' for m in shape.ms)} "
        f"FROM {shape.temp('mwish')} w JOIN (FROM {shape.temp('delta')} WHERE wanted AND over) x "
        f"ON {shape.same_key('x', 'w')} {fresh} = w.cohort"
    )
    mine = ", ".join(f"x.c{n} AS {k}" for n, k in enumerate(shape.ks))
    ended = (
        f"INSERT INTO {shape.temp('mchg')} BY NAME SELECT DISTINCT x.*, false AS wish, {nothing} FROM ("
        f"SELECT {mine}, v.cohort FROM (FROM {shape.temp('met')} WHERE n = 1) x "
        f"JOIN {shape.table('members')} v ON {shape.same_key('x', 'v')} "
        f"WHERE NOT starts_with(v.cohort, {quote_text(CONSENT)})) x "
        f"ANTI JOIN {shape.temp('mwish')} w ON {shape.same_key('x', 'w')} AND w.cohort = x.cohort {fresh} = x.cohort"
    )
    return [asserted, ended]


def _carried_there(shape: Shape, *, doubt: bool) -> list[str]:
    """Return the statement that marks what a membership carried for another key at the same identity as delivered."""
    if not (shape.memberships and shape.stored):
        return []
    told = ", ".join(
        f"CASE WHEN v.{m} IS NOT NULL THEN {slot.ordinal} END" for slot, m in _members(shape) if slot.stored
    )
    told = f"list_filter(CAST([{told}] AS INTEGER[]), lambda n: n IS NOT NULL)"
    stood = (
        f"SELECT {shape.normalised('s.m')} AS i, v.cohort, {shape.key_text('v')} AS key, {told} AS touched "
        f"FROM {shape.table('members')} v JOIN ({snapshot(shape)}) s ON {shape.same_key('s', 'v')}"
    )
    if doubt:
        stood += (
            f" UNION ALL SELECT unnest(tried).i AS i, cohort, {shape.key_text('p')} AS key, touched "
            f"FROM {shape.temp('mpend')} p"
        )
    theirs = (
        f"SELECT {shape.key_text('w')} AS key, w.cohort, flatten(list(o.touched)) AS touched "
        f"FROM {shape.temp('who')} w "
        f"JOIN ({stood}) o ON o.i = {shape.normalised('w.m')} AND o.cohort = w.cohort "
        f"AND o.key <> {shape.key_text('w')} WHERE w.wish GROUP BY ALL"
    )
    return [
        f"UPDATE {shape.temp('mchg')} AS c SET touched = coalesce(c.touched, []) || q.touched FROM ({theirs}) q "
        f"WHERE q.key = {shape.key_text('c')} AND q.cohort = c.cohort"
    ]


def _members(shape: Shape) -> list[tuple[Slot, str]]:
    return [(slot, f"f{slot.ordinal}") for slot in shape.memberships]


def _members_nearby(shape: Shape) -> list[str]:
    """Return statements that assert the memberships of whoever holds an identity in doubt."""
    ks = ", ".join(f"d.{k}" for k in shape.ks)
    mine = f"n.op <> 'join' OR n.key <> {shape.key_text('d')}"
    holders = (
        f"(SELECT {ks}, n.key, n.op, n.cohort FROM {shape.temp('desired')} d JOIN {shape.temp('near')} n "
        f"ON n.i = {shape.normalised('d.m')} WHERE {mine} UNION "
        f"SELECT {ks}, n.key, n.op, n.cohort FROM {shape.temp('delta')} d JOIN {shape.temp('olds')} o ON o.key = d.key "
        f"JOIN {shape.temp('near')} n ON n.i = o.i WHERE d.wanted AND ({mine}))"
    )
    theirs = f"SELECT {shape.key_text('m')} AS key, m.cohort FROM {shape.table('members')} m"
    carried = (
        f"(SELECT {ks}, d.cohort FROM {holders} d WHERE d.cohort IS NOT NULL UNION "
        f"SELECT {ks}, m.cohort FROM {holders} d JOIN ({theirs}) m ON m.key = d.key WHERE d.op <> 'join')"
    )
    fresh = f"ANTI JOIN {shape.temp('mchg')} c ON {shape.same_key('d', 'c')} AND c.cohort"
    return [
        f"INSERT INTO {shape.temp('mchg')} BY NAME SELECT DISTINCT {ks}, w.cohort, true AS wish, true AS pend, "
        f"{NOWHERE} AS tried, false AS member{''.join(f', w.{m}' for m in shape.ms)} FROM {holders} d "
        f"JOIN {shape.temp('mwish')} w ON {shape.same_key('d', 'w')} {fresh} = w.cohort",
        f"INSERT INTO {shape.temp('mchg')} BY NAME SELECT DISTINCT {ks}, d.cohort, false AS wish, true AS pend, "
        f"{NOWHERE} AS tried, false AS member FROM {carried} d "
        f"ANTI JOIN {shape.temp('mwish')} w ON {shape.same_key('d', 'w')} AND w.cohort = d.cohort {fresh} = d.cohort",
    ]


def _whereabouts(shape: Shape) -> list[str]:
    """Return the statement that makes ``olds``: where changed records stand or may stand."""
    return [
        # where records stand or may stand that are leaving or being renamed; taken: by another record since then
        f"CREATE OR REPLACE TEMP TABLE olds_{shape.id} AS SELECT key, m, i, bool_and(taken) AS taken FROM ("
        f"SELECT key, sm AS m, si AS i, false AS taken FROM {shape.temp('delta')} WHERE known AND sm IS NOT NULL "
        f"UNION ALL SELECT x.key, x.t.m, x.t.i, EXISTS (SELECT 1 FROM ({snapshot(shape)}) s "
        f"WHERE {shape.normalised('s.m')} = x.t.i AND {shape.key_text('s')} <> x.key) "
        f"FROM (SELECT key, unnest(tried) AS t FROM {shape.temp('delta')}) x) GROUP BY ALL",
    ]


def differences(shape: Shape, desired_sql: str, members_sql: str, everybody_sql: str, *, doubt: bool) -> Sequence[str]:
    """Return what must run first, in order, while the models can be read: it tells whether there is any difference.

    ``doubt``: some key of the sync has an unknown outcome; without, looking for them would cost a pass for nothing.
    """
    return [
        f"CREATE OR REPLACE TEMP VIEW desired_{shape.id} AS {desired_sql}",
        *([f"CREATE OR REPLACE TEMP VIEW everybody_{shape.id} AS {everybody_sql}"] if everybody_sql else []),
        # who may be in doubt is asked for the wishes half a dozen times
        *([f"CREATE OR REPLACE TEMP TABLE mwished_{shape.id} AS {members_sql}"] if doubt else []),
        f"CREATE OR REPLACE TEMP VIEW mwish_{shape.id} AS {'FROM ' + shape.temp('mwished') if doubt else members_sql}",
        *(pending(shape) if doubt else stirring.empty(shape, stirring.DOUBTS)),
        *changed(shape, doubt=doubt),
        member_changes(shape),
    ]


def differ(shape: Shape) -> str:
    """Return a SELECT of whether anything differs, or is in doubt, once the differences were looked for."""
    return (
        f"SELECT EXISTS (FROM {shape.temp('changed')}) OR EXISTS (FROM {shape.temp('mchg')}) "
        f"OR EXISTS (FROM {shape.temp('mpend')})"
    )


def none(shape: Shape) -> str:
    """Return the statement that makes an empty ``delta``, with what is asked of it where nothing differs."""
    columns = ["key VARCHAR", "wanted BOOLEAN", "known BOOLEAN", "m VARCHAR", *(f"{w} VARCHAR" for w in shape.ws)]
    return f"CREATE OR REPLACE TEMP TABLE delta_{shape.id} ({', '.join(columns)})"


def details(shape: Shape, stir: Stir) -> Sequence[str]:
    """Return what must run then, in order, where something differs: what the changes are made of."""
    moving = stir.moves or stir.doubt
    return [
        *(meeting.rivals(shape) if stir.meets else []),
        delta(shape, stir),
        *(_whereabouts(shape) if moving else stirring.empty(shape, stirring.WHEREABOUTS)),
        *(_taken_over(shape) if stir.meets or stir.doubt else []),
        *(_members_in_doubt(shape) if stir.doubt else []),
        *(_rivalry(shape) if moving else []),
        *strangers.records(shape),
        *(_memberships(shape, doubt=stir.doubt) if stir.members or stir.meets or stir.doubt else []),
    ]


def _rivalry(shape: Shape) -> list[str]:
    """Return statements for what the changes need of unchanged records: rivals for an identity, and who holds one."""
    identity = shape.normalised("d.m")
    return [
        # identities that two wanted records claim
        f"CREATE OR REPLACE TEMP TABLE collide_{shape.id} AS SELECT {identity} AS i FROM {shape.temp('desired')} d "
        f"WHERE {identity} IN (SELECT i FROM {shape.temp('delta')} "
        f"WHERE wanted AND i IS NOT NULL AND (NOT known OR i IS DISTINCT FROM si OR pend)) "
        f"GROUP BY 1 HAVING count(*) > 1",
        # wanted records that hold an identity of who leaves
        f"CREATE OR REPLACE TEMP TABLE holders_{shape.id} AS SELECT {shape.key_text('d')} AS key, "
        f"{identity} AS i FROM {shape.temp('desired')} d WHERE {identity} IN (SELECT o.i FROM {shape.temp('olds')} o "
        f"JOIN {shape.temp('delta')} x ON x.key = o.key WHERE NOT x.wanted)",
    ]


def _memberships(shape: Shape, *, doubt: bool) -> list[str]:
    """Return statements for what changed memberships need of records, unchanged ones too."""
    ks = ", ".join(f"d.{k}" for k in shape.ks)
    identity = shape.normalised("d.m")
    return [
        # identity, now and before, of each key whose membership changes
        f"CREATE OR REPLACE TEMP TABLE who_{shape.id} AS SELECT c.*, d.{shape.ks[0]} IS NOT NULL AS wanted, "
        f"d.m, s.m AS sm, {_elsewhere(shape)} FROM {shape.temp('mchg')} c "
        f"LEFT JOIN (SELECT {ks}, d.m FROM {shape.temp('desired')} d) d ON {shape.same_key('c', 'd')} "
        f"LEFT JOIN ({snapshot(shape)}) s ON {shape.same_key('c', 's')}"
        + (f" LEFT JOIN {shape.temp('everybody')} e ON {shape.same_key('c', 'e')}" if shape.consent else ""),
        # memberships that whoever holds the identity now wants: they are not ended
        f"CREATE OR REPLACE TEMP TABLE takes_{shape.id} AS SELECT DISTINCT {shape.key_text('d')} AS key, "
        f"{identity} AS i, v.cohort FROM {shape.temp('desired')} d "
        f"JOIN {shape.temp('mwish')} v ON {shape.same_key('d', 'v')} "
        f"WHERE {identity} IN (SELECT {shape.normalised('coalesce(w.sm, w.tried[1].m)')} FROM {shape.temp('who')} w "
        "WHERE NOT w.wanted)",
        *strangers.memberships(shape),
        *_carried_there(shape, doubt=doubt),
    ]


def _elsewhere(shape: Shape) -> str:
    """Return SQL of who is outside the audience: identity, whether no model has it, whether its record is in doubt."""
    if shape.consent is None:
        return "CAST(NULL AS VARCHAR) AS em, false AS gone, false AS astray"
    key = shape.key_text("c")
    return f"e.m AS em, e.{shape.ks[0]} IS NULL AS gone, {key} IN (SELECT key FROM {shape.temp('pend')}) AS astray"


def count(shape: Shape) -> str:
    """Return a SELECT of the number of desired records."""
    return f"SELECT count(*) FROM {shape.temp('desired')}"
