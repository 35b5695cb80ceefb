"""State with an owner elsewhere: the shop synced by runners that keep nothing, over a real Postgres server."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import house
from tests.e2e.receiver import hook_up, listening
from tests.e2e.test_process import FIRST, PLAIN, ROWS, started, wanted
from tests.warehouse import postgres_server
from tests.warehouse.machines import Machines
from tests.warehouse.test_same_outcome import arrived, copied

pytestmark = [pytest.mark.dbt, pytest.mark.xdist_group("postgres")]
KEY, SYNC = "REVETL_LEDGER_KEY", "hubspot.customer"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shop, built into DuckDB, never synced."""
    root = copied(tmp_path_factory.mktemp("shop") / "shop")
    house.built(root, "build")
    return root


def share(shop: house.House, server: postgres_server.Server, database: str, more: str = "", lease: int = 30) -> None:
    """Let a shop's state lie in a new database of the server."""
    server.create(database)
    state = f"state: {{url: \"{{{{ env_var('STATE_URL') }}}}\", lease: {lease}s}}"
    key = f"ledger: {{key: \"{{{{ env_var('{KEY}') }}}}\"}}"
    shop.edit("revetl.yml", "version: 1\n", f"version: 1\n{state}\n{key}\n{more}")
    shop.variables |= {"STATE_URL": server.url(database), KEY: "not a secret of anybody"}


