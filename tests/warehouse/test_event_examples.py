"""examples/postgres-listen and examples/snowflake-streams: from a changed row to the tools, by its key alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.e2e import house
from tests.e2e.walk import nothing_to_build, walk
from tests.shared import ROOT
from tests.warehouse import postgres_server, snowflake_server
from tests.warehouse.test_same_outcome import build_snowflake, copied

pytestmark = [pytest.mark.dbt, pytest.mark.timeout(300)]
REVETL = [sys.executable, "-c", "from revetl.cli import main; main()"]
PEOPLE = ["-s", house.MAIL, "-s", house.CRM]


def live(root: Path, output: dict[str, object]) -> Path:
    """Copy the shop with marts that are views: true without a build."""
    root = copied(root, output)
    text = (root / "dbt_project.yml").read_text()
    assert "marts: {+materialized: table}" in text
    (root / "dbt_project.yml").write_text(text.replace("marts: {+materialized: table}", "marts: {+materialized: view}"))
    return root


def sync(shop: house.House) -> list[str]:
    """Return the command that syncs people."""
    return [*REVETL, "sync", *PEOPLE, "--project-dir", str(shop.root), "--profiles-dir", str(shop.root)]


def soon(wanted: Callable[[], bool], program: subprocess.Popen[bytes]) -> None:
    """Wait until something holds; the program must go on meanwhile."""
    deadline = time.monotonic() + 90
    while not wanted():
        assert program.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.xdist_group("postgres")
def test_listen(postgres: postgres_server.Server, tmp_path: Path) -> None:
    """A committed row notifies of its key, and only that person is sent; one who is deleted leaves."""
    root = live(tmp_path / "shop", {**postgres.output, "schema": "live"})
    house.built(root, "build")
    with house.lived_in(root, tmp_path / "lived") as shop:
        page = ROOT / "examples/postgres-listen"
        shutil.copy(page / "trigger.sql", shop.root)
        shop.variables |= postgres.variables | {"PGOPTIONS": "-c search_path=live"}
        assert "CREATE TRIGGER" in walk(page / "README.md", shop.root, nothing_to_build(shop.env, tmp_path / "bin"))
        address = f"host=127.0.0.1 port={postgres.port} user=postgres password={postgres_server.PASSWORD}"
        with closing(psycopg2.connect(f"{address} options='-c search_path=live'")) as con:
            con.autocommit = True
            listen = [sys.executable, str(ROOT / "examples/postgres-listen/listen.py"), address, "customer_changed"]
            with subprocess.Popen([*listen, *sync(shop)], cwd=shop.root, env=shop.env) as program:
                try:
                    watched(shop, con.cursor(), program)
                finally:
                    program.kill()


def watched(shop: house.House, cursor: Any, program: subprocess.Popen[bytes]) -> None:
    """Change one person and delete another, while the program listens."""
    results = shop.root / "target/revetl_results.json"
    before, (name, gone) = results.stat().st_mtime_ns, sorted(shop.members())[:2]
    soon(lambda: results.stat().st_mtime_ns > before, program)  # the run with which it begins
    shop.mark()
    cursor.execute("UPDATE raw_customers SET given_name = 'New' WHERE lower(trim(email)) = %s", [name])
    soon(lambda: shop.members()[name]["merge_fields"]["FNAME"] == "New", program)
    soon(lambda: shop.contacts()[name]["firstname"] == "New", program)
    assert len(house.sent_rows(shop.writes())) == 2  # one person in two tools
    cursor.execute("DELETE FROM raw_customers WHERE lower(trim(email)) = %s", [gone])
    soon(lambda: gone not in shop.members(), program)


@pytest.mark.xdist_group("snowflake")
def test_streams(snowflake: snowflake_server.Server, tmp_path: Path) -> None:
    """Keys go out of the streams into the table, to the sync, and out of the table once it is done with them."""
    root = live(tmp_path / "shop", {**snowflake.output, "schema": "LIVE"})
    build_snowflake(snowflake, root)
    here = "USE SCHEMA shop.live"
    made = (ROOT / "examples/snowflake-streams/stream.sql").read_text()
    table = next(part for part in made.split(";") if "create table" in part)
    # the server knows no streams: plain tables stand in their place
    streams = ["CREATE TABLE raw_customers_stream (id number)", "CREATE TABLE raw_orders_stream (customer_id number)"]
    snowflake.run(here, table, *streams)
    connection: dict[str, Any] = {**snowflake.arguments, "schema": "LIVE"}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    with house.lived_in(root, tmp_path / "lived") as shop:
        assert shop.sync().exit_code == 0
        name, other = sorted(shop.members())[:2]
        found = snowflake.run(here, f"SELECT id FROM raw_customers WHERE lower(trim(email)) = '{name}'")
        change = f"UPDATE raw_customers SET given_name = 'New' WHERE lower(trim(email)) IN ('{name}', '{other}')"
        noted = [
            f"INSERT INTO {stream} VALUES ({found[0][0]})" for stream in ("raw_customers_stream", "raw_orders_stream")
        ]
        snowflake.run(here, change, *noted)
        feed = [sys.executable, str(ROOT / "examples/snowflake-streams/feed.py"), str(tmp_path / "connection.json")]
        command = [*feed, *sync(shop)]
        shop.mark()
        done = subprocess.run(command, cwd=shop.root, env=shop.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        new = [who for who, contact in shop.contacts().items() if contact.get("firstname") == "New"]
        assert new == [name]
        assert snowflake.run("SELECT count(*) FROM shop.live.changed_customers") == [(0,)]
