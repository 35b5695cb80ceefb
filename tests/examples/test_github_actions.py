"""examples/github-actions: the workflow's own commands, run in a repository with the shop; actions are faked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import LEFT_BY_RUNS
from tests.e2e.house import environment
from tests.shared import ROOT

WORKFLOW = yaml.safe_load((ROOT / "examples/github-actions/revetl.yml").read_text(encoding="utf-8"))
GIT = ("-c", "user.name=ci", "-c", "user.email=ci@example.org", "-c", "commit.gpgsign=false")
PLAIN = "      - name: favourite_category # no `to`: it never leaves; `revetl demo` adds one line here\n"
MAPPED = "      - name: favourite_category\n        config: {meta: {revetl: {to: {mailchimp: FAV_CAT}}}}\n"


def git(root: Path, *words: str) -> None:
    """Run git, which must go well."""
    subprocess.run(["git", *GIT, *words], cwd=root, env=environment(), check=True, capture_output=True)


def step(root: Path, run: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one step as the runner does, with what it would fill in."""
    script = run.replace("${{ github.base_ref }}", "main")
    assert "${{" not in script, script
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=root, env=dict(env), capture_output=True, text=True, check=False)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return a runner's environment: revetl and dbt at hand, pip installs nothing."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "pip").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    words = f'#!/bin/sh\nexec "{sys.executable}" -c "from revetl.cli import main; main()" "$@"\n'
    (tools / "revetl").write_text(words, encoding="utf-8")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    base = environment(GITHUB_ACTIONS="true", DBT_SEND_ANONYMOUS_USAGE_STATS="false", PYTHONPATH=str(ROOT))
    path = f"{tools}:{Path(sys.executable).parent}:{base['PATH']}"
    return base | {"PATH": path, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def steps(job: str) -> list[dict[str, Any]]:
    """Return the steps of a job that run commands."""
    return [one for one in WORKFLOW["jobs"][job]["steps"] if "run" in one]


def test_a_pull_request_shows_what_newly_leaves(tmp_path: Path, env: dict[str, str]) -> None:
    """One line of YAML on a branch: the check names the new flow, and exits 0."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "repo"
    shutil.copytree(ROOT / "dbt_project", root, ignore=LEFT_BY_RUNS)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "the shop")
    git(root, "update-ref", "refs/remotes/origin/main", "HEAD")
    path = root / "models/marts/customers.yml"
    text = path.read_text(encoding="utf-8")
    assert PLAIN in text
    path.write_text(text.replace(PLAIN, MAPPED), encoding="utf-8")
    for one in steps("check"):
        done = step(root, one["run"], env)
        assert done.returncode == 0, (one["run"], done.stdout, done.stderr)
    assert "FAV_CAT" in done.stdout
    assert "newly leaves" in done.stdout
    assert "hubspot.customer" not in done.stdout


def test_a_push_builds_and_syncs(shop: Path, tmp_path: Path, env: dict[str, str]) -> None:
    """The job's commands for target dev (prod has no accounts here): all delivered, and again nothing to send."""
    root = tmp_path / "repo"
    shutil.copytree(shop, root)
    for one in steps("sync"):
        if "dbt build" in one["run"]:
            continue  # the shop is built already
        done = step(root, one["run"].replace("--target prod", "--target dev"), env)
        assert done.returncode == 0, (one["run"], done.stdout, done.stderr)
    assert "delivered" in done.stdout


def test_a_checkout_keeps_the_state() -> None:
    """The syncing job runs on a runner of one's own and its checkout deletes nothing."""
    job = WORKFLOW["jobs"]["sync"]
    assert "self-hosted" in job["runs-on"]
    checkout = next(one for one in job["steps"] if one.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["clean"] is False
