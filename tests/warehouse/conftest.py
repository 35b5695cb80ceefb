"""Servers that the tests of this folder share; each worker has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warehouse import postgres_server, snowflake_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """Return a running Postgres server."""
    if postgres_server.binaries() is None:
        pytest.skip("Postgres is not installed (apt-get install postgresql)")
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def snowflake() -> Iterator[snowflake_server.Server]:
    """Return a running local server that speaks Snowflake's protocol, in a Python environment of its own."""
    if not snowflake_server.PROGRAM.exists():
        pytest.skip(f"there is no {snowflake_server.PROGRAM} (REVETL_SHARED names its folder)")
    with snowflake_server.running() as server:
        yield server
