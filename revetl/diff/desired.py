"""The desired records and memberships of a sync, as SELECTs over its models."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.diff.shape import Pointer, Shape, Slot
from revetl.diff.spelling import DUCKDB, Parts, Spelling
from revetl.types import ModelRef, SyncPlan

Names = Mapping[str, str]  # unique id of a model → its quoted name on the connection


def key_columns(ref: ModelRef, alias: str, shape: Shape, spelling: Spelling = DUCKDB) -> dict[str, str]:
    """Return the model's key columns cast to the pinned types, by the names that they have in state."""
    pairs = zip(ref.key, shape.columns.items(), strict=True)
    return {k: spelling.typed(f"{alias}.{spelling.name(column)}", kind) for column, (k, kind) in pairs}


def _on(ref: ModelRef, alias: str, base: ModelRef, shape: Shape, spelling: Spelling) -> str:
    """Return the condition that joins a model to the base model on the key."""
    left, right = key_columns(ref, alias, shape, spelling), key_columns(base, "b", shape, spelling)
    return " AND ".join(f"{left[k]} = {right[k]}" for k in shape.ks)


def _exists(ref: ModelRef, plan: SyncPlan, names: Names, shape: Shape, spelling: Spelling) -> str:
    return f"EXISTS (SELECT 1 FROM {names[ref.unique_id]} x WHERE {_on(ref, 'x', plan.base, shape, spelling)})"


def desired(plan: SyncPlan, names: Names, shape: Shape, spelling: Spelling = DUCKDB) -> str:
    """Return the SELECT of what the destination should hold: ``k0…``, ``m``, ``f0…``, one row per entity instance."""
    where = [_exists(ref, plan, names, shape, spelling) for ref in plan.audience]
    where += [f"NOT {_exists(ref, plan, names, shape, spelling)}" for ref in plan.exclude]
    every = everybody(plan, names, shape, spelling)
    return f"{every}{chr(10)}WHERE {' AND '.join(where)}" if where else every


def everybody(plan: SyncPlan, names: Names, shape: Shape, spelling: Spelling = DUCKDB) -> str:
    """Return the SELECT of the entity's records, whoever the audience is; ``okay`` is their consent."""
    alias = {plan.base.unique_id: "b"} | {ref.unique_id: f"j{n}" for n, ref in enumerate(plan.joined)}
    match = f"b.{spelling.name(plan.match_property)}"
    for slot in shape.slots:
        if slot.ordinal == shape.match_slot:
            match = slot.through.replace("{x}", f"{alias[slot.model]}.{spelling.name(slot.property)}")
    columns = [f"{key} AS {k}" for k, key in key_columns(plan.base, "b", shape, spelling).items()]
    columns.append(f"{spelling.typed(match, 'VARCHAR')} AS m")
    columns += [f"{_value(slot, alias, spelling)} AS f{slot.ordinal}" for slot in shape.slots]
    columns += [f"{_awaited(slot, alias, spelling)} AS w{slot.ordinal}" for slot in shape.links]
    if plan.consent is not None:
        columns.append(f"{alias[plan.consent.model]}.{spelling.name(plan.consent.column)} AS okay")
    joins = [
        f"LEFT JOIN {names[ref.unique_id]} {alias[ref.unique_id]} "
        f"ON {_on(ref, alias[ref.unique_id], plan.base, shape, spelling)}"
        for ref in plan.joined
    ]
    joins += [_target(slot, slot.link, alias, spelling) for slot in shape.links if slot.link and slot.property]
    return "\n".join([f"SELECT {', '.join(columns)}", f"FROM {names[plan.base.unique_id]} b", *joins])


def _value(slot: Slot, alias: Mapping[str, str], spelling: Spelling) -> str:
    if not slot.property:
        return spelling.held(spelling.typed("NULL", slot.type), slot.type)
    if slot.link is not None:
        return f"l{slot.ordinal}.{spelling.name('remote_id')}"
    return spelling.value(slot, f"{alias[slot.model]}.{spelling.name(slot.property)}")


def _parts(pointer: Pointer, alias: str, spelling: Spelling) -> Parts:
    """Return the key that a link's columns hold."""
    columns = [f"{alias}.{spelling.name(column)}" for column in pointer.columns]
    return list(zip(columns, pointer.keys, strict=True))


def pointed(slot: Slot, names: Names) -> str:
    """Return a SELECT of the keys that a link's columns hold, spelt as state spells them."""
    key = DUCKDB.key_text(_parts(slot.link, "b", DUCKDB)) if slot.link else "NULL"
    return f"SELECT DISTINCT {key} AS key FROM {names[slot.model]} b"


def _target(slot: Slot, pointer: Pointer, alias: Mapping[str, str], spelling: Spelling) -> str:
    """Return the join that finds the id of a link's record."""
    other = f"l{slot.ordinal}"
    same = spelling.spells(f"{other}.{spelling.name('key')}", _parts(pointer, alias[slot.model], spelling))
    sync = f"{other}.{spelling.name('sync')} = {spelling.text(pointer.sync)}"
    return f"LEFT JOIN {spelling.state('remote')} {other} ON {sync} AND {same}"


