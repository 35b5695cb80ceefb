"""The example of Prefect, run by Prefect against a server of its own."""

from __future__ import annotations

import runpy
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.flow_runs import resume_flow_run
from prefect.testing.utilities import prefect_test_harness

from tests.e2e.house import House
from tests.shared import ROOT

Run = Callable[[House], tuple[Any, dict[str, list[str]]]]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """Run a server for this module."""
    with prefect_test_harness(server_startup_timeout=300):
        yield


def history() -> dict[str, list[str]]:
    """Return the states that the last flow's tasks went through."""
    with get_client(sync_client=True) as client:
        flow_run = max(client.read_flow_runs(), key=lambda one: one.created)
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run.id]}))
        return {
            one.name.rpartition("-")[0]: [state.name for state in client.read_task_run_states(one.id)] for one in tasks
        }


@pytest.fixture
def run(server: None, home: House) -> Run:
    """Return a function that runs the flow; it returns what the flow ended as, and its tasks' states."""

    def once(house: House) -> tuple[Any, dict[str, list[str]]]:
        flow = runpy.run_path(str(ROOT / "examples/prefect/flow.py"))["shop"]
        return flow(house.root, "dev", return_state=True), history()

    return once


def approve() -> threading.Thread:
    """Resume the flow run that pauses, as a person does in the UI."""

    def look() -> None:
        with get_client(sync_client=True) as client:
            for _ in range(600):
                paused = [one for one in client.read_flow_runs() if one.state and one.state.name == "Paused"]
                if paused:
                    resume_flow_run(paused[0].id)
                    return
                time.sleep(0.2)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def test_a_flow_brings_everything(run: Run, home: House) -> None:
    """Built, looked at, sent: both tools hold what the models say, at the first try."""
    ended, states = run(home)
    assert ended.is_completed(), ended
    assert ended.result()["mailchimp.customer"] > 100
    home.agrees()
    assert {name: found.count("Running") for name, found in states.items()} == {"build": 1, "held": 1, "sync": 1}


def test_a_person_lets_through_what_a_guard_holds(run: Run, leaving: House) -> None:
    """The run pauses before anything is sent; resumed, it sends what was held."""
    assert len(leaving.members()) == 126
    person = approve()
    ended, _ = run(leaving)
    person.join()
    assert ended.is_completed(), ended
    assert len(leaving.members()) == 106


def test_try_later_is_tried_again(run: Run, busy: House) -> None:
    """While another run has the lock, the task waits and tries again; then everything is sent."""
    ended, states = run(busy)
    assert ended.is_completed(), ended
    assert [name for name in states["sync"] if name in {"AwaitingRetry", "Retrying", "Completed"}] == [
        "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip
    busy.agrees()


def test_what_wants_a_person_is_not_tried_again(run: Run, broken: House) -> None:
    """Exit code 2: the task fails at once, and nothing is sent."""
    ended, states = run(broken)
    assert ended.is_failed()
    assert states["held"].count("Running") == 1
    assert "AwaitingRetry" not in states["held"]
    assert "sync" not in states
    assert broken.received() == []


def test_a_failed_test_holds_its_model_alone(run: Run, failing: House) -> None:
    """Exit code 3: what depends on no failed test is sent, the flow fails, and nobody tries again."""
    ended, states = run(failing)
    assert ended.is_failed()
    assert "exit code 3" in str(ended.message)
    assert states["sync"].count("Running") == 1
    assert len(failing.members()) == 126
    assert failing.boxes["hubspot"].dump()["store"]["objects"]["companies"]["records"] == {}
