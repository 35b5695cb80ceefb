"""Runs that are killed, stopped or doubled, and lost files: what was sent is known, the rest comes next time."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from revetl.engine.adopting import adopt
from revetl.errors import StateError, TryLater
from tests.e2e.house import CRM, MAIL, House, revetl, spawn
from tests.e2e.receiver import Receiver, hook_up, listening
from tests.trust.rows import ROUNDS

ROWS = 5  # records of one call
SYNC = "hubspot.customer"
FIRST = ("sync", "-s", SYNC, "--first", SYNC)
PLAIN = ("sync", "-s", SYNC)


@contextmanager
def hooked(house: House, **options: Any) -> Iterator[Receiver]:
    """Give the house a webhook of a few records a call, so that a run takes many calls."""
    with listening(**options) as receiver:
        hook_up(house, receiver, rows=ROWS)
        yield receiver


def started(house: House, *words: str) -> subprocess.Popen[str]:
    """Start a run as a program."""
    return spawn(house.root, *words, "--project-dir", str(house.root), env=house.env)


def starved(run: subprocess.Popen[str]) -> float:
    """Return for how many seconds so far a program was ready and got no processor; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{run.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


def stopped(run: subprocess.Popen[str], sent: signal.Signals) -> float:
    """Send a signal, and return the seconds until the program ended, without those for which it got no processor.

    What is promised is about the program: on a machine that is too busy to let it run it ends as much later.
    """
    before = last = starved(run)
    run.send_signal(sent)
    began = time.monotonic()
    while run.poll() is None and time.monotonic() < began + 30:
        last = max(last, starved(run))
        time.sleep(0.01)
    return time.monotonic() - began - (last - before)


def wanted(house: House) -> dict[str, str]:
    """Return key → first name of everybody who has an address and is no employee."""
    found = house.rows("select customer_id, first_name from customers where email is not null")
    return {f"[{key}]": name for key, name in found}


def acknowledged(house: House) -> set[str]:
    """Return the keys whose delivery is durable, as the killed run left its state."""
    with duckdb.connect(str(house.root / ".revetl" / "dev" / "state.duckdb")) as con:
        rows = con.execute(
            "select o.key from outbox o join acks a on a.run = o.run and o.seq between a.lo and a.hi "
            "where o.op = 'upsert' and a.status = 'delivered'"
        ).fetchall()
    return {row[0] for row in rows}


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_a_plain_run_converges(fresh: House, seed: int) -> None:
    """kill -9 after a random number of calls: the next run sends what is not acknowledged, and nothing else twice."""
    calls = Random(seed).randint(1, 30)
    with hooked(fresh, latency=0.03) as receiver:
        run = started(fresh, *FIRST)
        for _ in range(calls):
            assert receiver.came.acquire(timeout=30)
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=10)
        time.sleep(0.1)  # whatever is on its way arrives
        before, received = len(receiver.bodies), set(receiver.keys())
        known = acknowledged(fresh)
        receiver.latency = 0.0
        done = fresh.program(*PLAIN)
        assert done.returncode == 0, done.stderr
        assert known <= received  # nothing is believed that did not arrive
        assert len(received - known) <= ROWS * 64  # in flight, at most
        assert set(receiver.keys(before)) == set(wanted(fresh)) - known
        assert len(receiver.keys(before)) == len(set(receiver.keys(before)))
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)
        later = datetime.now(UTC) + timedelta(minutes=20)
        fresh.sync(
            select=[SYNC], clock=lambda: later
        )  # what was in doubt is asserted once more, when it cannot land late
        before = len(receiver.bodies)
        assert fresh.sync(select=[SYNC], clock=lambda: later + timedelta(minutes=20)).exit_code == 0
        assert len(receiver.bodies) == before


@pytest.mark.parametrize("seed", range(2))
def test_killed_between_the_vendors_calls_both_converge(fresh: House, seed: int) -> None:
    """kill -9 while upserts, tags and lists are under way at both stand-ins: one plain run makes them agree."""
    for box in fresh.boxes.values():
        box.latency = 0.1
    dice = Random(seed)
    for _ in range(3):
        run = started(fresh, "sync")
        time.sleep(dice.uniform(0.9, 2.2))
        run.kill()
        run.communicate(timeout=10)
    for box in fresh.boxes.values():
        box.latency = 0.0
    time.sleep(0.2)
    assert fresh.program("sync").returncode == 0
    fresh.agrees()


