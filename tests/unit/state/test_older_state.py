"""A state that an older revetl wrote opens, is brought up to date once, and converges."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from revetl.state.head import GENESIS, Head, write_head
from revetl.state.schema import FIRST, MIGRATIONS, STATE
from revetl.state.store import STORAGE_VERSION
from revetl.state.views import open_view
from tests.unit.engine.harness import NAME, Rig, cohort, plan

# What the first release had of a sync: its tables, two people, one of them with a change of unknown outcome.
OLD = (
    "CREATE TABLE {s}.snap_1 (k0 VARCHAR, m VARCHAR, f0 VARCHAR, f1 VARCHAR)",
    "CREATE TABLE {s}.members_1 (k0 VARCHAR, cohort VARCHAR)",
    "CREATE TABLE {s}.after_1 (seq BIGINT, k0 VARCHAR, m VARCHAR, f0 VARCHAR, f1 VARCHAR)",
    f"INSERT INTO {{s}}.syncs VALUES (1, '{NAME}', ['VARCHAR'], 'email', 1, '{{}}', NULL, 'flow', 2, NULL)",
    "INSERT INTO {s}.fields VALUES (1, 0, 'email', 'email', 'model.sim.people', 'VARCHAR', NULL, false, false), "
    "(1, 1, 'a', 'a', 'model.sim.people', 'VARCHAR', NULL, false, false)",
    "INSERT INTO {s}.snap_1 VALUES ('a', 'a@example.org', 'a@example.org', 'x'), "
    "('b', 'b@example.org', 'b@example.org', 'x')",
    "INSERT INTO {s}.members_1 VALUES ('a', 'gold')",
    f"INSERT INTO {{s}}.remote VALUES ('{NAME}', '[\"a\"]', 'id1', true), ('{NAME}', '[\"b\"]', 'id2', true)",
    f"INSERT INTO {{s}}.pending VALUES ('{NAME}', '[\"b\"]', 'upsert', NULL, TIMESTAMPTZ '2020-01-01 00:00:00+00', "
    "'run-000', [1], [{'m': 'b@example.org', 'i': 'b@example.org'}], ['b@example.org'])",
    "INSERT INTO {s}.meta VALUES ('seq', '3'), ('migration', '0001_first')",
)
VERSIONS = tuple(MIGRATIONS)


def write_older(directory: Path, version: str = VERSIONS[0]) -> None:
    """Write the state as the first release left it, brought up to a later version by the releases in between."""
    directory.mkdir(mode=0o700)
    since = VERSIONS[1 : VERSIONS.index(version) + 1]
    with duckdb.connect(":memory:") as con:
        con.execute(f"ATTACH '{directory / 'state.duckdb'}' AS {STATE} (STORAGE_VERSION '{STORAGE_VERSION}')")
        for statement in (*FIRST, *OLD, *(one for name in since for one in MIGRATIONS[name])):
            con.execute(statement.replace("{s}", STATE))
        for name in since:
            con.execute(f"INSERT INTO {STATE}.meta VALUES ('migration', '{name}')")
    write_head(directory / "head.json", Head("run-000", 3, GENESIS))


@pytest.mark.parametrize("version", VERSIONS)
def test_older_state(tmp_path: Path, version: str) -> None:
    """What was acknowledged still is, what was in doubt is settled, and the second run sends nothing."""
    write_older(tmp_path / "state", version)
    rig = Rig(plan(cohorts=(cohort("gold"),)), tmp_path / "state")
    rig.vendor.people = {f"{k}@example.org": {"email": f"{k}@example.org", "a": "x"} for k in "ab"}
    rig.people(("a", "a@example.org", "y"), ("b", "b@example.org", "x"))
    rig.keys("gold", "a")
    assert sorted(rig.run().sent) == ["a upsert", "b upsert"]
    assert rig.rows("SELECT value FROM revetl_state.meta WHERE name = 'migration' ORDER BY 1") == sorted(MIGRATIONS)
    assert rig.run().changes == []


def test_older_state_is_not_read_half(tmp_path: Path) -> None:
    """A reader, which changes nothing, says that the state is older instead of reading what is not there yet."""
    write_older(tmp_path / "state")
    with open_view(tmp_path / "state") as view:
        assert not view.readable
        assert "an older revetl wrote the state" in view.notice
