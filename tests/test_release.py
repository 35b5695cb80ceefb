"""The workflow that publishes a version."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shared import ROOT

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))


def step(job: str, begins: str) -> dict[str, Any]:
    """Return a step by the beginning of its name."""
    (found,) = [one for one in WORKFLOW["jobs"][job]["steps"] if str(one.get("name", "")).startswith(begins)]
    return dict(found)


@pytest.mark.parametrize(
    ("tag", "goes_on"), [("v1.2.3", True), ("1.2.3", False), ("v1.2", False), ("v1.2.30", False), ("v9.9.9", False)]
)
def test_a_tag_without_its_part_of_the_changelog_publishes_nothing(tag: str, goes_on: bool, tmp_path: Path) -> None:
    """The step that looks at the tag, run: it is a version, and the changelog has a part for it."""
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n", encoding="utf-8")
    assert run("The tag is a version", tag, tmp_path) is goes_on


@pytest.mark.parametrize(("tag", "goes_on"), [("v1.2.3", True), ("v1.2.4", False)])
def test_what_has_another_version_than_the_tag_is_not_published(tag: str, goes_on: bool, tmp_path: Path) -> None:
    """The step that looks at what was built, run."""
    (tmp_path / "dist").mkdir()
    for name in ("revetl-1.2.3-py3-none-any.whl", "revetl-1.2.3.tar.gz"):
        (tmp_path / "dist" / name).touch()
    assert run("What was built", tag, tmp_path) is goes_on


def run(name: str, tag: str, place: Path) -> bool:
    """Run a step of the build as GitHub does; return whether it went well."""
    command = ["bash", "-eo", "pipefail", "-c", step("build", name)["run"]]
    return subprocess.run(command, cwd=place, env=os.environ | {"TAG": tag}, check=False, timeout=20).returncode == 0


def test_rights_are_given_one_by_one() -> None:
    """What builds can write nowhere, what publishes holds no token and can do nothing else, and comes after a try."""
    jobs = WORKFLOW["jobs"]
    rights = {name: job["permissions"] for name, job in jobs.items()}
    assert WORKFLOW["permissions"] == {}
    assert rights == {
        "build": {"contents": "read"}, "publish": {"id-token": "write"}, "announce": {"contents": "write"},
    }  # fmt: skip
    assert (jobs["publish"]["environment"], jobs["publish"]["needs"], jobs["announce"]["needs"]) == (
        "pypi", "build", "publish",
    )  # fmt: skip
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
