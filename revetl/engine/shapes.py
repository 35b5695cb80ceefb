"""From a sync's plan, what state knows of it and the columns that stand in the warehouse: its shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from revetl.contract import Destination
from revetl.diff.shape import Pointer, Shape, Slot
from revetl.encode import DIGEST, digest
from revetl.engine.keyed import Asked
from revetl.errors import ConfigError, RevetlError
from revetl.mapping.flows import flow_hash
from revetl.sqltext import quote_identifier
from revetl.state.layout import (
    StoredField,
    StoredSync,
    add_field,
    make_tables,
    refresh_fields,
    retype_field,
    set_sync,
    settle_fresh,
)
from revetl.state.store import Store
from revetl.types import FieldPlan, LinkPlan, ModelRef, Relation, SyncPlan, Write
from revetl.warehouse.source import Tables

POINTER = "VARCHAR"  # the type of an id there
KEY_TYPES = re.compile(r"VARCHAR|(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))|UUID|DATE|BOOLEAN")


@dataclass(frozen=True, slots=True)
class Retyped:
    """A mapped column (or a key) whose type is not what the snapshot holds."""

    column: str
    before: str
    after: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class Shaped:
    """A shape and what changed since the sync's last run."""

    shape: Shape
    names: Mapping[str, str]  # model's unique id → SQL to select from
    retyped: tuple[Retyped, ...]
    version: str  # digest of mapping and wire format
    relations: Mapping[str, str]


def needs(plans: Iterable[SyncPlan], *, dated: bool = False) -> Mapping[Relation, frozenset[str]]:
    """Return the columns that syncs read of each relation: keys, mapped columns, match values, consent.

    ``dated``: also those that say when a row changed.
    """
    found: dict[Relation, set[str]] = {}
    for plan in plans:
        mapped: dict[str, set[str]] = {plan.base.unique_id: {plan.match_property}}
        for field in (*plan.fields, *(field for cohort in plan.cohorts for field in cohort.fields)):
            mapped.setdefault(field.model, set()).add(field.property)
        for link in plan.links:
            mapped.setdefault(link.model, set()).update(link.columns)
            found.setdefault(link.ref.relation, set()).update(link.ref.key)  # for their types
        if plan.consent is not None:
            mapped.setdefault(plan.consent.model, set()).add(plan.consent.column)
        for ref in plan.models:
            when = {ref.valid_to, ref.updated_at if dated else None} - {None}
            found.setdefault(ref.relation, set()).update(ref.key, when, mapped.get(ref.unique_id, ()))  # type: ignore[arg-type]
    return {relation: frozenset(columns) for relation, columns in found.items()}


def check_columns(plans: Iterable[SyncPlan], tables: Tables) -> int:
    """Return how many columns syncs read, each of which is there.

    Raises:
        ConfigError: RVT-420, one of them is not.
    """
    seen = set()
    for plan in plans:
        wanted = needs([plan])
        for ref in plan.models:
            for column in sorted(wanted[ref.relation]):
                _type_of(ref, column, tables, plan.name)
                seen.add((ref.relation, column))
    return len(seen)


def _columns(ref: ModelRef, tables: Tables) -> Mapping[str, str]:
    found = tables.found.get(ref.relation)
    if found is None:
        raise tables.missing[ref.relation]
    return {name.lower(): kind for name, kind in found.columns.items()}


def _type_of(ref: ModelRef, column: str, tables: Tables, sync: str) -> str:
    columns = _columns(ref, tables)
    if column.lower() not in columns:
        near = get_close_matches(column.lower(), columns, n=1)
        meant = f"did you mean {near[0]}? else " if near else ""
        raise ConfigError(
            "RVT-420",
            f"{sync}: column {column} is not in {ref.relation} (model {ref.model})",
            kept="nothing of this sync was sent",
            hint=f"{meant}build the model again (dbt build -s {ref.model}), or remove the mapping",
        )
    return columns[column.lower()]


