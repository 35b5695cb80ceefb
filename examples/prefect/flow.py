"""dbt build, a look at what would leave, a person where a guard holds something, and the sync.

PROJECT TARGET are its arguments: python flow.py /srv/shop prod. PAUSE: seconds before another try.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefect import flow, pause_flow_run, task

import revetl
from revetl.errors import TryLater

A_DAY = 86_400
PAUSE = int(os.environ.get("PAUSE", "300"))


class NeedsPersonError(Exception):
    """Exit code 2 or 3: nothing gets better by another try."""


def later(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether a failed task is worth another try: "try later" alone is."""
    failure = state.data
    return isinstance(getattr(failure, "exception", failure), TryLater)  # a result record, or the exception itself


@task
def build(project: Path, target: str) -> None:
    """Build the models; a failure holds the syncs of what failed, and the others go on."""
    subprocess.run(["dbt", "build", "--quiet", "--target", target], cwd=project, check=False)  # noqa: S603, S607


@task(retries=5, retry_delay_seconds=PAUSE, retry_condition_fn=later)
def held(project: Path, target: str) -> dict[str, str]:
    """Return what guards would hold and a person may let through: hash → reason. Nothing is sent."""
    plan = revetl.plan(revetl.Options(project, profiles_dir=project, target=target))
    found = [one for preview in plan.previews for one in preview.held]
    return {one.hash: f"{one.sync}: {one.reason}" for one in found if one.hash}


@task(retries=5, retry_delay_seconds=PAUSE, retry_condition_fn=later)
def sync(project: Path, target: str, approved: tuple[str, ...] = ()) -> dict[str, int]:
    """Send what changed; return how many changes each sync delivered."""
    result = revetl.sync(revetl.Options(project, profiles_dir=project, target=target, approve=approved))
    if result.exit_code == 4:
        raise TryLater("RVT-603", "some of the destinations want to be asked later")
    if result.exit_code in {2, 3}:
        raise NeedsPersonError(f"exit code {result.exit_code}: revetl status --target {target}")
    return {one.sync: one.delivered for one in result.syncs}


@flow(log_prints=True)
def shop(project: Path, target: str) -> dict[str, int]:
    """Build and sync; whoever resumes the paused run approves what it lists."""
    build(project, target)
    stopped = held(project, target)
    for reason in stopped.values():
        print("held:", reason)
    if stopped:
        pause_flow_run(timeout=A_DAY)
    return sync(project, target, tuple(stopped))


if __name__ == "__main__":
    shop(Path(sys.argv[1]), sys.argv[2])
