"""Who is forgotten: kept in the state and in a file beside it, and never fewer than there were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from revetl.errors import StateError
from revetl.state.store import Store
from revetl.state.tombstones import FILE, Tombstone, known, read_tombstones, settle, write
from revetl.warehouse.connection import connect

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = Tombstone("f1", NOON, "k", "customer", ("key1", "key2"), ("mail1",))
SECOND = Tombstone("f0", NOON.replace(hour=13), "k", "customer", ("key3",), ())
THIRD = Tombstone("f3", NOON, "k", "customer", (), ("mail3", "mail4"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a state on disk in which nobody is forgotten."""
    con = connect()
    yield Store(con, tmp_path, lambda: NOON)
    con.close()


def test_state_and_file_have_the_same(store: Store, tmp_path: Path) -> None:
    """What is written stands in both with every hash, in the order of time; the head knows how many there are."""
    assert (settle(store), read_tombstones(tmp_path), known(None, tmp_path)) == ((), (), ())
    write(store, [FIRST, THIRD, SECOND])
    assert store.forgotten == 3
    assert store.head is not None
    assert (store.head.forgotten, store.head.run) == (3, "forget")
    assert read_tombstones(tmp_path) == (FIRST, THIRD, SECOND)
    assert settle(store) == known(store, tmp_path) == known(None, tmp_path) == (FIRST, THIRD, SECOND)
    store.advance_head("r1")
    write(store, [THIRD])
    assert (store.head.forgotten, store.head.run, settle(store)) == (1, "r1", (THIRD,))


@pytest.mark.parametrize("lost", ["file", "state"])
def test_what_one_has_is_given_to_the_other(store: Store, tmp_path: Path, lost: str) -> None:
    """A file that is gone comes back from the state, and a state of before learns from the file."""
    write(store, [FIRST, SECOND])
    if lost == "file":
        (tmp_path / FILE).unlink()
    else:
        store.con.execute("DELETE FROM revetl_state.forgotten")
    assert known(store, tmp_path) == settle(store) == (FIRST, SECOND)
    assert read_tombstones(tmp_path) == (FIRST, SECOND)
    assert store.one("SELECT count(*) FROM revetl_state.forgotten") == 4


def test_hashes_of_one_person_are_put_together(store: Store, tmp_path: Path) -> None:
    """Where both know a person, each hash that either has counts, once."""
    write(store, [FIRST])
    store.con.execute("DELETE FROM revetl_state.forgotten WHERE hash = 'key2'")
    store.con.execute("INSERT INTO revetl_state.forgotten SELECT id, ts, key_id, entity, 'identity', 'mail2' "
                      "FROM revetl_state.forgotten WHERE hash = 'key1'")  # fmt: skip
    both = Tombstone("f1", NOON, "k", "customer", ("key1", "key2"), ("mail1", "mail2"))
    assert settle(store) == read_tombstones(tmp_path) == (both,)


def test_fewer_than_the_head_says_stop_everything(store: Store, tmp_path: Path) -> None:
    """A file and a state that both lost somebody are not believed."""
    write(store, [FIRST, SECOND])
    (tmp_path / FILE).unlink()
    store.con.execute("DELETE FROM revetl_state.forgotten WHERE id = 'f0'")
    with pytest.raises(StateError, match="2 people are forgotten, but only 1 are") as caught:
        settle(store)
    assert (caught.value.code, caught.value.kept) == ("RVT-537", "nothing was sent: the others would be")
    assert caught.value.hint == "restore tombstones.json or state.duckdb from a backup"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"people": 1}', b'{"people": [{}]}', b'{"people": [{"at": "x"}]}'])
def test_a_file_that_cannot_be_read_stops_everything(tmp_path: Path, content: bytes) -> None:
    """Nobody is sent while nobody knows who is forgotten."""
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StateError) as caught:
        read_tombstones(tmp_path)
    assert (caught.value.code, caught.value.kept) == ("RVT-536", "nothing was sent")
    assert caught.value.hint.startswith("restore it; or move it away: the state has the same")


def test_an_owned_state_needs_no_file(store: Store, tmp_path: Path) -> None:
    """Where the state lies elsewhere, a file that was left here goes: it would outlive a lift."""
    write(store, [FIRST])
    store.owned = True
    assert settle(store) == (FIRST,)
    assert not (tmp_path / FILE).exists()
    write(store, [])
    assert (settle(store), (tmp_path / FILE).exists()) == ((), False)


def test_a_state_in_memory_needs_none_either() -> None:
    """Without a directory the state alone knows."""
    with_memory = Store(connect(), None, lambda: NOON)
    write(with_memory, [SECOND])
    assert settle(with_memory) == (SECOND,)
    with_memory.close()


def test_a_crash_between_file_and_state_forgets_nobody(tmp_path: Path) -> None:
    """The file is first: it gives the state back what it did not learn, and the head what it must be."""
    points: list[str] = []

    def crash(point: str) -> None:
        points.append(point)
        if len(points) > 1:
            raise KeyboardInterrupt

    store = Store(connect(), tmp_path, lambda: NOON, crash)
    write(store, [FIRST])
    with pytest.raises(KeyboardInterrupt):
        write(store, [FIRST, SECOND])
    assert points == ["after_tombstone_file"] * 2
    assert store.rows("SELECT DISTINCT id FROM revetl_state.forgotten") == [("f1",)]
    assert (store.forgotten, read_tombstones(tmp_path)) == (1, (FIRST, SECOND))
    store.crash = lambda _: None
    assert settle(store) == (FIRST, SECOND)
    assert (store.forgotten, store.head.forgotten if store.head else 0) == (2, 2)
    store.close()
