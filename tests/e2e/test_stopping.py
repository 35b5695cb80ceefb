"""A signal ends a run in order within seconds whatever it waits for, and its summary is there."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

import duckdb
import orjson
import pytest

from tests.e2e.house import House
from tests.e2e.receiver import Receiver
from tests.e2e.test_process import FIRST, SYNC, hooked, started, stopped, wanted
from tests.trust.rows import numbered

STOPS = numbered("REVETL_STOPS", 1)  # of each kind
EACH = 10  # stops of one house, at most
SIGNALS = ((signal.SIGTERM, 143), (signal.SIGINT, 130))
SLOW = "(select count(*) from range(3000000) x, range(100000) y where (x.range * y.range) % 7 = 3) > 0"


def called(house: House, receiver: Receiver, run: subprocess.Popen[str]) -> None:
    """Wait until a call is under way."""
    del house, run
    assert receiver.came.acquire(timeout=60)


def reading(house: House, receiver: Receiver, run: subprocess.Popen[str]) -> None:
    """Wait until the run is in the middle of a statement over the models."""
    del house, receiver
    assert run.stderr is not None
    said = ""
    for line in run.stderr:
        said += line
        if "reading" in line:
            return
    pytest.fail(f"the run ended before it read anything: {said}")


WAITS: dict[str, tuple[dict[str, object], Callable[[House, Receiver, subprocess.Popen[str]], None]]] = {
    "a call that hangs": ({"latency": 60.0}, called),
    "a limit": ({"status": 429, "more": {"retry-after": "300"}}, called),
    "a slow model": ({}, reading),
}


def stop(house: House, receiver: Receiver, what: str, sent: signal.Signals, code: int) -> float:
    """Start a run, stop it with a signal while it waits, hold it to its promises; return how long it took."""
    while receiver.came.acquire(blocking=False):
        pass
    run = started(house, *FIRST)
    WAITS[what][1](house, receiver, run)
    time.sleep(0.3)
    took = stopped(run, sent)
    _, err = run.communicate(timeout=30)
    assert run.returncode == code, err
    assert "Traceback" not in err
    results = orjson.loads((house.root / "target" / "revetl_results.json").read_bytes())
    assert (results["interrupted"], results["exit_code"]) == (sent.name, code)
    with duckdb.connect(str(house.root / ".revetl" / "dev" / "state.duckdb")) as con:
        ended = "select exit_code, closed_at is not null and summary is not null from runs order by run"
        runs = con.execute(ended).fetchall()
    assert runs[-1] == (code, True)
    assert all(closed for _, closed in runs)
    return took


@pytest.mark.parametrize("number", range(STOPS.start // EACH, -(-STOPS.stop // EACH)))
@pytest.mark.parametrize("what", WAITS)
def test_a_run_that_waits_ends_with_a_summary(
    fresh: House, what: str, number: int, record_property: Callable[[str, object], None]
) -> None:
    """SIGTERM or SIGINT: exit 143 or 130 in five seconds, the run is closed, its results say what stopped it."""
    with hooked(fresh, **WAITS[what][0]) as receiver:
        if what == "a slow model":
            fresh.sql(
                "alter table customers rename to real_customers",
                f"create view customers as from real_customers where {SLOW}",
            )
        took = [stop(fresh, receiver, what, *SIGNALS[n % 2]) for n in range(number, number + min(len(STOPS), EACH))]
        assert max(took) < 5
        if what == "a slow model":
            fresh.sql("drop view customers", "alter table real_customers rename to customers")
        receiver.latency, receiver.status, receiver.more = 0.0, 200, {}
        assert fresh.sync(select=[SYNC], first=[SYNC]).exit_code == 0
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)
    record_property("stops", len(took))
    record_property("seconds", round(max(took), 2))
