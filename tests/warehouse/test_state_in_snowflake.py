"""The state in the Snowflake that has the models, through the real connector and a local server.

What that server cannot do, and these tests therefore leave out: it does not wait for a lock (a second writer of the
same row is an HTTP error, which the connector repeats), it knows no grants, no suspended warehouse and no expired
session (their errors are raised by the connector's own classes here), and it does not tell what a query history would
hold.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from snowflake import connector
from snowflake.connector import errors

from revetl.errors import RevetlError, TryLater
from revetl.state.outbox import begin_run
from revetl.state.shared import SharedStore
from revetl.state.snowflake import OPTIONS, SIZE, Snowflake, failed
from revetl.state.sqlowner import SqlOwner
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfsession import Session
from tests.e2e import house
from tests.e2e.receiver import Receiver, hook_up, listening
from tests.e2e.test_process import FIRST, PLAIN, ROWS, started
from tests.unit.state.test_shared import VALUES
from tests.warehouse import snowflake_server
from tests.warehouse.machines import Machines, opened
from tests.warehouse.test_same_outcome import arrived, build_snowflake, copied

pytestmark = [pytest.mark.dbt, pytest.mark.xdist_group("snowflake")]
KEY = "REVETL_LEDGER_KEY"


def dialect(server: snowflake_server.Server, **more: object) -> Snowflake:
    """Return a session with the server."""
    output = {**server.output, "role": None, **more}
    return Snowflake(lambda: Session(Profile("shop", "dev", "snowflake", output, Path("x")), failed, **OPTIONS))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what closes connections in the end."""
    with ExitStack() as opened:
        yield opened


def machine(stack: ExitStack, server: snowflake_server.Server, directory: Path, token: str) -> SharedStore:
    """Return the state as a machine opens it that took the lease; who had it before lost it."""
    owner = SqlOwner(dialect(server), "values_dev")
    stack.callback(owner.close)
    owner.prepare()
    server.run('UPDATE "values_dev"."revetl_lease" SET until = 0')
    return opened(stack, owner, directory, token)


def test_values_come_back_as_they_were(stack: ExitStack, snowflake: snowflake_server.Server, tmp_path: Path) -> None:
    """Every type, null and odd text included; keys with parts missing; more rows than one statement carries."""
    one = machine(stack, snowflake, tmp_path, "one")
    for number, (kind, values) in enumerate(VALUES.items()):
        one.con.execute(f"CREATE TABLE revetl_state.snap_{number} (k0 INTEGER, f1 {kind})")
        with one.transaction():
            for key, value in enumerate(values):
                one.con.execute(f"INSERT INTO revetl_state.snap_{number} VALUES (?, CAST(? AS {kind}))", [key, value])
    one.con.execute("ALTER TABLE revetl_state.snap_0 ALTER COLUMN k0 TYPE VARCHAR")
    one.con.execute("ALTER TABLE revetl_state.snap_0 ADD COLUMN f2 BOOLEAN")
    one.con.execute("ALTER TABLE revetl_state.snap_1 DROP COLUMN f1")
    one.con.execute("DROP TABLE revetl_state.snap_2")
    one.con.execute(
        "INSERT INTO revetl_state.pending (sync, key, op, cohort) VALUES "
        "('s', '[1]', 'upsert', NULL), ('s', '[1]', 'join', 'c'), ('s', '[2]', 'upsert', NULL)"
    )
    one.con.execute("DELETE FROM revetl_state.pending AS p WHERE p.key = '[1]'")
    one.con.execute("INSERT INTO revetl_state.approvals (id, sync) VALUES ('a', 's'), ('b', 's')")
    one.con.execute("DELETE FROM revetl_state.approvals WHERE id = ?", ["a"])
    many = SIZE // 100
    one.con.execute("INSERT INTO revetl_state.unmatched SELECT 's', repeat('é', 100) || i FROM range(?) t(i)", [many])
    left = [n for n in range(len(VALUES)) if n != 2]
    questions = [f"SELECT * FROM revetl_state.snap_{n} ORDER BY ALL" for n in left]
    questions += ["SELECT sync, key, op, cohort FROM revetl_state.pending", "SELECT id FROM revetl_state.approvals"]
    questions.append("SELECT count(DISTINCT key), min(key), max(key) FROM revetl_state.unmatched")
    wanted = [repr(one.rows(question)) for question in questions]
    next_one = machine(stack, snowflake, tmp_path, "two")
    assert [repr(next_one.rows(question)) for question in questions] == wanted
    assert wanted[-1].startswith(f"[({many},")
    assert "snap_2" not in next_one.copy.known
    with pytest.raises(TryLater) as refused:
        begin_run(one, "run", {})
    assert refused.value.code == "RVT-512"
    assert next_one.rows("SELECT * FROM revetl_state.runs") == []


