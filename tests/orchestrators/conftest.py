"""Real orchestrators run the examples on the shop. `make orchestrators` installs them, each beside the wheel."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import revetl
from revetl import run
from revetl.state.files import private_directory
from revetl.state.lock import locked
from tests.e2e.conftest import fresh, once, shop
from tests.e2e.house import House

__all__ = ["fresh", "once", "shop"]

# each package is in an environment of its own, and in none of those that run the other tests
collect_ignore = [f"test_{name}.py" for name in ("airflow", "dagster", "prefect") if find_spec(name) is None]


@pytest.fixture
def home(fresh: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a house whose project, stand-ins and programs this process's environment names."""
    for name, value in {
        "DBT_PROJECT_DIR": str(fresh.root),
        "DBT_PROFILES_DIR": str(fresh.root),
        "DBT_TARGET": "dev",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PAUSE": "1",
        "REVETL_SANDBOX": fresh.origin,
    }.items():
        monkeypatch.setenv(name, value)
    return fresh


@pytest.fixture
def leaving(home: House) -> House:
    """Return a house that was synced, where a guard holds 20 of Mailchimp's members since."""
    assert home.sync().exit_code == 0
    home.edit("revetl.yml", "[employees]\n        on_leave", "[employees, churn_risk_customers]\n        on_leave")
    return home


@pytest.fixture
def failing(home: House) -> House:
    """Return a house where a test of the companies' model, on which no other model stands, fails at the next build."""
    home.edit(
        "models/marts/companies.yml",
        "      - name: industry\n",
        "      - name: industry\n        data_tests: [unique]\n",
    )
    return home


@pytest.fixture
def broken(home: House) -> House:
    """Return a house without revetl.yml: exit code 2."""
    (home.root / "revetl.yml").unlink()
    return home


@pytest.fixture
def busy(home: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a house where another run holds the lock while the first sync is tried: exit code 4."""
    lock = private_directory(home.root / ".revetl/dev") / "lock"
    tried: list[Any] = []

    def sync(options: Any) -> Any:
        tried.append(options)
        with locked(lock, "2026-01-01T00:00:00") if len(tried) == 1 else nullcontext():
            return run.sync(options)

    monkeypatch.setattr(revetl, "sync", sync, raising=False)
    return home