def _awaited(slot: Slot, alias: Mapping[str, str], spelling: Spelling) -> str:
    if slot.link is None or not slot.property:
        return spelling.typed("NULL", "VARCHAR")
    key = spelling.key_text(_parts(slot.link, alias[slot.model], spelling))
    return f"CASE WHEN l{slot.ordinal}.{spelling.name('remote_id')} IS NULL THEN {key} END"


def members(plan: SyncPlan, names: Names, shape: Shape, spelling: Spelling = DUCKDB) -> str:
    """Return the SELECT of desired memberships: ``k0…``, ``cohort``; members outside the audience are left out."""
    parts = []
    for cohort in plan.cohorts:
        keys = ", ".join(f"{e} AS {k}" for k, e in key_columns(cohort.ref, "c", shape, spelling).items())
        fields = [f", {_member_value(slot, cohort.name, spelling)} AS f{slot.ordinal}" for slot in shape.memberships]
        within = f"SELECT 1 FROM {spelling.temp(shape, 'desired')} d WHERE {shape.same_key('q', 'd')}"
        parts.append(
            f"SELECT q.*, {spelling.text(cohort.name)} AS cohort FROM "
            f"(SELECT DISTINCT {keys}{''.join(fields)} FROM {names[cohort.ref.unique_id]} c) q WHERE EXISTS ({within})"
        )
    if shape.consent is not None:
        parts.append(_withdrawn(shape, shape.consent, spelling))
    if not parts:
        keys = ", ".join(f"{spelling.typed('NULL', kind)} AS {k}" for k, kind in shape.columns.items())
        return f"SELECT {keys}{_nothing(shape, spelling)}, {spelling.typed('NULL', 'VARCHAR')} AS cohort WHERE 1 = 0"
    return "\nUNION ALL\n".join(parts)


def _nothing(shape: Shape, spelling: Spelling) -> str:
    """Return the columns of a membership that carries nothing."""
    return "".join(f", {_null(slot, spelling)} AS f{slot.ordinal}" for slot in shape.memberships)


def _null(slot: Slot, spelling: Spelling) -> str:
    return spelling.held(spelling.typed("NULL", slot.type), slot.type)


def _withdrawn(shape: Shape, cohort: str, spelling: Spelling) -> str:
    """Return the SELECT of who withdrew, of all whom the destination may know: a no counts outside the audience."""
    s = spelling
    spelt = s.spells(f"r.{s.name('key')}", [(f"q.{k}", kind) for k, kind in shape.columns.items()])
    known = [f"EXISTS (SELECT 1 FROM {s.temp(shape, 'desired')} d WHERE {shape.same_key('d', 'q')})"]
    known.append(
        f"EXISTS (SELECT 1 FROM {s.state('remote')} r WHERE r.{s.name('sync')} = {s.text(shape.sync)} AND {spelt})"
    )
    if shape.stored:
        same = " AND ".join(f"{s.typed(f's.{s.name(k)}', kind)} = q.{k}" for k, kind in shape.columns.items())
        known.append(f"EXISTS (SELECT 1 FROM {s.state(f'snap_{shape.id}')} s WHERE {same})")
    keys = ", ".join(f"q.{k}" for k in shape.ks)
    return (
        f"SELECT {keys}{_nothing(shape, s)}, {s.text(cohort)} AS cohort FROM {s.temp(shape, 'everybody')} q "
        f"WHERE NOT q.okay AND ({' OR '.join(known)})"
    )


def _member_value(slot: Slot, cohort: str, spelling: Spelling) -> str:
    if slot.cohort != cohort or not slot.property:
        return _null(slot, spelling)
    return spelling.value(slot, f"c.{spelling.name(slot.property)}")


def key_health(ref: ModelRef, name: str, spelling: Spelling = DUCKDB) -> str:
    """Return a SELECT of ``rows, nulls, duplicates`` over a model's key: the slow question, asked once in doubt."""
    columns = ", ".join(map(spelling.name, ref.key))
    distinct = f"SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {name} h) t"
    return health(ref, name, spelling, f", count(*) - ({distinct}) AS extra")


def health(ref: ModelRef, name: str, spelling: Spelling = DUCKDB, more: str = "") -> str:
    """Return a SELECT of ``rows, nulls`` over a model's key: of the base model, cheap enough for every run."""
    columns = [spelling.name(column) for column in ref.key]
    nulls = f"count(CASE WHEN {' OR '.join(f'{column} IS NULL' for column in columns)} THEN 1 END)"
    if len(columns) == 1:  # DuckDB knows of a table's column whether it holds any, and reads none of it
        nulls = f"count(*) - count({columns[0]})"
    return f"SELECT count(*) AS n, {nulls} AS nulls{more} FROM {name} g"
