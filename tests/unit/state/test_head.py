"""The state file, its head record, its lock and its directory: what is refused, and by which code."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from revetl.errors import RevetlError, StateError, TryLater
from revetl.state.files import private_directory
from revetl.state.head import Head, read_head, write_head
from revetl.state.lock import locked
from revetl.state.outbox import begin_run
from revetl.state.schema import MIGRATIONS, migrate
from revetl.state.store import Store
from revetl.warehouse.connection import connect


@contextmanager
def opened(directory: Path, *, anew: bool = False) -> Iterator[Store]:
    """Open a state as a run does."""
    con = connect()
    try:
        yield Store(con, directory, lambda: datetime(2026, 1, 1, tzinfo=UTC), anew=anew)
    finally:
        con.close()


def refused(directory: Path) -> RevetlError:
    """Return why a run refuses this state."""
    with pytest.raises(RevetlError) as caught, opened(directory) as store:
        store.check_head()
    return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a state with one run and a head."""
    directory = tmp_path / "dev"
    with opened(directory) as store:
        begin_run(store, "r1", {})
        store.set_meta("seq", "7")
        store.advance_head("r1")
    return directory


def test_head_is_kept(home: Path) -> None:
    """The head says what the database holds, and a state that holds it is opened."""
    assert read_head(home / "head.json") == Head("r1", 7)
    with opened(home) as store:
        store.check_head()


@pytest.mark.parametrize("head", [Head("r2", 8), Head("r1", 7, "f" * 64)])
def test_behind_its_head(home: Path, head: Head) -> None:
    """A database without a change or a ledger entry that its head names lost something: RVT-506."""
    write_head(home / "head.json", head)
    found = refused(home)
    assert (found.code, found.exit_code) == ("RVT-506", 2)


def test_ahead_of_its_head(home: Path) -> None:
    """A kill between the database's commit and the head's leaves it ahead: that is no loss."""
    write_head(home / "head.json", Head("r0", 3))
    with opened(home) as store:
        store.check_head()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": "r1"}', '{"run": "r1", "seq": 1, "odd": 2}', "\xff"])
def test_head_unreadable(home: Path, text: str) -> None:
    """A head that cannot be read is never taken for none: RVT-503."""
    (home / "head.json").write_bytes(text.encode("latin-1"))
    assert refused(home).code == "RVT-503"


@pytest.mark.parametrize(
    "text", ['{"run": "r1", "seq": "7"}', '{"run": "r1", "seq": 7, "chain": 1}', '{"run": 1, "seq": null}']
)
def test_head_of_wrong_types(home: Path, text: str) -> None:
    """A head whose values are of other types cannot be read either."""
    (home / "head.json").write_text(text)
    assert refused(home).code == "RVT-503"


def test_state_missing(home: Path) -> None:
    """A missing file where the head says there was one is never a first sync: RVT-507; nothing is made anew."""
    (home / "state.duckdb").unlink()
    assert refused(home).code == "RVT-507"
    assert not (home / "state.duckdb").exists()


def test_begun_anew(home: Path) -> None:
    """``adopt`` may begin anew; numbers go on where they were."""
    (home / "state.duckdb").unlink()
    with opened(home, anew=True) as store:
        assert store.last_seq() == 7


def test_not_a_database(home: Path) -> None:
    """A file that is no database is left as it is: RVT-504."""
    (home / "state.duckdb").write_bytes(b"something else" * 100)
    assert refused(home).code == "RVT-504"
    assert (home / "state.duckdb").read_bytes().startswith(b"something else")


@pytest.mark.parametrize("size", [0, 4096, 8192])
def test_only_begun(home: Path, size: int) -> None:
    """A file whose making was cut off is made anew where nothing was ever sent; with a head it is refused."""
    path = home / "state.duckdb"
    path.write_bytes(path.read_bytes()[:size])
    if size:
        assert refused(home).code == "RVT-504"
    (home / "head.json").unlink()
    with opened(home) as store:
        assert store.last_seq() == 0


def test_only_begun_without_a_first_header(home: Path) -> None:
    """Headers of which the first was never written are a file that was only begun, too."""
    (home / "state.duckdb").write_bytes(b"\0" * 12_288)
    assert refused(home).code == "RVT-504"
    (home / "head.json").unlink()
    with opened(home) as store:
        assert store.last_seq() == 0


def test_newer(home: Path) -> None:
    """A state that a newer release migrated is refused before anything is changed: RVT-505."""
    with opened(home) as store:
        store.con.execute("INSERT INTO revetl_state.meta VALUES ('migration', '9999_later')")
    found = refused(home)
    assert found.code == "RVT-505"
    assert "9999_later" in str(found)


def test_migrations_run_once(home: Path) -> None:
    """Opening again migrates nothing; each migration is recorded once."""
    for _ in range(2):
        with opened(home) as store:
            assert store.rows("SELECT value FROM revetl_state.meta WHERE name = 'migration'") == [
                (name,) for name in MIGRATIONS
            ]
            assert migrate(store.con.execute, frozenset(MIGRATIONS)) == []


def test_storage_version(home: Path) -> None:
    """The file is written so that DuckDB 1.4 opens it: its storage version is v1.4.0."""
    with opened(home) as store:
        tags = store.one("SELECT tags FROM duckdb_databases() WHERE database_name = 'revetl_state'")
    assert "v1.4.0" in str(tags)


# --- lock and directory -----------------------------------------------------------------------------------------------

HOLD = "import sys; from pathlib import Path; from revetl.state.lock import locked\nwith locked(Path(sys.argv[1]), 'noon'): print('held', flush=True); sys.stdin.read()"  # noqa: E501


def test_lock_names_its_holder(tmp_path: Path) -> None:
    """A second process is told who holds the target and since when, with exit 4; after its end the lock is free."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TryLater) as caught, locked(path, "later"):
            pass
        assert (caught.value.code, caught.value.exit_code) == ("RVT-502", 4)
        assert f"pid {other.pid}, since noon" in str(caught.value)
        other.kill()  # even so the kernel lets go
    with locked(path, "later"):
        assert json.loads(path.read_text()) == {"pid": os.getpid(), "started_at": "later"}


def test_private_directory(tmp_path: Path) -> None:
    """A directory that others may enter is closed to them."""
    directory = tmp_path / "dev"
    directory.mkdir(mode=0o755)
    private_directory(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_link_is_refused(tmp_path: Path) -> None:
    """A link in the directory's place is refused: somebody else may own what it points to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "dev").symlink_to(tmp_path / "real")
    with pytest.raises(StateError) as caught:
        private_directory(tmp_path / "dev")
    assert caught.value.code == "RVT-501"


def test_files_are_private(home: Path) -> None:
    """Nobody else can read the head."""
    assert stat.S_IMODE((home / "head.json").stat().st_mode) == 0o600
