"""Which keys differ between what is wanted and what state holds: the one definition, for every engine that compares."""

from __future__ import annotations

from revetl.diff.shape import Shape, Slot
from revetl.diff.spelling import DUCKDB, Spelling


def snapshot(shape: Shape, spelling: Spelling = DUCKDB) -> str:
    """Return a SELECT of the snapshot with every column of the shape, nulls where none is stored yet."""
    s = spelling
    keys = [f"{s.typed(s.name(k) if shape.stored else 'NULL', kind)} AS {k}" for k, kind in shape.columns.items()]
    match = s.held(s.name("m"), "VARCHAR") if shape.stored else s.typed("NULL", "VARCHAR")
    fields = [f"{_held(slot, shape, s)} AS f{slot.ordinal}" for slot in shape.slots]
    source = f"FROM {s.state(f'snap_{shape.id}')}" if shape.stored else "WHERE 1 = 0"
    return f"SELECT {', '.join([*keys, f'{match} AS m', *fields])} {source}"


def memberships(shape: Shape, spelling: Spelling = DUCKDB) -> str:
    """Return a SELECT of the memberships that stand, of cohorts that are mapped: of others, nobody is parted."""
    s = spelling
    columns = [f"{s.typed(s.name(k), kind)} AS {k}" for k, kind in shape.columns.items()]
    columns.append(f"{s.name('cohort')} AS cohort")
    columns += [f"{_held(slot, shape, s)} AS f{slot.ordinal}" for slot in shape.memberships]
    mapped = ", ".join(map(s.text, shape.cohorts)) or "NULL"
    return f"SELECT {', '.join(columns)} FROM {s.state(f'members_{shape.id}')} WHERE {s.name('cohort')} IN ({mapped})"


def _held(slot: Slot, shape: Shape, spelling: Spelling) -> str:
    if slot.stored and shape.stored:
        return spelling.held(spelling.name(f"f{slot.ordinal}"), slot.type)
    return spelling.held(spelling.typed("NULL", slot.type), slot.type)


def records(shape: Shape, desired: str, known: str, spelling: Spelling = DUCKDB) -> str:
    """Return FROM and WHERE over records that differ: ``d`` is what is wanted, ``s`` what is known.

    One whose link waits for a record without an id there always does: it may come about in this run.
    """
    ks = ", ".join(shape.ks)
    pairs = [("m", "m"), *((f, f) for f in shape.fs), *((w, spelling.typed("NULL", "VARCHAR")) for w in shape.ws)]
    sides = spelling.sides(shape, pairs)
    return (
        f"FROM (SELECT {ks}, {sides.wanted} FROM {desired}) d FULL JOIN (SELECT {ks}, {sides.held} FROM {known}) s "
        f"ON {shape.same_key('d', 's')} WHERE {'1 = 1' if shape.resend else sides.other}"
    )


def members(shape: Shape, wish: str, known: str, spelling: Spelling = DUCKDB) -> str:
    """Return FROM and WHERE over memberships to begin, to end, or to assert again as what they carry is another."""
    carrying = ", ".join(sorted({spelling.text(slot.cohort or "") for slot in shape.memberships}))
    other = [f"d.{shape.ks[0]} IS NULL", f"s.{shape.ks[0]} IS NULL"]
    other += [spelling.other(f"d.{m}", f"s.{m}") for m in shape.ms]
    other += [f"d.cohort IN ({carrying})"] if shape.resend and carrying else []
    return (
        f"FROM {wish} d FULL JOIN ({known}) s ON {shape.same_key('d', 's')} AND d.cohort = s.cohort "
        f"WHERE {' OR '.join(other)}"
    )
