"""The store: what it refuses in words, what it waits for, what it keeps of meta, head, ledger and connections."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from revetl.errors import RevetlError, StateError, TryLater
from revetl.state import ledger
from revetl.state.head import GENESIS, Head, parse_head, read_head, spell_head, write_head
from revetl.state.places import Objects
from revetl.state.schema import MIGRATIONS, STATE
from revetl.state.store import Store
from revetl.state.witness import Folder, Witness
from revetl.warehouse.connection import connect
from tests.unit.state.written import NOON, Written


@contextmanager
def opened(directory: Path | None = None, **more: Any) -> Iterator[Store]:
    """Open a state, in memory by default."""
    with connect() as con:
        yield Store(con, directory, lambda: NOON, **more)


def refusal(directory: Path, **more: Any) -> RevetlError:
    """Return why a state is refused."""
    with pytest.raises(RevetlError) as caught, opened(directory, **more) as store:
        store.check_head()
    return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a state with one run, in a directory whose name needs care."""
    directory = tmp_path / "it's dev"
    with opened(directory) as store:
        store.set_meta("seq", "7")
        store.advance_head("r1")
    return directory


# --- what it says -----------------------------------------------------------------------------------------------------


def test_a_missing_file_is_told_with_what_to_do(home: Path) -> None:
    """What happened, that nothing was sent, and both ways on; beginning anew goes on from the head's number."""
    (home / "state.duckdb").unlink()
    found = refusal(home)
    assert str(found) == (
        "RVT-507 the state file is missing although this target has been synced before · the ledger is untouched; "
        "nothing was sent · hint: restore state.duckdb from a backup, or start again from what is there: "
        "revetl adopt SYNC"
    )
    with opened(home, anew=True) as store:
        assert store.last_seq() == 7
        store.set_meta("seq", "9")
    with opened(home, anew=True) as store:
        assert store.last_seq() == 9


def test_a_witness_alone_knows_that_there_was_a_state(home: Path, tmp_path: Path) -> None:
    """Without a head beside it, what lies elsewhere still says so; whoever knows of none begins."""
    witness = Witness(Folder(tmp_path / "witness"))
    for path in (home / "state.duckdb", home / "head.json"):
        path.unlink()
    with opened(home, witness=witness) as store:
        store.tick()
        store.advance_head("r2")
    assert witness.head == Head("r2", 1)
    (home / "state.duckdb").unlink()
    (home / "head.json").unlink()
    assert refusal(home, witness=Witness(Folder(tmp_path / "witness"))).code == "RVT-507"


def test_a_file_that_is_no_database_is_told_with_what_to_do(home: Path) -> None:
    """DuckDB's first line, that it is left as it is, and what to do."""
    (home / "state.duckdb").write_bytes(b"something else" * 1000)
    found = refusal(home)
    assert "RVT-504 the state file cannot be opened: " in str(found)
    assert "not a valid DuckDB database file" in found.what
    assert "\n" not in found.what
    assert found.kept == "the file is left as it is; nothing was sent"
    assert found.hint == "restore it from a backup, or move it away and run `revetl adopt SYNC`"


def test_a_newer_release_is_named(home: Path) -> None:
    """The last migration that it knows, and the last one of this release."""
    with opened(home) as store:
        store.con.execute(f"INSERT INTO {STATE}.meta VALUES ('migration', '9998_x'), ('migration', '9999_y')")
        store.set_meta("note", "9997_no_migration")
    found = refusal(home)
    assert found.what == f"a newer revetl wrote this state (it knows 9999_y, this one {max(MIGRATIONS)})"
    assert found.kept == "the state is left as it is; nothing was sent"
    assert found.hint == "upgrade revetl to at least that release"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_state_that_is_behind_says_of_what(home: Path, tmp_path: Path, *, elsewhere: bool) -> None:
    """Both numbers, the run, and which of the records it was: its own, or the one that lies elsewhere."""
    witness = Witness(Folder(tmp_path / "witness"))
    witness.tell(Head("r1", 6))
    if elsewhere:
        witness.tell(Head("r9", 12))
    else:
        write_head(home / "head.json", Head("r9", 12))
    found = refusal(home, witness=witness)
    whose = "its witness" if elsewhere else "its head record"
    assert found.what.startswith(f"the state is older than {whose} says (number 7 of 12, run r9): a file was restored")
    assert (found.code, found.hint) == ("RVT-506", "revetl recover")
    assert found.kept == "state and ledger are untouched; nothing was sent"


