"""Keys that were carried over: what becomes of each row of state, and whose each row of the ledger is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.state.layout import StoredField, StoredSync, add_field, load_sync, make_tables
from revetl.state.marks import Marks, load_marks, save_marks
from revetl.state.rekeying import FLAG, Counted, Span, carry, count, make_map, note, present, spans, within, write_down
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.state.written import NOON

PERSON, FIRM = "crm.person", "crm.firm"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a state that knows two syncs: a key of two parts, fields of records and of memberships, one orphaned."""
    with connect() as con:
        con.execute("SET threads = 1")
        made = Store(con, tmp_path / "dev", lambda: NOON)
        for number, name in ((1, PERSON), (2, FIRM)):
            make_tables(made, StoredSync(number, name, ("VARCHAR", "INTEGER"), "email", 1, {}, None, "flow", 0))
        for ordinal, kind, cohort in ((0, "VARCHAR", None), (1, "DATE", "vip"), (2, "INTEGER", None)):
            add_field(made, 1, StoredField(ordinal, f"f{ordinal}", "p", "m", kind, None, False, False, cohort=cohort))
        con.execute(f"UPDATE {STATE}.fields SET orphan = true WHERE ordinal = 2")
        yield made


def person(store: Store) -> StoredSync:
    """Return the sync as it is known."""
    found = load_sync(store, PERSON)
    assert found is not None
    return found


OLD, NEW = [("a", "VARCHAR"), ("b", "INTEGER")], [("c", "UUID"), ("d", "VARCHAR")]
U = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(9)]


def key(letter: str, number: int | str = 1) -> str:
    """Return the text of an old key."""
    return f'["{letter}",{number}]'


def mapped(store: Store, *rows: tuple[object, object, object, object]) -> tuple[int, int, int]:
    """Make the map of these rows of old and new parts."""
    store.con.execute("CREATE OR REPLACE TEMP TABLE model (a VARCHAR, b VARCHAR, c VARCHAR, d VARCHAR)")
    for row in rows:
        store.con.execute("INSERT INTO model VALUES (?, ?, ?, ?)", list(row))
    return make_map(store, "model", OLD, NEW)


def test_a_map_says_where_it_is_none(store: Store) -> None:
    """Rows without a new key, old keys of several new ones, new keys of several old ones; said twice is once."""
    assert mapped(store, ("x", 1, U[0], "d"), ("x", 1, U[0], "d"), ("y", 1, U[1], "d")) == (0, 0, 0)
    assert store.rows("SELECT old, new FROM temp.main.rekey ORDER BY old") == [
        (key("x"), f'["{U[0]}","d"]'), (key("y"), f'["{U[1]}","d"]'),
    ]  # fmt: skip
    gone = [("x", "no number", U[0], "d"), (None, 1, U[0], "d"), ("x", None, U[0], "d")]
    assert mapped(store, *gone) == (0, 0, 0)
    assert store.one("SELECT count(*) FROM temp.main.rekey") == 0
    assert mapped(store, ("x", 1, None, "d"), ("y", 1, U[0], None), ("z", 1, U[1], "d")) == (2, 0, 1)
    assert mapped(store, ("x", 1, U[0], "d"), ("x", 1, U[1], "d"), ("y", 1, U[2], "d")) == (0, 1, 0)
    assert mapped(store, ("x", 1, U[0], "d"), ("y", 1, U[0], "d"), ("y", 2, U[0], "e")) == (0, 0, 1)


def test_what_would_become_of_keys(store: Store) -> None:
    """Of records, memberships and doubts, each key once: moved, the same, or left, some of which are named."""
    assert count_of(store, ()) == Counted(0, 0, 0)
    store.con.execute(f"INSERT INTO {STATE}.snap_1 (k0, k1) VALUES ('x', 1), ('y', 1)")
    store.con.execute(f"INSERT INTO {STATE}.members_1 (k0, k1) VALUES ('x', 1), ('z', 1)")
    for sync, letter in ((PERSON, "x"), (PERSON, "w"), (FIRM, "v")):
        store.con.execute(f"INSERT INTO {STATE}.pending (sync, key) VALUES (?, ?)", [sync, key(letter)])
    assert count_of(store, ()) == Counted(0, 0, 4, tuple(map(key, "wxyz")))
    assert count_of(store, (key("x"), "new"), (key("y"), key("y")), (key("z"), "other")) == Counted(
        2, 1, 1, (key("w"),)
    )
    for n in range(7):
        store.con.execute(f"INSERT INTO {STATE}.snap_1 (k0, k1) VALUES ('n', {n})")
    assert count_of(store, (key("n", 3), "new")) == Counted(1, 0, 10, tuple(key("n", n) for n in (0, 1, 2, 4, 5)))