CASES = [
    (errors.DatabaseError("refused", errno=390100, sqlstate="08001"), "RVT-514", 2),
    (errors.ProgrammingError("Insufficient privileges", errno=3001, sqlstate="42501"), "RVT-514", 2),
    (errors.ProgrammingError("No active warehouse selected", errno=606, sqlstate="57P03"), "RVT-513", 4),
    (errors.ProgrammingError("Session no longer exists", errno=390112, sqlstate="08001"), "RVT-513", 4),
    (errors.OperationalError("Connection reset by peer", errno=250003, sqlstate="08006"), "RVT-513", 4),
    (errors.ProgrammingError("lock timeout", errno=625, sqlstate="57014"), "RVT-513", 4),
    (errors.ProgrammingError("compilation: 'canary'", errno=1003, sqlstate="42000"), "RVT-515", 2),
]


@pytest.mark.parametrize(("error", "code", "exit_code"), CASES, ids=lambda part: str(part)[:20])
def test_what_goes_wrong(error: Exception, code: str, exit_code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same codes as where the state lies in Postgres, and never the service's own words."""

    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr(connector, "connect", refuse)
    with pytest.raises(RevetlError) as caught:
        dialect(snowflake_server.Server(1, Path("x")))
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    assert "canary" not in str(caught.value)


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, snowflake: snowflake_server.Server) -> Path:
    """Return the shop, built into Snowflake, never synced."""
    root = copied(tmp_path_factory.mktemp("shop") / "shop", snowflake.output)
    build_snowflake(snowflake, root)
    return root


@dataclass
class Runners(Machines):
    """A shop whose webhook takes many calls, and the server that has its models and its state."""

    server: snowflake_server.Server
    schema: str

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the owner of the state; ``{s}`` is its schema."""
        return list(self.server.run(sql.format(s=f'"{self.schema}_dev"')))

    def expire(self) -> None:
        """Let the lease end now, whoever holds it."""
        self.rows("UPDATE {s}.revetl_lease SET until = 0")

    def wanted(self) -> set[str]:
        """Return the keys of everybody who has an address."""
        rows = self.server.run("SELECT customer_id FROM shop.public.customers WHERE email IS NOT NULL")
        return {f"[{row[0]}]" for row in rows}

    def acknowledged(self) -> set[object]:
        """Return the keys whose delivery is durable, as a killed run left the state."""
        found = self.rows(
            'SELECT o."key" FROM {s}."outbox" o JOIN {s}."acks" a ON a."run" = o."run" AND CAST(o."seq" AS INTEGER) '
            'BETWEEN CAST(a."lo" AS INTEGER) AND CAST(a."hi" AS INTEGER) '
            "WHERE o.\"op\" = 'upsert' AND a.\"status\" = 'delivered'"
        )
        return {row[0] for row in found}


def share(shop: house.House, schema: str, more: str = "", lease: int = 30) -> None:
    """Let a shop's state lie beside its models."""
    state = f"state: {{engine: warehouse, schema: {schema}, lease: {lease}s}}"
    key = f"ledger: {{key: \"{{{{ env_var('{KEY}') }}}}\"}}"
    shop.edit("revetl.yml", "version: 1\n", f"version: 1\n{state}\n{key}\n{more}")
    shop.variables[KEY] = "not a secret of anybody"


@contextmanager
def running(
    built: Path, place: Path, server: snowflake_server.Server, schema: str, more: str = "", lease: int = 30,
    **options: float,
) -> Iterator[Runners]:  # fmt: skip
    """Serve the shop with a webhook of a few records a call."""
    with house.lived_in(built, place / "shop") as shop, listening(**options) as receiver:
        hook_up(shop, receiver, rows=ROWS)
        share(shop, schema, more, lease)
        yield Runners(shop, receiver, server, schema)


@pytest.mark.timeout(300)
def test_runners_that_keep_nothing(built: Path, tmp_path: Path, snowflake: snowflake_server.Server) -> None:
    """The demo project, synced twice, each time by a machine that has the project alone: the second sends nothing."""
    with house.lived_in(built, tmp_path / "shop") as shop:
        share(shop, "keepnothing")
        result = shop.sync()
        assert (result.exit_code, [one.error for one in result.syncs if one.error]) == (0, [])
        assert arrived(shop)["members"]
        shutil.rmtree(shop.root / ".revetl")
        again = shop.sync()
        assert (again.exit_code, shop.writes()) == (0, [])
        shutil.rmtree(shop.root / ".revetl")
        address = min(shop.members())
        why = shop.program("why", address, "--output", "json")
        assert why.returncode == 0, why.stderr
        assert json.loads(why.stdout)["syncs"]
        assert shop.program("log", "--verify").returncode == 0
    assert snowflake.run('SELECT count(*) FROM "keepnothing_dev"."remote"')[0][0] > 0


