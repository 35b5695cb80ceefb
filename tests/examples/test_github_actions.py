"""examples/github-actions: the workflow's own commands, run in a repository with the shop; actions are faked."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from revetl.types import EMPTY
from tests.e2e import warm
from tests.e2e.conftest import LEFT_BY_RUNS
from tests.e2e.house import TACIT, environment
from tests.shared import ROOT

WORKFLOW = yaml.safe_load((ROOT / "examples/github-actions/revetl.yml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((ROOT / "examples/github-actions/action/action.yml").read_text(encoding="utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GIT = ("-c", "user.name=ci", "-c", "user.email=ci@example.org", "-c", "commit.gpgsign=false")
PLAIN = "      - name: favourite_category # no `to`: it never leaves; `revetl demo` adds one line here\n"
MAPPED = "      - name: favourite_category\n        config: {meta: {revetl: {to: {mailchimp: FAV_CAT}}}}\n"
# A `gh` that takes one comment: `gh pr comment NUMBER --body-file FILE ...`.
GH = (
    '#!/bin/sh\n[ "$1 $2 $4" = "pr comment --body-file" ] && [ -n "$GH_TOKEN" ] && (echo "$3"; cat "$5") > ../comment\n'
)
# A `dbt` that parses the same files once: it is most of the time of these tests. All else is dbt's own doing.
DBT = """#!/bin/sh
[ "$1" = parse ] || exec {dbt} "$@"
files=$(find dbt_project.yml profiles.yml macros models seeds -type f | LC_ALL=C sort | xargs sha256sum)
kept={kept}/$(echo "$DBT_TARGET $* $files" | sha256sum | cut -c -64)
if [ -d "$kept" ]; then rm -rf target && cp -r "$kept" target && exit; fi
{dbt} "$@" && cp -r target "$kept.$$" && {{ mv -T "$kept.$$" "$kept" || rm -rf "$kept.$$"; }} # another was first
"""
Done = subprocess.CompletedProcess[str]


def git(root: Path, *words: str) -> None:
    """Run git, which must go well."""
    subprocess.run(["git", *GIT, *words], cwd=root, env=environment(), check=True, capture_output=True)


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return text with what the runner fills in; an expression that is not known fails the test."""
    return re.sub(r"\$\{\{ *([a-z_.-]+) *\}\}", lambda found: known[found[1]], text)


def step(root: Path, one: Mapping[str, Any], env: Mapping[str, str], known: Mapping[str, str] = EMPTY) -> Done:
    """Run one step as the runner does."""
    assert "${{" not in one["run"], one["run"]  # what comes from outside comes as a variable
    own = {name: filled(str(value), known) for name, value in one.get("env", {}).items()}
    command = ["bash", "-eo", "pipefail", "-c", one["run"]]
    return subprocess.run(command, cwd=root, env={**env, **own}, capture_output=True, text=True, check=False)


def act(root: Path, env: Mapping[str, str], **given: str) -> Done:
    """Run the composite action's steps as far as they go well."""
    github = {"github.base_ref": "main"}
    inputs = {name: given.get(name, filled(one.get("default", ""), github)) for name, one in ACTION["inputs"].items()}
    for one in ACTION["runs"]["steps"]:
        done = step(root, one, env, {f"inputs.{name}": value for name, value in inputs.items()})
        if done.returncode:
            break
    return done


@pytest.fixture
def env(tmp_path: Path, once: Callable[..., Path]) -> dict[str, str]:
    """Return a runner's environment: revetl and dbt at hand, pip installs nothing."""
    tools, kept = tmp_path / "bin", once("parsed", Path.mkdir)
    tools.mkdir()
    (tools / "dbt").write_text(DBT.format(dbt=shutil.which("dbt", path=warm.path()), kept=kept), encoding="utf-8")
    (tools / "pip").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    (tools / "gh").write_text(GH, encoding="utf-8")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    base = environment(GITHUB_ACTIONS="true", PYTHONPATH=str(ROOT), **TACIT)
    return base | {"PATH": f"{tools}:{warm.path()}", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def steps(job: str) -> list[dict[str, Any]]:
    """Return the steps of a job that run commands."""
    return [one for one in WORKFLOW["jobs"][job]["steps"] if "run" in one]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Return a repository with the shop, whose main branch is fetched."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "repo"
    shutil.copytree(ROOT / "dbt_project", root, ignore=LEFT_BY_RUNS)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "the shop")
    git(root, "update-ref", "refs/remotes/origin/main", "HEAD")
    return root


