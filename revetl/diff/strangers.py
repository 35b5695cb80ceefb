"""Records that a partial read did not read: what state says of them must do."""

from __future__ import annotations

from revetl.diff.differing import snapshot
from revetl.diff.shape import Shape


def records(shape: Shape) -> list[str]:
    """Return statements for records that a partial read did not read: what state says of them must do.

    ``beyond`` has the identities that a record would take and such a one holds; those also keep what leavers held.
    """
    if not shape.asked:
        return []
    ks = ", ".join(f"s.{k}" for k in shape.ks)
    return [
        f"CREATE OR REPLACE TEMP TABLE stranger_{shape.id} AS SELECT {ks}, {shape.normalised('s.m')} AS i "
        f"FROM ({snapshot(shape)}) s ANTI JOIN {shape.asked} o ON {shape.same_key('s', 'o')} "
        f"WHERE {shape.normalised('s.m')} IN (SELECT i FROM {shape.temp('delta')} WHERE wanted UNION "
        f"SELECT i FROM {shape.temp('olds')})",
        f"CREATE OR REPLACE TEMP TABLE beyond_{shape.id} AS SELECT x.key FROM {shape.temp('delta')} x "
        f"WHERE x.wanted AND (NOT x.known OR x.i IS DISTINCT FROM x.si OR x.pend) "
        f"AND x.i IN (SELECT i FROM {shape.temp('stranger')})",
        f"INSERT INTO {shape.temp('holders')} BY NAME SELECT {shape.key_text('s')} AS key, s.i "
        f"FROM {shape.temp('stranger')} s WHERE s.i IN (SELECT o.i FROM {shape.temp('olds')} o "
        f"JOIN {shape.temp('delta')} x ON x.key = o.key WHERE NOT x.wanted)",
    ]


def memberships(shape: Shape) -> list[str]:
    """Return the statement that keeps a leaver's memberships which such a record has at the same identity."""
    if not shape.asked or not shape.stored:
        return []
    return [
        f"INSERT INTO {shape.temp('takes')} BY NAME SELECT DISTINCT {shape.key_text('s')} AS key, s.i, v.cohort "
        f"FROM {shape.temp('stranger')} s JOIN {shape.table('members')} v ON {shape.same_key('s', 'v')}"
    ]
