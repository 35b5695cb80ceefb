"""The command line to try, and a project to try it with."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from revetl.cli import cli
from tests.unit.cli.shop import Revetl, Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return a sound project, which is also the working directory; no variable of a CI system is set."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR", "NO_COLOR", "DBT_TARGET", "DBT_PROFILES_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


@pytest.fixture
def revetl() -> Revetl:
    """Return a function that runs a command line."""

    def run(*words: str, **more: Any) -> Result:
        done = CliRunner().invoke(cli, list(words), **more)
        gc.unfreeze()  # a command ends its process, and hides from the collector what is left; this one goes on
        return done

    return run
