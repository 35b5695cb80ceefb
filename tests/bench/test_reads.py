"""Reading a warehouse: our way against the driver's own, and what leaves it for a change of nothing, 1 % and 10 %."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from revetl import run
from revetl.engine import inside
from revetl.state.sqlowner import SqlOwner
from revetl.types import Relation
from revetl.warehouse import landing
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.postgres import PostgresReader, uri
from revetl.warehouse.profiles import Profile
from tests.bench.shop import Shop
from tests.bench.table import Table
from tests.bench.watch import InstantWire, Watch, synced
from tests.warehouse import postgres_server

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600), pytest.mark.xdist_group("postgres")]

NAMES = {"email": "email", "city": "city", "plan": "plan", "orders": "orders"}
PEOPLE = (
    "SELECT md5('key' || i) AS id, ('p' || i || '@example.org')::text AS email, "
    "('City ' || i % 900)::text AS city, ('plan' || i % 3)::text AS plan, (i % 97)::int AS orders, "
    "timestamptz '2024-01-01' + i * interval '1 second' AS seen_at FROM generate_series({first}, {rows}) t(i)"
)
FEW = 1_000  # people who are delivered; where state lies in the warehouse, the others are written into it
KEY = {"BENCH_KEY": "nobody's secret"}
# everything but the sync's own end: a process of its own, so that its peak is its own
RUN = """
import sys
from pathlib import Path
from tests.bench.shop import Shop
from tests.bench.watch import InstantWire, Watch, synced
from revetl import run
done = run.sync(Shop(Path(sys.argv[1]), env={"BENCH_KEY": "nobody's secret"}).options(), wire=InstantWire())
assert not done.syncs[0].error, done.syncs[0].error
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    """Return a running server."""
    if postgres_server.binaries() is None:
        pytest.skip("Postgres is not installed (apt-get install postgresql)")
    with postgres_server.running() as found:
        yield found


Filled = Callable[..., Shop]


@pytest.fixture
def filled(server: postgres_server.Server, tmp_path: Path) -> Filled:
    """Return a maker of projects whose people lie in Postgres and have been delivered; ``more`` is of revetl.yml."""

    def make(rows: int, more: str = "") -> Shop:
        shop = Shop(tmp_path / f"shop-{rows}-{len(more)}", names=NAMES, env=KEY).write()
        there, first = postgres_server.Server(server.port, "warehouse"), FEW if more == THERE else rows
        server.run("DROP DATABASE IF EXISTS warehouse WITH (FORCE)", "CREATE DATABASE warehouse")
        there.run("CREATE SCHEMA main", f"CREATE TABLE main.people AS {PEOPLE.format(first=1, rows=first)}")
        profile = {"bench": {"target": "prod", "outputs": {"prod": {**there.output, "schema": "main"}}}}
        (shop.root / "profiles.yml").write_text(json.dumps(profile))
        with (shop.root / "revetl.yml").open("a") as file:
            file.write(more)
        manifest = json.loads((shop.root / "target/manifest.json").read_text())
        manifest["nodes"]["model.bench.people"]["config"]["meta"]["revetl"]["updated_at"] = "seen_at"
        (shop.root / "target/manifest.json").write_text(json.dumps(manifest))
        assert run.sync(shop.options(), wire=InstantWire()).exit_code == 0
        if first < rows:
            grow(there, first, rows)
        return shop

    return make


def grow(there: postgres_server.Server, first: int, rows: int) -> None:
    """Let a model have more rows, which its state says are delivered."""
    there.run(f"INSERT INTO main.people {PEOPLE.format(first=first + 1, rows=rows)}")
    with there.connected("warehouse") as con:
        slots = con.execute("SELECT ordinal, property FROM revetl_state_prod.fields").fetchall()
    columns, values = (", ".join(part) for part in zip(*((f"f{n}", name) for n, name in slots), strict=True))
    some = "WHERE id NOT IN (SELECT k0 FROM revetl_state_prod.snap_1)"
    there.run(
        f"INSERT INTO revetl_state_prod.snap_1 (k0, m, {columns}) SELECT id, email, {values} FROM main.people {some}",
        "VACUUM ANALYZE",  # or it happens by itself, in the middle of what is measured
    )


