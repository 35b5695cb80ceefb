"""Which keys may differ from the snapshot, found without any value: newer rows, keys that differ, what state doubts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from revetl.diff import desired
from revetl.diff.differing import snapshot
from revetl.diff.shape import STATE, Shape
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import ModelRef, SyncPlan

# tables of state whose keys are looked at in every run
OPEN = ("pending", "rejected", "unmatched", "waiting_links", "opted_out")


def statements(
    plan: SyncPlan, names: desired.Names, shape: Shape, since: Mapping[str, int], table: str, *, by_keys: bool
) -> list[str]:
    """Return what makes ``table``: the typed keys of everything that may differ.

    ``since``: model's unique id → microseconds since 1970, from which on rows count as new. ``by_keys``: the models
    are there with every key, so that those who came and went are seen.
    """
    made: list[str] = []
    parts = [_newer(ref, names, shape, since[ref.unique_id]) for ref in plan.models if ref.unique_id in since]
    parts += [*_open(shape), *_moved_links(shape)]
    if by_keys:
        bare, nobody = keys_alone(plan), replace(shape, slots=())
        made = [
            f"CREATE OR REPLACE TEMP VIEW desired_{shape.id} AS {desired.desired(bare, names, nobody)}",
            f"CREATE OR REPLACE TEMP VIEW mwish_{shape.id} AS {desired.members(bare, names, nobody)}",
        ]
        parts += [*_come_and_gone(shape), *_lost_rows(plan, names, shape)]
    null = " OR ".join(f"{k} IS NULL" for k in shape.ks)
    every = " UNION ALL ".join(parts)
    return [*made, f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT DISTINCT * FROM ({every}) WHERE NOT ({null})"]


def newest(ref: ModelRef, name: str) -> str:
    """Return a SELECT of a model's newest ``updated_at`` in microseconds since 1970, null where it has none."""
    moment = _moment(ref, "r")
    return f"SELECT epoch_us(max({moment}) FILTER (WHERE isfinite({moment}))) FROM {name} r"


def keys_alone(plan: SyncPlan) -> SyncPlan:
    """Return the sync without all that it carries: who is wanted, and who is a member."""
    cohorts = tuple(replace(cohort, fields=()) for cohort in plan.cohorts)
    match = plan.base.key[0]
    return replace(plan, fields=(), links=(), joined=(), consent=None, cohorts=cohorts, match_property=match)


def _moment(ref: ModelRef, alias: str) -> str:
    return f"CAST({alias}.{quote_identifier(str(ref.updated_at))} AS TIMESTAMP)"  # the session's time zone is UTC


def _newer(ref: ModelRef, names: desired.Names, shape: Shape, since: int) -> str:
    moment = _moment(ref, "r")
    keys = ", ".join(f"{e} AS {k}" for k, e in desired.key_columns(ref, "r", shape).items())
    new = f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) >= {since} ELSE true END"
    return f"SELECT {keys} FROM {names[ref.unique_id]} r WHERE {moment} IS NULL OR {new}"


def _open(shape: Shape) -> Iterator[str]:
    """Yield SELECTs of the keys that state has not settled, and of those whose identity is in doubt or another's."""
    name = quote_text(shape.sync)
    keys = shape.key_from_text("p.key")
    for table in OPEN:
        yield f"SELECT {keys} FROM {STATE}.{table} p WHERE p.sync = {name}"
    doubted = f"SELECT unnest(near) FROM {STATE}.pending WHERE sync = {name}"
    # two records that met at one identity: whichever is renamed, both are to be looked at
    met = f"SELECT {shape.normalised('m')} FROM {shape.table('snap')} GROUP BY ALL HAVING count(m) > 1"
    yield (
        f"SELECT {_ks(shape, 's')} FROM ({snapshot(shape)}) s "
        f"WHERE {shape.normalised('s.m')} IN ({doubted} UNION ALL {met})"
    )


def _moved_links(shape: Shape) -> Iterator[str]:
    """Yield SELECTs of records whose link holds an id that no record of the other sync has."""
    for slot in shape.links:
        target = quote_text(slot.link.sync if slot.link else "")
        ids = f"SELECT 1 FROM {STATE}.remote r WHERE r.sync = {target} AND r.remote_id = s.f{slot.ordinal}"
        held = f"s.f{slot.ordinal} IS NOT NULL AND NOT EXISTS ({ids})"
        yield f"SELECT {_ks(shape, 's')} FROM {shape.table('snap')} s WHERE {held}"


def _come_and_gone(shape: Shape) -> Iterator[str]:
    """Yield SELECTs of keys and memberships that only the models have, or only state."""
    both, ks = ", ".join(f"coalesce(d.{k}, s.{k}) AS {k}" for k in shape.ks), ", ".join(shape.ks)
    one_side = f"WHERE d.{shape.ks[0]} IS NULL OR s.{shape.ks[0]} IS NULL"
    yield (
        f"SELECT {both} FROM (SELECT {ks} FROM {shape.temp('desired')}) d FULL JOIN "
        f"(SELECT {ks} FROM {shape.table('snap')}) s ON {shape.same_key('d', 's')} {one_side}"
    )
    cohorts = ", ".join(quote_text(cohort) for cohort in shape.cohorts)
    if cohorts:
        members = f"SELECT {ks}, cohort FROM {shape.table('members')} WHERE cohort IN ({cohorts})"
        yield (
            f"SELECT {both} FROM {shape.temp('mwish')} d FULL JOIN ({members}) s "
            f"ON {shape.same_key('d', 's')} AND d.cohort = s.cohort {one_side}"
        )


def _lost_rows(plan: SyncPlan, names: desired.Names, shape: Shape) -> Iterator[str]:
    """Yield SELECTs of records that hold values of a joined model in which their key is no more."""
    for ref in plan.joined:
        held = " OR ".join(f"s.f{slot.ordinal} IS NOT NULL" for slot in shape.slots if slot.model == ref.unique_id)
        same = " AND ".join(f"{e} = s.{k}" for k, e in desired.key_columns(ref, "j", shape).items())
        gone = f"NOT EXISTS (SELECT 1 FROM {names[ref.unique_id]} j WHERE {same})"
        yield f"SELECT {_ks(shape, 's')} FROM {shape.table('snap')} s WHERE ({held or 'false'}) AND {gone}"


def _ks(shape: Shape, alias: str) -> str:
    return ", ".join(f"{alias}.{k}" for k in shape.ks)