def _source(ref: ModelRef, tables: Tables, keys: Sequence[str], asked: str | None) -> str:
    """Return SQL of a model's rows that count: those of now, and of a partial read those of the keys ``asked`` for."""
    rows = name = tables.found[ref.relation].name
    if asked is not None:
        pairs = enumerate(zip(ref.key, keys, strict=True))
        same = " AND ".join(f"CAST(z.{quote_identifier(column)} AS {kind}) = o.k{n}" for n, (column, kind) in pairs)
        rows = f"{name} z SEMI JOIN {asked} o ON {same}"
    if ref.valid_to is not None:
        rows = f"{rows} WHERE {quote_identifier(ref.valid_to)} IS NULL"
    return name if rows == name else f"(SELECT * FROM {rows})"


def names_of(plan: SyncPlan, tables: Tables) -> Mapping[str, str]:
    """Return SQL to select from, by model: all of its current rows that were read."""
    return {ref.unique_id: _source(ref, tables, (), None) for ref in plan.models}


def described(plan: SyncPlan) -> tuple[ModelRef, ...]:
    """Return every model whose columns must be known: those that are read, and those that links point to."""
    refs = (*plan.models, *(link.ref for link in plan.links))
    return tuple({ref.unique_id: ref for ref in refs}.values())


def missing(plan: SyncPlan, tables: Tables) -> RevetlError | None:
    """Return why one of the sync's models cannot be read, None if all can."""
    return next((tables.missing[r.relation] for r in described(plan) if r.relation in tables.missing), None)


def key_types(plan: SyncPlan, tables: Tables) -> tuple[str, ...]:
    """Return the types of the base model's key.

    Raises:
        ConfigError: RVT-420, a column is not there; RVT-421, it cannot be a key.
    """
    types = tuple(_type_of(plan.base, column, tables, plan.name) for column in plan.base.key)
    for column, kind in zip(plan.base.key, types, strict=True):
        if not KEY_TYPES.fullmatch(kind):
            raise ConfigError(
                "RVT-421",
                f"{plan.name}: key column {column} of {plan.base.model} has the type {kind}, which cannot be a key",
                kept="nothing of this sync was sent",
                hint="cast it in the model to varchar, bigint, uuid or date",
            )
    return types


def _kind(plan: SyncPlan, ref: ModelRef, part: FieldPlan | LinkPlan, tables: Tables) -> str:
    """Return the type of the snapshot's column; each column that the part is read from must be there."""
    if isinstance(part, FieldPlan):
        kind = _type_of(ref, part.property, tables, plan.name)
        return kind if part.hash is None else DIGEST
    for column in part.columns:
        _type_of(ref, column, tables, plan.name)
    return POINTER


def _slot(field: FieldPlan, ordinal: int, old: StoredField | None, kind: str) -> Slot:
    slot = Slot(
        ordinal=ordinal, field=field.field, property=field.property, model=field.model, type=old.type if old else kind,
        stored=old is not None, fresh=old.fresh if old else True, on_null=field.on_null, write=field.write,
        pii=field.pii, hash=field.hash, through=digest(field.hash, field.pii) if field.hash else "{x}",
    )  # fmt: skip
    return slot if old is None or old.digest == slot.digest() else replace(slot, fresh=True)


def _link(link: LinkPlan, ordinal: int, old: StoredField | None, tables: Tables, sync: str) -> Slot:
    """Return the slot of a link, which holds an id there: text, whatever the key's type."""
    keys = tuple(_type_of(link.ref, column, tables, sync) for column in link.ref.key)
    return Slot(
        ordinal=ordinal, field=link.field, property=link.property, model=link.model, type=POINTER,
        stored=old is not None, fresh=old.fresh if old else True, on_null=link.on_null, write=Write.ALWAYS,
        pii=link.pii, link=Pointer(link.target, keys, link.columns),
    )  # fmt: skip


def _records(
    plan: SyncPlan, stored: StoredSync | None, tables: Tables, retyped: list[Retyped]
) -> tuple[list[Slot], int]:
    """Return the slots of fields and links, and the last number that is given; changed types go into ``retyped``."""
    refs = {ref.unique_id: ref for ref in plan.models}
    known = {(field.field, field.link is not None): field for field in stored.fields} if stored else {}
    every = (*stored.fields, *stored.memberships) if stored else ()
    last = max((field.ordinal for field in every), default=-1)
    slots = []
    for field in plan.mapped:
        kind = _kind(plan, refs[field.model], field, tables)
        old = next((known[at] for at in _places(field) if at in known), None)
        if old is None:
            last += 1
        elif old.type != kind:
            retyped.append(Retyped(field.property, old.type, kind))
        ordinal = old.ordinal if old else last
        if isinstance(field, LinkPlan):
            slots.append(_link(field, ordinal, old, tables, plan.name))
        else:
            slots.append(_slot(field, ordinal, old, kind))
    return slots, last


