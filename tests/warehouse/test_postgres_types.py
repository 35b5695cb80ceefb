"""Every type of column through the real driver from a real server: what lands is what stood there."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi

from revetl.errors import RevetlError
from revetl.types import Relation
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.postgres import PostgresReader, uri
from revetl.warehouse.profiles import Profile
from tests.warehouse.postgres_server import PASSWORD, Server

pytestmark = pytest.mark.xdist_group("postgres")

Make = Callable[..., LandedSource]

COLUMNS: dict[str, tuple[str, str, object]] = {  # type there → (literal, DuckDB type, value)
    "smallint": ("-7", "SMALLINT", -7),
    "integer": ("2147483647", "INTEGER", 2147483647),
    "bigint": ("9223372036854775807", "BIGINT", 9223372036854775807),
    "numeric(12,2)": ("1.10", "DECIMAL(12,2)", Decimal("1.10")),
    "numeric(38,0)": (str(10**37 + 1), "DECIMAL(38,0)", Decimal(10**37 + 1)),
    "numeric(2,2)": ("-0.25", "DECIMAL(2,2)", Decimal("-0.25")),
    "numeric": ("1234567890.0123456789", "DECIMAL(38,10)", Decimal("1234567890.0123456789")),
    "real": ("1.5", "FLOAT", 1.5),
    "double precision": ("0.1", "DOUBLE", 0.1),
    "boolean": ("true", "BOOLEAN", True),
    "text": ("'žluť 🐎 ''q'''", "VARCHAR", "žluť 🐎 'q'"),
    "varchar(3)": ("'abc'", "VARCHAR", "abc"),
    "char(5)": ("'ab'", "VARCHAR", "ab"),
    "date": ("'1066-10-14'", "DATE", dt.date(1066, 10, 14)),
    "timestamp": ("'2026-03-29 02:30:00.123456'", "TIMESTAMP", dt.datetime.fromisoformat("2026-03-29T02:30:00.123456")),
    "timestamptz": (
        "'2026-10-25 02:30:00+02'", "TIMESTAMP WITH TIME ZONE", dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    ),
    "time": ("'23:59:59'", "TIME", dt.time(23, 59, 59)),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "UUID", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    "jsonb": ("""'{"a": [1, null]}'""", "JSON", '{"a": [1, null]}'),
    "bytea": (r"'\x00ff'", "BLOB", b"\x00\xff"),
    "text[]": ("""'{a,NULL,"b,c"}'""", "VARCHAR[]", ["a", None, "b,c"]),
    "bigint[]": ("'{1,-2}'", "BIGINT[]", [1, -2]),
    "inet": ("'192.0.2.1'", "VARCHAR", "192.0.2.1/32"),
    "plan_name": ("'gold'", "VARCHAR", "gold"),
    "positive": ("5", "INTEGER", 5),
}  # fmt: skip


def relation(name: str, schema: str = "kinds", database: str | None = "postgres") -> Relation:
    """Return a relation as dbt-postgres writes it, every part in quotes."""
    return Relation(database, schema, name)


def profile(server: Server, **fields: object) -> Profile:
    """Return the profile of a server."""
    return Profile("shop", "dev", "postgres", {**server.output, **fields}, Path("profiles.yml"))


@pytest.fixture(scope="module")
def admin(postgres: Server) -> Iterator[Any]:
    """Return a cursor that makes the tables."""
    with dbapi.connect(uri(profile(postgres).fields), autocommit=True) as con, con.cursor() as cursor:
        for statement in (
            "CREATE SCHEMA kinds",
            "CREATE TYPE plan_name AS ENUM ('gold', 'silver')",
            "CREATE DOMAIN positive AS integer CHECK (value > 0)",
            f"CREATE TABLE kinds.all_kinds ({', '.join(f'c{n} {kind}' for n, kind in enumerate(COLUMNS))})",
            f"INSERT INTO kinds.all_kinds VALUES ({', '.join(literal for literal, _, _ in COLUMNS.values())})",
            "INSERT INTO kinds.all_kinds DEFAULT VALUES",
            'CREATE TABLE kinds."Odd ""Name" ("Id" int, "e-mail" text)',
            "CREATE TABLE kinds.numbers (id int, n numeric)",
            "CREATE TABLE kinds.secret (id int)",
            f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
            "GRANT USAGE ON SCHEMA kinds TO reader",
            "GRANT SELECT ON kinds.numbers TO reader",
        ):
            cursor.execute(statement)
        yield cursor


@pytest.fixture
def con() -> Iterator[Any]:
    """Return a run's connection, locked down as in a run."""
    with connect() as made:
        lockdown(made)
        yield made


@pytest.fixture
def source(postgres: Server, con: Any) -> Iterator[Callable[..., LandedSource]]:
    """Return how a source over the real driver is made, with other fields in its profile; all are released."""
    made: list[LandedSource] = []

    def make(**fields: object) -> LandedSource:
        made.append(LandedSource(lambda: PostgresReader(profile(postgres, **fields))))
        return made[-1]

    yield make
    for one in made:
        one.release(con)


def refusal(found: LandedSource, con: Any, asked: Relation, *columns: str) -> RevetlError:
    """Return why a relation cannot be read."""
    return found.tables(con, [asked], {asked: frozenset(columns)}).missing[asked]