def map_column(root: Path) -> None:
    """Change one line of YAML, by which a column newly leaves."""
    path = root / "models/marts/customers.yml"
    text = path.read_text(encoding="utf-8")
    assert PLAIN in text
    path.write_text(text.replace(PLAIN, MAPPED), encoding="utf-8")


def test_a_pull_request_shows_what_newly_leaves(repo: Path, env: dict[str, str], tmp_path: Path) -> None:
    """One line of YAML on a branch: the action names the new flow, exits 0, and its report is the comment."""
    map_column(repo)
    done = act(repo, env)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "FAV_CAT" in done.stdout
    assert "newly leaves" in done.stdout
    assert "hubspot.customer" not in done.stdout
    assert "::notice file=models/marts/customers.yml,title=RVT-392::" in done.stderr
    for output in ACTION["outputs"].values():
        assert "FAV" in (repo / output["value"]).read_text(encoding="utf-8")
    (comment,) = (one for one in steps("check") if "gh pr" in one["run"])
    done = step(repo, comment, env, {"github.token": "t", "github.event.number": "7"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "comment").read_text(encoding="utf-8").startswith("7\n### revetl check")


def test_a_policy_fails_the_job(repo: Path, env: dict[str, str]) -> None:
    """What main's policy denies fails on the branch; the report is written all the same, and a second run goes on."""
    with (repo / "revetl.yml").open("a", encoding="utf-8") as file:
        file.write("\npolicies: {max_new_fields: 0}\n")
    for _ in range(2):
        done = act(repo, env)
        assert done.returncode == 0, (done.stdout, done.stderr)
    map_column(repo)
    done = act(repo, env)
    assert (done.returncode, "RVT-357" in done.stderr) == (2, True), (done.stdout, done.stderr)
    assert "RVT-357" in (repo / "revetl-check.md").read_text(encoding="utf-8")


def test_a_branch_name_is_no_command(repo: Path, env: dict[str, str]) -> None:
    """Names and folders reach the scripts as variables: a hostile one fails, and runs nothing."""
    done = act(repo, env, **{"base-ref": "main; touch owned; $(touch owned)"})
    assert done.returncode != 0
    assert not list(repo.rglob("owned"))


def test_the_hook_holds_a_commit_back(repo: Path, env: dict[str, str]) -> None:
    """pre-commit's entry parses first, so that it sees what is about to be committed; it fails as check does."""
    assert HOOK["pass_filenames"] is False
    assert re.search(HOOK["files"], "models/marts/customers.yml")
    words = [*shlex.split(HOOK["entry"]), "--profiles-dir", "."]
    for code, old, new in ((0, PLAIN, MAPPED), (2, "mailchimp: FAV_CAT", "mailchmp: FAV_CAT")):
        path = repo / "models/marts/customers.yml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        done = subprocess.run(words, cwd=repo, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
    assert "did you mean 'mailchimp'?" in done.stdout


def test_a_push_builds_and_syncs(shop: Path, tmp_path: Path, env: dict[str, str]) -> None:
    """The job's commands for target dev (prod has no accounts here): all delivered, and again nothing to send."""
    root = tmp_path / "repo"
    shutil.copytree(shop, root)
    for one in steps("sync"):
        if "dbt build" in one["run"]:
            continue  # the shop is built already
        done = step(root, {**one, "run": one["run"].replace("--target prod", "--target dev")}, env)
        assert done.returncode == 0, (one["run"], done.stdout, done.stderr)
    assert "delivered" in done.stdout


def test_a_checkout_keeps_the_state() -> None:
    """The syncing job runs on a runner of one's own and its checkout deletes nothing."""
    job = WORKFLOW["jobs"]["sync"]
    assert "self-hosted" in job["runs-on"]
    checkout = next(one for one in job["steps"] if one.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["clean"] is False
