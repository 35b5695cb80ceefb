"""Machines that share a state: they have the project, and nothing else in common but its owner."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from revetl.state.shared import SharedStore
from revetl.state.sqlowner import SqlOwner
from revetl.state.working import WorkingCopy
from tests.e2e import house
from tests.e2e.receiver import Receiver


def opened(stack: ExitStack, owner: SqlOwner, directory: Path, token: str) -> SharedStore:
    """Return the state as a machine opens it that takes the lease, which nobody holds."""
    assert owner.acquire(token, token, 600.0) is None
    con = stack.enter_context(duckdb.connect())
    con.execute("SET TimeZone = 'UTC'")
    return SharedStore(WorkingCopy(con, owner, token), directory, lambda: datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class Machines:
    """A shop whose webhook takes many calls."""

    shop: house.House
    receiver: Receiver

    def elsewhere(self, name: str) -> house.House:
        """Return the shop on another machine: the project alone, nothing that a run left."""
        root = self.shop.root.parent / name
        shutil.copytree(self.shop.root, root, ignore=shutil.ignore_patterns(".revetl"))
        return replace(self.shop, root=root)
