"""How long a command takes before it does anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from tests.bench.shop import Shop
from tests.bench.table import Table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

COLD = 9
MAIN = "import sys; from revetl.cli import main; sys.argv[0] = 'revetl'; main()"


def test_help(tmp_path: Path, table: Table) -> None:
    """Help comes at once."""
    table.add("revetl --help beyond the bare interpreter, ms", 1000 * beyond(["--help"], tmp_path), "<=", 100)


def test_check(tmp_path: Path, table: Table) -> None:
    """A check of a big project is over before anybody looks away."""
    shop = Shop(tmp_path, others=700).write()
    shop.fill(10)
    size = (tmp_path / "target" / "manifest.json").stat().st_size / 2**20
    taken = beyond(["check", "--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path)], tmp_path)
    table.add("revetl check, 701 models, beyond the bare interpreter, s", taken, "<=", 0.5, f"manifest: {size:.1f} MB")


def beyond(words: list[str], where: Path) -> float:
    """Return the median seconds of a command less those of an interpreter that does nothing, taken in turns."""
    commands, bare = [], []
    run([MAIN, *words], where)
    for _ in range(COLD):
        bare.append(run(["pass"], where))
        commands.append(run([MAIN, *words], where))
    return median(commands) - median(bare)


def run(code: list[str], where: Path) -> float:
    """Return how long an interpreter takes; what it imports is compiled after its first run, as installers leave it."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONPYCACHEPREFIX": str(where / "compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", *code], cwd=where, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
