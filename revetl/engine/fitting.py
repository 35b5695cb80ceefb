"""Whether a mapping, and the values in the models, fit what a destination has: asked by ``debug`` and ``plan``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

from revetl.contract import Destination
from revetl.diff.shape import Shape
from revetl.encode import DIGEST, Unencodable, digest, encode, refusing
from revetl.encode.encoding import HOLE
from revetl.engine import remote
from revetl.engine.fielding import Misfit, compare_fields, value_misfits
from revetl.engine.lanes import line_of
from revetl.engine.session import Session
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError
from revetl.send.ports import Lane
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import RemoteField, SyncPlan
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.source import open_source

Columns = Mapping[tuple[str, str], str]  # (model's unique id, column) → DuckDB type
Ask = Callable[[Lane, Generator[Any, Any, Any]], Any]


def values_that_do_not_fit(
    workspace: Workspace, plan: SyncPlan, destination: Destination, fields: Mapping[str, RemoteField], columns: Columns
) -> tuple[Misfit, ...]:
    """Return what the rows of a sync's models hold that its fields do not take: too long, no option, not exact."""
    wrong: list[Misfit] = []
    checks: dict[str, list[tuple[str, str]]] = {}  # model → (field, SQL of the refusal)
    for mapped in plan.fields:
        kind = columns.get((mapped.model, mapped.property))
        if kind is None or mapped.field not in fields:
            continue
        if mapped.hash is not None:
            kind = DIGEST
        try:
            found = encode(kind, fields[mapped.field], destination.wire, timezone=plan.timezone)
        except Unencodable as error:
            remedy = "cast the column in the model, or map it to another field"
            wrong.append(Misfit(mapped.field, f"does not take the column's {kind}: {error.reason}", remedy))
            continue
        column = f"x.{quote_identifier(mapped.property)}"
        if mapped.hash is not None:
            found = refusing(found, mapped.hash, mapped.pii)
            column = digest(mapped.hash, mapped.pii).replace(HOLE, column)
        refusal = found.over(column).refusal
        if refusal is not None:
            checks.setdefault(mapped.model, []).append((mapped.field, refusal))
    return (*wrong, *value_misfits(_counted(workspace, plan, checks)))


def _counted(
    workspace: Workspace, plan: SyncPlan, checks: Mapping[str, list[tuple[str, str]]]
) -> dict[tuple[str, str], int]:
    if not checks or workspace.profile is None:
        return {}
    source = open_source(workspace.profile, workspace.options.project_dir)
    refs = {ref.unique_id: ref for ref in plan.models}
    found: dict[tuple[str, str], int] = {}
    with closing(connect()) as con:
        source.attach(con)
        lockdown(con)
        tables = source.tables(con, [refs[model].relation for model in checks])
        for model, parts in checks.items():
            table = tables.found.get(refs[model].relation)
            if table is None:
                continue
            pairs = ", ".join(f"{{'f': {quote_text(field)}, 'r': ({refusal})}}" for field, refusal in parts)
            rows = con.execute(
                f"SELECT t.f, t.r, count(*) FROM (SELECT unnest([{pairs}]) AS t FROM {table.name} x) "
                "WHERE t.r IS NOT NULL GROUP BY ALL"
            ).fetchall()
            found.update({(field, reason): count for field, reason, count in rows})
        source.release(con)
    return found


class PlanFields:
    """A plan's knowledge of fields: what was remembered, else what is asked for once a sync has something to send.

    What does not fit becomes a note of the plan; so does a destination that cannot be asked.
    """

    def __init__(self, session: Session, ask: Ask | None) -> None:
        """Ask through ``ask``; None: offline."""
        self._session, self._ask = session, ask
        self.notes: dict[str, tuple[str, ...]] = {}

    def __call__(self, plan: SyncPlan, shape: Shape | None) -> Mapping[str, RemoteField]:
        """Return field by name."""
        known = remote.remembered_fields(self._session.store, plan, self._session.clock().timestamp())
        workspace = self._session.workspace
        discover = workspace.registry[plan.type].discover
        if known is not None or shape is None or plan.sandbox or self._ask is None or discover is None:
            return known or {}
        try:
            line = line_of(workspace, plan, workspace.registry[plan.type], None)
            fields = tuple(self._ask(line.lane, discover(remote.context_of(plan, line, None))))
        except RevetlError as error:
            self.notes[plan.name] = (f"its fields could not be asked for: {error.what}",)
            return {}
        columns = {(slot.model, slot.property): slot.type for slot in shape.slots}
        misfits = compare_fields(plan, workspace.registry[plan.type], fields, columns)
        self.notes[plan.name] = tuple(f"{misfit} ({misfit.remedy})" for misfit in misfits)
        return {field.name: field for field in fields}
