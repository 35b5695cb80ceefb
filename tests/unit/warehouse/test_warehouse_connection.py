"""The run's connection: UTC, one state file, read-only models, and after the lockdown nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from revetl.errors import ConfigError
from revetl.types import Relation
from revetl.warehouse.connection import connect, lockdown, single_threaded
from revetl.warehouse.duck import DuckDBSource
from revetl.warehouse.profiles import Profile

MODEL = Relation("shop", "main", "t")


@pytest.fixture
def source(tmp_path: Path) -> DuckDBSource:
    """A source with one table, and a view over a file."""
    (tmp_path / "rows.csv").write_text("a\n1\n")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT 7 AS i")
        con.execute(f"CREATE VIEW over_file AS SELECT * FROM read_csv('{tmp_path / 'rows.csv'}')")
    duckdb.connect(str(tmp_path / "never.duckdb")).close()
    return DuckDBSource(Profile("p", "prod", "duckdb", {"path": "shop.duckdb"}, tmp_path), tmp_path)


@pytest.fixture
def locked(tmp_path: Path, source: DuckDBSource) -> duckdb.DuckDBPyConnection:
    """A connection as a run has it: state and models attached, one directory allowed, then locked down."""
    con = connect("512MB", tmp_path / "spill")
    con.execute(f"ATTACH '{tmp_path / 'state.duckdb'}' AS revetl_state (STORAGE_VERSION 'v1.4.0')")
    source.attach(con)
    (tmp_path / "ledger").mkdir()
    lockdown(con, [tmp_path / "ledger"])
    return con


def test_utc_everywhere() -> None:
    """Times are UTC on the connection and on its cursors, whatever the machine's zone is."""
    with connect() as con:
        for cursor in (con, con.cursor()):
            assert cursor.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


@pytest.mark.parametrize(("limit", "told"), [("1000MiB", "700.0 MiB"), ("1.5 GiB", "1.0 GiB")])
def test_a_part_of_the_limit_is_left_for_what_duckdb_does_not_count(limit: str, told: str) -> None:
    """DuckDB is told seven tenths of what a run may take."""
    with connect(limit) as con:
        assert con.execute("SELECT current_setting('memory_limit')").fetchall() == [(told,)]


def test_settings_are_checked() -> None:
    """A memory limit that is none is a mistake in the configuration."""
    with pytest.raises(ConfigError) as problem:
        connect("plenty")
    assert problem.value.code == "RVT-416"


def test_work_goes_on(locked: duckdb.DuckDBPyConnection, source: DuckDBSource, tmp_path: Path) -> None:
    """Locked down: models are read, let go and read again, state is written, the ledger's directory too."""
    for _ in range(2):
        name = source.tables(locked, [MODEL]).found[MODEL].name
        assert locked.execute(f"SELECT i FROM {name}").fetchall() == [(7,)]
        source.release(locked)
    locked.execute("CREATE TABLE revetl_state.x AS SELECT 1 AS i")
    locked.execute(f"COPY (SELECT 1 AS i) TO '{tmp_path / 'ledger' / 'x.parquet'}'")
    locked.execute("CHECKPOINT revetl_state")
    assert (tmp_path / "ledger" / "x.parquet").exists()


FORBIDDEN = [
    "ATTACH '{dir}/never.duckdb' AS never (READ_ONLY)",
    "ATTACH '{dir}/new.duckdb' AS new",
    "COPY (SELECT 1) TO '{dir}/x.csv'",
    "COPY (SELECT 1) TO '{dir}/ledger/../x.csv'",
    "SELECT * FROM '{dir}/rows.csv'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM shop.main.over_file",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET python_enable_replacements = true",
    "SET allowed_configs = ['lock_configuration']",
    "RESET lock_configuration",
    "EXPORT DATABASE '{dir}/dump'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_nothing_else(locked: duckdb.DuckDBPyConnection, tmp_path: Path, statement: str) -> None:
    """Locked down: no other file, extension or setting can be reached, from any statement."""
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(duckdb.Error):
        locked.execute(statement.replace("{dir}", str(tmp_path))).fetchall()
    assert {path.name for path in tmp_path.iterdir()} - before <= {"spill"}


def threads(con: duckdb.DuckDBPyConnection) -> int:
    """Return in how many threads a connection works."""
    return int(con.execute("SELECT current_setting('threads')").fetchall()[0][0])


def fail_alone(con: duckdb.DuckDBPyConnection) -> None:
    """Fail within the block, with the numbers of threads there."""
    with single_threaded(con):
        raise ZeroDivisionError(threads(con), threads(con.cursor()))


def test_one_thread_for_a_while() -> None:
    """Locked down, work can be left to the thread that asks for it, also where it fails; then it is as before."""
    with connect() as con:
        con.execute("SET threads = 2")
        lockdown(con)
        settable = con.execute("SELECT 1 FROM duckdb_settings() WHERE name = 'allowed_configs'").fetchall()
        alone = 1 if settable else 2
        with pytest.raises(ZeroDivisionError) as told:
            fail_alone(con)
        assert told.value.args == (alone, alone)
        assert threads(con) == 2


def test_as_many_threads_as_before_where_none_can_be_set() -> None:
    """Where DuckDB locks the number of threads with everything else, work goes on with it."""
    with connect() as con:
        before = threads(con)
        con.execute("SET lock_configuration = true")
        with single_threaded(con):
            assert threads(con) == before
        assert threads(con) == before


def test_python_objects_are_no_tables() -> None:
    """A relation's name never finds a variable of this process."""
    secrets = duckdb.sql("SELECT 42 AS i")
    with connect() as con, pytest.raises(duckdb.CatalogException):
        con.execute("SELECT * FROM secrets").fetchall()
    assert secrets is not None


def test_views_over_files(locked: duckdb.DuckDBPyConnection, source: DuckDBSource) -> None:
    """A view over a file cannot be read once locked down, and says what to do instead."""
    view = Relation("shop", "main", "over_file")
    problem = source.tables(locked, [view]).missing[view]
    assert problem.code == "RVT-414"
    assert "table" in problem.hint


def test_a_long_query_says_nothing() -> None:
    """Standard output is for documents: no progress bar is written into it, however long a query takes."""
    with connect() as con:
        assert con.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]
