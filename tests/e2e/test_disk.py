"""Disks that fail: calls of the system that answer ENOSPC or EIO, and a file system that is full in earnest."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.e2e.house import House
from tests.e2e.receiver import Receiver
from tests.e2e.test_process import FIRST, SYNC, hooked, wanted
from tests.trust.rows import numbered

TRIES = numbered("REVETL_DISK_ERRORS", 0)  # of each place and error; 0: a few by chance
WRITES = "write,pwrite64,fsync,fdatasync"
# what fails → the file that it must be about (None: any), the calls, how many of them a run makes, about
PLACES: dict[str, tuple[str | None, str, int]] = {
    "log": ("state.duckdb.wal", WRITES, 60),
    "file": ("state.duckdb", f"{WRITES},pread64", 30),
    "renames": (None, "rename", 8),
}
STRACE = shutil.which("strace")
FEW = [("log", "ENOSPC", 1), ("file", "EIO", 2), ("renames", "ENOSPC", 1)]  # the second: a file that is only begun
ERRORS = [(place, error, n) for place in PLACES for error in ("ENOSPC", "EIO") for n in TRIES] or FEW


def state(house: House) -> Path:
    """Return the directory of the target's state."""
    return house.root / ".revetl" / "dev"


def program(house: House, *before: str) -> subprocess.CompletedProcess[str]:
    """Run the first sync as a program, behind other words of a command line."""
    command = [*before, sys.executable, "-c", "from revetl.cli import main; main()", *FIRST]
    return subprocess.run(
        [*command, "--project-dir", str(house.root)],
        cwd=house.root, env=house.env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def recorded(house: House) -> set[str]:
    """Return the keys of which state has an intent, or that are acknowledged: none before there is a head."""
    if not (state(house) / "head.json").exists():
        return set()
    with duckdb.connect(str(state(house) / "state.duckdb")) as con:
        tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
        asked = {"outbox": "select key from outbox", "snap_1": "select '[' || k0 || ']' from snap_1"}
        return {key for name in asked.keys() & tables for (key,) in con.execute(asked[name]).fetchall()}


def stopped_well(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that a run ended in order, or by a message of ours that says what to do."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 2), (done.returncode, done.stderr)
    assert done.returncode == 0 or "RVT-" in done.stderr, done.stderr


def all_agree(house: House, receiver: Receiver) -> None:
    """Assert that one plain run, with a whole disk, sends the rest and ends well."""
    done = house.sync(select=[SYNC], first=[SYNC])
    assert done.exit_code == 0
    assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(house)


def injected(house: House, log: Path, place: str, fault: str, number: int) -> subprocess.CompletedProcess[str]:
    """Run the first sync; one of its calls fails, or is its last."""
    path, calls, most = PLACES[place]
    when = number % most + 1 if most <= TRIES.stop else Random(f"{place} {fault} {number}").randint(1, most)
    only = ["-P", str(state(house) / path)] if path else []
    inject = f"inject={calls}:{fault}:when={when}"
    return program(house, str(STRACE), "-f", "-qq", "-o", str(log), *only, "-e", f"trace={calls}", "-e", inject)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(("place", "error", "number"), ERRORS)
def test_a_call_that_fails_loses_nothing(
    fresh: House, tmp_path: Path, place: str, error: str, number: int, record_property: Callable[[str, object], None]
) -> None:
    """The n-th write, flush, read or rename fails: what left is recorded, the words help, and a plain run ends it."""
    log = tmp_path / "calls"
    with hooked(fresh) as receiver:
        done = injected(fresh, log, place, f"error={error}", number)
        hit = "(INJECTED)" in log.read_text(encoding="utf-8", errors="replace")
        stopped_well(done)
        assert hit or done.returncode == 0
        assert set(receiver.keys()) <= recorded(fresh)
        all_agree(fresh, receiver)
    record_property("errors", int(hit))


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(("place", "number"), [(place, n) for place in PLACES for n in TRIES] or [("log", 1)])
def test_killed_by_a_call_loses_nothing(
    fresh: House, tmp_path: Path, place: str, number: int, record_property: Callable[[str, object], None]
) -> None:
    """kill -9 at the n-th write, flush, read or rename: what left is recorded, and a plain run ends it."""
    with hooked(fresh) as receiver:
        done = injected(fresh, tmp_path / "calls", place, "signal=SIGKILL", number)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert set(receiver.keys()) <= recorded(fresh)
        all_agree(fresh, receiver)
    record_property("kills", int(done.returncode != 0))


@contextmanager
def small_disk(place: Path, kibibytes: int) -> Iterator[Callable[[], object]]:
    """Make ``place`` a file system of that size for the block; yield what makes it large."""
    place.mkdir(mode=0o700)

    def mount(*words: str) -> None:
        done = subprocess.run(["mount", *words, str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    mount("-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700", "tmpfs")
    try:
        yield lambda: mount("-o", "remount,size=64m")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
@pytest.mark.parametrize("kibibytes", [640, 1_500])
def test_a_small_disk_is_full(fresh: House, kibibytes: int) -> None:
    """No room for a file system's next block: a message, nothing unrecorded; once there is room, all agree."""
    with small_disk(fresh.root / ".revetl", kibibytes) as enlarge, hooked(fresh) as receiver:
        done = program(fresh)
        stopped_well(done)
        assert done.returncode == 2
        enlarge()
        assert set(receiver.keys()) <= recorded(fresh)
        all_agree(fresh, receiver)