def test_against_the_driver(server: postgres_server.Server, filled: Filled, rows: int, table: Table) -> None:
    """A model lands in our own tables in hardly more time than the driver takes to fetch it as Arrow.

    In turns, each over a connection to Postgres of its own; the least of each counts, as whatever else runs on the
    machine adds to some of them. Processor time is this process's alone, the server's is the same for both.
    """
    from adbc_driver_postgresql import dbapi

    filled(rows)
    there = {**server.output, "dbname": "warehouse"}
    asked, needs = Relation("warehouse", "main", "people"), frozenset({"id", *NAMES})

    def fetched() -> None:
        with dbapi.connect(uri(there)) as con, con.cursor() as cursor:
            cursor.execute(f"SELECT id, {', '.join(NAMES)} FROM main.people")
            assert cursor.fetch_arrow_table().num_rows == rows

    def landed(own: duckdb.DuckDBPyConnection) -> None:
        source = LandedSource(lambda: PostgresReader(Profile("bench", "prod", "postgres", there, Path("x"))))
        found = source.tables(own, [asked], {asked: needs}).found[asked]
        assert own.execute(f"SELECT count(*) FROM {found.name}").fetchall() == [(rows,)]
        source.release(own)

    with connect() as own:  # which a run has open already
        lockdown(own)
        took = [(spent(fetched), spent(lambda: landed(own))) for _ in range(9)]
    (theirs, ours), (least, cpu) = ([min(pair[n][unit] for pair in took) for n in (0, 1)] for unit in (0, 1))
    note = f"{rows:,} rows, Postgres: {ours:.2f} s, {theirs:.2f} s; of processor time {cpu:.2f} s, {least:.2f} s"
    table.add("Arrow read / the driver's own fetch", ours / theirs, "<=", 1.2, note)


def spent(function: Callable[[], object]) -> tuple[float, float]:
    """Return how long it takes, by the clock and of this process's processor time."""
    clock, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - cpu


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return rows and bytes that leave the warehouse from now on."""
    left = [0, 0]
    plain, stated = landing._Incoming.batches, SqlOwner.read

    def counted(self: landing._Incoming) -> Iterator[object]:
        for batch in plain(self):
            left[0] += batch.num_rows
            left[1] += batch.nbytes
            yield batch

    def fetched(self: SqlOwner, *words: object) -> Iterator[object]:
        for some in stated(self, *words):  # type: ignore[arg-type]
            left[0] += len(some)
            left[1] += sum(len(value) for row in some for value in row if value is not None)
            yield some

    monkeypatch.setattr(landing._Incoming, "batches", counted)
    monkeypatch.setattr(SqlOwner, "read", fetched)
    return left


def test_what_leaves(
    server: postgres_server.Server, filled: Filled, rows: int, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and bytes that leave the warehouse, rows of state that lies there included, for each way to read it."""
    left = counting(monkeypatch)
    ways = {"full": "", "incremental, keys": "incremental: true\n", "incremental, leaves full": LEAVES,
            "in the warehouse": THERE}  # fmt: skip
    for way, more in ways.items():
        shop, there, still = filled(rows, more), postgres_server.Server(server.port, "warehouse"), 0
        for share in (0, 1, 10):
            part = f"('x' || substr(id, 1, 7))::bit(28)::int % 100 < {share}"
            when = f"timestamptz '2025-01-01' + {share} * interval '1 day'"
            there.run(f"UPDATE main.people SET city = city || '!', seen_at = {when} WHERE {part}")
            left[:] = [0, 0]
            done = run.sync(shop.options(), wire=InstantWire())
            assert done.exit_code == 0
            note = f"{left[0]:,} rows, {left[1] / 1e6:.1f} MB, {done.syncs[0].delivered:,} changes"
            table.add(f"{way}: rows read at {share} % changed / rows", left[0] / rows, note=note)
            if more == THERE and share:
                each = (left[0] - still) / (done.syncs[0].delivered or 1)
                table.add(f"{way}: rows that leave for a change, at {share} %", each, "<=", 4)
            still = left[0] if not share else still


