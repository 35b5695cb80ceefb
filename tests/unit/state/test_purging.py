"""A person is taken out of all that state keeps; records and memberships are put in doubt; nobody else's are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from revetl.state import optouts
from revetl.state.doubting import doubt_all, doubt_some
from revetl.state.layout import load_sync
from revetl.state.outbox import begin_run
from revetl.state.purging import compact, every_key, purge
from revetl.state.schema import STATE
from revetl.state.store import STORAGE_VERSION, Store
from revetl.warehouse.connection import connect
from tests.unit.state.closed import HOUR, S, T, World, key
from tests.unit.state.written import NOON

BY_KEY = ("remote", "pending", "rejected", "unmatched", "waiting_links", "refused", "opted_out")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a state on disk of which both syncs know the same three people."""
    made = World(tmp_path / "dev")
    made.known("a", "b", "c")
    for who in "abc":
        made.member(who, "vip")
        made.member(who, "new")
    yield made
    made.con.close()


def test_a_person_is_taken_out(world: World) -> None:
    """By sync and key out of every table, links to them included; how many rows that were is told."""
    for who in "abc":
        for sync in (S, T):
            for table in BY_KEY:
                world.add(table, sync=sync, key=key(who))
        world.add("after_1", seq=1, k0=who, k1=1)
    world.add("waiting_links", sync="crm.else", key="k1", target=S, awaits=key("a"))
    world.add("waiting_links", sync="crm.else", key="k2", target=T, awaits=key("a"))
    world.add("waiting_links", sync="crm.else", key="k3", target=S, awaits=key("c"))
    done = purge(world.store, {S: [key("a"), key("b")], "crm.unknown": [key("c")]}, [], "why")
    assert (done.state, done.ledger.rows) == (2 * (len(BY_KEY) + 4), 0)
    for table in BY_KEY:
        left = world.rows(f"SELECT sync, key FROM {{s}}.{table} WHERE sync <> 'crm.else' ORDER BY ALL")
        assert left == [*((T, key(who)) for who in "abc"), (S, key("c"))]
    assert world.rows("SELECT key FROM {s}.waiting_links WHERE sync = 'crm.else' ORDER BY ALL") == [("k2",), ("k3",)]
    for table, rows in (("snap_1", 1), ("members_1", 2), ("after_1", 1), ("snap_2", 3), ("members_2", 6)):
        assert world.rows(f"SELECT count(*) FROM {{s}}.{table}") == [(rows,)]
    assert {row[0] for row in world.rows("SELECT k0 FROM {s}.snap_1")} == {"c"}


def test_every_key_that_is_anywhere_is_known(world: World) -> None:
    """One a table, and one in the ledger; of a sync without tables of its own, what the common ones have."""
    for table in BY_KEY:
        world.add(table, sync=S, key=key(table))
        world.add(table, sync="crm.unknown", key=key(table))
    world.add("after_1", seq=1, k0="after", k1=1)
    world.member("a member", "vip")

    def told(sync: str) -> set[str]:
        return {row[0] for row in world.rows(every_key(world.store, sync))}

    common = {key(table) for table in BY_KEY}
    typed = {key(who) for who in ("a", "b", "c", "after", "a member")}
    assert told("crm.unknown") == common
    assert told(S) == common | typed
    assert world.store.ledger is not None
    world.con.execute(
        "COPY (SELECT * FROM (VALUES (?, ?), (?, ?)) t (sync, key)) TO "
        f"'{world.store.ledger}/1.parquet'", [S, key("of old"), T, key("another's")],
    )  # fmt: skip
    assert told(S) == common | typed | {key("of old")}


def test_samples_in_summaries_name_nobody(world: World) -> None:
    """Keys as JSON spells them, wherever they stand; others stay, and runs without one are as they were."""
    for run, summary in (("r1", '{"sample": ["[\\"a\\",1]", "[\\"b\\",1]"]}'), ("r2", None), ("r3", '["[\\"é\\"]"]')):
        begin_run(world.store, run, {})
        world.con.execute(f"UPDATE {STATE}.runs SET summary = ? WHERE run = ?", [summary, run])
    purge(world.store, {S: [key("a")], T: ['["é"]']}, [], "why")
    assert world.rows("SELECT run, summary FROM {s}.runs ORDER BY run") == [
        ("r1", '{"sample": ["forgotten", "[\\"b\\",1]"]}'), ("r2", None), ("r3", '["forgotten"]'),
    ]  # fmt: skip


