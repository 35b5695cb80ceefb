"""A warehouse in this process that has models and state, and machines that come and go: the rig of the diff in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from revetl.diff.spelling import Elsewhere
from revetl.engine.session import Session
from revetl.errors import ConfigError, RevetlError
from revetl.sqltext import quote_identifier, quote_text
from revetl.state.native import nested
from revetl.state.shared import SharedStore
from revetl.state.sqlowner import SqlOwner
from revetl.state.store import Store
from revetl.state.working import WorkingCopy
from revetl.types import Relation, SyncPlan
from revetl.warehouse.connection import connect
from revetl.warehouse.landing import Described, Kind, LandedSource, selected
from tests.faults.duck_owner import CrashingOwner, Duck
from tests.faults.parsed import opened
from tests.unit.engine.harness import Rig

Batches = AbstractContextManager[pa.RecordBatchReader]


class Spelt(Elsewhere):
    """How a DuckDB spells it that is not the run's own: column by column, as the other engines do."""

    def comparable(self, column: str, kind: str, selected: str) -> str | None:
        """Return the column, or the text by which the owner holds it; of UUIDs it knows nothing."""
        del selected
        return f"CAST(to_json({column}) AS VARCHAR)" if nested(kind) else None if kind == "UUID" else column


class DuckReader:
    """Reads the models of a DuckDB in this process: :class:`revetl.warehouse.landing.Reader`."""

    def __init__(self, duck: Duck) -> None:
        """Read from ``duck``."""
        self.con = duck.con

    def describe(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation's columns."""
        found: dict[Relation, Described | RevetlError] = {}
        for one in relations:
            asked = "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ?"
            columns = self.con.execute(asked, [one.identifier]).fetchall()
            found[one] = ConfigError("RVT-410", f"{one} does not exist")
            if columns:
                found[one] = Described(
                    f"main.{quote_identifier(one.identifier)}", {name: Kind(kind) for name, kind in columns}
                )
        return found

    def batches(
        self, name: str, columns: Mapping[str, Kind], where: str = ""
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Return these columns of a relation."""
        return self.query(selected(name, columns, where))

    def query(self, sql: str) -> Batches:
        """Return the rows of a SELECT."""
        return nullcontext(self.con.sql(sql).to_arrow_table().to_reader())

    def text(self, value: str) -> str:
        """Return a literal."""
        return quote_text(value)

    def close(self) -> None:
        """Keep it."""


class Together(Rig):
    """A rig whose models and state lie in one warehouse; every run is another machine."""

    def __init__(self, made: SyncPlan | None, directory: Path) -> None:
        """Begin with an empty warehouse."""
        super().__init__(made)
        self.place = directory
        self.duck = Duck()
        self.duck.con.execute("PRAGMA disable_optimizer")  # tiny tables: planning well costs more than it brings
        self.held: SqlOwner | None = None
        with closing(self.owner()) as owner:
            owner.prepare()

    # --- the warehouse: another rig has another -----------------------------------------------------------------------

    def owner(self) -> SqlOwner:
        """Return the owner of the state, over a connection of this machine."""
        return CrashingOwner(self.duck)

    def source(self) -> LandedSource:
        """Return the source of the models."""
        return LandedSource(lambda: DuckReader(self.duck))

    def spelling(self, owner: SqlOwner) -> Elsewhere:
        """Return how the warehouse spells a comparison."""
        return Spelt(owner.name, owner.native)

    def expire(self) -> None:
        """Let the lease of the machine before this one end."""
        self.duck.execute("UPDATE owner.revetl_lease SET until = 0")

    def model(self, name: str, columns: str, *rows: Sequence[object]) -> None:
        """Build one model in the warehouse."""
        self.duck.con.execute(f"CREATE OR REPLACE TABLE main.{name} ({columns})")
        for row in rows:
            self.duck.con.execute(f"INSERT INTO main.{name} VALUES ({', '.join('?' * len(row))})", list(row))

    # --- machines -----------------------------------------------------------------------------------------------------

    def store(self, crash: Callable[[str], None] = lambda _: None) -> Store:
        """Open the state on a new machine."""
        self.con.close()
        self.con = opened(planned=False)
        self.close()
        owner = self.held = self.owner()
        self.expire()
        assert owner.acquire("me", "me", 3600.0) is None
        return SharedStore(WorkingCopy(self.con, owner, "me", self.clock.monotonic), self.place, self.now, crash)

    def close(self) -> None:
        """Let go of the warehouse."""
        if self.held is not None:
            self.held.close()

    def session(self, store: Store, **options: Any) -> Session:
        """Return a session that reads the warehouse and lets it compare."""
        assert isinstance(store, SharedStore)
        owner = store.copy.owner
        assert isinstance(owner, SqlOwner)
        return replace(super().session(store, **options), source=self.source(), spelling=self.spelling(owner))

    def rows(self, sql: str) -> list[Any]:
        """Ask the owner, as another machine would; a single column comes without its tuple."""
        with connect() as con, closing(self.owner()) as owner:
            found = WorkingCopy(con, owner, None).execute(sql).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]
