"""examples/third-party: its own suite passes, and its entry point is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.e2e.house import environment
from tests.e2e.walk import walk
from tests.shared import ROOT

FOLDER = ROOT / "examples/third-party"


def python(*words: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the example and revetl to be found."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (path, FOLDER, ROOT))), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=FOLDER, env=env, capture_output=True, text=True, check=False)


def test_its_suite_passes(tmp_path: Path) -> None:
    """The conformance suite, run as the README types it, passes, poison included."""
    place = tmp_path / "acme"
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns("__pycache__"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert " passed" in walk(FOLDER / "README.md", place, environment(PATH=path, PYTHONPATH=f"{place}:{ROOT}"))


def test_its_entry_point_is_found(tmp_path: Path) -> None:
    """Installed as its pyproject.toml says, it is in the registry under its name."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / f"revetl_acme-{project['version']}.dist-info"
    info.mkdir()
    points = project["entry-points"]["revetl.destinations"]
    lines = ["[revetl.destinations]", *(f"{name} = {place}" for name, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n", encoding="utf-8")
    ask = "from revetl.destinations import registry; print(registry()['acme'].title)"
    done = python("-c", ask, path=tmp_path)
    assert done.stdout.strip() == "Acme CRM", done.stderr
