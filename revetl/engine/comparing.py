"""What revetl knows of a sync's records beside what stands there: shared by ``adopt`` and ``verify``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from revetl.contract import Context
from revetl.diff.shape import Shape, Slot
from revetl.encode import Encoding, Part, object_sql, same
from revetl.engine import remote, shapes, staging, survey
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.shapes import Shaped
from revetl.send.sender import Sender
from revetl.state.layout import StoredSync, next_id
from revetl.state.store import Store
from revetl.types import JSON, Held, RemoteField, RemoteRecord, SyncPlan


@dataclass(frozen=True, slots=True)
class Ours:
    """One record as revetl has it: its key, its values by field as they are spelt there, its cohorts."""

    key: str
    values: Mapping[str, JSON]
    cohorts: frozenset[str] = frozenset()


def read_models(session: Session, plan: SyncPlan, stored: StoredSync | None, number: int) -> tuple[Shaped, int | Held]:
    """Make the temporary tables of a sync; return its shape with its desired records, or why it would be stopped.

    Raises:
        RevetlError: a model cannot be read.
    """
    assert session.source is not None  # noqa: S101 - the commands that come here open the warehouse
    store = session.store
    needs = shapes.needs((plan,))
    tables = session.source.tables(store.con, list(needs), needs)
    try:
        error = shapes.missing(plan, tables)
        if error is not None:
            raise error
        destination = session.workspace.registry[plan.type]
        shaped = shapes.shape_of(plan, stored, tables, destination, next_id(store) + number)
        return shaped, survey.read(plan, shaped, store, detailed=True)
    finally:
        session.source.release(store.con)


class Asking:
    """One sync's destination, ready to be read back: its fields are known, what its cohorts land in is found."""

    def __init__(
        self, session: Session, plan: SyncPlan, shape: Shape, stored: StoredSync | None, line: Line, sender: Sender
    ) -> None:
        """Ask for what is needed; nothing is made there."""
        destination = session.workspace.registry[plan.type]
        now = session.clock().timestamp()
        fields = remote.remembered_fields(session.store, plan, now)
        if fields is None:
            fields = remote.discover(session.store, plan, shape, line, destination, sender, now)
        context = remote.context_of(plan, line, stored, create=False)
        context = replace(context, fields=(*context.fields, *(link.field for link in plan.links)))
        if destination.prepare is not None:
            context = replace(context, prepared=sender.call(line.lane, destination.prepare(context)))
        self.fields: Mapping[str, RemoteField] = fields
        self.spelt: Mapping[int, Encoding] = staging.encodings(plan, shape, destination, fields)
        self._context: Context = context
        self._line, self._sender, self._destination = line, sender, destination
        self._same = destination.same or same
        self._links = {link.field for link in plan.links}

    def read(self, identities: Sequence[str]) -> Mapping[str, RemoteRecord]:
        """Return what stands there: identity → record."""
        assert self._destination.read_back is not None  # noqa: S101 - asked before
        found = self._sender.call(self._line.lane, self._destination.read_back.run(self._context, identities))
        return {record.identity: record for record in found}

    def equal(self, field: str, ours: JSON, record: RemoteRecord) -> bool:
        """Return whether a field stands there as revetl has it; a link may have others beside it."""
        if field in self._links:
            there = record.fields.get(field)
            return str(ours) in {str(one) for one in (there if isinstance(there, list) else [there])}
        return self._same(self.fields.get(field), ours, record.fields.get(field))

    @property
    def size(self) -> int:
        """Return how many identities may be asked for at a time."""
        assert self._destination.read_back is not None  # noqa: S101 - asked before
        return self._destination.read_back.max_records


def pages(
    store: Store, shape: Shape, source: str, body: str, size: int, cohorts: str = "[]"
) -> Iterator[dict[str, Ours]]:
    """Yield records by identity, ``size`` at a time: ``source`` is FROM and WHERE over ``x``, ``body`` SQL of values.

    They are laid down first, so that the connection is free for what each page leads to.
    """
    table = shape.temp("ours")
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE ours_{shape.id} AS SELECT row_number() OVER (ORDER BY i) - 1 AS n, * FROM "
        f"(SELECT {shape.key_text('x')} AS key, {shape.normalised('x.m')} AS i, {body} AS body, {cohorts} AS cohorts "
        f"{source})"
    )
    for start in range(0, int(store.one(f"SELECT count(*) FROM {table}")), size):
        rows = store.rows(
            f"SELECT key, i, body, cohorts FROM {table} WHERE n >= {start} AND n < {start + size} ORDER BY n"
        )
        yield {i: Ours(key, json.loads(text), frozenset(inside)) for key, i, text, inside in rows}


def body_sql(slots: Sequence[Slot], spelt: Mapping[int, Encoding]) -> str:
    """Return SQL of the JSON object of a row's values, nulls left out."""
    value = {s.ordinal: f"to_json(x.f{s.ordinal})" if s.link else spelt[s.ordinal].value for s in slots}
    parts = [Part(slot.field, value[slot.ordinal], f"x.f{slot.ordinal} IS NOT NULL") for slot in slots]
    return object_sql(parts)
