"""Real runs that die at each point where it matters, or find the disk full: the next plain run makes all agree."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.e2e.house import House
from tests.e2e.test_process import FIRST, SYNC, acknowledged, hooked, wanted

# what a run without jobs passes through, in this order; those of jobs are the simulator's
POINTS = (
    "before_intent", "after_intent", "after_head", "before_call", "after_call", "after_reply", "before_settle",
    "after_settle", "before_flush", "before_ack", "after_ack", "after_flush", "before_ledger", "after_ledger",
    "after_apply", "after_close",
)  # fmt: skip
OFTEN = frozenset(POINTS[3:12])
FATAL = """
import os, signal, sys
from functools import partial
from revetl import run
from revetl.cli import main

where, left = sys.argv[1], int(sys.argv[2])
passed = open(os.environ["PASSED"], "a", buffering=1)

def crash(point):
    global left
    print(point, file=passed)
    left -= point == where
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

run.open_session = partial(run.open_session, crash=crash)
run.Sender = partial(run.Sender, crash=crash)
sys.argv[1:] = sys.argv[3:]
main()
"""
CRAMPED = """
import resource, sys
from revetl.cli import main

size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
main()
"""


def child(house: House, code: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the house to its end, whatever way it ends."""
    command = [sys.executable, "-c", code, *words, *FIRST, "--project-dir", str(house.root)]
    return subprocess.run(
        command, cwd=house.root, env={**house.env, **env}, capture_output=True, text=True, timeout=120, check=False
    )


def state_of(house: House) -> Path:
    """Return the state file."""
    return house.root / ".revetl" / "dev" / "state.duckdb"


def settled(house: House) -> set[str]:
    """Return the keys whose delivery is durable: all once the run is closed, else those that were acknowledged."""
    known = acknowledged(house)
    with duckdb.connect(str(state_of(house))) as con:
        [(still,)] = con.execute("select count(*) from runs where closed_at is null").fetchall()
    return known if still else set(wanted(house))


def test_every_point_is_known(fresh: House, tmp_path: Path) -> None:
    """A whole run passes exactly the points at which the others are killed: a new one cannot be forgotten."""
    with hooked(fresh):
        done = child(fresh, FATAL, "nowhere", "1", PASSED=str(tmp_path / "passed"))
    assert done.returncode == 0, done.stderr
    assert set((tmp_path / "passed").read_text().split()) == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_a_plain_run_sends_what_was_in_flight(fresh: House, tmp_path: Path, point: str) -> None:
    """kill -9 at a point: what is believed did arrive; one plain run sends the rest, nothing else, and all agree."""
    time = Random(point).randint(1, 4) if point in OFTEN else 1
    with hooked(fresh) as receiver:
        died = child(fresh, FATAL, point, str(time), PASSED=str(tmp_path / "passed"))
        assert died.returncode == -signal.SIGKILL, died.stderr
        known, before = settled(fresh), len(receiver.bodies)
        assert known <= set(receiver.keys())
        assert fresh.sync(select=[SYNC]).exit_code == 0
        again = receiver.keys(before)
        assert sorted(again) == sorted(set(wanted(fresh)) - known)
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX")
@pytest.mark.parametrize("room", [0, 200_000, 900_000])
def test_a_full_disk_stops_the_run_before_anything_unrecorded_leaves(fresh: House, room: int) -> None:
    """No room for the state: exit 2 with a message; what left has an intent; with room again, all agree."""
    with hooked(fresh) as receiver:
        done = child(fresh, CRAMPED, str(room))
        assert done.returncode in (0, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or "RVT-" in done.stderr
        left = set(receiver.keys())
        if left and done.returncode:
            with duckdb.connect(str(state_of(fresh))) as con:
                kept = con.execute("select key from outbox union select '[' || k0 || ']' from snap_1").fetchall()
            assert left <= {row[0] for row in kept}  # as an intent, or acknowledged
        if room == 0:
            assert not left
            shutil.rmtree(fresh.root / ".revetl", ignore_errors=True)
        assert fresh.sync(select=[SYNC], first=[SYNC]).exit_code == 0
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)


def damaged(content: bytes, how: str, dice: Random) -> bytes:
    """Return a file's content, torn or empty."""
    return content[: dice.randrange(12_288, len(content))] if how == "torn" else b""  # the headers remain, at least


@pytest.mark.parametrize("how", ["torn", "empty"])
def test_a_damaged_state_is_never_taken_for_a_good_one(house: House, how: str) -> None:
    """A file that was cut or emptied is refused with exit 2, and nothing is sent."""
    path, dice = state_of(house), Random(how)
    good = path.read_bytes()
    for _ in range(4):
        path.write_bytes(damaged(good, how, dice))
        path.with_name("state.duckdb.wal").unlink(missing_ok=True)
        done = house.program("sync")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert house.writes() == []
    path.write_bytes(good)
    assert house.program("sync").returncode == 0