def test_killed_before_anything_left(fresh: House) -> None:
    """A run that is killed while it starts leaves nothing that hinders the next one."""
    with hooked(fresh) as receiver:
        for pause in (0.05, 0.4, 0.8):
            run = started(fresh, *FIRST)
            time.sleep(pause)
            run.kill()
            run.communicate(timeout=10)
        assert fresh.program(*FIRST).returncode == 0
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_in_order_within_seconds(fresh: House, sent: signal.Signals, code: int) -> None:
    """SIGTERM and SIGINT: no new call, an orderly close, 143 or 130, in 5 s; the next run does the rest alone."""
    with hooked(fresh, latency=0.5) as receiver:
        run = started(fresh, *FIRST)
        assert receiver.came.acquire(timeout=30)
        assert receiver.came.acquire(timeout=30)
        assert stopped(run, sent) < 5
        _, err = run.communicate(timeout=20)
        assert run.returncode == code, err
        assert "Traceback" not in err
        delivered, before = set(receiver.keys()), len(receiver.bodies)
        assert delivered < set(wanted(fresh))
        receiver.latency = 0.0
        assert fresh.program(*PLAIN).returncode == 0
        assert set(receiver.keys(before)) == set(wanted(fresh)) - delivered
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)


def test_two_runs_at_once(fresh: House) -> None:
    """The second one names the first and tries later (exit 4); it reads and sends nothing."""
    with hooked(fresh, latency=6.0) as receiver:  # long enough for a second one to start on a busy machine
        run = started(fresh, *FIRST)
        assert receiver.came.acquire(timeout=30)
        second = fresh.program(*PLAIN)
        assert second.returncode == 4
        assert "RVT-502" in second.stderr
        assert str(run.pid) in second.stderr
        with pytest.raises(TryLater):
            fresh.plan()
        receiver.latency = 0.0
        run.communicate(timeout=30)
        assert run.returncode == 0
        assert len(receiver.keys()) == len(wanted(fresh))


@pytest.mark.parametrize("count", [4] if len(ROUNDS) < 3 else range(2, 9))
def test_many_runs_at_once(fresh: House, count: int) -> None:
    """However many start together: some do the work and the others try later; everybody is sent once."""
    with hooked(fresh, latency=0.02) as receiver:
        runs = [started(fresh, *FIRST) for _ in range(count)]
        ends = [(run.communicate(timeout=120)[1], run.returncode) for run in runs]
        assert {code for _, code in ends} <= {0, 4}, ends
        assert 0 in {code for _, code in ends}
        assert all("RVT-502" in err or "RVT-411" in err or "RVT-511" in err for err, code in ends if code == 4), ends
        assert sorted(receiver.keys()) == sorted(wanted(fresh))
        assert fresh.sync(select=[SYNC]).exit_code == 0
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)


def test_dbt_holds_its_database(house: House) -> None:
    """A build that writes the models makes a run try later (exit 4)."""
    holder = "import duckdb, sys; con = duckdb.connect('shop.duckdb'); print('held', flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", holder], cwd=house.root, stdin=pipe, stdout=pipe) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        done = house.program("sync")
        writer.terminate()
    assert done.returncode == 4, done.stderr
    assert "RVT-411" in done.stderr
    assert house.received() == []


def test_a_run_lets_go_of_the_models_before_it_sends(fresh: House) -> None:
    """While a slow destination is written, dbt may write its database."""
    with hooked(fresh, latency=0.5) as receiver:
        run = started(fresh, *FIRST)
        assert receiver.came.acquire(timeout=30)
        fresh.sql("update customers set first_name = first_name")
        receiver.latency = 0.0
        run.communicate(timeout=30)
        assert run.returncode == 0


def test_lost_state_is_never_a_first_run(house: House) -> None:
    """The state file is gone, its head record is there: refused, nothing is sent, nothing is made anew."""
    state = house.root / ".revetl" / "dev" / "state.duckdb"
    state.unlink()
    with pytest.raises(StateError) as refused:
        house.sync()
    assert refused.value.code == "RVT-507"
    assert house.received() == []
    assert not state.exists()
    assert house.program("sync").returncode == 2


def changed(house: House) -> None:
    """Change somebody, and sync."""
    key, _ = house.reader()
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    assert house.sync().exit_code == 0


def nothing_new(house: House) -> None:
    """Sync what is the same as before."""
    assert house.sync().exit_code == 0
    assert house.writes() == []


