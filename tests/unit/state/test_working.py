"""The working copy of a shared state: what it asks its owner for, what it tells the owner, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import duckdb
import pytest

from revetl.errors import TryLater
from revetl.state.owner import Columns, Delete, Drop, Forward, Insert, Make, Owner, Row, Step
from revetl.state.working import WorkingCopy

SNAP: Columns = {"k0": "VARCHAR", "m": "VARCHAR", "f0": "INTEGER"}
PENDING: Columns = {"sync": "VARCHAR", "key": "VARCHAR", "op": "VARCHAR", "cohort": "VARCHAR", "run": "VARCHAR"}
ACKS: Columns = {"run": "VARCHAR", "lo": "BIGINT", "hi": "BIGINT", "ts": "TIMESTAMP"}
LOOSE: Columns = {"a": "VARCHAR", "b": "INTEGER"}
TABLES = {"snap_1": SNAP, "pending": PENDING, "acks": ACKS, "loose": LOOSE}
ROWS: Mapping[str, Sequence[Row]] = {
    "snap_1": [("a", "a@x", "1"), ("b", "b@x", None), ("c", "c@x", "3")],
    "pending": [("s", "a", "upsert", None, "r1"), ("s", "b", "join", "vip", "r1")],
    "loose": [("x", "1"), ("y", "2")],
}


class Noted:
    """An owner that has some tables, and writes down what it is asked for and told."""

    def __init__(self) -> None:
        """Hold the lease, and have nothing to do yet."""
        self.asked: list[tuple[str, Any]] = []
        self.told: list[tuple[str, Sequence[Step], Mapping[str, str]]] = []
        self.holds = True

    def tables(self) -> Mapping[str, Columns]:
        """Return the tables."""
        return TABLES

    def read(self, table: str, columns: Columns, keys: Delete | None = None) -> Iterator[Sequence[Row]]:
        """Yield one row at a time, and nothing at last."""
        self.asked.append((table, None if keys is None else (keys.table, list(keys.columns), list(keys.rows or ()))))
        for row in ROWS.get(table, ()):
            known = dict(zip(columns, row, strict=True))
            if keys is None or any(
                all(known[c] == v for c, v in zip(keys.columns, k, strict=False)) for k in keys.rows or ()
            ):
                yield [row]
        yield []

    def write(self, token: str, steps: Sequence[Step], head: Mapping[str, str]) -> bool:
        """Take the steps, where the lease is held."""
        self.told.append((token, list(steps), head))
        return self.holds


class Machine:
    """A working copy over such an owner, with a clock."""

    def __init__(self, token: str | None = "me") -> None:
        """Begin at ten o'clock."""
        self.owner, self.time = Noted(), 10.0
        self.con = duckdb.connect(config={"threads": 1})
        self.copy = WorkingCopy(self.con, cast("Owner", self.owner), token, lambda: self.time)

    def do(self, sql: str, *parameters: object) -> list[Any]:
        """Run a statement; return its rows."""
        return list(self.copy.execute(sql.replace("{s}", "revetl_state"), list(parameters) or None).fetchall())

    def steps(self) -> list[Step]:
        """Return what the owner was told since it was asked last."""
        told = [step for _, steps, _ in self.owner.told for step in steps]
        self.owner.told.clear()
        return told


@pytest.fixture
def machine() -> Machine:
    """Return a machine that holds the lease."""
    return Machine()


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_table_is_fetched_once_and_only_when_it_is_named(machine: Machine) -> None:
    """All of its rows, null and numbers included; what no statement names stays with the owner."""
    assert machine.copy.known == TABLES
    assert machine.do("SELECT 'revetl_stat' || 'e.snap_1'") == [("revetl_state.snap_1",)]
    assert machine.owner.asked == []
    for _ in range(2):
        assert machine.do("SELECT * FROM {s}.snap_1 ORDER BY k0") == [
            ("a", "a@x", 1), ("b", "b@x", None), ("c", "c@x", 3),
        ]  # fmt: skip
    assert machine.owner.asked == [("snap_1", None)]
    assert [machine.copy.lacks(table) for table in ("snap_1", "loose", "nothing")] == [False, True, False]
    assert machine.con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'revetl%'").fetchall() == [
        (0,)
    ]