def count_of(store: Store, *pairs: Any) -> Counted:
    """Return what a map of these old and new texts would do."""
    store.con.execute("CREATE OR REPLACE TEMP TABLE rekey (old VARCHAR, new VARCHAR)")
    for pair in filter(None, pairs):
        store.con.execute("INSERT INTO rekey VALUES (?, ?)", list(pair))
    return count(store, person(store))


BY_KEY = ("remote", "pending", "rejected", "unmatched", "opted_out", "erasures")


def filled(store: Store) -> None:
    """Let three people be known everywhere, and as many firms by the same keys."""
    for n, letter in enumerate("xyz", 1):
        store.con.execute(f"INSERT INTO {STATE}.snap_1 VALUES (?, 1, ?, 'f', {n})", [letter, f"{letter}@x"])
        store.con.execute(f"INSERT INTO {STATE}.members_1 VALUES (?, 1, 'vip', DATE '2026-01-0{n}')", [letter])
        store.con.execute(
            f"INSERT INTO {STATE}.after_1 (seq, k0, k1, m, f0, f1, f2) "
            f"VALUES ({n}, ?, 1, 'm', 'g', DATE '2026-02-0{n}', 5)",
            [letter],
        )
        for sync in (PERSON, FIRM):
            for table in (*BY_KEY, "refused"):
                store.con.execute(f"INSERT INTO {STATE}.{table} (sync, key) VALUES (?, ?)", [sync, key(letter)])
            other = FIRM if sync == PERSON else "crm.else"
            store.con.execute(
                f"INSERT INTO {STATE}.waiting_links (sync, key, target) VALUES (?, ?, ?)", [sync, key(letter), other]
            )
    store.con.execute(f"INSERT INTO {STATE}.waiting_links (sync, key, target) VALUES ('crm.else', 'k', '{PERSON}')")
    for sync in (PERSON, FIRM):
        save_marks(store, sync, Marks("v", NOON, {"m": 1}))


def test_each_row_goes_over(store: Store) -> None:
    """Records, memberships, what is on its way, ids, doubts; who has no new key is forgotten; other syncs stay."""
    filled(store)
    assert mapped(store, ("x", 1, U[1], "d"), ("y", 1, U[2], "d"), ("q", 1, U[3], "d")) == (0, 0, 0)
    carry(store, person(store), ["UUID", "VARCHAR"], ["c", "d"])
    known = person(store)
    assert (known.keys, known.key_columns) == (("UUID", "VARCHAR"), ("c", "d"))
    kinds = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
    keys = [("k0", "UUID"), ("k1", "VARCHAR")]
    fields = {
        "snap_1": [*keys, ("m", "VARCHAR"), ("f0", "VARCHAR"), ("f2", "INTEGER")],
        "members_1": [*keys, ("cohort", "VARCHAR"), ("f1", "DATE")],
        "after_1": [("seq", "BIGINT"), *keys, ("m", "VARCHAR"), ("f0", "VARCHAR"), ("f1", "DATE"), ("f2", "INTEGER")],
    }
    assert {table: store.rows(kinds, [table]) for table in fields} == fields
    text = {
        table: store.rows(f"SELECT CAST(columns(*) AS VARCHAR) FROM {STATE}.{table} ORDER BY ALL") for table in fields
    }
    assert text == {
        "snap_1": [(U[1], "d", "x@x", "f", "1"), (U[2], "d", "y@x", "f", "2")],
        "members_1": [(U[1], "d", "vip", "2026-01-01"), (U[2], "d", "vip", "2026-01-02")],
        "after_1": [("1", U[1], "d", "m", "g", "2026-02-01", "5"), ("2", U[2], "d", "m", "g", "2026-02-02", "5")],
    }
    for table in BY_KEY:
        rows = store.rows(f"SELECT sync, key FROM {STATE}.{table} ORDER BY ALL")
        left = [(PERSON, key("z"))] if table == "erasures" else []
        assert rows == [
            *((FIRM, key(k)) for k in "xyz"),
            *sorted([(PERSON, f'["{U[1]}","d"]'), (PERSON, f'["{U[2]}","d"]'), *left]),
        ]
    assert store.rows(f"SELECT DISTINCT sync FROM {STATE}.refused") == [(FIRM,)]
    assert store.rows(f"SELECT DISTINCT sync, target FROM {STATE}.waiting_links") == [(FIRM, "crm.else")]
    assert (load_marks(store, PERSON), load_marks(store, FIRM)) == (None, Marks("v", NOON, {"m": 1}))