def test_a_state_without_a_chain_entry_is_behind(home: Path) -> None:
    """The number alone is not enough: the end of the chain that the head names must be there."""
    with opened(home) as store, store.transaction():
        (home / "ledger").mkdir(exist_ok=True)
        (home / "ledger" / "r2.parquet").write_bytes(b"x")
        ledger.append(store, "r2", "r2.parquet")
        end = store.chain_end()
        store.advance_head("r2")
    assert end != GENESIS
    with opened(home) as store:
        store.check_head()
        store.con.execute(f"UPDATE {STATE}.chain SET hash = 'other'")
    assert refusal(home).code == "RVT-506"


def test_a_directory_in_the_head_s_place_cannot_be_read(home: Path) -> None:
    """What went wrong, that nothing was touched, and how to get over it; ``recover`` may take it for none."""
    (home / "head.json").unlink()
    (home / "head.json").mkdir()
    found = refusal(home)
    assert str(found) == (
        "RVT-503 the head record head.json cannot be read (IsADirectoryError) · state and ledger are untouched; "
        "nothing was sent · hint: revetl recover"
    )
    with opened(home, trusting=True) as store:
        assert (store.head, store.heads) == (None, ())


def test_a_record_that_is_no_head_is_named() -> None:
    """By what it is called, and by the kind of error."""
    with pytest.raises(StateError, match=r"the witness's record cannot be read \(TypeError\)"):
        parse_head(b'{"run": "r", "seq": 1, "forgotten": "two"}', "the witness's record")
    with pytest.raises(StateError, match="JSONDecodeError"):
        parse_head(b"{", "x")


def test_a_head_is_spelt_as_older_releases_read_it(tmp_path: Path) -> None:
    """Those who were forgotten are counted only where there are any."""
    assert spell_head(Head("r", 1)) == b'{"run": "r", "seq": 1, "chain": "%s", "version": 1}' % GENESIS.encode()
    some = Head("r", 1, "f" * 64, forgotten=2)
    assert parse_head(spell_head(some), "x") == some
    assert read_head(tmp_path / "none") is None


# --- opening ----------------------------------------------------------------------------------------------------------


class Busy:
    """A connection that cannot attach for so many times."""

    def __init__(self, text: str, times: int) -> None:
        """Fail in these words."""
        self.con, self.text, self.left = connect(), text, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)

    def execute(self, sql: str, *more: Any) -> Any:
        """Attach in the end; everything else at once."""
        if sql.startswith("ATTACH") and self.left:
            self.left -= 1
            raise duckdb.IOException(self.text)
        return self.con.execute(sql, *more)


HELD = "Could not set lock on file: it is held (PID 7)\nsee the manual"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was slept, without sleeping."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def test_a_reader_is_waited_for_five_seconds(tmp_path: Path, naps: list[float]) -> None:
    """Fifty times a tenth of a second; then the state opens, or whoever holds it is named."""
    busy = Busy(HELD, 50)
    Store(cast("duckdb.DuckDBPyConnection", busy), tmp_path / "dev", lambda: NOON).close()
    assert naps == [0.1] * 50
    with pytest.raises(TryLater) as caught:
        Store(cast("duckdb.DuckDBPyConnection", Busy(HELD, 51)), tmp_path / "dev", lambda: NOON)
    assert str(caught.value) == (
        "RVT-511 another process holds the state file: Could not set lock on file: it is held (PID 7) · "
        "nothing was read or sent · hint: end it, or run the same command again later"
    )
    assert len(naps) == 100


