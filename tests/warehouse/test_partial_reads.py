"""Only the rows of the named keys leave a warehouse, whatever is written in the keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from revetl.types import Relation
from revetl.warehouse import landing
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.postgres import PostgresReader
from revetl.warehouse.profiles import Profile
from revetl.warehouse.snowflake import SnowflakeReader
from revetl.warehouse.source import Since, Within
from tests.warehouse import postgres_server, snowflake_server

AWKWARD = ["plain", "it's", "a\\", "\\' OR 1=1 --", 'q"uote', "%s", "{x}", "žluť 🐎", " space ", ""]


@pytest.fixture
def con() -> Iterator[Any]:
    """Return a run's connection, locked down as in a run."""
    with connect() as made:
        lockdown(made)
        yield made


def literal(text: str, backslash: str) -> str:
    """Return a text as a literal of SQL where a backslash is written so."""
    return "'" + text.replace("'", "''").replace("\\", backslash) + "'"


def tables(schema: str, backslash: str, zoned: str) -> list[str]:
    """Return the statements that make a table by number, one by text, and one of dates about a noon."""
    rows = [(n, literal(text, backslash)) for n, text in enumerate(AWKWARD)]
    moments = ["2026-02-03 11:59:59.999999", "2026-02-03 12:00:00", "2026-02-04 00:00:00"]
    dated = [f"({n}, '{at[:10]}', '{at}', '{at}+00:00')" for n, at in enumerate(moments, 1)]
    dated.append("(4, NULL, NULL, NULL)")
    return [
        f"CREATE TABLE {schema}.dated (n integer, at_date date, at_naive timestamp, at_zone {zoned})",
        f"INSERT INTO {schema}.dated VALUES {', '.join(dated)}",
        f"CREATE TABLE {schema}.numbered (id integer, email varchar)",
        f"INSERT INTO {schema}.numbered VALUES {', '.join(f'({n}, {text})' for n, text in rows)}",
        f"CREATE TABLE {schema}.texts (id varchar, n integer)",
        f"INSERT INTO {schema}.texts VALUES {', '.join(f'({text}, {n})' for n, text in rows)}",
    ]


def landed(source: LandedSource, con: Any, name: str, rows: Within | Since, database: str, quoted: bool) -> list[Any]:
    """Return the rows that were read of a relation."""
    relation = Relation(database, "partly", name, (quoted,) * 3)
    needs = {relation: frozenset({"id", "n", "email"})}
    found = source.tables(con, [relation], needs, {relation: rows}).found[relation]
    try:
        return list(con.execute(f"FROM {found.name} ORDER BY ALL").fetchall())
    finally:
        source.release(con)


def check(source: LandedSource, con: Any, whole: str, database: str, quoted: bool) -> None:
    """Read by number, by every awkward text, by both, by none, in several queries, and by a column of another type."""

    def read(name: str, columns: tuple[str, ...], kinds: tuple[str, ...], *keys: tuple[str, ...]) -> list[Any]:
        return landed(source, con, name, Within(columns, kinds, frozenset(keys)), database, quoted)

    assert read("numbered", ("id",), (whole,), ("1",), ("3",), ("99",)) == [(1, AWKWARD[1]), (3, AWKWARD[3])]
    for n, text in enumerate(AWKWARD):
        assert read("texts", ("id",), ("VARCHAR",), (text,)) == [(text, n)]
    some = [(AWKWARD[3], "3"), (AWKWARD[2], "2"), (AWKWARD[1], "7")]
    assert read("texts", ("id", "n"), ("VARCHAR", whole), *some) == sorted([(AWKWARD[3], 3), (AWKWARD[2], 2)])
    assert read("texts", (), ()) == []
    assert len(read("texts", ("id",), ("VARCHAR",), *[(text,) for text in AWKWARD])) == len(AWKWARD)
    # what a text means as a number is known after a cast here: all of it is read
    assert len(read("texts", ("id",), (whole,), ("1",))) == len(AWKWARD)


def check_dates(source: LandedSource, con: Any, database: str, quoted: bool) -> None:
    """Read what is from noon on, and what is later: to the microsecond, of dates to the day; nulls always."""
    noon = 1_770_120_000_000_000  # 2026-02-03 12:00 UTC
    for column, from_noon, later in (("at_date", [1, 2, 3, 4], [1, 2, 3, 4]), ("at_naive", [2, 3, 4], [3, 4]),
                                     ("at_zone", [2, 3, 4], [3, 4])):  # fmt: skip
        for micros, left in ((noon, from_noon), (noon + 1, later)):
            assert landed(source, con, "dated", Since(column, micros), database, quoted) == [(n,) for n in left]


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("conforming", ["on", "off"])
def test_from_postgres(postgres: postgres_server.Server, con: Any, conforming: str, monkeypatch: Any) -> None:
    """From a real server, whichever way it takes backslashes; a server that escapes them is told no other text."""
    monkeypatch.setattr(landing, "CHUNK", 3)
    monkeypatch.setattr(landing, "SIZE", 30)
    profile = Profile("shop", "dev", "postgres", postgres.output, Path("profiles.yml"))
    postgres.run("DROP SCHEMA IF EXISTS partly CASCADE", "CREATE SCHEMA partly", *tables("partly", "\\", "timestamptz"))
    postgres.run(f"ALTER ROLE postgres SET standard_conforming_strings = {conforming}")
    try:
        check(LandedSource(lambda: PostgresReader(profile)), con, "INTEGER", "postgres", quoted=True)
        check_dates(LandedSource(lambda: PostgresReader(profile)), con, "postgres", quoted=True)
    finally:
        postgres.run("ALTER ROLE postgres RESET standard_conforming_strings")


@pytest.mark.xdist_group("snowflake")
def test_from_snowflake(snowflake: snowflake_server.Server, con: Any, monkeypatch: Any) -> None:
    """From a local server over the real connector."""
    monkeypatch.setattr(landing, "CHUNK", 3)
    monkeypatch.setattr(landing, "SIZE", 30)
    profile = Profile("shop", "dev", "snowflake", snowflake.output, Path("profiles.yml"))
    snowflake.run(
        "CREATE DATABASE IF NOT EXISTS shop",
        "CREATE SCHEMA shop.partly",
        *tables("shop.partly", "\\\\", "timestamp_tz"),
    )
    check(LandedSource(lambda: SnowflakeReader(profile)), con, "HUGEINT", "shop", quoted=False)
    check_dates(LandedSource(lambda: SnowflakeReader(profile)), con, "shop", quoted=False)