def test_rows_of_some_keys_are_brought_once(machine: Machine) -> None:
    """A table of which some rows are here is asked for the others; keys that are here are not asked for again."""
    copy, by = machine.copy, {"k0": "VARCHAR"}
    copy.partly("snap_1", Delete("snap_1", by, [("a",), ("a",)]))
    assert machine.do("SELECT k0 FROM {s}.snap_1") == [("a",)]
    copy.partly("snap_1", Delete("snap_1", by, [("a",)]))
    copy.partly("snap_1", Delete("snap_1", by, None))
    copy.partly("snap_1", Delete("snap_1", by, [("a",), ("c",)]))
    assert machine.do("SELECT k0 FROM {s}.snap_1 ORDER BY k0") == [("a",), ("c",)]
    assert machine.owner.asked == [("snap_1", ("snap_1", ["k0"], [("a",)])), ("snap_1", ("snap_1", ["k0"], [("c",)]))]
    assert copy.lacks("snap_1")


def test_a_key_of_one_column_stands_for_all_that_begin_with_it(machine: Machine) -> None:
    """Once all rows of a sync are here, one key of it is; a key of another sync is not."""
    copy = machine.copy
    copy.partly("pending", Delete("pending", {"sync": "VARCHAR"}, [("s",)]))
    copy.partly("pending", Delete("pending", {"sync": "VARCHAR", "key": "VARCHAR"}, [("s", "a"), ("t", "a")]))
    assert machine.owner.asked[1:] == [("pending", ("pending", ["sync", "key"], [("t", "a")]))]


def test_what_is_here_or_nowhere_is_not_brought_in_parts(machine: Machine) -> None:
    """A whole table has these rows; a table that the owner does not have has none."""
    machine.do("SELECT * FROM {s}.snap_1")
    for table in ("snap_1", "nothing"):
        machine.copy.partly(table, Delete(table, {"k0": "VARCHAR"}, [("a",)]))
    assert machine.owner.asked == [("snap_1", None)]
    assert not machine.copy.lacks("snap_1")
    assert not machine.copy.lacks("nothing")


def test_all_rows_again(machine: Machine) -> None:
    """After some rows, the whole table is fetched when it is named next, each row once; a whole one stays as it is."""
    machine.copy.partly("snap_1", Delete("snap_1", {"k0": "VARCHAR"}, [("a",)]))
    machine.copy.entire("snap_1")
    machine.copy.entire("loose")
    assert machine.copy.lacks("snap_1")
    assert machine.do("SELECT k0 FROM {s}.snap_1 ORDER BY k0") == [("a",), ("b",), ("c",)]
    machine.copy.entire("snap_1")
    machine.do("SELECT * FROM {s}.snap_1")
    assert [keys for _, keys in machine.owner.asked] == [("snap_1", ["k0"], [("a",)]), None]


def test_a_dropped_table_is_neither_fetched_nor_missed(machine: Machine) -> None:
    """Its rows are nobody's business any more, whether none of them or some were here."""
    machine.copy.partly("loose", Delete("loose", {"a": "VARCHAR"}, [("x",)]))
    machine.do("DROP TABLE {s}.snap_1")
    machine.do("DROP TABLE {s}.loose")
    assert machine.steps() == [Drop("snap_1"), Drop("loose")]
    assert [table for table, _ in machine.owner.asked] == ["loose"]
    assert not machine.copy.lacks("snap_1")
    assert not machine.copy.lacks("loose")
    machine.do("DROP TABLE IF EXISTS {s}.loose")
    assert machine.steps() == []
    machine.do("CREATE TABLE {s}.loose (a VARCHAR, b INTEGER)")
    machine.do("ALTER TABLE {s}.loose ALTER COLUMN b TYPE VARCHAR")  # not of some rows alone
    assert [type(step) for step in machine.steps()] == [Make, Insert, Make, Make, Delete, Insert]


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_simple_statement_goes_as_it_stands(machine: Machine) -> None:
    """It names columns in quotes, and its table by a mark; its rows are not looked for."""
    machine.do("UPDATE {s}.pending SET run = ? WHERE sync = ? AND key = ?", "r2", "s", "a")
    assert machine.steps() == [
        Forward("pending", 'UPDATE {table} SET "run" = %s WHERE "sync" = %s AND "key" = %s', ["r2", "s", "a"])
    ]
    assert machine.do("SELECT key FROM {s}.pending WHERE run = 'r2'") == [("a",)]
    machine.do("DELETE FROM {s}.loose WHERE b = ?", 1)
    assert machine.steps() == [Forward("loose", 'DELETE FROM {table} WHERE "b" = %s', [1])]
    assert machine.do("SELECT a FROM {s}.loose") == [("y",)]


