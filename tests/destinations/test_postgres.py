"""Postgres beyond the suite: types, constraints and keys of a real server, and the carrier of statements."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from revetl.contract import Call, Context, Fault, Reply, Sql
from revetl.destinations.postgres import POSTGRES
from revetl.destinations.postgres.api import PostgresSettings, database
from revetl.errors import DestinationError
from revetl.send.ports import Lane
from revetl.send.sql import SqlCarrier
from revetl.send.wire import Failure
from revetl.testing.drive import Driven, deliver, drive
from revetl.testing.seeds import batch, change
from revetl.types import Change, Cohort, OnLeave, Op, RemoteRecord, Status
from tests.warehouse.conftest import postgres
from tests.warehouse.postgres_server import PASSWORD, Server

__all__ = ["postgres"]

pytestmark = pytest.mark.may_skip  # without Postgres there is nothing to ask
HIGH = Cohort("vip", "High Value", "row")


@dataclass
class Place:
    """A database, and how the sync ``test.customer`` reaches it."""

    server: Server
    carrier: SqlCarrier
    lane: Lane

    def perform(self, call: Call) -> Reply:
        """Run a statement by the sender's own carrier."""
        assert isinstance(call, Sql)
        found = self.carrier.perform(self.lane, call)
        assert isinstance(found, Reply), found
        return found

    def sends(self, *changes: Change, **more: Any) -> dict[int, tuple[Status, str]]:
        """Deliver changes of one operation; return number → status and code."""
        return {o.change.seq: (o.status, o.code) for o in self.driven(*changes, **more).outcomes}

    def driven(self, *changes: Change, **more: Any) -> Driven:
        """Deliver changes of one operation."""
        work = batch(changes, self.lane.settings, **{"object": "row", "match_field": "id", "cohort": HIGH, **more})
        return deliver(POSTGRES.actions[changes[0].op], work, self.perform)

    def told(self, **more: Any) -> Context:
        """Return what questions are told."""
        return replace(Context("test.customer", "row", self.lane.settings, match_field="id"), **more)

    def prepare(self, **more: Any) -> Any:
        """Make the table of cohorts."""
        assert POSTGRES.prepare is not None
        return drive(POSTGRES.prepare(self.told(cohorts=(("vip", "High Value"),), **more)), self.perform).value

    def read(self, *identities: str, **more: Any) -> list[RemoteRecord]:
        """Return what stands there."""
        assert POSTGRES.read_back is not None
        return list(drive(POSTGRES.read_back.run(self.told(**more), identities), self.perform).value)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the server itself."""
        with self.server.connected() as con:
            return con.execute(query.encode()).fetchall()


def settings(server: Server, **more: Any) -> PostgresSettings:
    """Return settings of a server without TLS."""
    told = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "user": "postgres", "password": PASSWORD}
    return PostgresSettings.model_validate({**told, "sslmode": "disable", **more})


def lane(server: Server, **more: Any) -> Lane:
    """Return a lane to a server."""
    return Lane("crm", POSTGRES, settings(server, **more), "test")


@pytest.fixture
def place(postgres: Server) -> Iterator[Place]:
    """Return a database without the tables of other tests."""
    carrier = SqlCarrier()
    postgres.run("DROP TABLE IF EXISTS customer_cohorts, orders, customer")
    yield Place(postgres, carrier, lane(postgres))
    carrier.close()


DELIVERED = (Status.DELIVERED, "")


def test_a_number_is_never_rounded(place: Place) -> None:
    """What a numeric or a real column would round rejects its row by name; the others stand with every digit."""
    place.server.run("CREATE TABLE customer (id text PRIMARY KEY, spent numeric(6, 2), score real, more jsonb)")
    rows: list[dict[str, Any]] = [
        {"spent": "12.50"},
        {"spent": "1.005"},
        {"score": "16777217"},
        {"score": "0.1"},
        {"more": {"n": [1.50]}},
    ]
    found = place.sends(*[change(n, fields=row) for n, row in enumerate(rows)])
    inexact = (Status.REJECTED, "INEXACT")
    assert found == {0: DELIVERED, 1: inexact, 2: inexact, 3: DELIVERED, 4: DELIVERED}
    there = place.rows("SELECT id, spent::text, score::text, more::text FROM customer ORDER BY 1")
    assert [row[1:] for row in there] == [("12.50", None, None), (None, "0.1", None), (None, None, '{"n": [1.5]}')]


def test_keys_may_be_numbers(place: Place) -> None:
    """A bigint key is found, renamed with its memberships, read back and erased; what is no number is nobody's."""
    place.server.run("CREATE TABLE customer (id bigint PRIMARY KEY, name text)")
    prepared = place.prepare()
    assert place.sends(change(1, match="17", fields={"id": "17", "name": "a"})) == {1: DELIVERED}
    assert place.sends(change(1, Op.JOIN, match="17"), prepared=prepared) == {1: DELIVERED}
    assert place.sends(change(1, Op.IDENTITY, match="18", before_match="17", created=True)) == {1: DELIVERED}
    assert place.rows("SELECT member, cohort, label FROM customer_cohorts") == [(18, "vip", "High Value")]
    odd = change(2, match="x", fields={"name": "b"})
    assert place.sends(odd, change(3, match="19")) == {2: (Status.REJECTED, "22P02"), 3: DELIVERED}
    asked = {"fields": ("name",), "cohorts": (("vip", "Top"),), "prepared": prepared}
    found = {one.identity: (dict(one.fields), set(one.cohorts)) for one in place.read("18", "x", "19", "20", **asked)}
    assert found == {"18": ({"name": "a"}, {"Top"}), "19": ({"name": None}, set())}