def test_named_keys(
    server: postgres_server.Server, filled: Filled, rows: int, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that leave the warehouse, those of the state included, for each key that a run names."""
    shop, there, left = filled(rows, THERE), postgres_server.Server(server.port, "warehouse"), counting(monkeypatch)
    needed = []
    for count in (10, 1_010):
        some = f"SELECT id FROM main.people ORDER BY md5(id) LIMIT {count}"
        sql = f"UPDATE main.people SET city = city || '!' WHERE id IN ({some}) RETURNING id"
        with there.connected("warehouse") as con:
            keys = [row[0] for row in con.execute(sql.encode()).fetchall()]
        left[:] = [0, 0]
        done = run.sync(shop.options(keys=keys, partial=True), wire=InstantWire())
        assert (done.exit_code, done.syncs[0].delivered) == (0, count)
        needed.append(left[0])
    note = f"{needed[0]:,} rows for 10 keys, {needed[1]:,} for 1,010"
    table.add("in the warehouse: rows that leave for a named key", (needed[1] - needed[0]) / 1_000, "<=", 4, note)


LEAVES = "incremental: {leaves: full, look_back: 0s}\n"
THERE = "state: {engine: warehouse}\nledger: {key: \"{{ env_var('BENCH_KEY') }}\"}\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("way", ["incremental", "in the warehouse"])
def test_memory_is_flat_in_model_size(way: str, filled: Filled, rows: int, table: Table) -> None:
    """A run of a model four times as large, of which nothing changed, takes no more memory."""
    peaks = []
    for count in (rows // 4, rows):
        shop = filled(count, LEAVES if way == "incremental" else THERE)
        command = [sys.executable, "-c", RUN, str(shop.root)]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    note = f"{rows // 4:,}: {peaks[0]:.0f} MB, {rows:,}: {peaks[1]:.0f} MB"
    table.add(f"{way}: peak memory, four times the rows / once", peaks[1] / peaks[0], "<=", 1.2, note)


def test_growth_in_the_warehouse(
    filled: Filled, rows: int, full: bool, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the rows take hardly more than ten times as long to compare there."""
    took, least = [], rows if full else rows // 10
    for count in (least, least * 10):
        shop = filled(count, THERE)
        found: list[float] = []
        for _ in range(3):
            with monkeypatch.context() as patched:
                plain = inside.look

                def look(*words: Any, found: list[float] = found, plain: Callable[..., Any] = plain) -> Any:
                    start = time.perf_counter()
                    try:
                        return plain(*words)
                    finally:
                        found.append(time.perf_counter() - start)

                patched.setattr(inside, "look", look)
                done = run.plan(shop.options(offline=True))
            assert [preview.changes for preview in done.previews] == [0]
        took.append(min(found))
    note = f"Postgres: {least:,}: {took[0]:.2f} s, {least * 10:,}: {took[1]:.2f} s"
    table.add("in the warehouse: ten times the rows / of the rows", took[1] / took[0], "<=", 12, note)


def test_growth(
    build: Callable[..., Shop], rows: int, full: bool, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the rows take hardly more than ten times as long to compare."""
    if not full:
        pytest.skip("needs minutes and gigabytes: REVETL_BENCH_FULL=1")
    took = []
    for count in (rows, rows * 10):
        shop, found = build(count), []
        synced(shop.options(), wire=InstantWire())
        for _ in range(3):
            with monkeypatch.context() as patched:
                watch = Watch(patched)
                synced(shop.options(), wire=InstantWire())
            found.append(watch.seconds["diff"])
        took.append(min(found))
    note = f"{rows:,}: {took[0]:.2f} s, {rows * 10:,}: {took[1]:.2f} s"
    table.add("unchanged: diff of ten times the rows / of the rows", took[1] / took[0], "<=", 12, note)
