"""The desired records and memberships of a sync, as SELECTs over its models."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.diff.shape import STATE, Pointer, Shape, Slot
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import ModelRef, SyncPlan

Names = Mapping[str, str]  # unique id of a model → its quoted name on the connection


def key_columns(ref: ModelRef, alias: str, shape: Shape) -> list[str]:
    """Return the model's key columns cast to the pinned types."""
    pairs = zip(ref.key, shape.keys, strict=True)
    return [f"CAST({alias}.{quote_identifier(column)} AS {kind})" for column, kind in pairs]


def _on(ref: ModelRef, alias: str, base: ModelRef, shape: Shape) -> str:
    """Return the condition that joins a model to the base model on the key."""
    left, right = key_columns(ref, alias, shape), key_columns(base, "b", shape)
    return " AND ".join(f"{a} = {b}" for a, b in zip(left, right, strict=True))


def _exists(ref: ModelRef, plan: SyncPlan, names: Names, shape: Shape) -> str:
    return f"EXISTS (SELECT 1 FROM {names[ref.unique_id]} x WHERE {_on(ref, 'x', plan.base, shape)})"


def desired(plan: SyncPlan, names: Names, shape: Shape) -> str:
    """Return the SELECT of what the destination should hold: ``k0…``, ``m``, ``f0…``, one row per entity instance."""
    where = [_exists(ref, plan, names, shape) for ref in plan.audience]
    where += [f"NOT {_exists(ref, plan, names, shape)}" for ref in plan.exclude]
    return (
        f"{everybody(plan, names, shape)}{chr(10)}WHERE {' AND '.join(where)}"
        if where
        else everybody(plan, names, shape)
    )


def everybody(plan: SyncPlan, names: Names, shape: Shape) -> str:
    """Return the SELECT of the entity's records, whoever the audience is; ``okay`` is their consent."""
    alias = {plan.base.unique_id: "b"} | {ref.unique_id: f"j{n}" for n, ref in enumerate(plan.joined)}
    match = f"CAST(b.{quote_identifier(plan.match_property)} AS VARCHAR)"
    for slot in shape.slots:
        if slot.ordinal == shape.match_slot:
            column = f"{alias[slot.model]}.{quote_identifier(slot.property)}"
            match = f"CAST({slot.through.replace('{x}', column)} AS VARCHAR)"
    columns = [f"{key} AS {k}" for key, k in zip(key_columns(plan.base, "b", shape), shape.ks, strict=True)]
    columns.append(f"{match} AS m")
    columns += [f"{_value(slot, alias)} AS f{slot.ordinal}" for slot in shape.slots]
    columns += [f"{_awaited(slot, alias)} AS w{slot.ordinal}" for slot in shape.links]
    if plan.consent is not None:
        columns.append(f"{alias[plan.consent.model]}.{quote_identifier(plan.consent.column)} AS okay")
    joins = [
        f"LEFT JOIN {names[ref.unique_id]} {alias[ref.unique_id]} ON {_on(ref, alias[ref.unique_id], plan.base, shape)}"
        for ref in plan.joined
    ]
    joins += [_target(slot, slot.link, alias) for slot in shape.links if slot.link and slot.property]
    return "\n".join([f"SELECT {', '.join(columns)}", f"FROM {names[plan.base.unique_id]} b", *joins])


def _value(slot: Slot, alias: Mapping[str, str]) -> str:
    if not slot.property:
        return f"CAST(NULL AS {slot.type})"
    if slot.link is not None:
        return f"l{slot.ordinal}.remote_id"
    return slot.read(f"{alias[slot.model]}.{quote_identifier(slot.property)}")


def _key(pointer: Pointer, alias: str) -> str:
    """Return SQL of the key that a link's columns hold, spelt as state spells keys; null where a part of it is null.

    What cannot be of the key's type stays as it is: nothing has such a key.
    """
    columns = [f"{alias}.{quote_identifier(column)}" for column in pointer.columns]
    pairs = zip(columns, pointer.keys, strict=True)
    parts = " || ',' || ".join(f"coalesce(to_json(TRY_CAST({c} AS {kind})), to_json({c}))" for c, kind in pairs)
    return f"'[' || {parts} || ']'"