def test_keys_may_change_places(store: Store) -> None:
    """Each is another's former one; one that stays as it is stays."""
    filled(store)
    store.con.execute("CREATE OR REPLACE TEMP TABLE model (a VARCHAR, b INTEGER, c VARCHAR)")
    store.con.execute("INSERT INTO model VALUES ('x', 1, 'y'), ('y', 1, 'x'), ('z', 1, 'z')")
    make_map(store, "model", OLD, [("c", "VARCHAR"), ("b", "INTEGER")])
    assert count(store, person(store)) == Counted(2, 1, 0)
    carry(store, person(store), ["VARCHAR", "INTEGER"], ["c", "b"])
    assert store.rows(f"SELECT k0, m FROM {STATE}.snap_1 ORDER BY k0") == [("x", "y@x"), ("y", "x@x"), ("z", "z@x")]
    assert store.rows(f"SELECT key FROM {STATE}.remote WHERE sync = '{PERSON}' ORDER BY 1") == [
        (key(k),) for k in "xyz"
    ]


def test_the_ledger_is_told(store: Store) -> None:
    """A row for each key that changed, of every sync; numbers that nobody else gets; without any, the run alone."""
    filled(store)
    store.con.execute(f"INSERT INTO {STATE}.snap_2 VALUES ('x', 1, 'm')")
    store.set_meta("seq", "40")
    mapped(store, ("y", 1, U[2], "d"), ("x", 1, U[1], "d"), ("q", 1, U[3], "d"))
    store.con.execute("UPDATE temp.main.rekey SET new = old WHERE old LIKE '%y%'")
    firm = load_sync(store, FIRM)
    assert firm is not None
    note(store, person(store))
    note(store, firm)
    write_down(store, "r1")
    store.con.execute("DELETE FROM rekeyed")
    write_down(store, "r2")
    assert store.ledger is not None
    new = f'["{U[1]}","d"]'
    named = 'run, seq, "time", sync, key, op, cause, outcome, reason'
    assert store.rows(f"SELECT {named} FROM read_parquet(?) ORDER BY seq", [str(store.ledger / "r1.parquet")]) == [
        ("r1", 41, NOON, FIRM, new, "rekey", "rekey", "local", key("x")),
        ("r1", 42, NOON, PERSON, new, "rekey", "rekey", "local", key("x")),
    ]
    assert store.last_seq() == 42
    assert store.one(f"SELECT value FROM {STATE}.meta WHERE name = '{FLAG}'") == "yes"
    assert store.rows(f"SELECT run, file FROM {STATE}.chain") == [("r1", "r1.parquet")]
    assert store.rows(f"SELECT run, started_at, closed_at, exit_code, file FROM {STATE}.runs ORDER BY run") == [
        ("r1", NOON, NOON, 0, "r1.parquet"), ("r2", NOON, NOON, 0, None),
    ]  # fmt: skip


