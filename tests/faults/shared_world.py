"""The world of a schedule whose state is shared: every run is another machine, which has nothing but the owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from revetl.state.places import fetch_files
from revetl.state.shared import SharedStore
from revetl.state.store import Store
from revetl.state.working import WorkingCopy
from tests.faults.duck_owner import SCHEMA, CrashingOwner, Duck, EarlyDuck
from tests.faults.parsed import opened
from tests.faults.world import World


class SharedWorld(World):
    """A world in which a crash loses the machine."""

    def __init__(self, seed: int, directory: Path) -> None:
        """Begin with an owner that has nothing."""
        super().__init__(seed)
        self.forgets = False  # whom to forget is asked of a state that is at hand
        self.directory = directory
        (directory / "ledger").mkdir(parents=True)
        self.duck = EarlyDuck() if seed % 2 else Duck()
        CrashingOwner(self.duck).prepare()

    def run(self) -> Mapping[str, int]:
        """Run on a machine that is gone afterwards."""
        done = super().run()
        self.con.close()
        self.con = opened(planned=False)
        self.make_models()
        return done

    def mend(self) -> None:
        """Leave it to the next machine, which has none of it yet."""

    def chain(self) -> Sequence[str]:
        """Return nothing: the files lie with the owner, and tests of shared states look at them."""
        return ()

    def personal(self) -> bool:
        """Return False: see above."""
        return False

    def store(self, crash: Callable[[str], None]) -> Store:
        """Open the state on a new machine; whoever held the lease died so long ago that it is over."""
        owner = CrashingOwner(self.duck)
        self.duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
        token = f"machine {self.run_number}"
        assert owner.acquire(token, token, 3600.0) is None
        owner.crash = crash
        copy = WorkingCopy(self.con, owner, token, self.clock.monotonic)
        return SharedStore(copy, self.directory, self.now, crash)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the owner, not what a machine may have left."""
        return [tuple(row) for row in self.duck.execute(sql.replace("revetl_state.", f"{SCHEMA}."))[1]]

    def ledger(self) -> set[tuple[str, int]]:
        """Return run and number of everything in the files that the owner has."""
        there = self.directory / "fetched"
        there.mkdir(parents=True, exist_ok=True)
        fetch_files(CrashingOwner(self.duck), there)
        files = str(there / "*.parquet")
        return set(self.duck.con.execute("SELECT run, seq FROM read_parquet(?)", [files]).fetchall())