@pytest.mark.parametrize(("code", "row", "word"), [
    ("23502", {"city": None}, "column city"), ("23514", {"visits": "-1"}, "constraint customer_visits_check"),
    ("23505", {"phone": "1"}, "constraint customer_phone_key"), ("22001", {"city": "Brno-město"}, "too long"),
    ("22P05", {"city": "\0"}, "character"), ("22P02", {"visits": "secret"}, "type"),
])  # fmt: skip
def test_a_constraint_refuses_its_row_by_name(place: Place, code: str, row: dict[str, Any], word: str) -> None:
    """The reason names the constraint and no value; everybody else of the batch is written."""
    place.server.run(
        "CREATE TABLE customer (id text PRIMARY KEY, city varchar(6) NOT NULL DEFAULT 'none', phone text UNIQUE, "
        "visits int CHECK (visits >= 0))",
        "INSERT INTO customer (id, phone) VALUES ('old', '1')",
    )
    rows = {n: change(n, fields=row if n == 3 else {"visits": "5"}) for n in range(1, 7)}
    seen = place.driven(*rows.values())
    assert {o.change.seq: o.status for o in seen.outcomes if o.status is not Status.DELIVERED} == {3: Status.REJECTED}
    (refused,) = seen.of(rows[3])
    assert (refused.code, word in refused.reason) == (code, True), refused.reason
    assert not [value for value in row.values() if value and len(value) > 1 and value in refused.reason]


def test_columns_that_are_not_sent_are_left_alone(place: Place) -> None:
    """A new row takes its defaults, a known one keeps all else, though a column without default may not be null."""
    place.server.run(
        "CREATE TABLE customer (id text PRIMARY KEY, a text, b text NOT NULL, c text DEFAULT 'c', "
        "seen timestamp, n int GENERATED ALWAYS AS IDENTITY)"
    )
    assert place.sends(change(1, fields={"a": "1", "b": "2"})) == {1: DELIVERED}
    both = [change(1, fields={"a": "3"}), change(2, fields={"b": "4", "seen": "2026-03-29T13:05:00.000000Z"})]
    assert place.sends(*both) == {1: DELIVERED, 2: DELIVERED}
    assert place.rows("SELECT a, b, c, n FROM customer ORDER BY n") == [("3", "2", "c", 1), (None, "4", "c", 2)]
    (found,) = place.read("c2@example.org", fields=("seen",))
    assert found.fields == {"seen": "2026-03-29T13:05:00Z"}
    assert POSTGRES.discover is not None
    fields = drive(POSTGRES.discover(place.told()), place.perform).value
    assert [f.name for f in fields if f.required] == ["id", "b"]
    assert [f.name for f in fields if not f.writable] == ["n"]
    assert [f.name for f in fields if f.unique] == ["id"]