@dataclass
class Runners(Machines):
    """A shop whose webhook takes many calls, and the server that has its state."""

    server: postgres_server.Server
    database: str

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the owner of the state; ``{s}`` is its schema."""
        with self.server.connected(self.database) as con:
            return con.execute(sql.format(s="revetl_state_dev").encode()).fetchall()

    def expire(self) -> None:
        """Let the lease end now, whoever holds it."""
        with self.server.connected(self.database) as con:
            con.execute("UPDATE revetl_state_dev.revetl_lease SET until = 0")

    def acknowledged(self) -> set[object]:
        """Return the keys whose delivery is durable, as a killed run left the state."""
        found = self.rows(
            "SELECT o.key FROM {s}.outbox o JOIN {s}.acks a ON a.run = o.run AND o.seq BETWEEN a.lo AND a.hi "
            "WHERE o.op = 'upsert' AND a.status = 'delivered'"
        )
        return {row[0] for row in found}


@contextmanager
def running(
    built: Path,
    place: Path,
    server: postgres_server.Server,
    database: str,
    more: str = "",
    lease: int = 30,
    **options: float,
) -> Iterator[Runners]:
    """Serve the shop with a webhook of a few records a call, its state in Postgres."""
    with house.lived_in(built, place / "shop") as shop, listening(**options) as receiver:
        hook_up(shop, receiver, rows=ROWS)
        share(shop, server, database, more, lease)
        yield Runners(shop, receiver, server, database)


def test_runners_that_keep_nothing(built: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """The first run brings what it brings with a state of its own; another machine then finds nothing to send."""
    with house.lived_in(built, tmp_path / "own") as own:
        assert own.sync().exit_code == 0
        everything = arrived(own)
    with house.lived_in(built, tmp_path / "shared") as shop:
        share(shop, postgres, "keepnothing")
        result = shop.sync()
        assert (result.exit_code, [one.error for one in result.syncs if one.error]) == (0, [])
        assert arrived(shop) == everything
        shutil.rmtree(shop.root / ".revetl")
        again = shop.sync()
        assert (again.exit_code, shop.writes()) == (0, [])
        key, address = shop.reader()
        shop.sql(f"update customers set lifetime_value_band = 'Gold' where customer_id = {key}")
        shutil.rmtree(shop.root / ".revetl")
        assert shop.sync().exit_code == 0
        assert [row["email_address"] for row in house.sent_rows(shop.writes("mailchimp"))] == [address]


def test_state_beside_the_models(tmp_path: Path, postgres: postgres_server.Server) -> None:
    """`engine: warehouse`: models and state in one Postgres, by the credentials of the profile; no file is needed, and
    of all people those are read who changed."""
    root = copied(tmp_path / "shop", {**postgres.output, "schema": "beside"})
    house.built(root, "build")
    with house.lived_in(root, tmp_path / "lived") as shop:
        key = f"ledger: {{key: \"{{{{ env_var('{KEY}') }}}}\"}}"
        shop.edit("revetl.yml", "version: 1\n", f"version: 1\nstate: {{engine: warehouse, schema: kept}}\n{key}\n")
        shop.variables[KEY] = "not a secret of anybody"
        assert shop.sync().exit_code == 0
        assert shop.members()
        shutil.rmtree(shop.root / ".revetl")
        again = shop.sync()
        assert (again.exit_code, shop.writes()) == (0, [])
        with postgres.connected() as con:
            assert con.execute("SELECT count(*) > 0 FROM kept_dev.remote").fetchall() == [(True,)]
            people = "SELECT customer_id, lower(email) FROM beside.customers WHERE email LIKE '%@%' ORDER BY 1"
            members = {who.lower() for who in shop.members()}
            key, address = next(row for row in con.execute(people) if row[1] in members)
            con.execute("UPDATE beside.customers SET lifetime_value_band = 'Gold' WHERE customer_id = %s", [key])
        read = {one.sync: one.notes for one in shop.plan(offline=True).previews}
        (note,) = [note for note in read[house.CRM] if note.endswith("keys were read")]
        assert 1 <= int(note.partition(" ")[0]) <= 10  # those without a match value are looked at every time
        assert not [note for notes in read.values() for note in notes if note.startswith("all rows were read")]
        assert shop.sync().exit_code == 0
        assert [row["email_address"].lower() for row in house.sent_rows(shop.writes("mailchimp"))] == [address]


def test_two_machines_at_once(built: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """The second names the first and tries later (exit 4); it sends nothing, and nothing is sent twice."""
    with running(built, tmp_path, postgres, "twice", "send: {max_in_flight: 1}\n", latency=0.5) as all_of:
        other = all_of.elsewhere("other")
        run = started(all_of.shop, *FIRST)
        assert all_of.receiver.came.acquire(timeout=30)
        second = other.program(*PLAIN)
        assert second.returncode == 4, second.stderr
        assert "RVT-502" in second.stderr
        assert str(run.pid) in second.stderr
        all_of.receiver.latency = 0.0
        _, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
        assert sorted(all_of.receiver.keys()) == sorted(wanted(all_of.shop))
        third = other.program(*PLAIN)
        assert third.returncode == 0, third.stderr
        assert len(all_of.receiver.keys()) == len(wanted(all_of.shop))


@pytest.mark.parametrize("calls", [1, 9, 25])
def test_a_machine_that_dies(built: Path, tmp_path: Path, postgres: postgres_server.Server, calls: int) -> None:
    """kill -9: another machine waits for the lease to end, then sends what is not acknowledged, once."""
    with running(built, tmp_path, postgres, f"dies{calls}", "send: {max_in_flight: 4}\n", latency=0.1) as all_of:
        other = all_of.elsewhere("other")
        run = started(all_of.shop, *FIRST)
        for _ in range(calls):
            assert all_of.receiver.came.acquire(timeout=30)
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
        assert sorted(all_of.receiver.keys(before)) == sorted(set(wanted(all_of.shop)) - known)
        assert {key: fields["firstname"] for key, fields in all_of.receiver.state().items()} == wanted(all_of.shop)


def test_a_machine_that_sleeps_too_long(built: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """A run that was stopped past its lease while another took over starts no call more, writes nothing, exits 4."""
    with running(built, tmp_path, postgres, "sleeps", "send: {max_in_flight: 1}\n", 5, latency=0.3) as all_of:
        other = all_of.elsewhere("other")
        run = started(all_of.shop, *FIRST)
        for _ in range(4):
            assert all_of.receiver.came.acquire(timeout=30)
        run.send_signal(signal.SIGSTOP)
        all_of.receiver.latency = 0.0
        time.sleep(6)
        done = other.program(*PLAIN)
        assert done.returncode == 0, done.stderr
        before = len(all_of.receiver.bodies)
        outcome = all_of.rows("SELECT run, exit_code, closed_at FROM {s}.runs ORDER BY run")
        run.send_signal(signal.SIGCONT)
        _, err = run.communicate(timeout=30)
        assert run.returncode == 4, err
        assert "RVT-512" in err
        assert "Traceback" not in err
        assert len(all_of.receiver.bodies) == before
        assert all_of.rows("SELECT run, exit_code, closed_at FROM {s}.runs ORDER BY run") == outcome


def test_an_owner_that_goes_away(built: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """The owner's connections are cut while calls leave: the run ends with exit 4, the next one does the rest."""
    with running(built, tmp_path, postgres, "cut", "send: {max_in_flight: 2}\n", latency=0.2) as all_of:
        run = started(all_of.shop, *FIRST)
        for _ in range(3):
            assert all_of.receiver.came.acquire(timeout=30)
        with postgres.connected() as con:
            con.execute("ALTER DATABASE cut ALLOW_CONNECTIONS false")
            con.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'")
        _, err = run.communicate(timeout=60)
        assert run.returncode == 4, err
        assert "RVT-513" in err
        assert "Traceback" not in err
        assert postgres_server.PASSWORD not in err
        sent = len(all_of.receiver.bodies)
        time.sleep(1)
        assert len(all_of.receiver.bodies) == sent
        with postgres.connected() as con:
            con.execute("ALTER DATABASE cut ALLOW_CONNECTIONS true")
        all_of.receiver.latency = 0.0
        all_of.expire()
        known = all_of.acknowledged()
        assert all_of.shop.program(*PLAIN).returncode == 0
        assert sorted(all_of.receiver.keys(sent)) == sorted(set(wanted(all_of.shop)) - known)