def _places(part: FieldPlan | LinkPlan) -> Iterator[tuple[str, bool]]:
    """Yield under which names state may know a field or a link, which never share a slot."""
    for name in (part.field, part.was):
        if name is not None:
            yield name, isinstance(part, LinkPlan)


def _ending(field: StoredField) -> Slot:
    """Return the slot of an orphan that is being cleared: a backfill of nulls."""
    link = Pointer(field.link, (), ()) if field.link else None
    return Slot(
        field.ordinal,
        field.field,
        "",
        field.model,
        field.type,
        fresh=True,
        pii=field.pii,
        link=link,
        cohort=field.cohort,
    )


def shape_of(
    plan: SyncPlan,
    stored: StoredSync | None,
    tables: Tables,
    destination: Destination,
    number: int,
    clear: Sequence[str] = (),
    asked: Asked | None = None,
) -> Shaped:
    """Return the sync's shape. ``clear`` names orphans (``SYNC.FIELD``, ``SYNC.COHORT``) to end at the destination;
    ``asked`` are the keys that a partial read is about.

    Raises:
        RevetlError: a model cannot be read, a mapped column is gone (RVT-420), a key cannot be one (RVT-421).
    """
    refs = {ref.unique_id: ref for ref in plan.models}
    for ref in plan.models:
        for column in ref.key:
            _type_of(ref, column, tables, plan.name)
    keys = key_types(plan, tables)
    retyped: list[Retyped] = []
    slots, last = _records(plan, stored, tables, retyped)
    ended = {name.removeprefix(f"{plan.name}.") for name in clear if name.startswith(f"{plan.name}.")}
    mapped = {slot.ordinal for slot in slots}
    orphans = [field for field in (stored.fields if stored else ()) if field.ordinal not in mapped]
    slots += [_ending(field) for field in orphans if field.field in ended]
    carried = [field for field in (stored.memberships if stored else ()) if f"{field.cohort}.{field.field}" in ended]
    thing = destination.objects[plan.object]
    wire = destination.wire.version
    if stored and stored.keys != keys:
        retyped.append(Retyped(", ".join(plan.key), ", ".join(stored.keys), ", ".join(keys), key=True))
    if plan.consent is not None:
        _boolean(plan, refs[plan.consent.model], plan.consent.column, tables)
    members = (*_memberships(plan, stored, tables, last, retyped), *map(_ending, carried))
    shape = Shape(
        id=stored.id if stored else number,
        sync=plan.name,
        keys=stored.keys if stored else keys,
        slots=tuple(sorted(slots, key=lambda slot: slot.ordinal)),
        match_slot=next((slot.ordinal for slot in slots if slot.field == plan.match_field), None),
        normalise=thing.compared(plan.match_field),
        partial=thing.partial,
        resend=stored is not None and stored.wire_version != wire,
        stored=stored is not None,
        memberships=tuple(sorted(members, key=lambda slot: slot.ordinal)),
        consent=plan.consent.cohort if plan.consent else None,
        cohorts=(*(c.name for c in plan.cohorts), *([plan.consent.cohort] if plan.consent else []), *sorted(ended)),
        asked=asked.table if asked else None,
        settled=asked is not None and asked.settled,
        complete=asked is not None and asked.counted is not None,
        sizes=asked.sizes if asked else None,
    )
    names = {uid: _source(ref, tables, shape.keys, shape.asked) for uid, ref in refs.items()}
    version = f"{flow_hash(plan)}/{wire}"
    return Shaped(shape, names, tuple(retyped), version, {uid: _place(r.relation) for uid, r in refs.items()})