def test_a_row_that_another_table_needs_cannot_leave(place: Place) -> None:
    """Its foreign key holds it back by name; the others are deleted, with their memberships."""
    place.server.run(
        "CREATE TABLE customer (id text PRIMARY KEY)",
        "CREATE TABLE orders (customer text CONSTRAINT of_customer REFERENCES customer)",
    )
    prepared = place.prepare()
    rows = [change(n) for n in (1, 2, 3)]
    place.sends(*rows)
    place.sends(*[replace(row, op=Op.JOIN) for row in rows], prepared=prepared)
    place.server.run("INSERT INTO orders VALUES ('c2@example.org')")
    seen = place.driven(*[replace(row, op=Op.LEAVE) for row in rows], on_leave=OnLeave.DELETE)
    assert {o.change.seq: o.code for o in seen.outcomes} == {1: "", 2: "23503", 3: ""}
    assert "of_customer" in seen.of(rows[1])[0].reason
    assert place.rows("SELECT member FROM customer_cohorts") == [("c2@example.org",)]


def test_a_name_in_other_letters_is_no_second_row(place: Place) -> None:
    """Where the column compares without case, a rename from one spelling to the other keeps the row."""
    place.server.run(
        "CREATE COLLATION IF NOT EXISTS nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE customer (id text COLLATE nocase PRIMARY KEY, a text)",
    )
    place.sends(change(1, match="A@example.org", fields={"a": "1"}))
    moved = change(1, Op.IDENTITY, match="a@example.org", before_match="A@example.org", created=True)
    assert place.sends(moved) == {1: DELIVERED}
    assert place.rows("SELECT id, a FROM customer") == [("a@example.org", "1")]


def test_what_is_missing_is_said(place: Place) -> None:
    """Without the table nothing is described; without a unique constraint rows wait, and no cohort can be kept."""
    assert POSTGRES.discover is not None
    for ask in (lambda: drive(POSTGRES.discover(place.told()), place.perform), place.prepare):
        with pytest.raises(DestinationError, match="customer") as error:
            ask()
        assert error.value.code == "RVT-651"
    place.server.run("CREATE TABLE customer (id text, a text)")
    (outcome,) = place.driven(change(1, fields={"a": "1"})).outcomes
    assert (outcome.status, outcome.code) == (Status.WAITING, "42P10")
    assert "unique" in outcome.reason
    with pytest.raises(DestinationError, match="unique"):
        place.prepare()


def test_a_wide_row_is_read_back(place: Place) -> None:
    """More columns than a function takes arguments."""
    names = tuple(f"f{n}" for n in range(130))
    place.server.run(f"CREATE TABLE customer (id text PRIMARY KEY, {', '.join(f'{n} text' for n in names)})")
    assert place.sends(change(1, fields={name: name for name in names})) == {1: DELIVERED}
    (found,) = place.read("c1@example.org", fields=names)
    assert found.fields == {name: name for name in names}


def test_whoever_was_made_meanwhile_waits() -> None:
    """Neither there nor made: somebody else was quicker, and nothing of ours was written."""
    work = batch([change(1)], PostgresSettings(host="h", dbname="d", user="u"), object="row", match_field="id")
    row = {"match": "c1@example.org", "there": False, "exact": True, "made": False}
    seen = drive(POSTGRES.actions[Op.UPSERT].run(work), lambda _: Reply(200, orjson.dumps({"rows": [row]})))
    assert [(o.status, o.code) for o in seen.outcomes] == [(Status.WAITING, "CONCURRENT")]


def test_a_deadlock_is_tried_again() -> None:
    """The server undid the statement: the same one goes again."""
    found = POSTGRES.diagnose(Reply(423, b'{"sqlstate": "40P01"}'))
    assert found is not None
    assert (found.fault, found.code) == (Fault.THROTTLED, "40P01")


def test_settings_are_libpq_s_and_safe_by_default() -> None:
    """The server's certificate is verified unless the user says otherwise; a table's name has no empty part."""
    told = {"host": "db.example.com", "dbname": "crm", "user": "revetl", "password": "canary-p1"}
    found = database(PostgresSettings.model_validate(told))
    assert (found["sslmode"], found["sslrootcert"], found["password"]) == ("verify-full", "system", "canary-p1")
    own = PostgresSettings.model_validate(told | {"sslrootcert": "/ca.pem"})
    assert database(own)["sslrootcert"] == "/ca.pem"
    assert database(PostgresSettings.model_validate(told | {"sslmode": "verify-ca"}))["sslrootcert"] == "system"
    assert "sslrootcert" not in database(PostgresSettings.model_validate(told | {"sslmode": "require"}))
    for odd in (".customers", "crm.", "a..b", " x"):
        with pytest.raises(ValueError, match="empty parts"):
            PostgresSettings.model_validate(told | {"table": odd})


