"""What state holds of some keys of a sync, where the warehouse has it: their rows, and who stands where they do."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.diff import candidates
from revetl.diff.shape import STATE, Shape
from revetl.diff.spelling import fold
from revetl.engine.session import Session
from revetl.sqltext import quote_text
from revetl.state.native import arriving, leaving
from revetl.warehouse.landing import portions
from revetl.warehouse.source import Answering


class Nearby:
    """One sync's state, of which no more is fetched than what is asked for; ``number`` tells its tables apart."""

    def __init__(self, session: Session, shape: Shape, number: int) -> None:
        """Ask the warehouse of a session that has models and state."""
        assert session.spelling is not None and isinstance(session.source, Answering)  # noqa: S101, PT018
        self.store, self.source, self.spelling = session.store, session.source, session.spelling
        self.shape: Shape = shape
        self._number = number

    def ask(self, sql: str, name: str) -> str:
        """Let the warehouse answer; return the table that has the answer."""
        table = f"temp.main.{name}_{self._number}"
        self.source.ask(self.store.con, sql, table)
        return table

    def sizes(self) -> Mapping[str | None, int]:
        """Return how many members each cohort has, and (None) how many records are known."""
        records, members = (self.store.sizes(f"{name}_{self.shape.id}", by) for name, by in PARTS.items())
        return {**members, **records}

    def bring(self, table: str) -> None:
        """Bring what state holds of the keys in a table."""
        columns = self.shape.columns
        keys = self.store.rows(f"SELECT {', '.join(leaving(k, kind) for k, kind in columns.items())} FROM {table}")
        for name in PARTS:
            self.store.bring(f"{name}_{self.shape.id}", columns, keys)

    def standing(self, places: str) -> str:
        """Return a table of the keys that stand at one of the match values in column ``m`` of a table."""
        shape, found = self.shape, f"temp.main.near_by_{self._number}"
        texts = [row[0] for row in self.store.rows(f"SELECT m FROM {places}")]
        exact = shape.normalise not in candidates.FOLDED
        asked = sorted({text if exact else fold(text) for text in texts})
        self.store.con.execute(f"CREATE OR REPLACE TEMP TABLE {found} ({shape.columned})")
        same = f"{shape.normalised(arriving('t.m', 'VARCHAR'))} IN (SELECT {shape.normalised('m')} FROM {places})"
        keys = ", ".join(arriving(k, kind) for k, kind in shape.columns.items())
        for some in portions(asked):
            there = self.ask(candidates.standing(shape, self.spelling, some), "standing")
            self.store.con.execute(f"INSERT INTO {found} SELECT DISTINCT {keys} FROM {there} t WHERE {same}")
        return found

    def doubts(self) -> list[str]:
        """Return SELECTs of the match values that lost requests may still change, or may have gone to."""
        of_sync = f"FROM {STATE}.pending WHERE sync = {quote_text(self.shape.sync)}"
        return [f"SELECT unnest(near) AS m {of_sync}", f"SELECT unnest(tried).m {of_sync}"]

    def whole(self) -> None:
        """Let all of it be fetched where it is named."""
        for name in PARTS:
            self.store.entire(f"{name}_{self.shape.id}")


PARTS: Mapping[str, str | None] = {"snap": None, "members": "cohort"}
