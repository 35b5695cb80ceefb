"""Models in DuckDB files are found, described and let go; locks, gaps and hostile names have their own errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from revetl.errors import ConfigError, RevetlError, TryLater
from revetl.types import Relation
from revetl.warehouse.connection import connect
from revetl.warehouse.duck import DuckDBSource
from revetl.warehouse.profiles import Profile
from revetl.warehouse.source import open_source

WRITER = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def profile(kind: str = "duckdb", **fields: Any) -> Profile:
    return Profile("shop", "prod", kind, {"type": kind, **fields}, Path("profiles.yml"))


def build(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as con:
        for statement in statements:
            con.execute(statement)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose models dbt has built: a table, a view by its full name, a schema with an odd name."""
    build(
        tmp_path / "shop.duckdb",
        "CREATE TABLE customers (id INTEGER, \"E-mail\" VARCHAR, paid DECIMAL(10, 2), mood ENUM('up', 'down'))",
        "INSERT INTO customers VALUES (1, 'a@example.org', 1.10, 'up')",
        "CREATE VIEW paying AS SELECT * FROM shop.main.customers",
        'CREATE SCHEMA "odd ""schema"',
        'CREATE TABLE "odd ""schema"."a""; COPY" (i INTEGER)',
        "CREATE VIEW broken AS SELECT 1 AS i",
        "CREATE TABLE gone (i INTEGER)",
        "CREATE OR REPLACE VIEW broken AS SELECT * FROM gone",
        "DROP TABLE gone",
    )
    return tmp_path


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A run's connection."""
    with connect() as connection:
        yield connection


@pytest.fixture
def source(project: Path) -> DuckDBSource:
    """The project's source, nothing opened."""
    return DuckDBSource(profile(path="shop.duckdb"), project)


def relation(identifier: str, schema: str = "main", database: str | None = "shop") -> Relation:
    return Relation(database, schema, identifier)


def refusal(source: DuckDBSource, con: duckdb.DuckDBPyConnection, asked: Relation) -> RevetlError:
    tables = source.tables(con, [asked])
    assert not tables.found
    return tables.missing[asked]


def test_tables_and_views(source: DuckDBSource, con: duckdb.DuckDBPyConnection) -> None:
    """Each relation comes with a name that SQL takes and its columns in order, typed as DuckDB writes types."""
    asked = [relation("customers"), relation("PAYING", "MAIN", "SHOP"), relation('a"; COPY', 'odd "schema')]
    tables = source.tables(con, asked)
    assert not tables.missing
    columns = {"id": "INTEGER", "E-mail": "VARCHAR", "paid": "DECIMAL(10,2)", "mood": "ENUM('up', 'down')"}
    assert dict(tables.found[asked[0]].columns) == columns
    assert list(tables.found[asked[0]].columns) == list(columns)
    for table, rows in zip(tables.found.values(), (1, 1, 0), strict=True):
        assert con.execute(f"SELECT count(*) FROM {table.name}").fetchall() == [(rows,)]


def test_a_relation_without_database(source: DuckDBSource, con: duckdb.DuckDBPyConnection) -> None:
    """A relation that names no database is one of the profile's own."""
    assert relation("customers", database=None) in source.tables(con, [relation("customers", database=None)]).found


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (relation("custmers"), "RVT-413", "did you mean main.customers"),
        (relation("customers", "marts"), "RVT-413", "did you mean main.customers"),
        (relation("zzz"), "RVT-413", "run `dbt build` first"),
        (relation("customers", database="dev"), "RVT-415", "--target"),
        (relation("broken"), "RVT-414", "gone"),
        (relation("/etc/passwd"), "RVT-413", "/etc/passwd"),
        (relation("\"a\"; COPY (SELECT 1) TO '/tmp/x'"), "RVT-413", "COPY"),
        (relation("read_text('/etc/passwd')"), "RVT-413", "dbt build"),
        (relation("customers", 'main"."customers" --'), "RVT-413", "dbt build"),
        (relation("nul\0"), "RVT-413", "dbt build"),
        (relation("duckdb_settings"), "RVT-413", "dbt build"),
        (relation("revetl_runs", "main", "revetl_state"), "RVT-415", "opens shop"),
    ],
)
def test_missing(source: DuckDBSource, con: duckdb.DuckDBPyConnection, asked: Relation, code: str, words: str) -> None:
    """A relation that is not there, or is no relation at all, is an error of its own and stops no other."""
    problem = refusal(source, con, asked)
    assert problem.code == code
    assert words in str(problem)
    assert relation("customers") in source.tables(con, [asked, relation("customers")]).found


