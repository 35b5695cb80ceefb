"""The wheel: the same bytes whoever builds it, everything in it, and it runs without the source beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import LEFT_BY_RUNS
from tests.e2e.house import environment
from tests.shared import ROOT

PARTS = ("revetl", "dbt_project", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
TAGGED = {"SETUPTOOLS_SCM_PRETEND_VERSION": "9.8.7"}
MAIN = "import sys; from revetl.cli import main; sys.argv[0] = 'revetl'; main()"


def build(source: Path, out: Path, **env: str) -> Path:
    """Build a wheel as of a time that is given, and not that of the files."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    env = environment(SOURCE_DATE_EPOCH="1700000000") | env
    subprocess.run(command, cwd=source, env=env, check=True, capture_output=True)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that was built here."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), **TAGGED)


def copied(copy: Path) -> Path:
    """Copy what a wheel is built of, with other times and rights, and without git."""
    copy.mkdir()
    for name in PARTS:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, copy / name, copy_function=shutil.copyfile, ignore=LEFT_BY_RUNS)
        else:
            shutil.copyfile(one, copy / name)
    return copy


def test_a_wheel_is_the_same_wherever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """Copied elsewhere, with other times and rights, the source makes the same bytes."""
    assert build(copied(tmp_path / "copy"), tmp_path / "out", **TAGGED).read_bytes() == wheel.read_bytes()


def test_the_version_comes_from_the_tag(tmp_path: Path) -> None:
    """Without git there is no version; a tag is it; a commit after it is told from it, and names itself."""
    copy = tmp_path / "copy"

    def version() -> str:
        command = [sys.executable, "-m", "hatchling", "version"]
        done = subprocess.run(command, cwd=copy, env=environment(), check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def git(*words: str) -> None:
        me = ("-c", "user.name=1", "-c", "user.email=1@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *me, *words], cwd=copy, env=environment(), check=True, capture_output=True)

    copied(copy)
    assert version() == "0.0.0"
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    assert re.fullmatch(r"0\.0\.1\.dev1\+g[0-9a-f]+", version())
    git("tag", "v9.9.9")
    assert build(copy, tmp_path / "out").name == "revetl-9.9.9-py3-none-any.whl"
    git("commit", "-qm", "two", "--allow-empty")
    assert re.fullmatch(r"9\.9\.10\.dev1\+g[0-9a-f]+", version())


def test_a_wheel_holds_everything(wheel: Path) -> None:
    """Code, schemas, the page's parts and the demo's project are in it; tests, examples and leftovers are not."""
    ignored = ("__pycache__", "target", "logs", ".revetl", "exports")
    wanted = {
        f"{into}/{path.relative_to(ROOT / of).as_posix()}"
        for of, into in (("revetl", "revetl"), ("dbt_project", "revetl/demo_project"))
        for path in (ROOT / of).rglob("*")
        if path.is_file() and not {*path.parts} & {*ignored} and path.suffix not in {".duckdb", ".wal"}
        and path.name != ".user.yml"
    }  # fmt: skip
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if ".dist-info/" not in name}
    assert found == wanted


@pytest.mark.timeout(300)
def test_a_wheel_runs_by_itself(wheel: Path, shop: Path, tmp_path: Path) -> None:
    """Unpacked as pip does it: version, help, a schema, completion, and a check of a project."""
    place, project = tmp_path / "site", tmp_path / "shop"
    shutil.copytree(shop, project)
    with zipfile.ZipFile(wheel) as file:
        file.extractall(place)

    def run(*words: str, **more: str) -> str:
        env = environment(PYTHONPATH=str(place)) | more
        command = [sys.executable, "-c", MAIN, *words]
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import revetl; print(revetl.__file__)"]
    env = environment(PYTHONPATH=str(place))
    there = subprocess.run(where, cwd=project, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert Path(there.stdout.strip()).is_relative_to(place)
    assert run("--version").startswith("revetl 9.8.7\n")
    assert "Commands:" in run("--help")
    assert '"$schema"' in run("schema", "revetl")
    assert "_REVETL_COMPLETE" in run(_REVETL_COMPLETE="bash_source")
    assert run("check", "--profiles-dir", ".").startswith("no problems")
    assert run("docs", "--profiles-dir", ".")
    assert (project / "target/revetl_docs.html").stat().st_size > 10_000
