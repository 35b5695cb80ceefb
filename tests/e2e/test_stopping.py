"""A signal ends a run in order within seconds whatever it waits for, and its summary is there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import duckdb
import orjson
import pytest

from tests.e2e.house import House
from tests.e2e.receiver import Receiver
from tests.e2e.test_process import FIRST, SYNC, hooked, started, wanted

STOPS = int(os.environ.get("REVETL_STOPS", "1"))  # of each kind
SLOW = "(select count(*) from range(3000000) x, range(100000) y where (x.range * y.range) % 7 = 3) > 0"


def called(house: House, receiver: Receiver, run: subprocess.Popen[str]) -> None:
    """Wait until a call is under way."""
    del house, run
    assert receiver.came.acquire(timeout=60)


def reading(house: House, receiver: Receiver, run: subprocess.Popen[str]) -> None:
    """Wait until the run is in the middle of a statement over the models."""
    del house, receiver
    assert run.stderr is not None
    for line in run.stderr:
        if "reading" in line:
            return
    pytest.fail("the run ended before it read anything")


WAITS: dict[str, tuple[dict[str, object], Callable[[House, Receiver, subprocess.Popen[str]], None]]] = {
    "a call that hangs": ({"latency": 60.0}, called),
    "a limit": ({"status": 429, "more": {"retry-after": "300"}}, called),
    "a slow model": ({}, reading),
}


@pytest.mark.parametrize("number", range(STOPS))
@pytest.mark.parametrize("what", WAITS)
def test_a_run_that_waits_ends_with_a_summary(
    fresh: House, what: str, number: int, record_property: Callable[[str, object], None]
) -> None:
    """SIGTERM or SIGINT: exit 143 or 130 in five seconds, the run is closed, its results say what stopped it."""
    sent, code = ((signal.SIGTERM, 143), (signal.SIGINT, 130))[number % 2]
    options, under_way = WAITS[what]
    with hooked(fresh, **options) as receiver:
        if under_way is reading:
            fresh.sql(
                "alter table customers rename to real_customers",
                f"create view customers as from real_customers where {SLOW}",
            )
        run = started(fresh, *FIRST)
        under_way(fresh, receiver, run)
        time.sleep(0.3)
        run.send_signal(sent)
        began = time.monotonic()
        _, err = run.communicate(timeout=30)
        took = time.monotonic() - began
        assert run.returncode == code, err
        assert took < 5
        assert "Traceback" not in err
        results = orjson.loads((fresh.root / "target" / "revetl_results.json").read_bytes())
        assert results["interrupted"] == sent.name
        with duckdb.connect(str(fresh.root / ".revetl" / "dev" / "state.duckdb")) as con:
            assert con.execute("select count(*) from runs where closed_at is null or summary is null").fetchall() == [
                (0,)
            ]
        if under_way is reading:
            fresh.sql("drop view customers", "alter table real_customers rename to customers")
        receiver.latency, receiver.status, receiver.more = 0.0, 200, {}
        assert fresh.sync(select=[SYNC], first=[SYNC]).exit_code == 0
        assert {key: fields["firstname"] for key, fields in receiver.state().items()} == wanted(fresh)
    record_property("seconds", round(took, 2))