def test_what_no_waiting_mends_is_told_at_once(tmp_path: Path, naps: list[float]) -> None:
    """A disk that is full is no other process."""
    with pytest.raises(StateError, match="No space left") as caught:
        Store(cast("duckdb.DuckDBPyConnection", Busy("No space left", 1)), tmp_path / "dev", lambda: NOON)
    assert (caught.value.code, naps) == ("RVT-504", [])


def test_a_file_with_a_log_was_more_than_begun(tmp_path: Path) -> None:
    """What was only begun is made anew; a file with a log beside it, or with a block more, is left as it is."""
    directory = tmp_path / "dev"
    directory.mkdir()
    path = directory / "state.duckdb"
    for size, log in ((12_289, False), (12_288, True)):
        path.write_bytes(b"\0" * size)
        (directory / "state.duckdb.wal").write_bytes(b"") if log else None
        assert refusal(directory).code == "RVT-504"
        assert path.stat().st_size == size
    (directory / "state.duckdb.wal").unlink()
    with opened(directory) as store:
        assert store.last_seq() == 0


def test_a_state_that_is_attached_is_not_attached_again() -> None:
    """A store over the same connection has what the one before it had."""
    with opened() as store:
        store.set_meta("seq", "3")
        assert Store(store.con, None, lambda: NOON).last_seq() == 3


# --- statements and transactions --------------------------------------------------------------------------------------


def test_rows_and_single_values() -> None:
    """All rows; the first value of the first; nothing where there are none; sizes by a column or of all."""
    with opened() as store:
        store.run_all([f"INSERT INTO {STATE}.unmatched VALUES ('s', 'a'), ('s', 'b')", "SELECT 1"])
        assert store.rows("SELECT ? + 1, 2", [1]) == [(2, 2)]
        assert store.one(f"SELECT key, sync FROM {STATE}.unmatched WHERE sync = ? ORDER BY key", ["s"]) == "a"
        assert store.one("SELECT 1 WHERE false") is None
        assert store.sizes("unmatched", "key") == {"a": 1, "b": 1}
        assert store.sizes("unmatched") == {None: 2}


def test_a_transaction_is_whole_or_nothing() -> None:
    """What fails within takes back what was done, and the next one begins afresh."""
    with opened() as store:
        with pytest.raises(duckdb.Error), store.transaction():
            store.run_all([f"INSERT INTO {STATE}.meta VALUES ('seq', '5')", "nonsense"])
        assert store.last_seq() == 0
        with store.transaction():
            store.set_meta("seq", "6")
        assert store.last_seq() == 6


def test_numbers_and_names(home: Path) -> None:
    """A name has one value; a tick takes one number and nothing else."""
    with opened(home) as store:
        store.set_meta("a", "1")
        store.set_meta("b", "2")
        store.set_meta("a", "3")
        assert store.rows(f"SELECT name, value FROM {STATE}.meta WHERE name IN ('a', 'b') ORDER BY name") == [
            ("a", "3"), ("b", "2"),
        ]  # fmt: skip
        store.tick()
        assert store.last_seq() == 8
        assert store.chain_end() == GENESIS


def test_the_head_says_what_is_there(home: Path, tmp_path: Path) -> None:
    """Run, number, chain and how many are forgotten; beside the state and with the witness."""
    witness = Witness(Folder(tmp_path / "witness"))
    with opened(home, witness=witness) as store:
        store.con.execute(f"INSERT INTO {STATE}.chain VALUES (2, 'r', 'f', 's', 'p', 'h2', now(), NULL)")
        store.con.execute(f"INSERT INTO {STATE}.chain VALUES (1, 'r', 'f', 's', 'p', 'z1', now(), NULL)")
        store.forgotten = 4
        store.advance_head("r5")
    wanted = Head("r5", 7, "h2", forgotten=4)
    assert store.head == read_head(home / "head.json") == witness.head == wanted
    with opened(home) as store:
        assert (store.head, store.forgotten) == (wanted, 4)
    with opened() as store:
        store.advance_head("r1")
        assert (store.head, store.forgotten) == (Head("r1", 0), 0)


