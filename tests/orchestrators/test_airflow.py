"""The example of Airflow: the DAG is imported by Airflow and run by `dag.test()`; a person answers over its API."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import House
from tests.shared import ROOT

EXAMPLE = ROOT / "examples/airflow"
States = dict[str, tuple[str, int]]
Run = Callable[[House], tuple[str, States]]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Make Airflow's database; return a client of its API, to which everybody is an administrator."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }.items():
            patch.setenv(name, value)
        from airflow.api_fastapi.app import create_app
        from airflow.utils.db import initdb
        from starlette.testclient import TestClient

        initdb()
        client = TestClient(create_app(), base_url="http://localhost")
        token = client.get("/auth/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def run(airflow: Any) -> Run:
    """Return a function that imports the DAG and runs it, and returns how it and each task ended, with tries."""

    def once(house: House) -> tuple[str, States]:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(dag_folder=str(EXAMPLE / "revetl_shop.py"))
        assert bag.import_errors == {}
        done = bag.dags["revetl_shop"].test()
        return str(done.state), {one.task_id: (str(one.state), one.try_number) for one in done.get_task_instances()}

    return once


def answer(client: Any, option: str) -> threading.Thread:
    """Answer the question that comes, as a person does under Required Actions."""

    def look() -> None:
        for _ in range(600):
            asked = client.get("/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false").json()["hitl_details"]
            if asked:
                where = asked[0]["task_instance"]
                assert "20 of 126 records would leave" in asked[0]["body"]
                url = f"/api/v2/dags/revetl_shop/dagRuns/{where['dag_run_id']}/taskInstances/approve/-1/hitlDetails"
                client.patch(url, json={"chosen_options": [option], "params_input": {}}).raise_for_status()
                return
            time.sleep(0.5)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def without_dbt(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program that does nothing in dbt's place: the shop is built already."""
    program(house.root / "bin/dbt", "exit 0")
    monkeypatch.setenv("PATH", f"{house.root / 'bin'}{os.pathsep}{os.environ['PATH']}")


def program(path: Path, text: str) -> Path:
    """Write a program for sh."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_dag_brings_everything(run: Run, home: House) -> None:
    """Built, looked at, sent, each at the first try; nobody is asked."""
    state, tasks = run(home)
    assert (state, tasks["sync"], tasks["held"]) == ("success", ("success", 1), ("success", 1))
    assert tasks["approve"][0] == "skipped"
    home.agrees()


def test_a_person_lets_through_what_a_guard_holds(
    run: Run, airflow: Any, leaving: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DAG waits before anything is sent; approved, it sends what was held."""
    without_dbt(leaving, monkeypatch)
    person = answer(airflow, "Approve")
    state, tasks = run(leaving)
    person.join()
    assert (state, tasks["approve"][0], tasks["sync"][0]) == ("success", "success", "success")
    assert len(leaving.members()) == 106


def test_who_rejects_is_not_asked_again(
    run: Run, airflow: Any, leaving: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rejected: the run fails, the question is not put again, and nothing is sent."""
    without_dbt(leaving, monkeypatch)
    leaving.mark()
    person = answer(airflow, "Reject")
    state, tasks = run(leaving)
    person.join()
    assert (state, tasks["approve"], tasks["sync"][0]) == ("failed", ("failed", 1), "upstream_failed")
    assert (len(leaving.members()), leaving.writes()) == (126, [])


def test_try_later_is_tried_again(run: Run, home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another run has the lock, the sync ends with 4 and is tried again; then everything is sent."""
    without_dbt(home, monkeypatch)
    real = Path(sys.executable).parent / "revetl"
    busy = f'[ "$1" = sync ] && [ ! -e tried ] && touch tried && exec flock -o .revetl/dev/lock {real} "$@"'
    monkeypatch.setenv("REVETL_BIN", str(program(home.root / "bin/later", f'{busy}\nexec {real} "$@"')))
    (home.root / ".revetl/dev").mkdir(mode=0o700, parents=True)
    state, tasks = run(home)
    assert (state, tasks["sync"]) == ("success", ("success", 2))
    home.agrees()


def test_what_cannot_run_fails_once(run: Run, broken: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2: the task fails at its first try, and nothing is sent."""
    without_dbt(broken, monkeypatch)
    state, tasks = run(broken)
    assert (state, tasks["held"], tasks["sync"][0]) == ("failed", ("failed", 1), "upstream_failed")
    assert broken.received() == []


def test_a_failed_test_holds_its_model_alone(run: Run, failing: House) -> None:
    """Exit code 3: what depends on no failed test is sent, and the task fails at its first try."""
    state, tasks = run(failing)
    assert (state, tasks["sync"]) == ("failed", ("failed", 1))
    assert len(failing.members()) == 126
    assert failing.boxes["hubspot"].dump()["store"]["objects"]["companies"]["records"] == {}
