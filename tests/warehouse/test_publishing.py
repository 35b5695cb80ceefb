"""The record published to Postgres and to DuckDB: the same rows, once, and all or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from revetl.engine.publishing import Published, publish
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError, TryLater, UsageError
from revetl.state.published import TABLES
from revetl.warehouse.profiles import Profile
from revetl.warehouse.publishing import open_publisher
from tests.unit.engine.shopping import build, shop
from tests.unit.state.written import MAIL, Sent, Written
from tests.warehouse.postgres_server import Server
from tests.warehouse.snowflake_server import Server as SnowflakeServer

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}
COLUMNS = "run_id, seq, sync, key, operation, outcome, code"


def kept(root: Path) -> tuple[Workspace, Written]:
    """Return a project whose ledger has two runs."""
    workspace, state = shop(root)
    build(root, ("c1", "a@example.org", "low"))
    refused = Sent('["c2"]', body=FULL, status="rejected", code="NO", reason="no")
    state.run("r1", Sent('["c1"]', body=FULL), refused)
    state.run("r2", Sent('["c1"]', op="join", cohort="vip"))
    return workspace, state


def test_to_duckdb(tmp_path: Path) -> None:
    """Fields are rows, the personal one hidden; publishing again changes nothing; a schema's name is checked."""
    workspace, _ = kept(tmp_path)
    assert publish(workspace) == Published("revetl", 2, 0, 0, 3)
    assert publish(workspace) == Published("revetl", 0, 0, 0, 0)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        fields = con.execute("SELECT field, is_hidden, length(value) FROM revetl.flow_fields ORDER BY ALL").fetchall()
        assert fields == [("LTV_BAND", False, 3)] * 2 + [("email_address", True, 64)] * 2
        assert con.execute("SELECT count(*) FROM revetl.runs").fetchall() == [(2,)]
        with pytest.raises(TryLater) as busy:
            publish(workspace)
        assert busy.value.code == "RVT-411"
    with pytest.raises(UsageError) as wrong:
        publish(workspace, 'x"; drop')
    assert wrong.value.code == "RVT-858"
    with pytest.raises(ConfigError) as none:
        publish(replace(workspace, profile=None))
    assert none.value.code == "RVT-405"


def fail_after(profile: Profile, statement: str) -> None:
    """Do something, then something that cannot be done."""
    with open_publisher(profile, Path()) as one:
        one.begin()
        one.execute(statement)
        one.execute("SELECT * FROM pub.nothing")


def test_to_postgres(postgres: Server, tmp_path: Path) -> None:
    """The same tables with the same rows; what fails leaves nothing behind."""
    workspace, state = kept(tmp_path)
    profile = Profile("shop", "dev", "postgres", postgres.output, tmp_path / "profiles.yml")
    there = replace(workspace, profile=profile)
    assert publish(there, "pub") == Published("pub", 2, 0, 0, 3)
    publish(workspace, "pub")
    with open_publisher(profile, tmp_path) as one, duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        asked = f"SELECT {COLUMNS} FROM pub.flows ORDER BY seq"
        assert [tuple(row) for row in one.rows(asked)] == con.execute(asked).fetchall()
    state.run("r3", Sent('["c1"]', body=FULL))
    assert publish(there, "pub") == Published("pub", 1, 0, 0, 1)
    with pytest.raises(ConfigError):
        fail_after(profile, "DELETE FROM pub.flows")
    with open_publisher(profile, tmp_path) as one:
        assert one.rows("SELECT count(*) FROM pub.flows")[0][0] == 4


@pytest.mark.xdist_group("snowflake")
def test_to_snowflake(snowflake: SnowflakeServer, tmp_path: Path) -> None:
    """Through the real connector to a local server: the same rows, under names that dbt finds without quotes."""
    workspace, state = kept(tmp_path)
    profile = Profile("shop", "dev", "snowflake", snowflake.output, tmp_path / "profiles.yml")
    there = replace(workspace, profile=profile)
    assert publish(there, "pub") == Published("pub", 2, 0, 0, 3)
    publish(workspace, "pub")
    state.run("r3", Sent('["c1"]', body=FULL))
    assert publish(there, "pub") == Published("pub", 1, 0, 0, 1)
    publish(workspace, "pub")
    with open_publisher(profile, tmp_path) as one, duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        for table, columns in TABLES.items():
            asked = f"SELECT {', '.join(name for name in columns if name != 'read_at')} FROM pub.{table} ORDER BY 1, 2"
            assert [tuple(row) for row in one.rows(asked)] == con.execute(asked).fetchall(), table
    with pytest.raises(ConfigError):
        fail_after(profile, "DELETE FROM pub.flows")
    with open_publisher(profile, tmp_path) as one:
        assert one.rows("SELECT count(*) FROM pub.flows")[0][0] == 4


def test_elsewhere(tmp_path: Path) -> None:
    """A warehouse that cannot be written to is named."""
    profile = Profile("shop", "dev", "bigquery", {}, tmp_path / "profiles.yml")
    with pytest.raises(ConfigError) as no, open_publisher(profile, tmp_path):
        raise AssertionError(MAIL)
    assert no.value.code == "RVT-404"
