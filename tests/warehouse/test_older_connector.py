"""dbt-snowflake pins the connector below 5: our reader works with the 4.x that lives beside dbt, too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e import house
from tests.shared import ROOT
from tests.warehouse import snowflake_server

pytestmark = [pytest.mark.xdist_group("snowflake"), pytest.mark.timeout(300)]

# runs in the environment of dbt-snowflake, with revetl on its path
READ = """
import json, sys
from pathlib import Path
import snowflake.connector
from revetl.types import Relation
from revetl.warehouse.connection import connect
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.profiles import Profile
from revetl.warehouse.snowflake import SnowflakeReader
from revetl.warehouse.source import Within
profile = Profile("shop", "dev", "snowflake", json.loads(sys.argv[1]), Path("profiles.yml"))
source = LandedSource(lambda: SnowflakeReader(profile))
one, gone = (Relation("shop", "older", name, (False,) * 3) for name in ("people", "nobody"))
con = connect()
needs = {one: frozenset({"id", "email", "seen", "amount"})}
whole = source.tables(con, [one, gone], needs)
rows = con.execute(f"SELECT * FROM {whole.found[one].name} ORDER BY 1").fetchall()
some = source.tables(con, [one], needs, {one: Within(("id",), ("HUGEINT",), frozenset({("2",)}))}).found[one]
part = con.execute(f"SELECT id FROM {some.name}").fetchall()
print("READ" + json.dumps([snowflake.connector.__version__, whole.found[one].columns, rows, part,
      whole.missing[gone].code], default=str))
"""


def test_reads_with_the_connector_below_5(snowflake: snowflake_server.Server, tmp_path: Path) -> None:
    """Types, values, nulls, a partial read and a missing relation are the same as with 5.x."""
    snowflake.run(
        "CREATE DATABASE IF NOT EXISTS shop", "CREATE SCHEMA IF NOT EXISTS shop.older",
        "CREATE TABLE shop.older.people (id integer, email varchar, seen timestamp_ntz, amount number(12,2))",
        "INSERT INTO shop.older.people VALUES (1, 'one@example.org', '2026-02-03 12:00:00', 1.10)",
        "INSERT INTO shop.older.people (id) VALUES (2)",
    )  # fmt: skip
    env = house.environment(PYTHONPATH=str(ROOT))
    output = json.dumps({name: value for name, value in snowflake.output.items() if name != "role"})
    command = [str(snowflake.python), "-c", READ, output]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    version, columns, rows, part, code = json.loads(done.stdout.rpartition("READ")[2])
    assert version.startswith("4.")
    assert columns == {"ID": "HUGEINT", "EMAIL": "VARCHAR", "SEEN": "TIMESTAMP", "AMOUNT": "DECIMAL(12,2)"}
    assert rows == [[1, "one@example.org", "2026-02-03 12:00:00", "1.10"], [2, None, None, None]]
    assert (part, code) == ([[2]], "RVT-413")
