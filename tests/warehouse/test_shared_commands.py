"""What rewrites the record, on a state that Postgres owns: every machine can do it, and go on where another died."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import orjson
import pytest

from tests.e2e import house
from tests.e2e.house import CRM, MAIL
from tests.warehouse import postgres_server
from tests.warehouse.test_same_outcome import copied
from tests.warehouse.test_shared_state import KEY, share

pytestmark = [pytest.mark.dbt, pytest.mark.xdist_group("postgres"), pytest.mark.timeout(300)]
Synced = Callable[[str], house.House]
S = "revetl_state_dev"

# forgets somebody, and is killed where the second word says
FORGETS = """
import os, signal, sys
from pathlib import Path
from revetl.engine.forgetting import forget, meant
from revetl.engine.workspace import Options, load
workspace = load(Options(project_dir=Path.cwd(), profiles_dir=Path.cwd(), env=os.environ))
def crash(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
forget(workspace, meant(workspace, sys.argv[1], "customer"), crash=crash)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, postgres: postgres_server.Server) -> Path:
    """Return the shop after its first sync, its state in the database ``commands``, the accounts beside it."""
    root = copied(tmp_path_factory.mktemp("shop") / "shop")
    house.built(root, "build")
    place = root.parent / "synced"
    with house.lived_in(root, place) as shop:
        share(shop, postgres, "commands")
        assert shop.sync().exit_code == 0
        kept = {name: box.dump() for name, box in shop.boxes.items()}
    (place / "accounts.json").write_bytes(orjson.dumps(kept))
    shutil.rmtree(place / ".revetl")
    return place


@contextmanager
def machine(template: Path, place: Path, postgres: postgres_server.Server, database: str) -> Iterator[house.House]:
    """Serve the synced shop on a machine where it never ran, with a copy of the state."""
    postgres.run(f'CREATE DATABASE "{database}" TEMPLATE commands')
    with house.lived_in(template, place) as shop:
        shop.variables |= {"STATE_URL": postgres.url(database), KEY: "not a secret of anybody"}
        yield shop


def another(shop: house.House, name: str) -> house.House:
    """Return the shop on a machine where it never ran."""
    root = shop.root.parent / name
    shutil.copytree(shop.root, root, ignore=shutil.ignore_patterns(".revetl"))
    return replace(shop, root=root)


def dumped(postgres: postgres_server.Server, database: str) -> str:
    """Return every row of the state as text, files of the ledger decoded."""
    with postgres.connected(database) as con:
        tables = [row[0] for row in con.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [S]
        ).fetchall()]  # fmt: skip
        return "\n".join(
            str(con.execute(f'SELECT * FROM "{S}"."{table}"'.encode()).fetchall())
            for table in tables if table != "ledger_files"
        )  # fmt: skip


def in_files(shop: house.House, text: str) -> int:
    """Return how many flows of the record tell of a customer."""
    found = shop.program("log", "--output", "json", "--limit", "100000")
    assert found.returncode == 0, found.stderr
    return sum(flow["key"] == text and flow["sync"] in {MAIL, CRM} for flow in json.loads(found.stdout)["flows"])


