"""examples of schedulers: "try later" is tried again, what wants a person is not, whoever starts the run."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import py_compile
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

import revetl
from revetl.errors import ConfigError, TryLater
from revetl.types import Held
from tests.shared import ROOT

EXAMPLES = ROOT / "examples"
SECRET = "a-secret-of-these-tests"


@pytest.mark.parametrize("name", ["airflow/revetl_shop.py", "dagster/definitions.py", "prefect/flow.py"])
def test_files_compile(name: str, tmp_path: Path) -> None:
    """A file of an orchestrator is Python of the oldest version that revetl runs on."""
    py_compile.compile(str(EXAMPLES / name), cfile=str(tmp_path / "made.pyc"), doraise=True)


# --- cron -----------------------------------------------------------------------------------------------------------


def program(path: Path, text: str) -> Path:
    """Write a program for sh."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def by_cron(place: Path, *codes: int) -> subprocess.CompletedProcess[str]:
    """Run the script with a revetl that ends with these codes, the last one for good."""
    (place / "codes").write_text("".join(f"{code}\n" for code in codes), encoding="utf-8")
    program(place / "dbt", 'echo "dbt $*" >> calls; exit 1')
    following = "code=$(head -n 1 codes); [ $(wc -l < codes) -gt 1 ] && sed -i 1d codes"
    program(place / "revetl", f'echo "revetl $*" >> calls; {following}; exit $code')
    env = {"PATH": f"{place}:{os.environ['PATH']}", "PAUSE": "0"}
    command = [str(EXAMPLES / "cron/revetl-cron.sh"), str(place), "prod"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("codes", "ends", "runs"),
    [((0,), 0, 1), ((4, 4, 0), 0, 3), ((4,), 4, 3), ((3,), 3, 1), ((2,), 2, 1), ((4, 1), 1, 2)],
)
def test_cron_tries_again_on_four_alone(codes: tuple[int, ...], ends: int, runs: int, tmp_path: Path) -> None:
    """Three tries where it is worth it; the last exit code is the script's; a failed build keeps no sync back."""
    done = by_cron(tmp_path, *codes)
    assert done.returncode == ends, done
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls == ["dbt build --quiet --target prod", *["revetl sync --quiet --target prod"] * runs]


