"""What the models say now about one key: whether it is in them, in the audience, excluded, in which cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from revetl.encode import digest
from revetl.encode.encoding import HOLE
from revetl.engine import shapes
from revetl.engine.keytext import spell
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError
from revetl.sqltext import quote_identifier
from revetl.state.layout import StoredSync
from revetl.state.onekey import normalised, part_text
from revetl.types import JSON, FieldPlan, ModelRef, SyncPlan
from revetl.warehouse.connection import QueryError, connect, first_line, lockdown
from revetl.warehouse.source import Tables, open_source


@dataclass(frozen=True, slots=True)
class Presence:
    """What the models say of a key. ``values``: field → value as text, by the snapshot's types where they are known."""

    in_model: bool
    has_match: bool = False
    missing_audience: tuple[str, ...] = ()  # models of the audience that do not have it
    excluded_by: tuple[str, ...] = ()  # models of ``exclude`` that have it
    cohorts: tuple[str, ...] = ()  # cohorts whose models have it
    values: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Return whether the sync wants a record of it."""
        return self.in_model and self.has_match and not self.missing_audience and not self.excluded_by


class Models:
    """The models of some syncs, readable. ``note`` says why they are not, where they are not."""

    def __init__(self, con: object | None, tables: Tables, note: str = "") -> None:
        """Ask ``con``, a DuckDB connection with the models attached; None: nothing can be asked."""
        self._con = con
        self._tables = tables
        self.note = note

    @property
    def asked(self) -> bool:
        """Return whether every model could be asked."""
        return self._con is not None and not self.note

    def presence(self, plan: SyncPlan, parts: Sequence[JSON], stored: StoredSync | None) -> Presence | None:
        """Return what the models say of a key, None where they cannot be asked."""
        if self._con is None or len(parts) != len(plan.key):
            return None
        if any(ref.relation in self._tables.missing for ref in plan.models):
            return None
        try:
            return self._presence(plan, parts, stored)
        except QueryError as error:
            self.note = f"the models cannot be asked: {first_line(error)}"
            return None

    def keys_of(self, plan: SyncPlan, identity: str, kind: str) -> tuple[str, ...]:
        """Return the keys whose match value is this identity, as the destination compares it (``kind``)."""
        ref, value = _match(plan)
        if self._con is None or ref.relation in self._tables.missing:
            return ()
        keys = ", ".join(f"t.{quote_identifier(name)}" for name in ref.key)
        match = normalised(kind, value)
        sql = f"SELECT DISTINCT {keys} FROM {self._from(ref)} t WHERE {match} = {normalised(kind, '?')} LIMIT 20"
        try:
            return tuple(spell([_plain(part) for part in row]) for row in self._rows(sql, [identity]))
        except QueryError as error:
            self.note = f"the models cannot be asked: {first_line(error)}"
            return ()

    def match_of(self, plan: SyncPlan, parts: Sequence[JSON]) -> str | None:
        """Return the match value of a key now, None where there is none or the models cannot be asked."""
        ref, value = _match(plan)
        if self._con is None or len(parts) != len(plan.key) or ref.relation in self._tables.missing:
            return None
        try:
            found = self._one(ref, parts, [value])
        except QueryError as error:
            self.note = f"the models cannot be asked: {first_line(error)}"
            return None
        return found[0] if found else None

    def _presence(self, plan: SyncPlan, parts: Sequence[JSON], stored: StoredSync | None) -> Presence:
        if not self._has(plan.base, parts):
            return Presence(in_model=False)
        ref, value = _match(plan)
        match = self._one(ref, parts, [value])
        return Presence(
            in_model=True,
            has_match=bool(match and match[0] and str(match[0]).strip()),
            missing_audience=tuple(ref.model for ref in plan.audience if not self._has(ref, parts)),
            excluded_by=tuple(ref.model for ref in plan.exclude if self._has(ref, parts)),
            cohorts=tuple(self._cohorts(plan, parts)),
            values=dict(self._values(plan, parts, stored)),
        )

    def _cohorts(self, plan: SyncPlan, parts: Sequence[JSON]) -> Iterator[str]:
        yield from (cohort.name for cohort in plan.cohorts if self._has(cohort.ref, parts))
        if plan.consent is not None:
            ref = next(ref for ref in (plan.base, *plan.joined) if ref.unique_id == plan.consent.model)
            said = self._one(ref, parts, [f"CAST(t.{quote_identifier(plan.consent.column)} AS VARCHAR)"])
            if said is not None and said[0] == "false":
                yield plan.consent.cohort

    def _values(
        self, plan: SyncPlan, parts: Sequence[JSON], stored: StoredSync | None
    ) -> Iterator[tuple[str, str | None]]:
        types = {known.field: known.type for known in stored.fields} if stored else {}
        for ref in (plan.base, *plan.joined):
            fields = [f for f in plan.fields if f.model == ref.unique_id and f.field in types]
            columns = [f"CAST(TRY_CAST({_read(f)} AS {types[f.field]}) AS VARCHAR)" for f in fields]
            row = self._one(ref, parts, columns) if fields else None
            for number, found in enumerate(fields):
                yield found.field, row[number] if row else None

    def _has(self, ref: ModelRef, parts: Sequence[JSON]) -> bool:
        return self._one(ref, parts, ["1"]) is not None

    def _one(self, ref: ModelRef, parts: Sequence[JSON], columns: Sequence[str]) -> tuple[str | None, ...] | None:
        same = " AND ".join(f"CAST(t.{quote_identifier(name)} AS VARCHAR) = ?" for name in ref.key)
        sql = f"SELECT {', '.join(columns)} FROM {self._from(ref)} t WHERE {same} LIMIT 1"
        found = self._rows(sql, [part_text(part) for part in parts])
        return found[0] if found else None

    def _from(self, ref: ModelRef) -> str:
        name = self._tables.found[ref.relation].name
        if ref.valid_to is None:
            return name
        return f"(SELECT * FROM {name} WHERE {quote_identifier(ref.valid_to)} IS NULL)"

    def _rows(self, sql: str, values: Sequence[str]) -> list[tuple[str | None, ...]]:
        found: list[tuple[str | None, ...]] = self._con.execute(sql, list(values)).fetchall()  # type: ignore[union-attr]
        return found


def _read(found: FieldPlan) -> str:
    """Return SQL of what a field's column gives: its digest where it leaves hashed."""
    column = f"t.{quote_identifier(found.property)}"
    return digest(found.hash, found.pii).replace(HOLE, column) if found.hash else column


