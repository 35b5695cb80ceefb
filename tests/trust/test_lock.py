"""What CI installs is pinned, with hashes."""

from __future__ import annotations

import re
import tomllib

from tests.shared import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
EXTRAS = ("dbt", "dev", "docs", "postgres", "snowflake")


def plain(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_declared_is_pinned() -> None:
    """Every dependency, and every one of the extras that CI installs, is in the lock: `make lock` after a change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]
    named = (re.match(r"[\w.-]+", one) for one in declared)
    pinned = {plain(name) for name in re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)}
    assert sorted({plain(one[0]) for one in named if one} - pinned) == []


def test_what_is_pinned_has_hashes() -> None:
    """Each entry is one version with hashes, and nothing is fetched from an address."""
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert [
        one[:40] for one in entries if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", one, re.DOTALL)
    ] == []
    assert "://" not in LOCK
