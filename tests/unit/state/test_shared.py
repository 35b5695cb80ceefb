"""A shared state over an owner in this process: what is captured, what survives the way there, who may write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from revetl.engine import retiring
from revetl.engine.session import Session
from revetl.errors import ConfigError, TryLater
from revetl.mapping.orphans import Orphan
from revetl.state import ledger
from revetl.state.capture import write_of
from revetl.state.layout import StoredField, StoredSync, add_field, load_sync, make_tables
from revetl.state.outbox import begin_run
from revetl.state.places import Objects
from revetl.state.rekeying import carry, count, make_map, note, write_down
from revetl.state.rewriting import drop_rows
from revetl.state.shared import SharedStore
from revetl.state.sqlowner import SqlOwner
from revetl.state.working import WorkingCopy
from tests.faults.duck_owner import SCHEMA, CrashingOwner, Duck, EarlyDuck

VALUES: dict[str, list[object]] = {
    "VARCHAR": ["", "é ☃ 'quoted' \\ \"", "nul \0 inside", "\ue000hex:00", None],
    "BOOLEAN": [True, False, None],
    "HUGEINT": [2**126, -1, None],
    "UBIGINT": [2**64 - 1, None],
    "DECIMAL(20,4)": ["1.1000", "-9999999999999999.9999", None],
    "DOUBLE": [0.1, 1e308, float("inf"), float("nan"), None],
    "DATE": ["1969-12-31", "9999-12-31", None],
    "TIMESTAMP": ["2026-03-29 02:30:00.123456", None],
    "TIMESTAMP WITH TIME ZONE": ["2026-03-29 02:30:00.123456+00", None],
    "TIME": ["23:59:59.999999", None],
    "BLOB": [b"\x00\xff'\\", None],
    "UUID": ["123e4567-e89b-12d3-a456-426614174000", None],
    "JSON": ['{"a": [1, null, "x"]}', None],
    "INTEGER[]": [[1, 2], [], None],
    "STRUCT(m VARCHAR, i VARCHAR)[]": [[{"m": "a, 'b' \"c\"", "i": None}], [], None],
}


class Machine:
    """One machine that works on the owner's state."""

    def __init__(self, duck: Duck, directory: Path, token: str = "me") -> None:
        """Take the lease and open the state."""
        self.time = 0.0
        owner = CrashingOwner(duck)
        owner.prepare()
        self.other = owner.acquire(token, token, 3600.0)
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        self.copy = WorkingCopy(self.con, owner, token, lambda: self.time)
        self.store = SharedStore(self.copy, directory, lambda: datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(params=[Duck, EarlyDuck])
def duck(request: pytest.FixtureRequest) -> Duck:
    """Return an owner without anything, of each way to define tables."""
    made = request.param()
    assert isinstance(made, Duck)
    return made


def there(duck: Duck, table: str) -> int:
    """Return how many rows of a table the owner has."""
    rows = duck.execute(f"SELECT count(*) FROM {SCHEMA}.{table}")[1]
    return int(rows[0][0] or 0)


@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_as_they_were(kind: str, duck: Duck, tmp_path: Path) -> None:
    """What one machine writes, the next one reads: every type, null and odd text included."""
    one = Machine(duck, tmp_path)
    one.copy.execute(f"CREATE TABLE revetl_state.snap_1 (k0 INTEGER, f1 {kind})")
    for number, value in enumerate(VALUES[kind]):
        one.copy.execute(f"INSERT INTO revetl_state.snap_1 VALUES (?, CAST(? AS {kind}))", [number, value])
    question = "SELECT k0, f1 FROM revetl_state.snap_1 ORDER BY k0"
    wanted = repr(one.store.rows(question))
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    assert repr(Machine(duck, tmp_path, "next").store.rows(question)) == wanted


def test_every_kind_of_write_arrives(duck: Duck, tmp_path: Path) -> None:
    """Insert, update, delete, new columns, other types, dropped columns and tables: the next machine sees the same."""
    one = Machine(duck, tmp_path)
    for statement in (
        "CREATE TABLE revetl_state.snap_1 (k0 VARCHAR, m VARCHAR)",
        "CREATE TABLE revetl_state.members_1 (k0 VARCHAR, cohort VARCHAR)",
        "INSERT INTO revetl_state.snap_1 SELECT 'k' || i, 'm' || i FROM range(6) t(i)",
        "INSERT INTO revetl_state.members_1 VALUES ('k1', NULL), ('k2', 'c'), ('k3', NULL)",
        "ALTER TABLE revetl_state.snap_1 ADD COLUMN f1 VARCHAR",
        "UPDATE revetl_state.snap_1 AS s SET f1 = q.v FROM (SELECT 'k2' AS k, '7' AS v) q WHERE s.k0 = q.k",
        "ALTER TABLE revetl_state.snap_1 ALTER COLUMN f1 TYPE BIGINT USING TRY_CAST(f1 AS BIGINT)",
        "DELETE FROM revetl_state.snap_1 AS s USING (SELECT 'k1' AS k) q WHERE s.k0 = q.k",
        "DELETE FROM revetl_state.members_1 WHERE cohort IS NULL AND k0 = 'k1'",
        "UPDATE revetl_state.members_1 SET k0 = 'k9' WHERE cohort = 'c'",
        "ALTER TABLE revetl_state.snap_1 DROP COLUMN m",
    ):
        one.copy.execute(statement)
    questions = ("SELECT * FROM revetl_state.snap_1 ORDER BY ALL", "SELECT * FROM revetl_state.members_1 ORDER BY ALL")
    wanted = [one.store.rows(question) for question in questions]
    assert wanted == [[("k0", None), ("k2", 7), ("k3", None), ("k4", None), ("k5", None)], [("k3", None), ("k9", "c")]]
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    other = Machine(duck, tmp_path, "next")
    assert [other.store.rows(question) for question in questions] == wanted
    other.copy.execute("DROP TABLE revetl_state.snap_1")
    assert "snap_1" not in CrashingOwner(duck).tables()


RETIRED = [Orphan("mail.person", "cohort", "vip"), Orphan("crm.person", "sync", "crm.person")]


def test_what_is_retired_is_not_fetched(duck: Duck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort and a sync go from the owner without their rows being read; those of others stay."""
    one = Machine(duck, tmp_path)
    for number, name in ((1, "crm.person"), (2, "mail.person")):
        sync = StoredSync(number, name, ("VARCHAR",), "email", 1, {}, None, "flow", 3)
        make_tables(one.store, sync)
        one.copy.execute(f"INSERT INTO revetl_state.snap_{number} SELECT 'k' || i, 'm' || i FROM range(3) t(i)")
        one.copy.execute(f"INSERT INTO revetl_state.members_{number} VALUES ('k1', 'vip'), ('k2', 'vip'), ('k1', 'a')")
        one.copy.execute("INSERT INTO revetl_state.remote VALUES (?, '[\"k1\"]', '1', true)", [name])
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    read: list[str] = []
    plain = SqlOwner.read

    def noted(self: SqlOwner, table: str, *words: Any) -> Any:
        read.append(table)
        return plain(self, table, *words)

    monkeypatch.setattr(SqlOwner, "read", noted)
    session = cast("Session", SimpleNamespace(store=Machine(duck, tmp_path, "next").store))
    done = [retiring._settle(session, orphan) for orphan in RETIRED]
    assert [one.rows for one in done] == [2, 3]
    assert not {"snap_1", "members_1", "members_2", "remote"} & set(read)
    assert "snap_1" not in CrashingOwner(duck).tables()
    assert (there(duck, "snap_2"), there(duck, "members_2"), there(duck, "remote")) == (3, 1, 1)


class Killed(BaseException):
    """The machine is gone."""


def killed_at(number: int, duck: Duck, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine die before its statement of this number, counted from now on."""
    left = iter(range(number))

    def counted(name: str) -> Callable[..., Any]:
        plain = getattr(type(duck), name)

        def call(*words: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return plain(duck, *words)

        return call

    for name in ("execute", "insert"):
        monkeypatch.setattr(duck, name, counted(name))


CHANGES = (
    "CREATE TABLE revetl_state.snap_2 (k0 VARCHAR, m VARCHAR); INSERT INTO revetl_state.snap_2 VALUES ('k', 'm')",
    "INSERT INTO revetl_state.snap_1 VALUES ('k3', '7', 'x'); ALTER TABLE revetl_state.snap_1 ADD COLUMN f1 VARCHAR; "
    "UPDATE revetl_state.snap_1 SET f1 = m",
    "ALTER TABLE revetl_state.snap_1 ALTER COLUMN m TYPE BIGINT USING TRY_CAST(m AS BIGINT)",
    "ALTER TABLE revetl_state.snap_1 DROP COLUMN gone; DELETE FROM revetl_state.snap_1 WHERE k0 = 'k1'",
    "DROP TABLE revetl_state.snap_1",
    "DROP TABLE revetl_state.snap_1; CREATE TABLE revetl_state.snap_1 (k0 VARCHAR, m VARCHAR, gone VARCHAR)",
    "ALTER TABLE revetl_state.snap_1 DROP COLUMN gone; ALTER TABLE revetl_state.snap_1 ADD COLUMN gone VARCHAR",
)


CON = duckdb.connect(config={"threads": 1})  # of one machine after another


def copied(duck: Duck) -> WorkingCopy:
    """Return the working copy of a machine that takes over, without a store of its own."""
    owner = CrashingOwner(duck)
    owner.prepare()
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    assert owner.acquire("me", "me", 3600.0) is None
    CON.execute("DETACH DATABASE IF EXISTS revetl_state")
    return WorkingCopy(CON, owner, "me")


def seen(duck: Duck) -> str:
    """Return what the next machine finds in the tables."""
    copy = copied(duck)
    known = {name: dict(copy.known[name]) for name in ("snap_1", "snap_2") if name in copy.known}
    return repr((known, [copy.execute(f"SELECT * FROM revetl_state.{name} ORDER BY ALL").fetchall() for name in known]))


def changed(duck: Duck, change: str, dies: int | None = None) -> bool:
    """Make a change in one transaction; return whether the machine lived to its end."""
    copy = copied(duck)
    with pytest.MonkeyPatch.context() as patched:
        if dies is not None:
            killed_at(dies, duck, patched)
        try:
            copy.execute("BEGIN")
            copy.execute(change)
            copy.execute("COMMIT")
        except Killed:
            CON.execute("ROLLBACK")
            return False
    return True


def begun(duck: Duck) -> Duck:
    """Let an owner have one table, and nothing else."""
    duck.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    copy = copied(duck)
    copy.execute("CREATE TABLE revetl_state.snap_1 (k0 VARCHAR, m VARCHAR, gone VARCHAR)")
    copy.execute("INSERT INTO revetl_state.snap_1 VALUES ('k1', '1', 'a'), ('k2', 'no', 'b')")
    return duck


@pytest.mark.parametrize("change", CHANGES)
def test_killed_at_any_statement(change: str, duck: Duck) -> None:
    """What defines tables arrives whole or not at all, wherever the machine dies; where not, the next one does it."""
    before = seen(begun(duck))
    assert changed(duck, change)
    wanted, number = seen(duck), 0
    while not changed(begun(duck), change, number):
        if seen(duck) == before:
            assert changed(duck, change)
        assert seen(duck) == wanted, number
        number += 1
    assert number > 2
    assert seen(duck) == wanted


def files_of(duck: Duck, directory: Path) -> SharedStore:
    """Return the store of a machine that takes over, with the ledger's files."""
    CrashingOwner(duck).prepare()
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    store = Machine(duck, directory, "next").store
    store.bring_ledger()
    return store


@pytest.mark.parametrize("number", [0, 2, 3, 4, 5, 6])
def test_a_rewritten_file_goes_with_its_entry(number: int, duck: Duck, tmp_path: Path) -> None:
    """Dead at any statement of the owner: the files are as the chain says, and the next machine goes on."""
    store = files_of(duck, tmp_path)
    for run, rows in (("r1", "VALUES ('k1', 1), ('k2', 2)"), ("r2", "VALUES ('k1', 3)")):
        file = ledger.put_file(store, store.ledger or tmp_path, run, f"SELECT * FROM ({rows}) t(key, seq)")
        with store.transaction():
            ledger.append(store, run, file)
    with pytest.MonkeyPatch.context() as patched:
        killed_at(number, duck, patched)
        with pytest.raises(Killed):
            drop_rows(store, "key = ?", ["k1"], "forgotten")
    store = files_of(duck, tmp_path)
    assert ledger.verify(store, store.chain_end()) == []
    drop_rows(store, "key = ?", ["k1"], "forgotten")
    store = files_of(duck, tmp_path)
    assert ledger.verify(store, store.chain_end()) == []
    assert store.ledger is not None
    assert [path.name for path in store.ledger.glob("*.parquet")] == ["r1.parquet"]
    assert store.rows("SELECT key FROM read_parquet(?)", [str(store.ledger / "r1.parquet")]) == [("k2",)]
    store.close()
    assert not list(store.ledger.iterdir())


def test_a_transaction_is_one_there_too(duck: Duck, tmp_path: Path) -> None:
    """Nothing of a transaction that is rolled back arrives."""
    one = Machine(duck, tmp_path)
    one.copy.execute("BEGIN")
    begin_run(one.store, "run", {})
    one.copy.execute("ROLLBACK")
    assert there(duck, "runs") == 0
    begin_run(one.store, "run", {})
    assert there(duck, "runs") == 1


def test_acknowledgements_are_gathered_and_intents_are_not(duck: Duck, tmp_path: Path) -> None:
    """An acknowledgement waits up to two seconds for others; whatever else is written takes it along at once."""
    one = Machine(duck, tmp_path)
    one.time = 10.0
    begin_run(one.store, "run", {})
    ack = "INSERT INTO revetl_state.acks (run, lo, hi, status) VALUES ('run', 1, 1, 'delivered')"
    one.copy.execute(ack)
    assert there(duck, "acks") == 0
    one.time += 2.5
    one.copy.execute(ack)
    assert there(duck, "acks") == 2
    one.copy.execute(ack)
    one.copy.execute("INSERT INTO revetl_state.started VALUES ('run', 1, 1)")
    assert (there(duck, "started"), there(duck, "acks")) == (1, 3)


def test_one_who_lost_the_lease_writes_nothing(duck: Duck, tmp_path: Path) -> None:
    """After another machine took over, a write is refused as a whole (RVT-512), and changes nothing there."""
    one = Machine(duck, tmp_path)
    assert Machine(duck, tmp_path, "early").other is not None
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    other = Machine(duck, tmp_path, "other")
    assert other.other is None
    with pytest.raises(TryLater) as refused:
        begin_run(one.store, "run", {})
    assert refused.value.code == "RVT-512"
    assert there(duck, "runs") == 0
    begin_run(other.store, "run", {})
    assert there(duck, "runs") == 1


@pytest.mark.parametrize("sql", ["TRUNCATE revetl_state.runs", "MERGE INTO revetl_state.runs USING x ON true"])
def test_what_is_not_understood_is_refused(sql: str) -> None:
    """A statement that may write to the state and cannot be captured never runs unseen."""
    with pytest.raises(RuntimeError):
        write_of(sql)


def test_a_ledger_elsewhere(tmp_path: Path) -> None:
    """Files are kept below the target's name, replaced whole, and brought back; a URL that is none is refused."""
    place = Objects((tmp_path / "bucket").as_uri(), "dev")
    file = tmp_path / "run.parquet"
    for content in (b"first", b"second"):
        file.write_bytes(content)
        place.keep(file)
    assert [path.name for path in (tmp_path / "bucket" / "dev").iterdir()] == ["run.parquet"]
    back = tmp_path / "back"
    back.mkdir()
    Objects(str(tmp_path / "bucket"), "dev").fetch(back)
    assert (back / "run.parquet").read_bytes() == b"second"
    with pytest.raises(ConfigError) as refused:
        Objects("nowhere://x", "dev")
    assert refused.value.code == "RVT-517"


def test_keys_are_carried_over_there_too(duck: Duck, tmp_path: Path) -> None:
    """Tables that are made anew by other keys, and keys that change places, arrive as they are here."""
    one = Machine(duck, tmp_path)
    sync = StoredSync(1, "s.x", ("VARCHAR",), "email", 1, {}, None, "flow", 0)
    make_tables(one.store, sync)
    add_field(one.store, 1, StoredField(0, "email", "email", "model.x", "VARCHAR", None, fresh=False, orphan=False))
    one.store.con.execute("INSERT INTO revetl_state.snap_1 VALUES ('a', 'a@x', 'a@x'), ('b', 'b@x', 'b@x')")
    one.store.con.execute("INSERT INTO revetl_state.members_1 VALUES ('a', 'gold')")
    one.store.con.execute("INSERT INTO revetl_state.remote VALUES ('s.x', '[\"a\"]', 'id-a', true)")
    stored = load_sync(one.store, "s.x")
    assert stored is not None
    rows = "(VALUES ('a', 1), ('b', 2)) t(old, new)"
    assert make_map(one.store, rows, [("old", "VARCHAR")], [("new", "INTEGER")]) == (0, 0, 0)
    assert (count(one.store, stored).moved, count(one.store, stored).left) == (2, 0)
    with one.store.transaction():
        note(one.store, stored)
        carry(one.store, stored, ["INTEGER"], ["new"])
        write_down(one.store, "run-1")
    duck.execute(f"UPDATE {SCHEMA}.revetl_lease SET until = 0")
    other = Machine(duck, tmp_path, "next").store
    found = load_sync(other, "s.x")
    assert found is not None
    assert (found.keys, found.key_columns) == (("INTEGER",), ("new",))
    assert other.rows("SELECT k0, m, f0 FROM revetl_state.snap_1 ORDER BY k0") == [(1, "a@x", "a@x"), (2, "b@x", "b@x")]
    assert other.rows("SELECT k0, cohort FROM revetl_state.members_1") == [(1, "gold")]
    assert other.rows("SELECT key, remote_id, created FROM revetl_state.remote") == [("[1]", "id-a", True)]
    assert [link.run for link in ledger.links(other)] == ["run-1"]