@pytest.mark.usefixtures("admin")
def test_every_type_arrives(source: Make, con: Any) -> None:
    """Type and value are what they were there; null stays null."""
    asked = relation("all_kinds")
    names = {f"c{n}" for n in range(len(COLUMNS))}
    table = source().tables(con, [asked], {asked: frozenset(names)}).found[asked]
    assert list(table.columns.values()) == [kind for _, kind, _ in COLUMNS.values()]
    rows = con.execute(f"FROM {table.name} ORDER BY c0 NULLS LAST").fetchall()
    assert rows == [tuple(value for _, _, value in COLUMNS.values()), (None,) * len(COLUMNS)]
    described = {row[0]: row[1] for row in con.execute(f"DESCRIBE {table.name}").fetchall()}
    assert described == dict(table.columns)


@pytest.mark.usefixtures("admin")
def test_only_what_is_needed_is_read(source: Make, con: Any) -> None:
    """Columns that no sync names stay in the warehouse; without needs, no row is read at all."""
    asked = relation("all_kinds")
    found = source()
    table = found.tables(con, [asked], {asked: frozenset({"C1", "c10"})}).found[asked]
    assert [row[0] for row in con.execute(f"DESCRIBE {table.name}").fetchall()] == ["c1", "c10"]
    assert found.tables(con, [asked]).found[asked].name == ""
    found.release(con)
    assert not con.execute("SELECT * FROM duckdb_tables()").fetchall()


@pytest.mark.usefixtures("admin")
def test_names_of_every_kind(source: Make, con: Any) -> None:
    """Quotes, capitals and blanks in names are theirs to have."""
    asked = relation('Odd "Name')
    table = source().tables(con, [asked], {asked: frozenset({"Id", "e-mail"})}).found[asked]
    assert list(table.columns) == ["Id", "e-mail"]


@pytest.mark.parametrize("number", ["'NaN'", "0.12345678901", "1e30", "'Infinity'"])
def test_a_number_that_does_not_fit_is_refused(source: Make, con: Any, admin: Any, number: str) -> None:
    """It is never rounded, and the message shows the column, not the value."""
    admin.execute("DELETE FROM kinds.numbers")
    admin.execute(f"INSERT INTO kinds.numbers VALUES (1, {number})")
    error = refusal(source(), con, relation("numbers"), "id", "n")
    assert error.code == "RVT-414"
    assert '"n" does not fit DECIMAL(38,10)' in error.what
    assert number.strip("'") not in error.what


@pytest.mark.usefixtures("admin")
def test_missing_relations_say_what_is_near(source: Make, con: Any) -> None:
    """A wrong name, schema or database: each says so, and the others can be read."""
    found, good = source(), relation("numbers")
    error = refusal(found, con, relation("nmbers"))
    assert (error.code, "did you mean kinds.numbers?" in str(error.hint)) == ("RVT-413", True)
    assert "kinds.numbers" in str(refusal(found, con, relation("numbers", schema="kind")).hint)
    assert refusal(found, con, relation("numbers", database="elsewhere")).code == "RVT-415"
    assert good in found.tables(con, [good, relation("nope")], {good: frozenset({"id"})}).found


@pytest.mark.usefixtures("admin")
def test_a_missing_grant_is_named(source: Make, con: Any) -> None:
    """A user without SELECT is told what to grant; the same user reads what it may."""
    found, good = source(user="reader"), relation("numbers")
    error = refusal(found, con, relation("secret"), "id")
    assert (error.code, "GRANT SELECT ON kinds.secret" in str(error.hint)) == ("RVT-414", True)
    assert good in found.tables(con, [good], {good: frozenset({"id"})}).found


@pytest.mark.parametrize(
    ("fields", "code", "exit_code"),
    [({"password": "wrong"}, "RVT-418", 2), ({"dbname": "nope"}, "RVT-418", 2), ({"port": 1}, "RVT-419", 4)],
)
def test_refused_and_out_of_reach(source: Make, con: Any, fields: dict[str, object], code: str, exit_code: int) -> None:
    """Wrong credentials are for a person to mend; a server that is away is tried later. No password is shown."""
    with pytest.raises(RevetlError) as caught:
        source(**fields).tables(con, [relation("numbers")])
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    assert PASSWORD not in str(caught.value)


def test_a_server_that_goes_away_while_it_is_read(source: Make, con: Any, admin: Any) -> None:
    """Nothing of a model that was read in part can be compared: the whole read fails, for later."""
    found, asked = source(), relation("numbers")
    found.tables(con, [asked])
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'revetl' "
        "AND pid <> pg_backend_pid()"
    )
    with pytest.raises(RevetlError) as caught:
        found.tables(con, [asked], {asked: frozenset({"id"})})
    assert (caught.value.code, caught.value.exit_code) == ("RVT-419", 4)
    found.release(con)


def test_all_models_are_of_one_moment(source: Make, con: Any, admin: Any) -> None:
    """What is committed after the first read is not seen by the second."""
    admin.execute("CREATE TABLE kinds.later (id int)")
    found, first, second = source(), relation("numbers"), relation("later")
    found.tables(con, [first], {first: frozenset({"id"})})
    admin.execute("INSERT INTO kinds.later VALUES (1)")
    table = found.tables(con, [second], {second: frozenset({"id"})}).found[second]
    assert con.execute(f"SELECT count(*) FROM {table.name}").fetchall() == [(0,)]
