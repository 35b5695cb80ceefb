"""A read that fails says why, ends with the exit code for it, and nothing is compared with what was read of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest
from snowflake import connector
from snowflake.connector import errors

from revetl import run
from revetl.errors import RevetlError
from revetl.types import Relation, RunResult
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.profiles import Profile
from revetl.warehouse.snowflake import SnowflakeReader
from tests.bench.shop import Shop
from tests.bench.watch import InstantWire
from tests.warehouse import postgres_server

ROWS = 200_000
# the server ends the very session that reads it, once most rows are on their way
CUT = f"""
CREATE VIEW main.people AS SELECT * FROM main.kept WHERE id <> '{ROWS - 10}' OR pg_terminate_backend(pg_backend_pid())
"""
FAILS = f"CREATE VIEW main.people AS SELECT id, email, (1 / (id::int - {ROWS - 10}))::text AS city FROM main.kept"


@pytest.fixture
def shop(postgres: postgres_server.Server, tmp_path: Path) -> Shop:
    """Return a project whose people lie in Postgres, after its first sync."""
    names = {"email": "email", "city": "city"}
    made = Shop(tmp_path, names=names).write()
    postgres.run("DROP DATABASE IF EXISTS warehouse", "CREATE DATABASE warehouse")
    output = {**postgres.output, "dbname": "warehouse", "schema": "main"}
    write(made, output)
    there = postgres_server.Server(postgres.port, "warehouse")
    there.run(
        "CREATE SCHEMA main", "CREATE TABLE main.people (id varchar, email varchar, city varchar)",
        f"INSERT INTO main.people SELECT n::text, 'p' || n || '@example.org', 'x' FROM generate_series(1, {ROWS}) t(n)",
    )  # fmt: skip
    assert sync(made)[0].exit_code == 0
    return made


def write(shop: Shop, output: dict[str, object]) -> None:
    """Write profiles.yml."""
    profile = {"bench": {"target": "prod", "outputs": {"prod": output}}}
    (shop.root / "profiles.yml").write_text(json.dumps(profile))


def sync(shop: Shop) -> tuple[RunResult, int]:
    """Run once; return the result and how many calls left."""
    wire = InstantWire()
    return run.sync(shop.options(), wire=wire), wire.calls


def there(postgres: postgres_server.Server) -> postgres_server.Server:
    """Return the server, for statements in the models' database."""
    return postgres_server.Server(postgres.port, "warehouse")


@pytest.mark.xdist_group("postgres")
def test_postgres_goes_away_midway(shop: Shop, postgres: postgres_server.Server) -> None:
    """Nine tenths of a model are not a model: nobody leaves, exit 4, and the next whole run has nothing to do."""
    there(postgres).run("ALTER TABLE main.people RENAME TO kept", CUT)
    with pytest.raises(RevetlError) as caught:
        sync(shop)
    assert (caught.value.code, caught.value.exit_code) == ("RVT-419", 4)
    there(postgres).run("DROP VIEW main.people", "ALTER TABLE main.kept RENAME TO people")
    result, calls = sync(shop)
    assert (result.exit_code, calls) == (0, 0)
    # what else is wrong with a model, in the same project: each sends nothing and says what to do
    there(postgres).run("ALTER TABLE main.people RENAME TO kept", FAILS)
    failed(shop, "to its end", "select from it")
    there(postgres).run("DROP VIEW main.people")
    failed(shop, "is not in the database", "run `dbt build`")
    there(postgres).run(
        "ALTER TABLE main.kept RENAME TO people", "DROP ROLE IF EXISTS limited",
        "CREATE ROLE limited LOGIN PASSWORD 'p-1'", "GRANT USAGE ON SCHEMA main TO limited",
    )  # fmt: skip
    output = {**there(postgres).output, "schema": "main", "user": "limited", "password": "p-1"}
    write(shop, output)
    failed(shop, "may not be read", "GRANT SELECT ON main.people")
    there(postgres).run("ALTER ROLE limited VALID UNTIL '2020-01-01'")
    with pytest.raises(RevetlError, match="RVT-418"):
        sync(shop)
    write(shop, {**there(postgres).output, "schema": "main"})
    assert sync(shop)[1] == 0