@pytest.mark.parametrize("point", ["after_erasure", "after_rewritten"])
def test_forget_killed(
    template: Path, tmp_path: Path, postgres: postgres_server.Server, point: str
) -> None:  # fmt: skip
    """kill -9: another machine finds the lease, then goes on; nothing of the person is left, and no sync sends them."""
    database = f"forget_{point}"
    with machine(template, tmp_path / "one", postgres, database) as shop:
        number, address = shop.reader(3)
        assert in_files(shop, f"[{number}]") > 0
        command = [sys.executable, "-c", FORGETS, str(number), point]
        done = subprocess.run(command, cwd=shop.root, env=shop.env, capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        other = another(shop, "other")
        early = other.program("forget", str(number), "--entity", "customer", "--yes")
        assert (early.returncode, "RVT-502" in early.stderr) == (4, True), early.stderr
        postgres_server.Server(postgres.port, database).run(f"UPDATE {S}.revetl_lease SET until = 0")
        listed = other.program("forget", "--list", "--output", "json")
        assert len(json.loads(listed.stdout)["people"]) == 1
        shop.sql("update customers set lifetime_value_band = 'other' where lifetime_value_band <> 'other'")
        shutil.copy(shop.root / "shop.duckdb", other.root / "shop.duckdb")
        other.sync()
        assert not any(address in str(entry.get("body")) for entry in other.received())
        ended = other.program("forget", str(number), "--entity", "customer", "--yes", "--output", "json")
        assert ended.returncode == 0, ended.stderr
        (told,) = json.loads(ended.stdout)["forgotten"]
        assert {place["sync"] for place in told["destinations"]} == {MAIL, CRM}
        assert address not in other.members()
        assert address not in other.contacts()
        last = another(shop, "last")
        assert in_files(last, f"[{number}]") == 0
        assert last.program("log", "--verify").returncode == 0
        assert address not in dumped(postgres, database)
        assert last.program("forget", "--resume").returncode == 0
        assert last.program("forget", str(number), "--entity", "customer", "--lift", "--yes").returncode == 0
        assert json.loads(other.program("forget", "--list", "--output", "json").stdout)["people"] == []


def test_whatever_else(template: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """flows, export, publish, prune and rotate, each on another machine; the lease is held against them, too."""
    with machine(template, tmp_path / "one", postgres, "others") as shop:
        number, address = shop.reader(3)
        flows = shop.program("flows", "--output", "json")
        assert flows.returncode == 0, flows.stderr
        assert {entry["sync"]: entry["records"] > 0 for entry in json.loads(flows.stdout)["record"]["entries"]}[MAIL]
        exported = shop.program("export", address, "--output", "json")
        assert exported.returncode == 0, exported.stderr
        assert address in exported.stdout
        assert all(part["sent"] for part in json.loads(exported.stdout)["person"]["syncs"] if part["sync"] == MAIL)
        published = another(shop, "publishes")
        assert published.program("publish").returncode == 0
        with duckdb.connect(str(published.root / "shop.duckdb")) as con:
            ((rows,),) = con.execute(
                "SELECT count(*) FROM revetl.flows WHERE key = ? AND sync IN (?, ?)", [f"[{number}]", MAIL, CRM]
            ).fetchall()
        assert rows == in_files(shop, f"[{number}]")
        there = postgres_server.Server(postgres.port, "others")
        there.run(f"UPDATE {S}.revetl_lease SET until = 9e12, name = 'pid 1 on elsewhere'")
        for words in (("prune", "--older-than", "0s", "--yes"), ("publish",), ("forget", address, "--yes")):
            refused = shop.program(*words)
            assert (refused.returncode, "RVT-502" in refused.stderr) == (4, True), refused.stderr
        there.run(f"UPDATE {S}.revetl_lease SET until = 0")
        pruned = another(shop, "prunes").program("prune", "--older-than", "0s", "--yes", "--output", "json")
        assert pruned.returncode == 0, pruned.stderr
        assert in_files(shop, f"[{number}]") == 0
        assert shop.program("log", "--verify").returncode == 0
        assert published.program("publish").returncode == 0
        with duckdb.connect(str(published.root / "shop.duckdb")) as con:
            assert con.execute("SELECT count(*) FROM revetl.flows").fetchall() == [(0,)]
        assert another(shop, "syncs").sync().exit_code == 0
        assert shop.writes() == []
        rotated = shop.program("rotate")
        assert (rotated.returncode, "RVT-535" in rotated.stderr) == (2, True)
        shop.variables[KEY] = "another one"
        assert "RVT-532" in shop.program("prune", "--older-than", "1d", "--yes").stderr
        lost = shop.program("rotate", "--lost", "--yes")
        assert lost.returncode == 0, lost.stderr
        assert shop.program("prune", "--older-than", "1d", "--yes").returncode == 0
