"""Every type of column through the real connector, over HTTP, from a local server: what lands is what stood there."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from snowflake import connector

from revetl.errors import RevetlError
from revetl.types import Relation
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfaccess import parameters
from revetl.warehouse.snowflake import SnowflakeReader
from tests.warehouse.snowflake_server import Server

pytestmark = pytest.mark.xdist_group("snowflake")

Make = Callable[..., LandedSource]

COLUMNS: dict[str, tuple[str, str, object]] = {  # type there → (literal, DuckDB type, value)
    "number(9,0)": ("123456789", "BIGINT", 123456789),
    "number(18,0)": ("999999999999999999", "BIGINT", 999999999999999999),
    "integer": ("9007199254740993", "HUGEINT", 9007199254740993),
    "number(12,2)": ("1.10", "DECIMAL(12,2)", Decimal("1.10")),
    "number(38,10)": (
        "'-9999999999999999999999999999.9999999999'", "DECIMAL(38,10)",
        Decimal("-9999999999999999999999999999.9999999999"),
    ),
    "number(38,38)": ("'0.00000000000000000000000000000000000001'", "DECIMAL(38,38)", Decimal("1e-38")),
    "float": ("0.1", "DOUBLE", 0.1),
    "boolean": ("true", "BOOLEAN", True),
    "varchar(20)": ("'žluť 🐎 ''q'''", "VARCHAR", "žluť 🐎 'q'"),
    "date": ("'1969-10-14'", "DATE", dt.date(1969, 10, 14)),
    "timestamp_ntz": (
        "'2026-03-29 02:30:00.123456'", "TIMESTAMP", dt.datetime.fromisoformat("2026-03-29T02:30:00.123456")
    ),
    "timestamp_ltz": (
        "'2026-01-01 10:00:00+02:00'", "TIMESTAMP WITH TIME ZONE", dt.datetime(2026, 1, 1, 8, tzinfo=dt.UTC)
    ),
    "timestamp_tz": (
        "'2026-10-25 02:30:00+02:00'", "TIMESTAMP WITH TIME ZONE", dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    ),
    "time": ("'23:59:59'", "TIME", dt.time(23, 59, 59)),
}  # fmt: skip


def relation(name: str, *, quoted: bool = False, schema: str = "kinds", database: str | None = "shop") -> Relation:
    """Return a relation as dbt-snowflake writes it, without quotes unless they are wanted."""
    return Relation(database, schema, name, (quoted, quoted, quoted))


def profile(server: Server, **fields: object) -> Profile:
    """Return the profile of a server."""
    return Profile("shop", "dev", "snowflake", {**server.output, **fields}, Path("profiles.yml"))


@pytest.fixture(scope="module", autouse=True)
def tables(snowflake: Server) -> None:
    """Make the tables."""
    given = {**parameters(profile(snowflake)), "enable_server_session_keep_alive_auto_detection": False}
    del given["role"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        con = connector.connect(**given)
    declared = ", ".join(f"c{n} {kind}" for n, kind in enumerate(COLUMNS))
    literals = ", ".join(f"{literal}::{kind}" for kind, (literal, _, _) in COLUMNS.items())
    with con, con.cursor() as cursor:
        for statement in (
            "CREATE DATABASE IF NOT EXISTS shop",
            "CREATE SCHEMA IF NOT EXISTS shop.kinds",
            f"CREATE TABLE shop.kinds.all_kinds ({declared}, v variant)",
            f"""INSERT INTO shop.kinds.all_kinds SELECT {literals}, parse_json('{{"a": [1, null]}}')""",
            "INSERT INTO shop.kinds.all_kinds (c0) VALUES (NULL)",
            'CREATE TABLE shop.kinds."mixed Case" ("Id" integer, "e-mail" varchar)',
            "CREATE TABLE shop.kinds.empty (id integer, seen timestamp_ntz)",
        ):
            cursor.execute(statement)


@pytest.fixture
def con() -> Iterator[Any]:
    """Return a run's connection, locked down as in a run."""
    with connect() as made:
        lockdown(made)
        yield made


@pytest.fixture
def source(snowflake: Server, con: Any) -> Iterator[Make]:
    """Return how a source over the real connector is made; all are released."""
    made: list[LandedSource] = []

    def make(**fields: object) -> LandedSource:
        made.append(LandedSource(lambda: SnowflakeReader(profile(snowflake, **fields))))
        return made[-1]

    yield make
    for one in made:
        one.release(con)


def test_every_type_arrives(source: Make, con: Any) -> None:
    """Type and value are what they were there; null stays null, timestamps too; names lose their upper case."""
    asked = relation("all_kinds")
    names = frozenset({f"c{n}" for n in range(len(COLUMNS))} | {"v"})
    table = source().tables(con, [asked], {asked: names}).found[asked]
    assert list(table.columns.values()) == [*(kind for _, kind, _ in COLUMNS.values()), "JSON"]
    (full, empty) = con.execute(f"FROM {table.name} ORDER BY c0 NULLS LAST").fetchall()
    assert full[:-1] == tuple(value for _, _, value in COLUMNS.values())
    assert json.loads(full[-1]) == {"a": [1, None]}
    assert set(empty) == {None}
    described = {row[0]: row[1] for row in con.execute(f"DESCRIBE {table.name}").fetchall()}
    assert described == dict(table.columns)


def test_quoted_names_keep_their_case(source: Make, con: Any) -> None:
    """What was made in quotes is found in quotes, and only so."""
    asked = Relation("shop", "kinds", "mixed Case", (False, False, True))
    table = source().tables(con, [asked], {asked: frozenset({"Id", "e-mail"})}).found[asked]
    assert list(table.columns) == ["Id", "e-mail"]
    bare = relation("mixed Case")
    assert source().tables(con, [bare]).missing[bare].code == "RVT-413"


def test_no_rows_have_types_too(source: Make, con: Any) -> None:
    """A model without rows lands as an empty table of its types."""
    asked = relation("empty")
    table = source().tables(con, [asked], {asked: frozenset({"id", "seen"})}).found[asked]
    assert con.execute(f"SELECT count(*) FROM {table.name}").fetchall() == [(0,)]
    kinds = [row[1] for row in con.execute(f"DESCRIBE {table.name}").fetchall()]
    assert kinds == ["HUGEINT", "TIMESTAMP"]


@pytest.mark.parametrize(
    "asked", [relation("al_kinds"), relation("all_kinds", schema="kind"), relation("all_kinds", database="elsewhere")]
)
def test_missing_relations_are_named(source: Make, con: Any, asked: Relation) -> None:
    """A wrong name, schema or database: the relation says so, and others can be read."""
    good = relation("empty")
    found = source().tables(con, [asked, good], {good: frozenset({"id"})})
    assert found.missing[asked].code == "RVT-413"
    assert good in found.found


def test_out_of_reach(source: Make, con: Any) -> None:
    """A service that does not answer is tried later; no password is shown."""
    with pytest.raises(RevetlError) as caught:
        source(port=1, connect_timeout=2).tables(con, [relation("empty")])
    assert (caught.value.code, caught.value.exit_code) == ("RVT-419", 4)
    assert "canary-sf-2b9" not in str(caught.value)


def test_a_browser_needs_somebody(source: Make, con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal, a login by browser is refused before it hangs."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(RevetlError) as caught:
        source(authenticator="externalbrowser").tables(con, [relation("empty")])
    assert (caught.value.code, caught.value.exit_code) == ("RVT-418", 2)