def failed(shop: Shop, what: str, hint: str) -> None:
    """Assert that the sync says this, and that nothing left."""
    result, calls = sync(shop)
    (one,) = result.syncs
    assert calls == 0
    assert result.exit_code == 2  # the only sync there is cannot run; beside one that can, it would be 1
    assert what in str(one.error)
    assert hint in str(one.error)


# --- Snowflake: the connector's own errors, which the local server does not have --------------------------------------


class Cursor:
    """A cursor that raises when it is asked, or in the middle of its rows."""

    def __init__(self, error: Exception, *, midway: bool) -> None:
        """Take what goes wrong, and when."""
        self.error, self.midway, self.columns = error, midway, "information_schema"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def execute(self, sql: str) -> Cursor:
        """Describe one table; fail for the rest."""
        if self.columns not in sql and not self.midway:
            raise self.error
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the columns of the table."""
        return [("MAIN", "PEOPLE", "ID", "TEXT", None, None)]

    def fetch_arrow_batches(self) -> Iterator[pa.Table]:
        """Yield some rows, and break off."""
        yield pa.table({"ID": ["1", "2"]})
        raise self.error


class Connection:
    """A session that ends in an error."""

    def __init__(self, error: Exception, *, midway: bool = False) -> None:
        """Take the error."""
        self.cursor: Callable[[], Cursor] = lambda: Cursor(error, midway=midway)

    def close(self) -> None:
        """Do nothing."""


CASES = [
    (errors.ProgrammingError("No active warehouse selected", errno=606, sqlstate="57P03"), False, "RVT-419", 4),
    (errors.DatabaseError("Warehouse is suspended", errno=90073, sqlstate="57014"), False, "RVT-419", 4),
    (errors.ProgrammingError("Session no longer exists", errno=390112, sqlstate="08001"), False, "RVT-419", 4),
    (errors.DatabaseError("OAuth access token expired", errno=390318, sqlstate="08001"), True, "RVT-419", 4),
    (errors.OperationalError("Connection reset by peer", errno=250003, sqlstate="08006"), True, "RVT-419", 4),
    (errors.ProgrammingError("Insufficient privileges", errno=3001, sqlstate="42501"), False, "RVT-414", 2),
    (errors.ProgrammingError("Object does not exist", errno=2003, sqlstate="42S02"), False, "RVT-414", 2),
]


@pytest.mark.parametrize(("error", "midway", "code", "exit_code"), CASES, ids=lambda part: str(part)[:20])
def test_snowflake(
    error: Exception, midway: bool, code: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A suspended warehouse, an expired login, a lost connection: later. A missing grant: the relation says so."""
    monkeypatch.setattr(connector, "connect", lambda **_: Connection(error, midway=midway))
    profile = Profile("shop", "dev", "snowflake", {"account": "a", "user": "u", "database": "shop"}, Path("x"))
    source, asked = LandedSource(lambda: SnowflakeReader(profile)), Relation("shop", "main", "people", (False,) * 3)
    with connect() as con:
        lockdown(con)
        try:
            found = source.tables(con, [asked], {asked: frozenset({"id"})})
            problem = found.missing[asked]
            assert not found.found
        except RevetlError as raised:
            problem = raised
        assert (problem.code, problem.exit_code) == (code, exit_code)
        source.release(con)
        assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


@pytest.mark.parametrize("number", [390100, 390144])
def test_snowflake_refuses_the_login(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password and a key that is not the user's are for a person to mend."""

    def refuse(**_: object) -> None:
        raise errors.DatabaseError("refused", errno=number, sqlstate="08001")

    monkeypatch.setattr(connector, "connect", refuse)
    with pytest.raises(RevetlError) as caught:
        SnowflakeReader(Profile("shop", "dev", "snowflake", {"account": "a", "user": "u"}, Path("x")))
    assert (caught.value.code, caught.value.exit_code) == ("RVT-418", 2)