@pytest.mark.timeout(300)
def test_forgotten_and_pruned(built: Path, tmp_path: Path, snowflake: snowflake_server.Server) -> None:
    """forget and prune on machines that never synced: nothing of the person is left there, no sync sends them again."""
    with house.lived_in(built, tmp_path / "shop") as shop:
        share(shop, "forgets")
        assert shop.sync().exit_code == 0
        address = min(shop.members())
        ((number,),) = snowflake.run(f"SELECT customer_id FROM shop.public.customers WHERE email = '{address}'")
        assert address in kept(snowflake, "forgets_dev")
        assert told_of(shop, number) > 0
        others = len(shop.members()) - 1
        forgets, prunes = (Machines(shop, cast("Receiver", None)).elsewhere(name) for name in ("forgets", "prunes"))
        done = forgets.program("forget", address, "--yes", "--output", "json")
        assert done.returncode == 0, done.stderr
        assert {one["status"] for one in json.loads(done.stdout)["forgotten"][0]["destinations"]} == {"erased"}
        assert (address in shop.members(), address in shop.contacts(), len(shop.members())) == (False, False, others)
        assert address not in kept(snowflake, "forgets_dev")
        assert told_of(prunes, number) == 0
        assert prunes.sync().exit_code == 0
        assert (address in shop.members(), prunes.writes()) == (False, [])
        pruned = prunes.program("prune", "--older-than", "0s", "--yes")
        assert pruned.returncode == 0, pruned.stderr
        assert json.loads(shop.program("log", "--output", "json").stdout)["flows"] == []
        assert shop.program("log", "--verify").returncode == 0


def kept(server: snowflake_server.Server, schema: str) -> str:
    """Return every row of a state as text, files of the ledger apart."""
    listed = f"SELECT table_name FROM shop.information_schema.tables WHERE table_schema = '{schema}'"
    tables = [row[0] for row in server.run(listed) if row[0] != "ledger_files"]
    return "\n".join(str(server.run(f'SELECT * FROM shop."{schema}"."{table}"')) for table in tables)


def told_of(shop: house.House, number: object) -> int:
    """Return how many flows of the record tell of a customer."""
    found = shop.program("log", "--output", "json", "--limit", "100000")
    assert found.returncode == 0, found.stderr
    flows = json.loads(found.stdout)["flows"]
    return sum(flow["key"] == f"[{number}]" and flow["sync"] in {house.CRM, house.MAIL} for flow in flows)


@pytest.mark.timeout(300)
def test_two_machines_at_once_and_one_that_dies(
    built: Path, tmp_path: Path, snowflake: snowflake_server.Server
) -> None:
    """The second leaves with exit 4; after a kill -9 another waits for the lease, then sends what is unacknowledged."""
    with running(built, tmp_path, snowflake, "twice", "send: {max_in_flight: 2}\n", 60, latency=0.2) as all_of:
        other = all_of.elsewhere("other")
        run = started(all_of.shop, *FIRST)
        for _ in range(6):
            assert all_of.receiver.came.acquire(timeout=60)
        all_of.receiver.latency = 20.0  # it is at work still when others come
        second = other.program(*PLAIN)
        assert second.returncode == 4, second.stderr
        assert "RVT-502" in second.stderr
        assert str(run.pid) in second.stderr
        run.kill()
        run.communicate(timeout=10)
        early = other.program(*PLAIN)
        assert early.returncode == 4, early.stderr
        assert "its lease ends in" in early.stderr
        before, received, known = len(all_of.receiver.bodies), set(all_of.receiver.keys()), all_of.acknowledged()
        assert known <= received  # nothing is believed that did not arrive
        all_of.receiver.latency = 0.0
        all_of.expire()
        done = other.program(*PLAIN)
        assert done.returncode == 0, done.stderr
        assert sorted(all_of.receiver.keys(before)) == sorted(all_of.wanted() - known)
        assert set(all_of.receiver.state()) == all_of.wanted()


@pytest.mark.timeout(300)
def test_a_machine_that_sleeps_too_long(built: Path, tmp_path: Path, snowflake: snowflake_server.Server) -> None:
    """A run that was stopped past its lease while another took over starts no call more, writes nothing, exits 4."""
    with running(built, tmp_path, snowflake, "sleeps", "send: {max_in_flight: 1}\n", 10, latency=0.3) as all_of:
        other = all_of.elsewhere("other")
        run = started(all_of.shop, *FIRST)
        for _ in range(4):
            assert all_of.receiver.came.acquire(timeout=60)
        all_of.receiver.latency = 15.0
        assert all_of.receiver.came.acquire(timeout=60)
        run.send_signal(signal.SIGSTOP)
        all_of.receiver.latency = 0.0
        time.sleep(11)  # the lease ends
        done = other.program(*PLAIN)
        assert done.returncode == 0, done.stderr
        before = len(all_of.receiver.bodies)
        outcome = all_of.rows('SELECT "run", "exit_code" FROM {s}."runs" ORDER BY 1')
        run.send_signal(signal.SIGCONT)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 4, err
        assert "RVT-512" in err
        assert "Traceback" not in err
        assert len(all_of.receiver.bodies) == before
        assert all_of.rows('SELECT "run", "exit_code" FROM {s}."runs" ORDER BY 1') == outcome