def _match(plan: SyncPlan) -> tuple[ModelRef, str]:
    """Return the model and SQL of the match value."""
    refs = {ref.unique_id: ref for ref in (plan.base, *plan.joined)}
    for found in plan.fields:
        if found.field == plan.match_field and found.model in refs:
            return refs[found.model], f"CAST({_read(found)} AS VARCHAR)"
    return plan.base, f"CAST(t.{quote_identifier(plan.match_property)} AS VARCHAR)"


def _plain(part: object) -> JSON:
    return part if isinstance(part, bool | int | str) else str(part)


@contextmanager
def open_models(workspace: Workspace, plans: Sequence[SyncPlan]) -> Iterator[Models]:
    """Open the models of ``plans`` for reading; where that fails, what is yielded says why and knows nothing."""
    if workspace.profile is None or not plans:
        yield Models(None, Tables(), "the models were not looked at")
        return
    with closing(connect()) as con:
        try:
            source = open_source(workspace.profile, workspace.options.project_dir)
            source.attach(con)
            lockdown(con)
            needs = shapes.needs(plans)
            tables = source.tables(con, list(needs), needs)
        except RevetlError as error:
            yield Models(None, Tables(), f"the models could not be looked at: {error.what} ({error.code})")
            return
        missing = next(iter(tables.missing.values()), None)
        yield Models(con, tables, f"some models could not be looked at: {missing.what}" if missing else "")