def test_release(source: DuckDBSource, con: duckdb.DuckDBPyConnection, project: Path) -> None:
    """Let go, the file can be written by dbt; attached again, what was written is read."""
    source.tables(con, [relation("customers")])
    source.release(con)
    source.release(con)
    write = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE fresh (i INT)')"
    subprocess.run([sys.executable, "-c", write, str(project / "shop.duckdb")], check=True, timeout=60)
    assert relation("fresh") in source.tables(con, [relation("fresh")]).found


def test_nothing_is_written(source: DuckDBSource, con: duckdb.DuckDBPyConnection) -> None:
    """The models are attached read-only."""
    table = source.tables(con, [relation("customers")]).found[relation("customers")]
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute(f"DELETE FROM {table.name}")


def test_a_writer_holds_the_file(source: DuckDBSource, con: duckdb.DuckDBPyConnection, project: Path) -> None:
    """While another process writes, the answer is *try later* (exit 4) and names the process; then it works."""
    command = [sys.executable, "-c", WRITER, str(project / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(TryLater) as problem:
            source.tables(con, [relation("customers")])
        writer.stdin.close()
    assert (problem.value.code, problem.value.exit_code) == ("RVT-411", 4)
    assert f"process {writer.pid}" in str(problem.value)
    assert relation("customers") in source.tables(con, [relation("customers")]).found


def test_files_that_cannot_be_opened(project: Path, con: duckdb.DuckDBPyConnection) -> None:
    """A missing file asks for `dbt build`; one that is no database, or a directory, is named."""
    (project / "junk.duckdb").write_bytes(b"junk" * 5000)
    (project / "dir.duckdb").mkdir()
    for path, code, words in [
        ("none.duckdb", "RVT-410", "dbt build"),
        ("junk.duckdb", "RVT-412", "not a valid DuckDB"),
        ("dir.duckdb", "RVT-412", "dir.duckdb"),
    ]:
        with pytest.raises(ConfigError) as problem:
            DuckDBSource(profile(path=path), project).tables(con, [relation("t", database=path[:-7])])
        assert problem.value.code == code
        assert words in str(problem.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "dbt build"),
        ({"path": ":memory:"}, "path: warehouse.duckdb"),
        ({"path": "md:shop"}, "MotherDuck"),
        ({"path": "motherduck:shop"}, "MotherDuck"),
        ({"path": "s3://bucket/shop.duckdb"}, "cannot read yet"),
        ({"path": "ducklake:meta.ducklake"}, "cannot read yet"),
        ({"path": "revetl_state.duckdb"}, "rename"),
        ({"path": "memory.duckdb"}, "rename"),
    ],
)
def test_paths_that_cannot_be_opened(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    """What is no file here, or would clash with our own names, is refused before anything is opened."""
    with pytest.raises(ConfigError) as problem:
        open_source(profile(**fields), tmp_path)
    assert problem.value.code == "RVT-405"
    assert words in str(problem.value)


def test_attached_databases(project: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Entries of `attach` are opened under their alias; one that cannot be takes only its own relations along."""
    build(project / "crm.v2.duckdb", "CREATE TABLE leads (i INTEGER)")
    entries = [
        "crm.v2.duckdb",
        {"path": str(project / "crm.v2.duckdb").replace("crm", "b'c"), "alias": 'Quo"te'},
        {"path": "none.duckdb"},
        {"path": "dbname=shop", "type": "postgres", "alias": "pg"},
        {"path": "s3://bucket/x.duckdb"},
        {"path": "shop.duckdb", "alias": "SHOP"},
        {"alias": "nothing"},
    ]
    build(project / "b'c.v2.duckdb", "CREATE TABLE leads (i INTEGER)")
    source = DuckDBSource(profile(path="shop.duckdb", attach=entries), project)
    found = [relation("customers"), relation("leads", database="crm"), relation("leads", database='quo"TE')]
    missing = {relation("t", database=name): code for name, code in
               [("none", "RVT-410"), ("pg", "RVT-404"), ("x", "RVT-405"), ("nothing", "RVT-415")]}  # fmt: skip
    tables = source.tables(con, [*found, *missing])
    assert list(tables.found) == found
    assert {asked: problem.code for asked, problem in tables.missing.items()} == missing
    source.release(con)
    assert con.execute("SELECT count(*) FROM duckdb_databases() WHERE path IS NOT NULL").fetchall() == [(0,)]


@pytest.mark.parametrize("kind", ["redshift", "bigquery"])
def test_other_warehouses(tmp_path: Path, kind: str) -> None:
    """A warehouse that is not supported yet says so."""
    with pytest.raises(ConfigError, match="cannot read yet") as problem:
        open_source(profile(kind), tmp_path)
    assert problem.value.code == "RVT-404"