# --- the carrier ------------------------------------------------------------------------------------------------------


def test_a_broken_connection_is_made_anew(place: Place) -> None:
    """What was under way is in doubt; the next call has a connection again."""
    one = Sql("SELECT '[1]'::text", name="one")
    assert place.perform(one).content == b'{"rows":[1]}'
    place.server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'revetl' AND state = 'idle'"
    )
    lost = place.carrier.perform(place.lane, one)
    assert isinstance(lost, Failure)
    assert (lost.code, lost.sent, lost.fatal) == ("RVT-605", True, False)
    assert place.perform(one).ok


def test_who_is_refused_and_who_is_not_reached(place: Place) -> None:
    """A wrong password ends the lane and shows nothing of it; a server that is away may come back."""
    one = Sql("SELECT '[]'::text", name="one")
    wrong = place.carrier.perform(lane(place.server, password="canary's \\ p2"), one)
    assert isinstance(wrong, Failure)
    assert (wrong.code, wrong.fatal, wrong.sent, "canary" in wrong.what) == ("RVT-601", True, False, False)
    away = place.carrier.perform(lane(place.server, port=1), one)
    assert isinstance(away, Failure)
    assert (away.code, away.fatal, away.sent) == ("RVT-600", False, False)


def turned(server: Server, ssl: str) -> None:
    """Turn TLS on or off, and wait until new connections see it."""
    server.run(f"ALTER SYSTEM SET ssl = {ssl}", "SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with server.connected() as con:
            if con.execute("SHOW ssl").fetchall() == [(ssl,)]:
                return
        time.sleep(0.02)
    raise AssertionError("the server did not take its settings over")


@pytest.fixture
def authority(postgres: Server) -> Iterator[trustme.CA]:
    """Return an authority that nobody knows, by whose certificate the server speaks TLS."""
    known = trustme.CA()
    own = known.issue_cert("127.0.0.1")
    with postgres.connected() as con:
        ((directory,),) = con.execute("SHOW data_directory").fetchall()
    for name, pem in (("server.crt", own.cert_chain_pems[0]), ("server.key", own.private_key_pem)):
        path = Path(directory) / name
        pem.write_to_path(path)
        path.chmod(0o600)
        os.chown(path, path.parent.stat().st_uid, -1)
    turned(postgres, "on")
    yield known
    turned(postgres, "off")


def test_a_certificate_is_verified(place: Place, authority: trustme.CA, tmp_path: Path) -> None:
    """One of an authority that nobody knows ends the lane, unless the settings name the authority."""
    one = Sql("SELECT json_build_array(ssl)::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()", name="one")
    strange = place.carrier.perform(lane(place.server, sslmode="verify-full"), one)
    assert isinstance(strange, Failure)
    assert (strange.code, strange.fatal, "sslrootcert" in strange.what) == ("RVT-601", True, True)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    found = place.carrier.perform(lane(place.server, sslmode="verify-full", sslrootcert=str(tmp_path / "ca.pem")), one)
    assert isinstance(found, Reply)
    assert found.json() == {"rows": [True]}


def test_a_server_without_tls_is_refused(place: Place) -> None:
    """Nothing goes in clear where the settings do not say so."""
    failure = place.carrier.perform(lane(place.server, sslmode="require"), Sql("SELECT '[]'::text", name="one"))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.fatal, failure.sent) == ("RVT-601", True, False)


def test_a_statement_that_takes_too_long_ends(place: Place) -> None:
    """The server itself undoes it after the time of one call."""
    slow = replace(place.lane, timeout=0.2)
    found = place.carrier.perform(slow, Sql("SELECT pg_sleep(20)::text", name="slow"))
    assert isinstance(found, Reply)
    assert (found.status, found.json()["sqlstate"]) == (503, "57014")


def test_refusals_show_no_value(place: Place) -> None:
    """The server's own words repeat what was sent: only its code and names come back."""
    found = place.perform(Sql("SELECT 'canary-v1'::int::text", name="odd"))
    assert (found.status, found.json()) == (400, {"sqlstate": "22P02"})


def test_the_driver_is_asked_for_by_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the lane says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    found = place.carrier.perform(place.lane, Sql("SELECT 1", name="one"))
    assert isinstance(found, Failure)
    assert (found.code, found.fatal, "revetl[postgres]" in found.what) == ("RVT-417", True, True)