@pytest.mark.parametrize("after", [changed, nothing_new])
def test_an_older_state_is_refused(house: House, after: Callable[[House], None]) -> None:
    """A state that was restored from before the last command is behind its head record, whatever that command did."""
    state = house.root / ".revetl" / "dev" / "state.duckdb"
    old = state.read_bytes()
    after(house)
    state.write_bytes(old)
    with pytest.raises(StateError) as refused:
        house.sync()
    assert refused.value.code == "RVT-506"
    assert house.received() == []


def test_a_state_from_before_adopt_is_refused(fresh: House) -> None:
    """`adopt` sends nothing, and yet a state from before it is behind its head record."""
    assert fresh.sync(select=[CRM]).exit_code == 0
    state = fresh.root / ".revetl" / "dev" / "state.duckdb"
    old = state.read_bytes()
    assert [one.error for one in adopt(fresh.options(), [MAIL])] == [None]
    state.write_bytes(old)
    with pytest.raises(StateError) as refused:
        fresh.plan()
    assert refused.value.code == "RVT-506"


def test_a_recovered_state_asserts_all_and_deletes_nobody(house: House) -> None:
    """After `recover` of an older copy all is sent again, whoever the copy knows too well stays, and all agree."""
    state = house.root / ".revetl" / "dev" / "state.duckdb"
    old = state.read_bytes()
    changed(house)
    state.write_bytes(old)
    before = set(house.contacts())
    assert house.program("recover").returncode == 0
    house.sql("delete from customers where customer_id in (select customer_id from customers order by 1 limit 40)")
    result = house.sync()
    assert result.exit_code == 3  # so many are not let go of unasked, whatever the state
    assert before <= set(house.contacts())
    assert {entry["method"] for entry in house.writes()} <= {"POST", "PUT", "PATCH"}


def test_a_lost_write_ahead_log_is_refused(fresh: House) -> None:
    """DuckDB forgets what only the log held, in silence; the head record does not."""
    with hooked(fresh, latency=0.2) as receiver:
        run = started(fresh, *FIRST)
        for _ in range(3):
            assert receiver.came.acquire(timeout=30)
        run.kill()
        run.communicate(timeout=10)
        log = fresh.root / ".revetl" / "dev" / "state.duckdb.wal"
        assert log.stat().st_size > 0
        log.unlink()
        before = len(receiver.bodies)
        done = fresh.program(*PLAIN)
        assert done.returncode == 2
        assert "RVT-506" in done.stderr
        assert "revetl recover" in done.stderr
        assert len(receiver.bodies) == before


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_cut_state_is_refused(house: House, cut: float) -> None:
    """A truncated state is an error with a remedy, and nothing is sent on its word."""
    state = house.root / ".revetl" / "dev" / "state.duckdb"
    with state.open("r+b") as file:
        file.truncate(int(state.stat().st_size * cut) // 4096 * 4096 + 100)
    done = house.program("sync")
    assert done.returncode == 2
    assert "RVT-5" in done.stderr
    assert "Traceback" not in done.stderr
    assert house.received() == []


def test_state_is_private(house: House) -> None:
    """Nobody but the owner can read what was sent, whatever the umask, and git passes it by."""
    paths = [house.root / ".revetl", *(house.root / ".revetl" / "dev").rglob("*")]
    open_to_others = [p for p in paths if stat.S_IMODE(p.stat().st_mode) & 0o077 and p != house.root / ".revetl"]
    assert open_to_others == []
    assert stat.S_IMODE((house.root / ".revetl" / "dev").stat().st_mode) == 0o700
    assert (house.root / ".revetl" / ".gitignore").read_text() == "*\n"


def test_state_behind_a_link_is_refused(house: House, tmp_path: Path) -> None:
    """A state directory that is a link to somewhere else is not followed."""
    real = house.root / ".revetl" / "dev"
    real.rename(tmp_path / "elsewhere")
    real.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError) as refused:
        house.sync()
    assert refused.value.code == "RVT-501"


def test_results_are_written_for_orchestrators(house: House) -> None:
    """target/revetl_results.json has the run's facts, also of a run that did nothing."""
    done = revetl(house.root, "sync", "--output", "json", env=house.env)
    assert done.returncode == 0
    assert (house.root / "target" / "revetl_results.json").stat().st_size > 0
    assert done.stdout.startswith("{")
