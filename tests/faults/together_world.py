"""The world of a schedule whose models lie where its state does, and are compared there."""

from __future__ import annotations

from dataclasses import replace

from revetl.engine.session import Session
from revetl.state.shared import SharedStore
from revetl.state.sqlowner import SqlOwner
from revetl.state.store import Store
from revetl.warehouse.landing import LandedSource
from tests.faults.people import TAGS
from tests.faults.shared_world import SharedWorld
from tests.faults.weather import Weather
from tests.unit.engine.together import DuckReader, Spelt


class TogetherWorld(SharedWorld):
    """A shared world whose owner has the models, too."""

    def session(self, store: Store, weather: Weather) -> Session:
        """Return a session that reads the owner's models, and lets it compare."""
        assert isinstance(store, SharedStore)
        owner = store.copy.owner
        assert isinstance(owner, SqlOwner)
        for table in ("people", *TAGS):
            rows = self.con.sql(f"FROM memory.main.{table}").to_arrow_table()
            self.duck.con.register("built", rows)
            self.duck.con.execute(f"CREATE OR REPLACE TABLE main.{table} AS FROM built")
            self.duck.con.unregister("built")
        source = LandedSource(lambda: DuckReader(self.duck))
        return replace(super().session(store, weather), source=source, spelling=Spelt(owner.name, owner.native))