def _boolean(plan: SyncPlan, ref: ModelRef, column: str, tables: Tables) -> None:
    kind = _type_of(ref, column, tables, plan.name)
    if kind != "BOOLEAN":
        raise ConfigError(
            "RVT-424",
            f"{plan.name}: the consent column {column} of {ref.model} has the type {kind}",
            kept="nothing of this sync was sent",
            hint="cast it to boolean in the model: false is a no, null says nothing",
        )


def _memberships(
    plan: SyncPlan, stored: StoredSync | None, tables: Tables, last: int, retyped: list[Retyped]
) -> tuple[Slot, ...]:
    """Return the slots of what memberships carry; numbers go on after ``last``, changed types into ``retyped``."""
    known = {(field.cohort, field.field): field for field in stored.memberships} if stored else {}
    found = []
    for cohort in plan.cohorts:
        for field in cohort.fields:
            kind = _kind(plan, cohort.ref, field, tables)
            old = known.get((cohort.name, field.field)) or known.get((cohort.name, field.was or ""))
            if old is None:
                last += 1
            elif old.type != kind:
                retyped.append(Retyped(field.property, old.type, kind))
            found.append(replace(_slot(field, old.ordinal if old else last, old, kind), cohort=cohort.name))
    return tuple(found)


def _place(relation: Relation) -> str:
    return f"{relation.database or ''}.{relation.schema or ''}"


def moved(shaped: Shaped, stored: StoredSync | None) -> str | None:
    """Return the first model whose database or schema is not the one that was pinned, None if all are."""
    for uid, place in shaped.relations.items():
        before = stored.relations.get(uid) if stored else None
        if before is not None and before != place:
            return f"{uid.rpartition('.')[2]} was read from {before}, now it would be {place}"
    return None


def persist(store: Store, plan: SyncPlan, shaped: Shaped, stored: StoredSync | None, destination: Destination) -> Shape:
    """Write the shape into state (new tables, new columns) and return it as stored."""
    shape = shaped.shape
    if stored is not None and _stands(shaped, stored):
        return shape
    with store.transaction():
        if stored is None:
            stored = StoredSync(
                shape.id, plan.name, shape.keys, shape.normalise, destination.wire.version, shaped.relations, None,
                shaped.version, 0,
            )  # fmt: skip
            make_tables(store, stored)
        slots = (*shape.slots, *shape.memberships)
        fields = [_stored(slot) for slot in slots]
        for slot, field in zip(slots, fields, strict=True):
            if not slot.stored:
                add_field(store, shape.id, field)
            for change in shaped.retyped:
                if (slot.property, slot.type) == (change.column, change.before) and slot.stored:
                    retype_field(store, shape.id, field, change.after)
        refresh_fields(store, shape.id, [field for field in fields if field.property])
        set_sync(store, shape.id, flow=shaped.version, relations=json.dumps(dict(shaped.relations)))
    slots, members = (tuple(replace(s, stored=True) for s in some) for some in (shape.slots, shape.memberships))
    return replace(shape, stored=True, slots=slots, memberships=members)


def _stands(shaped: Shaped, stored: StoredSync) -> bool:
    """Return whether state has the shape as it is."""
    slots = (*shaped.shape.slots, *shaped.shape.memberships)
    mapped = {slot.ordinal: _stored(slot) for slot in slots if slot.property}
    known = {field.ordinal: field for field in (*stored.fields, *stored.memberships) if not field.orphan}
    same = mapped == known and (stored.flow, stored.relations) == (shaped.version, shaped.relations)
    return same and not shaped.retyped and all(slot.stored for slot in slots)


def settle(store: Store, shape: Shape, destination: Destination, rows: int, *, complete: bool) -> None:
    """Record what a finished run settled: the model's size and, if nothing is left over, backfill and wire format."""
    if shape.whole:
        set_sync(store, shape.id, last_rows=rows)
    if complete:
        settle_fresh(store, shape.id)
        set_sync(store, shape.id, wire_version=destination.wire.version)


def _stored(slot: Slot) -> StoredField:
    link = slot.link.sync if slot.link else None
    return StoredField(
        slot.ordinal, slot.field, slot.property, slot.model, slot.type, slot.pii, slot.fresh, orphan=False, link=link,
        cohort=slot.cohort, digest=slot.digest(),
    )  # fmt: skip
