"""dbt build, a look at what would leave, a person where a guard holds something, and the sync. Airflow 3.3 or later.

The variable DBT_PROJECT_DIR names the project, DBT_TARGET the target of dbt and of revetl, PAUSE the seconds before
another try.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task

PROJECT = os.environ.get("DBT_PROJECT_DIR", "/srv/shop")
TARGET = os.environ.get("DBT_TARGET", "prod")
PAUSE = int(os.environ.get("PAUSE", "300"))
REVETL = os.environ.get("REVETL_BIN", "revetl")  # of the environment that has dbt and revetl


def run(*words: str) -> tuple[int, str]:
    """Return exit code and what a command of revetl printed as its result."""
    done = subprocess.run(  # noqa: S603
        [REVETL, *words, "--target", TARGET, "--output", "json", "--quiet"],
        cwd=PROJECT, check=False, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


def judged(code: int) -> int:
    """Return an exit code that is fine; what wants a person fails for good, "try later" is retried."""
    if code == 4:
        raise RuntimeError("revetl says: try later")
    if code not in {0, 1}:
        raise AirflowFailException(f"revetl ended with exit code {code}: look at revetl status")
    return code


@dag(schedule="*/30 * * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1,  # noqa: DTZ001
     default_args={"retries": 5, "retry_delay": timedelta(seconds=PAUSE)})  # fmt: skip
def revetl_shop() -> None:
    """Keep the tools up to date with the models of the shop."""

    @task(retries=0)
    def build() -> None:
        """Build the models; a failure holds the syncs of what failed, and the others go on."""
        subprocess.run(["dbt", "build", "--quiet", "--target", TARGET], cwd=PROJECT, check=False)  # noqa: S603, S607

    @task
    def held() -> dict[str, str]:
        """Return what guards would hold and a person may let through: hash → reason. Nothing is sent."""
        code, said = run("plan")
        if code != 3:
            judged(code)
        found = [one for sync in json.loads(said)["syncs"] for one in sync["held"]]
        return {one["hash"]: f"{one['sync']}: {one['reason']}" for one in found if one["hash"]}

    @task.branch
    def ask(stopped: dict[str, str]) -> str:
        """Ask a person where there is something to decide."""
        return "approve" if stopped else "sync"

    @task(trigger_rule="none_failed_min_one_success")
    def sync(stopped: dict[str, str]) -> int:
        """Send what changed, and what a person approved."""
        approved = [word for one in stopped for word in ("--approve", one)]
        code, _ = run("sync", *approved)
        return judged(code)

    found = held()
    approve = ApprovalOperator(
        task_id="approve", subject="revetl holds changes of the shop", fail_on_reject=True,
        body="Approving lets through, once: {{ ti.xcom_pull('held').values() | join('; ') }}",
        response_timeout=timedelta(days=1), retries=0,  # who rejects is not asked again
    )  # fmt: skip
    branch, sent = ask(found), sync(found)
    build() >> found
    branch >> [approve, sent]
    approve >> sent


revetl_shop()