def test_cron_leaves_a_run_that_is_at_work_alone(tmp_path: Path) -> None:
    """While the lock is held, the script ends at once, without a word and without a call."""
    with (tmp_path / ".revetl-cron.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = by_cron(tmp_path, 0)
    assert (done.returncode, done.stdout, (tmp_path / "calls").exists()) == (0, "", False)


# --- dbt Cloud ------------------------------------------------------------------------------------------------------


class Cloud(BaseHTTPRequestHandler):
    """Serves the artefacts of account 1, run 7, to whoever has the token."""

    def do_GET(self) -> None:
        """Answer one request."""
        known = self.path.startswith("/api/v2/accounts/1/runs/7/artifacts/")
        good = known and self.headers.get("Authorization") == "Token t"
        body = json.dumps({"of": self.path.rpartition("/")[2]}).encode()
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving(place: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the receiver before a stand-in of dbt Cloud; revetl ends with 4 first, and then with 0."""
    revetl_there = program(place / "revetl", 'echo "$*" >> calls; [ $(wc -l < calls) -gt 1 ] || exit 4')
    with HTTPServer(("127.0.0.1", 0), Cloud) as cloud:
        threading.Thread(target=cloud.serve_forever, daemon=True).start()
        own = {"DBT_CLOUD_URL": f"http://127.0.0.1:{cloud.server_port}", "DBT_CLOUD_TOKEN": "t", "PAUSE": "0"}
        env = os.environ | own | {"DBT_CLOUD_WEBHOOK_SECRET": SECRET}
        command = [sys.executable, str(EXAMPLES / "dbt-cloud-webhook/receiver.py"), str(place), "0"]
        pipe = subprocess.PIPE
        with subprocess.Popen([*command, str(revetl_there), "sync"], env=env, stdout=pipe, text=True) as one:
            assert one.stdout is not None
            try:
                yield one.stdout.readline().strip(), one
            finally:
                one.terminate()
                cloud.shutdown()


def event(number: str = "e1", **data: Any) -> bytes:
    """Return an event as dbt Cloud sends it."""
    told = {"jobId": 3, "runId": "7", "runStatus": "Success", **data}
    return json.dumps({"accountId": 1, "eventId": number, "eventType": "job.run.completed", "data": told}).encode()


def send(where: str, body: bytes, secret: str = SECRET) -> int:
    """Post an event; return the answer's status."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return httpx.post(where, content=body, headers={"Authorization": signature}, timeout=30).status_code


def test_a_job_of_dbt_cloud_starts_one_sync(tmp_path: Path) -> None:
    """Signed and successful: what dbt wrote is fetched, 4 is tried again; other events do nothing."""
    with receiving(tmp_path) as (where, process):
        assert send(where, event(), secret="another") == 401
        assert send(where, event("e0", runStatus="Errored")) == 202
        assert [send(where, event()), send(where, event())] == [202, 202]
        assert process.stdout is not None
        assert process.stdout.readline() == "run 7: exit code 0\n"
        assert send(where, event("e2", runId="../../9")) == 202
        assert process.stdout.readline().startswith("event e2: no account and run")
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "sync\nsync\n"
    kept = json.loads((tmp_path / "target/run_results.json").read_text(encoding="utf-8"))
    assert kept == {"of": "run_results.json"}


# --- orchestrators: their files with stand-ins of their packages ----------------------------------------------------


class RetryError(Exception):
    """What asks an orchestrator for another try."""


class FailError(Exception):
    """What tells an orchestrator not to try again."""


def plain(*given: Any, **_: Any) -> Any:
    """Return a decorated function as it is, with or without arguments of the decorator."""
    return given[0] if given and callable(given[0]) else lambda function: function


def module(monkeypatch: pytest.MonkeyPatch, name: str, **parts: Any) -> None:
    """Put a package in the place of one that is not installed here."""
    made = ModuleType(name)
    vars(made).update(parts)
    monkeypatch.setitem(sys.modules, name, made)


def ending(code: int) -> Any:
    """Return a ``revetl.sync`` that ends with an exit code; 2 and 4 are raised, as where a run cannot begin."""

    def sync(_: Any) -> Any:
        if code == 4:
            raise TryLater("RVT-502", "another run is at work")
        if code == 2:
            raise ConfigError("RVT-101", "revetl.yml is missing")
        return SimpleNamespace(exit_code=code, syncs=(), run="r1")

    return sync


CODES = [(0, None), (1, None), (2, FailError), (3, FailError), (4, RetryError)]


@pytest.mark.parametrize(("code", "raised"), CODES)
def test_dagster_retries_on_four_alone(
    code: int, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The asset asks for a retry, fails for good, or tells what was sent."""
    dagster: dict[str, Any] = {"AssetExecutionContext": object, "asset": plain, "MaterializeResult": dict}
    dagster |= {"Definitions": dict, "ScheduleDefinition": plain, "RetryRequested": lambda **_: RetryError()}
    module(monkeypatch, "dagster", Failure=lambda *_, **said: FailError(said), **dagster)
    project = SimpleNamespace(manifest_path="", prepare_if_dev=lambda: None)
    module(monkeypatch, "dagster_dbt", DbtCliResource=dict, DbtProject=lambda **_: project, dbt_assets=plain)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    made = runpy.run_path(str(EXAMPLES / "dagster/definitions.py"))
    assert made["models"].__annotations__["context"] is object  # Dagster refuses an annotation that is text
    monkeypatch.setattr(revetl, "sync", ending(code))
    if raised is None:
        assert made["synced"]()["metadata"]["exit code"] == code
        return
    with pytest.raises(raised) as told:
        made["synced"]()
    assert raised is RetryError or told.value.args[0] == {"allow_retries": False}


@pytest.mark.parametrize(("code", "raised"), CODES)
def test_prefect_retries_on_four_alone(
    code: int, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The task fails where it must, and its condition holds for "try later" alone."""
    module(monkeypatch, "prefect", flow=plain, task=plain, pause_flow_run=plain)
    made = runpy.run_path(str(EXAMPLES / "prefect/flow.py"))
    monkeypatch.setattr(revetl, "sync", ending(code))
    if raised is None:
        assert made["sync"](tmp_path, "prod") == {}
        return
    with pytest.raises(Exception) as told:
        made["sync"](tmp_path, "prod")
    assert made["later"](None, None, SimpleNamespace(data=told.value)) == (raised is RetryError)


def test_prefect_asks_only_for_what_can_be_approved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A failed dbt test has no hash: nobody is asked, the sync ends with 3."""
    module(monkeypatch, "prefect", flow=plain, task=plain, pause_flow_run=plain)
    made = runpy.run_path(str(EXAMPLES / "prefect/flow.py"))
    held = [
        Held("crm.person", "tests", "a test failed", stops=True),
        Held("crm.person", "max_leave", "9", False, hash="h"),
    ]
    monkeypatch.setattr(revetl, "plan", lambda _: SimpleNamespace(previews=[SimpleNamespace(held=held)]))
    assert made["held"](tmp_path, "prod") == {"h": "crm.person: 9"}


@pytest.mark.parametrize(("code", "raised"), CODES)
def test_airflow_retries_on_four_alone(
    code: int, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program's exit code fails the task for good, fails it to be retried, or is fine; its result is read."""
    module(monkeypatch, "airflow")
    module(monkeypatch, "airflow.exceptions", AirflowFailException=FailError)
    hitl = "airflow.providers.standard.operators.hitl"
    for name in ("airflow.providers", "airflow.providers.standard", "airflow.providers.standard.operators"):
        module(monkeypatch, name)
    module(monkeypatch, hitl, ApprovalOperator=plain)
    module(monkeypatch, "airflow.sdk", dag=lambda **_: lambda _: lambda: None, task=plain)
    program(tmp_path / "revetl", f'echo "$*"; exit {code}')
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("REVETL_BIN", str(tmp_path / "revetl"))
    made = runpy.run_path(str(EXAMPLES / "airflow/revetl_shop.py"))
    ended, said = made["run"]("sync")
    assert (ended, said) == (code, "sync --target prod --output json --quiet\n")
    if raised is None:
        assert made["judged"](ended) == code
    else:
        with pytest.raises(FailError if raised is FailError else RuntimeError):
            made["judged"](ended)
