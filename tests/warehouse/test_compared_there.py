"""Models and state in one warehouse, which finds who differs: on each engine as on this machine, row for row."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from revetl.diff.engines import SPELLINGS
from revetl.diff.spelling import Elsewhere
from revetl.state.postgres import Postgres
from revetl.state.snowflake import OPTIONS, Snowflake, failed
from revetl.state.sqlowner import SqlOwner
from revetl.types import Relation, SyncPlan
from revetl.warehouse.landing import LandedSource
from revetl.warehouse.postgres import PostgresReader
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfsession import Session
from revetl.warehouse.snowflake import SnowflakeReader
from tests.unit.engine.harness import Rig
from tests.unit.engine.histories import STORY, History, histories, rich, same
from tests.unit.engine.together import Together
from tests.warehouse import postgres_server, snowflake_server

EXAMPLES = int(os.environ.get("REVETL_EXAMPLES", "1"))
TYPES = {"DOUBLE": "double precision", "VARCHAR[]": "text[]", "TIMESTAMPTZ": "timestamptz", "VARCHAR": "text"}


class InPostgres(Together):
    """The rig over a real server."""

    def __init__(self, made: SyncPlan | None, directory: Path, server: postgres_server.Server) -> None:
        """Begin with a new database."""
        server.run("DROP DATABASE IF EXISTS memory WITH (FORCE)", "CREATE DATABASE memory")
        self.server = server
        self.con_there = server.connected("memory")
        self.con_there.execute("CREATE SCHEMA main")
        super().__init__(made, directory)

    def owner(self) -> SqlOwner:
        """Return the owner of the state."""
        return SqlOwner(Postgres(self.server.url("memory")), "kept")

    def source(self) -> LandedSource:
        """Return the source of the models."""
        there = {**self.server.output, "dbname": "memory"}
        return LandedSource(lambda: PostgresReader(Profile("sim", "dev", "postgres", there, Path("profiles.yml"))))

    def spelling(self, owner: SqlOwner) -> Elsewhere:
        """Return how Postgres spells a comparison."""
        return SPELLINGS["postgres"](owner.name, owner.native)

    def expire(self) -> None:
        """Let the lease end."""
        self.con_there.execute("UPDATE kept.revetl_lease SET until = 0")

    def model(self, name: str, columns: str, *rows: Sequence[object]) -> None:
        """Build one model there."""
        for ours, theirs in TYPES.items():
            columns = re.sub(rf" {re.escape(ours)}(?=,|$)", f" {theirs}", columns)
        self.con_there.execute(f"DROP TABLE IF EXISTS main.{name}")
        self.con_there.execute(f"CREATE TABLE main.{name} ({columns})".encode())
        with self.con_there.cursor() as cursor:
            for row in rows:
                cursor.execute(f"INSERT INTO main.{name} VALUES ({', '.join(['%s'] * len(row))})".encode(), list(row))


def plain(value: object) -> object:
    """Return a value without what an engine cannot hold, or holds as its equal: NUL in text, the sign of a zero."""
    if isinstance(value, str):
        return value.replace("\0", "0")
    return 0.0 if isinstance(value, float) and value == 0.0 else value


def held_anywhere(history: History) -> History:
    """Return a history of values that every engine holds as they are."""
    return [
        ({key: tuple(map(plain, row)) for key, row in model.items()}, *more)  # type: ignore[misc]
        for model, *more in history
    ]


@pytest.mark.xdist_group("postgres")
@settings(
    max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@example(STORY)
@given(histories)
def test_postgres_finds_what_a_whole_read_finds(postgres: postgres_server.Server, history: History) -> None:
    """Over any history, a run whose diff is made in Postgres does what one does that reads all, from anywhere."""
    with TemporaryDirectory() as place:
        much = Rig(rich())
        little = InPostgres(rich(), Path(place), postgres)
        with closing(little), closing(little.con_there):
            same(little, much, held_anywhere(history))


SNOWFLAKE = {"TIMESTAMPTZ": "timestamp_tz", "DOUBLE": "float", "VARCHAR[]": "varchar", "DECIMAL(12,2)": "number(12,2)"}


class Reader(SnowflakeReader):
    """Takes every relation for one of a schema of its own."""

    def _place(self, relation: Relation) -> tuple[str, str, str]:
        return "SHOP", "MODELS", relation.identifier.upper()


class InSnowflake(Together):
    """The rig over a local server that speaks Snowflake's protocol."""

    def __init__(self, made: SyncPlan | None, directory: Path, server: snowflake_server.Server) -> None:
        """Begin with new schemas."""
        gone = [f"DROP SCHEMA IF EXISTS shop.{name}" for name in ("models", '"kept"')]
        server.run("CREATE DATABASE IF NOT EXISTS shop", *gone, "CREATE SCHEMA shop.models")
        self.server = server
        output = {**server.output, "role": None, "database": "SHOP"}
        self.profile = Profile("sim", "dev", "snowflake", output, Path("profiles.yml"))
        super().__init__(made, directory)

    def owner(self) -> SqlOwner:
        """Return the owner of the state."""
        return SqlOwner(Snowflake(lambda: Session(self.profile, failed, **OPTIONS)), "kept")

    def source(self) -> LandedSource:
        """Return the source of the models."""
        return LandedSource(lambda: Reader(self.profile))

    def spelling(self, owner: SqlOwner) -> Elsewhere:
        """Return how Snowflake spells a comparison."""
        return SPELLINGS["snowflake"](owner.name, owner.native)

    def expire(self) -> None:
        """Let the lease end."""
        self.server.run('UPDATE shop."kept"."revetl_lease" SET until = 0')

    def model(self, name: str, columns: str, *rows: Sequence[object]) -> None:
        """Build one model there."""
        for ours, theirs in SNOWFLAKE.items():
            columns = re.sub(rf" {re.escape(ours)}(?=,|$)", f" {theirs}", columns)
        listed = [f"({', '.join(map(literal, row))})" for row in rows]
        made = [f"INSERT INTO shop.models.{name} SELECT * FROM VALUES {', '.join(listed)}"] if listed else []
        self.server.run(f"CREATE OR REPLACE TABLE shop.models.{name} ({columns})", *made, "SELECT 1")


def literal(value: object) -> str:
    """Return a value as Snowflake writes it."""
    if isinstance(value, float):
        return f"'{value}'::float"
    if value is None or isinstance(value, bool | int | Decimal):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


@pytest.mark.xdist_group("snowflake")
@settings(
    max_examples=EXAMPLES, deadline=None,
    phases=[Phase.explicit, *([Phase.generate] if EXAMPLES > 1 else [])],  # one takes a minute there
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@example(STORY)
@given(histories)
def test_snowflake_finds_what_a_whole_read_finds(snowflake: snowflake_server.Server, history: History) -> None:
    """Over any history, a run whose diff is made in Snowflake does what one does that reads all, from anywhere."""
    with TemporaryDirectory() as place:
        much, little = Rig(rich()), InSnowflake(rich(), Path(place), snowflake)
        with closing(little):
            same(little, much, held_anywhere(history))