def test_every_connection_is_closed(home: Path) -> None:
    """Another one sees what the first committed, and commits by itself; none is left open."""
    con = connect()
    store = Store(con, home, lambda: NOON)
    beside = store.beside()
    assert store.parallel
    with store.transaction():
        store.set_meta("seq", "20")
        assert beside.last_seq() == 7
    assert beside.last_seq() == 20
    assert (beside.directory, beside.clock()) == (home, NOON)
    store.close()
    for one in (con, beside.con):
        with pytest.raises(duckdb.ConnectionException):
            one.execute("SELECT 1")
    with opened(home):
        pass


# --- the ledger's files -----------------------------------------------------------------------------------------------


def test_a_ledger_here_stays_where_it_is(tmp_path: Path) -> None:
    """Nothing is brought, taken or tidied away."""
    with opened(tmp_path / "dev") as store:
        folder = store.ledger
        assert folder == tmp_path / "dev" / "ledger"
        assert not store.elsewhere
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "r1.parquet").touch()
        store.bring_ledger()
        store.keep_file(folder / "r1.parquet")
        store.stage_file(folder / "r1.parquet", "r1.parquet", gone=False)
        store.promote_file("r1.parquet", gone=True)
        store.close()
        assert [path.name for path in folder.iterdir()] == ["r1.parquet"]
    with opened() as store:
        assert (store.ledger, store.elsewhere) == (None, False)


def test_a_ledger_elsewhere_is_here_for_a_run(tmp_path: Path) -> None:
    """Files are brought to a folder of the run, and tidied away at its end; what a run before it left, at its start."""
    place = Objects(str(tmp_path / "bucket"), "dev")
    work, bucket = tmp_path / "dev" / "tmp" / "ledger", tmp_path / "bucket" / "dev"
    work.mkdir(parents=True)
    for left in ("old.parquet", ".old.parquet.9.part", "note.txt"):
        (work / left).touch()
    with opened(tmp_path / "dev", place=place) as store:
        assert [path.name for path in work.iterdir()] == ["note.txt"]
        assert (store.ledger, store.elsewhere) == (work, True)
        (work / "r1.parquet").write_bytes(b"one")
        (work / "r2.parquet").write_bytes(b"two")
        store.keep_file(work / "r1.parquet")
        assert (bucket / "r1.parquet").read_bytes() == b"one"
        store.stage_file(work / "r2.parquet", "r1.parquet", gone=False)
        assert (bucket / "r1.parquet").read_bytes() == b"one"
        store.promote_file("r1.parquet", gone=False)
        assert (bucket / "r1.parquet").read_bytes() == b"two"
        store.bring_ledger()
        assert {path.name: path.read_bytes() for path in work.glob("*.parquet")} == {"r1.parquet": b"two"}
        store.promote_file("r1.parquet", gone=True)
        assert list(bucket.iterdir()) == []
        store.close()
        assert [path.name for path in work.iterdir()] == ["note.txt"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing of an older attempt is left in it, nothing beside it, and nobody else may read it."""
    state = Written(tmp_path / "dev").make()
    head = state.directory / "head.json"
    beside = head.with_name(f".head.json.{os.getpid()}.part")
    beside.touch(0o600)
    beside.write_bytes(b"x" * 500)
    write_head(head, Head("r1", 1))
    assert read_head(head) == Head("r1", 1)
    assert head.stat().st_mode & 0o777 == 0o600
    assert not beside.exists()
