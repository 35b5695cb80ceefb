"""Postgres in the conformance suite, before a real server: each service is a table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from revetl.contract import Call, Reply, Sql
from revetl.destinations.postgres import POSTGRES
from revetl.send.ports import Lane
from revetl.send.sql import SqlCarrier
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from tests.warehouse.conftest import postgres
from tests.warehouse.postgres_server import PASSWORD, Server

__all__ = ["postgres"]

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so
TABLE = """
CREATE TABLE customer (
    id text PRIMARY KEY, name text, city varchar(60), spent numeric(12, 4), visits bigint, gift boolean, since date,
    seen_at timestamptz, kind kind, sku uuid DEFAULT gen_random_uuid(), number bigint GENERATED ALWAYS AS IDENTITY)
"""


class TestPostgres(DestinationSuite):
    """Tables, before a real server."""

    destination = POSTGRES
    settings: ClassVar[dict[str, Any]] = {
        "host": "127.0.0.1", "port": 1, "dbname": "postgres", "user": "postgres", "password": PASSWORD,
        "sslmode": "disable",
    }  # fmt: skip
    secrets = (PASSWORD,)
    snapshots = Path(__file__).parent / "snapshots"
    poison = {"visits": "a lot"}  # noqa: RUF012
    avoid = frozenset({"sku"})  # a uuid, not any text
    lacks = {  # noqa: RUF012
        "consent": "the table gets the column itself, and whoever sends mail reads it there",
        "jobs": "a statement takes 10,000 rows",
        "leave archive": "a table has no archive; a column of the model can say who is one",
        "links": "a column that holds the key of another table is a column like any other",
        "membership fields": "a row of a cohort's table carries nothing but its member",
        "normalised identities": "identities are compared exactly there",
    }
    server: ClassVar[Server]
    carrier: ClassVar[SqlCarrier]
    lane: ClassVar[Lane]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _connected(cls, postgres: Server) -> Iterator[None]:
        cls.server, cls.carrier, cls.settings = postgres, SqlCarrier(), {**cls.settings, "port": postgres.port}
        cls.lane = Lane("test", POSTGRES, POSTGRES.settings.model_validate(cls.settings), "test")
        yield
        cls.carrier.close()

    def service(self) -> Handler:
        """Return an empty table; those of earlier cases are gone."""
        self.server.run(
            "DROP TABLE IF EXISTS customer_cohorts, customer", "DROP TYPE IF EXISTS kind",
            "CREATE TYPE kind AS ENUM ('new', 'old')", TABLE,
        )  # fmt: skip
        return self.perform

    def perform(self, call: Call) -> Reply:
        """Run a statement by the sender's own carrier."""
        assert isinstance(call, Sql)
        found = self.carrier.perform(self.lane, call)
        assert isinstance(found, Reply), found
        return found
