"""Values of a shared state through a real Postgres server, and by whom it may be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from revetl.errors import ConfigError, TryLater
from revetl.state.outbox import begin_run
from revetl.state.postgres import Postgres
from revetl.state.shared import SharedStore
from revetl.state.sqlowner import SqlOwner
from tests.unit.state.test_shared import VALUES
from tests.warehouse import postgres_server
from tests.warehouse.machines import opened

pytestmark = pytest.mark.xdist_group("postgres")
SCHEMA = "values_dev"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what closes connections in the end."""
    with ExitStack() as opened:
        yield opened


def machine(stack: ExitStack, server: postgres_server.Server, directory: Path, token: str) -> SharedStore:
    """Return the state as a machine opens it that took the lease; who had it before lost it."""
    owner = SqlOwner(Postgres(server.url()), SCHEMA)
    stack.callback(owner.close)
    owner.prepare()
    server.run(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    return opened(stack, owner, directory, token)


def test_values_come_back_as_they_were(stack: ExitStack, postgres: postgres_server.Server, tmp_path: Path) -> None:
    """Every type, null and odd text included; a key of several columns, some of them null, is deleted by its parts."""
    one = machine(stack, postgres, tmp_path, "one")
    for number, (kind, values) in enumerate(VALUES.items()):
        one.con.execute(f"CREATE TABLE revetl_state.snap_{number} (k0 INTEGER, f1 {kind})")
        with one.transaction():
            for key, value in enumerate(values):
                one.con.execute(f"INSERT INTO revetl_state.snap_{number} VALUES (?, CAST(? AS {kind}))", [key, value])
    one.con.execute(
        "INSERT INTO revetl_state.pending (sync, key, op, cohort) VALUES "
        "('s', '[1]', 'upsert', NULL), ('s', '[1]', 'join', 'c'), ('s', '[2]', 'upsert', NULL)"
    )
    one.con.execute("DELETE FROM revetl_state.pending AS p WHERE p.key = '[1]'")
    questions = [f"SELECT k0, f1 FROM revetl_state.snap_{n} ORDER BY k0" for n in range(len(VALUES))]
    questions.append("SELECT sync, key, op, cohort FROM revetl_state.pending")
    wanted = [repr(one.rows(question)) for question in questions]
    next_one = machine(stack, postgres, tmp_path, "two")
    assert [repr(next_one.rows(question)) for question in questions] == wanted
    with pytest.raises(TryLater) as refused:
        begin_run(one, "run", {})
    assert refused.value.code == "RVT-512"
    assert next_one.rows("SELECT * FROM revetl_state.runs") == []


def test_a_wrong_password_is_no_secret_told(postgres: postgres_server.Server) -> None:
    """Refused credentials: RVT-514, without the password; nobody there: RVT-513."""
    with pytest.raises(ConfigError) as refused:
        Postgres(postgres.url().replace(postgres_server.PASSWORD, "canary-wrong"))
    assert refused.value.code == "RVT-514"
    assert "canary" not in str(refused.value)
    with pytest.raises(TryLater) as nobody:
        Postgres("postgresql://postgres:canary@127.0.0.1:1/postgres")
    assert nobody.value.code == "RVT-513"
    assert "canary" not in str(nobody.value)