def _target(slot: Slot, pointer: Pointer, alias: Mapping[str, str]) -> str:
    """Return the join that finds the id of a link's record."""
    other = f"l{slot.ordinal}"
    return (
        f"LEFT JOIN {STATE}.remote {other} ON {other}.sync = {quote_text(pointer.sync)} "
        f"AND {other}.key = {_key(pointer, alias[slot.model])}"
    )


def _awaited(slot: Slot, alias: Mapping[str, str]) -> str:
    if slot.link is None or not slot.property:
        return "CAST(NULL AS VARCHAR)"
    return f"CASE WHEN l{slot.ordinal}.remote_id IS NULL THEN {_key(slot.link, alias[slot.model])} END"


def members(plan: SyncPlan, names: Names, shape: Shape) -> str:
    """Return the SELECT of desired memberships: ``k0…``, ``cohort``; members outside the audience are left out."""
    parts = []
    for cohort in plan.cohorts:
        keys = ", ".join(f"{e} AS {k}" for e, k in zip(key_columns(cohort.ref, "c", shape), shape.ks, strict=True))
        fields = "".join(f", {_member_value(slot, cohort.name)} AS f{slot.ordinal}" for slot in shape.memberships)
        parts.append(
            f"SELECT q.*, {quote_text(cohort.name)} AS cohort FROM "
            f"(SELECT DISTINCT {keys}{fields} FROM {names[cohort.ref.unique_id]} c) q "
            f"SEMI JOIN {shape.temp('desired')} d ON {shape.same_key('q', 'd')}"
        )
    if shape.consent is not None:
        parts.append(_withdrawn(shape, shape.consent))
    if not parts:
        keys = ", ".join(f"CAST(NULL AS {kind}) AS {k}" for kind, k in zip(shape.keys, shape.ks, strict=True))
        return f"SELECT {keys}, CAST(NULL AS VARCHAR) AS cohort WHERE false"
    return "\nUNION ALL BY NAME\n".join(parts)


def _withdrawn(shape: Shape, cohort: str) -> str:
    """Return the SELECT of who withdrew, of all whom the destination may know: a no counts outside the audience."""
    nothing = "".join(f", CAST(NULL AS {slot.type}) AS f{slot.ordinal}" for slot in shape.memberships)
    known = [f"EXISTS (SELECT 1 FROM {shape.temp('desired')} d WHERE {shape.same_key('d', 'q')})"]
    known.append(f"{shape.key_text('q')} IN (SELECT key FROM {STATE}.remote WHERE sync = {quote_text(shape.sync)})")
    if shape.stored:
        known.append(f"EXISTS (SELECT 1 FROM {shape.table('snap')} s WHERE {shape.same_key('s', 'q')})")
    keys = ", ".join(f"q.{k}" for k in shape.ks)
    return (
        f"SELECT {keys}{nothing}, {quote_text(cohort)} AS cohort FROM {shape.temp('everybody')} q "
        f"WHERE q.okay IS FALSE AND ({' OR '.join(known)})"
    )


def _member_value(slot: Slot, cohort: str) -> str:
    if slot.cohort != cohort or not slot.property:
        return f"CAST(NULL AS {slot.type})"
    return slot.read(f"c.{quote_identifier(slot.property)}")


def key_health(ref: ModelRef, name: str) -> str:
    """Return a SELECT of ``rows, nulls, duplicates`` over a model's key: the slow question, asked once in doubt."""
    columns = ", ".join(quote_identifier(column) for column in ref.key)
    null = " OR ".join(f"{quote_identifier(column)} IS NULL" for column in ref.key)
    return (
        f"SELECT count(*), count(*) FILTER (WHERE {null}), "
        f"count(*) - (SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {name})) FROM {name}"
    )


def base_health(plan: SyncPlan, names: Names) -> str:
    """Return a SELECT of ``rows, nulls`` over the base model: cheap enough for every run."""
    null = " OR ".join(f"{quote_identifier(column)} IS NULL" for column in plan.base.key)
    return f"SELECT count(*), count(*) FILTER (WHERE {null}) FROM {names[plan.base.unique_id]}"