def test_a_simple_statement_with_other_values_goes_by_its_rows(machine: Machine) -> None:
    """A null compares otherwise than an equals sign says, and engines spell times otherwise."""
    machine.do("DELETE FROM {s}.pending WHERE cohort = ?", None)
    machine.do("INSERT INTO {s}.acks VALUES ('r', 1, 2, ?)", datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    machine.time += 5
    machine.do("DELETE FROM {s}.acks WHERE ts = ?", datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    found = machine.steps()
    assert [type(step) for step in found] == [Delete, Insert, Delete]
    assert found[0] == Delete("pending", dict.fromkeys(("sync", "key", "op", "cohort"), "VARCHAR"), [])
    assert found[2] == Delete("acks", {"run": "VARCHAR", "lo": "BIGINT"}, [("r", "1")])


def test_deleted_rows_are_told_by_their_keys(machine: Machine) -> None:
    """Of a table without any, by all of their columns."""
    machine.do("DELETE FROM {s}.pending AS p USING (SELECT 'vip' AS c) q WHERE p.cohort = q.c")
    machine.do("DELETE FROM {s}.snap_1 WHERE f0 IS NULL")
    machine.do("DELETE FROM {s}.loose WHERE b > 1")
    pending, snap, loose = machine.steps()
    assert pending == Delete(
        "pending", dict.fromkeys(("sync", "key", "op", "cohort"), "VARCHAR"), [("s", "b", "join", "vip")]
    )
    assert snap == Delete("snap_1", {"k0": "VARCHAR"}, [("b",)])
    assert loose == Delete("loose", LOOSE, [("y", "2")])


def test_changed_rows_are_told_whole(machine: Machine) -> None:
    """They are taken out by what they are known by, and put in as they are now."""
    machine.do("UPDATE {s}.snap_1 AS s SET f0 = 7 FROM (SELECT 'b' AS k) q WHERE s.k0 = q.k")
    assert machine.steps() == [
        Delete("snap_1", {"k0": "VARCHAR"}, [["b"]]),
        Insert("snap_1", SNAP, [("b", "b@x", "7")]),
    ]
    machine.do("UPDATE {s}.pending SET run = 'r9' WHERE cohort IS NULL")
    assert machine.steps() == [
        Delete("pending", dict.fromkeys(("sync", "key", "op", "cohort"), "VARCHAR"), [["s", "a", "upsert", None]]),
        Insert("pending", PENDING, [("s", "a", "upsert", None, "r9")]),
    ]


def test_changed_keys_write_the_table_anew(machine: Machine) -> None:
    """By what rows were known before is gone; a table of which only some rows are here cannot be written anew."""
    machine.do("UPDATE {s}.loose SET a = 'z' WHERE b = 2 AND true")
    assert machine.steps() == [Delete("loose", LOOSE, None), Insert("loose", LOOSE, [("x", "1"), ("z", "2")])]
    machine.copy.partly("snap_1", Delete("snap_1", {"k0": "VARCHAR"}, [("a",)]))
    with pytest.raises(RuntimeError, match="snap_1 cannot be written anew"):
        machine.do("UPDATE {s}.snap_1 SET k0 = 'z' WHERE k0 = 'a' AND true")
    with pytest.raises(RuntimeError, match="some of its rows are not here"):
        machine.do("ALTER TABLE {s}.snap_1 ALTER COLUMN f0 TYPE VARCHAR")
    assert machine.steps() == []
    assert machine.do("SELECT * FROM {s}.snap_1") == [("a", "a@x", 1)]


def test_inserted_rows_are_told_as_texts(machine: Machine) -> None:
    """As many as there are, with all columns of the table."""
    machine.do("INSERT INTO {s}.snap_1 (k0, f0) SELECT 'n' || i, i FROM range(2) t(i)")
    assert machine.steps() == [Insert("snap_1", SNAP, [("n0", None, "0"), ("n1", None, "1")])]


def test_definitions_are_told_with_what_they_need(machine: Machine) -> None:
    """A new column needs no rows; a new table and a column of another type do."""
    machine.do("CREATE TABLE {s}.new AS SELECT 1 AS one")
    machine.do("ALTER TABLE {s}.snap_1 ADD COLUMN f1 DATE")
    machine.do("ALTER TABLE {s}.loose ALTER COLUMN b TYPE VARCHAR")
    wider = {**SNAP, "f1": "DATE"}
    other = {"a": "VARCHAR", "b": "VARCHAR"}
    assert machine.steps() == [
        Make("new", {"one": "INTEGER"}), Insert("new", {"one": "INTEGER"}, [("1",)]),
        Make("snap_1", wider),
        Make("loose", {"a": "VARCHAR"}), Make("loose", other), Delete("loose", other, None),
        Insert("loose", other, [("x", "1"), ("y", "2")]),
    ]  # fmt: skip
    assert machine.copy.known["snap_1"] == wider


def test_several_statements_are_told_one_by_one(machine: Machine) -> None:
    """A semicolon between them ends each; one within a text that has parameters does not."""
    machine.do("INSERT INTO {s}.loose VALUES ('p', 8); INSERT INTO {s}.loose VALUES ('q', 9);")
    assert machine.steps() == [Insert("loose", LOOSE, [("p", "8")]), Insert("loose", LOOSE, [("q", "9")])]
    machine.do("INSERT INTO {s}.loose VALUES (';', ?)", 5)
    assert machine.steps() == [Insert("loose", LOOSE, [(";", "5")])]


# --- transactions -----------------------------------------------------------------------------------------------------


def test_a_transaction_is_told_at_its_end(machine: Machine) -> None:
    """Whole, with the token and the head; nothing of one that is rolled back; the next statement is one by itself."""
    machine.copy.head = {"run": "r0"}
    machine.do("BEGIN")
    machine.do("INSERT INTO {s}.loose VALUES ('p', 8)")
    machine.do("INSERT INTO {s}.loose VALUES ('q', 9)")
    assert machine.owner.told == []
    machine.do("COMMIT")
    assert machine.owner.told == [
        ("me", [Insert("loose", LOOSE, [("p", "8")]), Insert("loose", LOOSE, [("q", "9")])], {"run": "r0"})
    ]
    machine.do("BEGIN")
    machine.do("DELETE FROM {s}.loose")
    machine.do("ROLLBACK")
    assert len(machine.owner.told) == 1
    machine.do("DELETE FROM {s}.loose WHERE a = ?", "p")
    assert machine.owner.told[1:] == [
        ("me", [Forward("loose", 'DELETE FROM {table} WHERE "a" = %s', ["p"])], {"run": "r0"})
    ]
    assert machine.do("SELECT a FROM {s}.loose ORDER BY a") == [("q",), ("x",), ("y",)]


def test_a_statement_that_fails_leaves_nothing(machine: Machine) -> None:
    """Neither here nor there, and no transaction stays open."""
    with pytest.raises(duckdb.Error):
        machine.do("INSERT INTO {s}.loose VALUES ('p', 'no number')")
    machine.do("BEGIN")
    machine.do("COMMIT")
    assert machine.steps() == []


def test_what_was_fetched_in_vain_is_fetched_again(machine: Machine) -> None:
    """Whole tables, some rows and dropped tables: a transaction that is rolled back takes along what came in it."""
    by = {"k0": "VARCHAR"}
    machine.copy.partly("snap_1", Delete("snap_1", by, [("a",)]))
    machine.do("BEGIN")
    machine.do("DELETE FROM {s}.pending")
    machine.copy.partly("snap_1", Delete("snap_1", by, [("b",)]))
    machine.do("DROP TABLE {s}.loose")
    machine.do("CREATE TABLE {s}.later (a VARCHAR)")
    machine.do("ROLLBACK")
    assert machine.copy.known == TABLES
    assert machine.do("SELECT count(*) FROM {s}.pending") == [(2,)]
    assert machine.do("SELECT count(*) FROM {s}.loose") == [(2,)]
    machine.copy.partly("snap_1", Delete("snap_1", by, [("a",), ("b",)]))
    assert machine.do("SELECT k0 FROM {s}.snap_1 ORDER BY k0") == [("a",), ("b",)]
    machine.do("BEGIN")
    machine.do("DROP TABLE {s}.snap_1")
    machine.do("ROLLBACK")
    assert machine.copy.lacks("snap_1")
    assert machine.do("SELECT k0 FROM {s}.snap_1 ORDER BY k0") == [("a",), ("b",)]
    assert machine.steps() == []


def test_without_a_lease_nothing_is_committed_here_either(machine: Machine) -> None:
    """The owner refuses: the run is told what is kept and what to do."""
    machine.owner.holds = False
    machine.do("BEGIN")
    machine.do("INSERT INTO {s}.loose VALUES ('p', 8)")
    with pytest.raises(TryLater, match="could not renew its lease") as refused:
        machine.do("COMMIT")
    assert (refused.value.code, refused.value.exit_code) == ("RVT-512", 4)
    assert "recorded as sent or as unknown" in refused.value.kept
    assert "run the same command again" in refused.value.hint
    machine.do("ROLLBACK")
    assert machine.do("SELECT count(*) FROM {s}.loose") == [(2,)]


def test_a_copy_for_reading_writes_nothing() -> None:
    """It has no token to write with."""
    machine = Machine(token=None)
    with pytest.raises(RuntimeError, match="opened for reading"):
        machine.do("INSERT INTO {s}.loose VALUES ('p', 8)")
    assert machine.owner.told == []


def ack(machine: Machine, lo: int) -> int:
    """Acknowledge something; return how often the owner was told."""
    machine.do(f"INSERT INTO {{s}}.acks VALUES ('r', {lo}, {lo}, NULL)")
    return len(machine.owner.told)


def test_acknowledgements_wait_two_seconds_and_no_longer(machine: Machine) -> None:
    """Counted from the last time that the owner was told; they go in order, once, and with whatever goes first."""
    machine.time += 1.9
    assert ack(machine, 1) == 0
    machine.time += 0.1
    assert ack(machine, 2) == 1
    machine.time += 1.9
    assert ack(machine, 3) == 1
    machine.do("INSERT INTO {s}.loose VALUES ('p', 8)")
    machine.time += 1.9
    assert ack(machine, 4) == 2
    machine.copy.advance({"run": "r2"})
    assert ack(machine, 5) == 3
    told = [[getattr(step, "rows", [])[0][1] for step in steps] for _, steps, _ in machine.owner.told]
    assert told == [["1", "2"], ["3", "8"], ["4"]]
    assert [head for *_, head in machine.owner.told] == [{}, {}, {"run": "r2"}]


def test_a_head_goes_without_anything_to_go_with_it(machine: Machine) -> None:
    """And steps that were added go with it, once."""
    machine.copy.advance({"seq": "1"})
    machine.copy.add([Drop("x")])
    assert len(machine.owner.told) == 1
    machine.copy.advance({"seq": "2"})
    machine.copy.advance({"seq": "3"})
    assert machine.owner.told == [("me", [], {"seq": "1"}), ("me", [Drop("x")], {"seq": "2"}), ("me", [], {"seq": "3"})]


def test_everything_else_is_the_connection_s(machine: Machine) -> None:
    """Statements that name no state, with their parameters, and other methods."""
    assert machine.copy.execute("  SELECT ? + 1", [2]).fetchall() == [(3,)]
    assert machine.copy.sql("SELECT 4").fetchall() == [(4,)]
    assert machine.copy.con is machine.con