def test_questions_from_any_machine(built: Path, tmp_path: Path, postgres: postgres_server.Server) -> None:
    """why, log, log --verify, status, errors and approve answer where no run ever was; a wrong key finds nobody."""
    with running(built, tmp_path, postgres, "asked") as all_of:
        assert all_of.shop.program(*FIRST).returncode == 0
        other = all_of.elsewhere("other")
        key = min(int(json.loads(key)[0]) for key in wanted(other))
        address = other.first(f"select email from customers where customer_id = {key}")
        why = other.program("why", str(address), "--output", "json")
        assert why.returncode == 0, why.stderr
        assert [one["key"] for one in json.loads(why.stdout)["syncs"]] == [f"[{key}]"]
        log = other.program("log", "--op", "upsert", "--output", "json", "--limit", "1000")
        assert len(json.loads(log.stdout)["flows"]) == len(wanted(other))
        assert other.program("log", "--verify").returncode == 0
        told = other.program("status", "--output", "json")
        assert told.returncode == 0, told.stdout
        status = json.loads(told.stdout)
        records = {one["sync"]: one["backlog"]["records"] for one in status["syncs"] if one["backlog"]}
        assert records == {SYNC: len(wanted(other))}
        assert other.program("errors").returncode == 0
        approved = other.program("approve", SYNC, "--guard", "max_leave", "--up-to", "5", "--reason", "seen")
        assert approved.returncode == 0, approved.stderr
        assert all_of.rows("SELECT guard, up_to FROM {s}.approvals") == [("max_leave", 5)]
        assert not list((other.root / ".revetl").rglob("*.parquet"))


def test_a_ledger_elsewhere(built: Path, tmp_path: Path) -> None:
    """`ledger: URL` takes the files of a state of this machine to a directory that all see; why and log find them."""
    bucket = tmp_path / "bucket"
    with house.lived_in(built, tmp_path / "shop") as shop, listening() as receiver:
        hook_up(shop, receiver, rows=100)
        shop.edit("revetl.yml", "version: 1\n", f"version: 1\nledger: {{url: {bucket.as_uri()}}}\n")
        assert shop.program(*FIRST).returncode == 0
        (file,) = (bucket / "dev").glob("*.parquet")
        assert not list((shop.root / ".revetl").rglob(file.name))
        assert shop.program("log", "--verify").returncode == 0
        log = shop.program("log", "--op", "upsert", "--output", "json", "--limit", "1000")
        assert len(json.loads(log.stdout)["flows"]) == len(wanted(shop))
        file.write_bytes(file.read_bytes()[:-8])
        assert shop.program("log", "--verify").returncode != 0