def test_a_state_in_memory_has_no_ledger_to_tell() -> None:
    """The run is known all the same."""
    with connect() as con:
        store = Store(con, None, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        con.execute("CREATE TEMP TABLE rekeyed (sync VARCHAR, key VARCHAR, old VARCHAR)")
        con.execute("INSERT INTO rekeyed VALUES ('s', 'k', 'o')")
        write_down(store, "r1")
        assert store.rows(f"SELECT run, file FROM {STATE}.runs") == [("r1", None)]
        assert (store.last_seq(), store.one(f"SELECT count(*) FROM {STATE}.chain")) == (0, 0)


# --- whose a row of the ledger is -------------------------------------------------------------------------------------

KEYS = "abcd"
Rows = list[tuple[str, int, str, str, str, str | None, int | None]]  # run, seq, sync, key, op, reason, who
_STEPS = st.lists(st.one_of(st.integers(0, 3), st.permutations(KEYS).map(tuple)), min_size=1, max_size=8)


def told(steps: Sequence[Any]) -> tuple[Rows, list[str]]:
    """Return the ledger of a history, and the keys at its end: four entities, sent to or given each other's keys."""
    now, rows = list(KEYS), Rows()
    for number, step in enumerate(steps):
        run = f"r{number}"
        if isinstance(step, int):
            rows.append((run, len(rows), PERSON, now[step], "upsert", None, step))
            rows.append((run, len(rows), FIRM, now[step], "upsert", None, None))  # another entity's, whose keys stay
            continue
        for who in sorted(range(4), key=lambda who: step[who]):
            if now[who] != step[who]:
                rows.append((run, len(rows), PERSON, step[who], "rekey", now[who], who))
        now = list(step)
    return rows, now


@pytest.fixture(scope="module")
def memory() -> Iterator[Store]:
    """Return a state in memory whose ledger tells of former keys."""
    with connect() as con:
        con.execute("SET threads = 1")
        con.execute(
            "CREATE TABLE memory.flows (run VARCHAR, seq BIGINT, sync VARCHAR, key VARCHAR, op VARCHAR, reason VARCHAR)"
        )
        made = Store(con, None, lambda: NOON)
        made.set_meta(FLAG, "yes")
        yield made


FLOWS = "SELECT * FROM memory.flows"


def written(store: Store, rows: Rows) -> None:
    """Let the ledger have these rows."""
    store.con.execute("DELETE FROM memory.flows")
    for row in rows:
        store.con.execute("INSERT INTO memory.flows VALUES (?, ?, ?, ?, ?, ?)", list(row[:6]))


@settings(max_examples=40)
@given(steps=_STEPS, asked=st.sets(st.integers(0, 3), min_size=1))
def test_every_row_is_found_under_the_key_of_now(memory: Store, steps: Sequence[Any], asked: set[int]) -> None:
    """Whatever keys changed places meanwhile: an entity's rows, all of them, and nobody else's of its sync."""
    rows, now = told(steps)
    written(memory, rows)
    keys = [now[who] for who in sorted(asked)]
    sql, values = within(spans(memory, FLOWS, keys), keys)
    found = {row[0] for row in memory.rows(f"SELECT seq FROM memory.flows WHERE {sql}", values)}
    assert found == {
        seq for _, seq, sync, text, _, _, who in rows if (who in asked if sync == PERSON else text in keys)
    }  # fmt: skip
    later = present(memory, FLOWS, [(sync, text, seq) for _, seq, sync, text, *_ in rows])
    assert later == [text if who is None else now[who] for _, _, _, text, _, _, who in rows]


def test_spans_say_from_when_to_when(memory: Store) -> None:
    """Of each key that is asked for, what it was before, back to the beginning; none where no key ever changed."""
    written(memory, [("r1", 5, PERSON, "b", "rekey", "a", None), ("r2", 9, PERSON, "c", "rekey", "b", None)])
    assert spans(memory, FLOWS, ["c", "x"]) == (
        Span(PERSON, "c", 9, None), Span(PERSON, "b", 5, 9), Span(PERSON, "a", 0, 5),
    )  # fmt: skip
    assert spans(memory, FLOWS, ["a"]) == ()
    assert spans(memory, FLOWS, []) == ()
    assert within((), ["a"]) == ("key IN (SELECT unnest(?))", [["a"]])
    memory.con.execute(f"DELETE FROM {STATE}.meta WHERE name = '{FLAG}'")
    assert spans(memory, FLOWS, ["c"]) == ()
    assert present(memory, FLOWS, [(PERSON, "a", 1)]) == ["a"]
    memory.set_meta(FLAG, "yes")