def test_a_compact_file_holds_no_trace(world: World, tmp_path: Path) -> None:
    """What was deleted stands nowhere in it any more; all else is there, the owner's alone, and the state goes on."""
    path, left = tmp_path / "dev" / "state.duckdb", tmp_path / "dev" / "tmp" / "state.duckdb"
    left.parent.mkdir()
    for leftover in (left, left.with_name("state.duckdb.wal")):
        leftover.write_bytes(b"of a run that was killed")
    world.con.execute(f"UPDATE {STATE}.snap_1 SET m = 'trace-of-somebody' WHERE k0 = 'a'")
    world.con.execute(f"CHECKPOINT {STATE}")
    world.con.execute(f"DELETE FROM {STATE}.snap_1 WHERE k0 = 'a'")
    compact(world.store)
    assert b"trace-of-somebody" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(left.parent.glob("state*")) == []
    assert {row[0] for row in world.rows("SELECT k0 FROM {s}.snap_1")} == {"b", "c"}
    tags = world.store.one("SELECT tags FROM duckdb_databases() WHERE database_name = 'revetl_state'")
    assert STORAGE_VERSION in str(tags)
    world.store.set_meta("seq", "9")
    world.con.close()
    with connect() as con:
        assert Store(con, tmp_path / "dev", lambda: NOON).last_seq() == 9


def test_a_state_in_memory_has_no_files() -> None:
    """There is none to write anew, and none for dbt to read."""
    world = World()
    compact(world.store)
    assert optouts.write_file(world.store, {}) is None
    assert world.store.last_seq() == 0
    assert world.rows(every_key(world.store, "crm.unknown")) == []
    world.con.close()


def doubts(world: World, what: str) -> list[Any]:
    """Return what is in doubt."""
    return world.rows(f"SELECT {what} FROM {{s}}.pending ORDER BY ALL")


def test_everything_may_be_put_in_doubt(world: World) -> None:
    """Every record with all of its fields, every membership at the place of its record; how many of each is told."""
    world.member("d", "vip")
    assert doubt_all(world.store) == [(T, 3, 7), (S, 3, 7)]
    found = doubts(world, "sync, key, op, cohort, touched, tried, near, linked, run, since, ended")
    assert len(found) == 20
    last = (NOON, None)
    for sync in (S, T):
        assert (
            sync,
            key("a"),
            "upsert",
            None,
            [0, 1, 2, 3],
            [{"m": "a@x", "i": "a@x"}],
            ["a@x"],
            [],
            "recover",
            *last,
        ) in found
        assert (sync, key("a"), "join", "vip", [], [{"m": "a@x", "i": "a@x"}], ["a@x"], [], "recover", *last) in found
        assert (sync, key("d"), "join", "vip", [], [], [], [], "recover", *last) in found


def test_some_may_be_put_in_doubt(world: World) -> None:
    """These records, these memberships, and all of those who are gone; since when they say."""
    sync = load_sync(world.store, S)
    assert sync is not None
    doubt_some(world.store, sync, [key("a")], [(key("b"), "new"), (key("a"), "none")], {key("c")}, NOON - HOUR)
    assert doubts(world, "sync, key, op, cohort, touched, near, since, run") == [
        (S, key("a"), "upsert", None, [], ["a@x"], NOON - HOUR, "verify"),
        (S, key("b"), "join", "new", [], ["b@x"], NOON - HOUR, "verify"),
        (S, key("c"), "join", "new", [], ["c@x"], NOON - HOUR, "verify"),
        (S, key("c"), "join", "vip", [], ["c@x"], NOON - HOUR, "verify"),
    ]


def test_older_doubts_are_part_of_newer_ones(world: World) -> None:
    """Of the very same change; those of other cohorts, operations, keys and syncs stay by themselves."""
    old: dict[str, Any] = {
        "run": "r0",
        "since": NOON - HOUR,
        "touched": [7],
        "near": ["z"],
        "tried": [{"m": "z", "i": "z"}],
    }
    for sync, who, op, cohort in (
        (S, "a", "join", "vip"),
        (S, "a", "join", "w"),
        (S, "a", "upsert", None),
        (T, "a", "join", "vip"),
    ):
        world.add(
            "pending", sync=sync, key=key(who), op=op, cohort=cohort, linked=[{"n": 2, "id": cohort or "-"}], **old
        )
    sync_ = load_sync(world.store, S)
    assert sync_ is not None
    doubt_some(world.store, sync_, [], [(key("a"), "vip")], (), NOON)
    assert doubts(world, "sync, op, cohort, touched, list_sort(near), len(tried), linked[1].id, run") == [
        (T, "join", "vip", [7], ["z"], 1, "vip", "r0"), (S, "join", "vip", [7], ["a@x", "z"], 2, "vip", "verify"),
        (S, "join", "w", [7], ["z"], 1, "w", "r0"), (S, "upsert", None, [7], ["z"], 1, "-", "r0"),
    ]  # fmt: skip
