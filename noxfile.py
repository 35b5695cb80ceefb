"""Environments too heavy for every commit: the wheel beside other versions (``matrix``), and inside orchestrators.

``make matrix`` and ``make orchestrators`` build the wheel and start these. Tests are copied away from the source, so
that what they import is the wheel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = False

ROOT = Path(__file__).parent
PAGE = ROOT / "docs/compatibility.md"
SHARED = os.environ.get("REVETL_SHARED", str(ROOT.parent / "shared"))
TOOLS = ("pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.6", "hypothesis>=6.100")
SERVERS = ("psycopg[binary]>=3.1", "snowflake-connector-python>=4.2,<6")  # tests talk to their servers with these
SHOWN = ("dbt-core", "dbt-duckdb", "dbt-postgres", "dbt-snowflake", "duckdb", "snowflake-connector-python", "pyarrow")
LOGIN = "tests/unit/warehouse/test_snowflake_login.py"  # needs Snowflake's connector
READERS = ("tests/unit/manifest", "tests/unit/warehouse", "tests/unit/state/test_older_state.py", f"--ignore={LOGIN}")
SHOP = (
    "tests/e2e/test_sync.py::test_first_sync_brings_everything",
    "tests/e2e/test_sync.py::test_second_sync_sends_nothing",
    "tests/e2e/test_sync.py::test_one_changed_row_sends_one_row",
    "tests/e2e/test_sync.py::test_an_address_changes_and_nothing_stays_behind",
)
SNOWFLAKE = ("tests/warehouse/test_snowflake_types.py", LOGIN)
POSTGRES = ("tests/warehouse/test_same_outcome.py::test_from_postgres",)


@dataclass(frozen=True)
class Cell:
    """One environment: what stands there before revetl comes, what of revetl is added, which tests run."""

    python: str
    there: tuple[str, ...] = ()
    extras: str = ""
    tests: tuple[str, ...] = (*READERS, *SHOP)
    lowest: bool = False


def _duckdb(core: str, duckdb: str) -> tuple[str, ...]:
    return (f"dbt-core~={core}", "dbt-duckdb", f"duckdb~={duckdb}")


CELLS = {
    "dbt 1.10, DuckDB 1.4": Cell("3.11", _duckdb("1.10.5", "1.4.0")),
    "dbt 1.11, DuckDB 1.5": Cell("3.12", _duckdb("1.11.0", "1.5.0")),
    "dbt 1.12, DuckDB 2": Cell("3.13", _duckdb("1.12.0", "2.0")),
    "dbt 1.10, DuckDB 2": Cell("3.13", _duckdb("1.10.5", "2.0")),
    "dbt 1.12, DuckDB 1.4": Cell("3.12", _duckdb("1.12.0", "1.4.0")),
    "no dbt, a Fusion manifest": Cell("3.13", tests=("-k", "not agrees_with_dbt", *READERS)),
    "beside dbt-snowflake": Cell("3.12", ("dbt-snowflake",), "snowflake", SNOWFLAKE),
    "Snowflake connector 5": Cell("3.13", ("snowflake-connector-python>=5,<6",), "snowflake", SNOWFLAKE),
    "beside dbt-postgres": Cell("3.13", ("dbt-postgres", "dbt-duckdb"), "postgres", POSTGRES),
    "the oldest that pyproject.toml allows": Cell("3.11", lowest=True),
}


def _wheel() -> Path:
    """Return the wheel that make built last."""
    return max((ROOT / "dist").glob("revetl-*.whl"), key=lambda path: path.stat().st_mtime)


def _install(session: nox.Session, *words: str) -> None:
    session.run_install("uv", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *words, external=True)


def _revetl(extras: str) -> str:
    named = f"[{extras}]" if extras else ""
    return f"revetl{named} @ {_wheel().as_uri()}"


def _versions(session: nox.Session) -> dict[str, str]:
    """Return what is installed: name → version."""
    found = session.run("uv", "pip", "list", "--quiet", "--format", "json", external=True, silent=True)
    return {one["name"]: one["version"] for one in json.loads(str(found))}


def _tests(session: nox.Session, *words: str) -> tuple[int, int]:
    """Run tests that are copied away from the source; return how many there were, and how many went wrong."""
    place = Path(session.create_tmp()).resolve() / "bare"
    shutil.rmtree(place, ignore_errors=True)
    left = shutil.ignore_patterns("__pycache__", "target", "logs", "*.duckdb*", ".revetl", "exports")
    for name in ("tests", "examples", "dbt_project", "docs"):
        shutil.copytree(ROOT / name, place / name, ignore=left)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, place)
    report = place / "report.xml"
    # others' older versions warn of what their newer ones mended
    command = ["python", "-m", "pytest", "-q", "-o", "filterwarnings=default", f"--junitxml={report}", *words]
    env = {"REVETL_SHARED": SHARED, "REVETL_NO_SKIP": "1", "PYTHONPATH": None}
    env["REVETL_TEST_ENVS"] = os.environ.get("REVETL_TEST_ENVS", str(ROOT / ".test-envs"))
    with session.chdir(place):
        session.run(*command, env=env, success_codes=range(3))
    suite = ET.parse(report).getroot()[0].attrib  # noqa: S314 - pytest wrote it
    return int(suite["tests"]), int(suite["failures"]) + int(suite["errors"])


def _kept(session: nox.Session, name: str, said: dict[str, str | bool]) -> None:
    """Remember a row of the page."""
    rows = Path(session.create_tmp()).resolve().parents[1] / "rows"
    rows.mkdir(exist_ok=True)
    (rows / f"{_slug(name)}.json").write_text(json.dumps({"name": name, **said}), encoding="utf-8")


def _row(path: Path, name: str) -> dict[str, str | bool]:
    """Return what a cell found; one that did not run, for want of its Python for instance, is not good."""
    if not path.is_file():
        return {"name": name, "outcome": "did not run", "good": False}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower())


def _cell(session: nox.Session, name: str, cell: Cell) -> None:
    """Build one environment, see that nothing moved in it, and run its tests."""
    row: dict[str, str | bool] = {"outcome": "could not be installed", "good": False}
    _kept(session, name, row)
    if cell.there:
        _install(session, *cell.there)
    if cell.lowest:
        lowest = ("-r", str(ROOT / "pyproject.toml"), "--extra", "dbt", "--resolution", "lowest-direct")
        _install(session, *lowest)
    before = _versions(session)
    _install(session, _revetl(cell.extras))
    after = _versions(session)
    moved = sorted(one for one, version in before.items() if after.get(one) != version)
    _install(session, *TOOLS, *(SERVERS if cell.extras in {"postgres", "snowflake"} else ()))
    _kept(session, name, row | {"outcome": "tests did not begin"})
    row |= {one: after[one] for one in SHOWN if one in after}
    row["python"] = str(session.run("python", "-c", "import platform; print(platform.python_version())", silent=True))
    count, wrong = _tests(session, *cell.tests)
    told = f"{count - wrong} of {count} passed" if wrong else f"{count} passed"
    row |= {"outcome": told + (f"; moved: {', '.join(moved)}" if moved else ""), "good": not (wrong or moved)}
    _kept(session, name, row)
    if not row["good"]:
        session.error(str(row["outcome"]))


def _of(name: str, cell: Cell) -> None:
    """Make the session of a cell."""

    @nox.session(python=cell.python, name=_slug(name), tags=["matrix"])
    def run(session: nox.Session) -> None:
        _cell(session, name, cell)


for _name, _one in CELLS.items():
    _of(_name, _one)


@nox.session(python="3.12", tags=["matrix"])
def bare(session: nox.Session) -> None:
    """Install the wheel where nothing else is, and use it as somebody who tries it does; then with dbt."""
    place = Path(session.create_tmp()).resolve() / "nowhere"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    _install(session, _revetl(""))
    session.env["PATH"] = f"{session.bin}{os.pathsep}{os.defpath}"  # no dbt of another environment
    with session.chdir(place):
        session.run("revetl", "--version")
        session.run("revetl", "--help", silent=True)
        session.run("revetl", silent=True, env={"_REVETL_COMPLETE": "bash_source"})
        session.run("revetl", "demo", success_codes=[2])  # there is no dbt: it says what to install
        _install(session, _revetl("dbt"))
        session.run("revetl", "demo", silent=True)
        with session.chdir("revetl-demo"):
            session.run("revetl", "check")


@nox.session(python=["3.12"], tags=["orchestrators"])
@nox.parametrize("name", ["airflow", "dagster", "prefect"], ids=["airflow", "dagster", "prefect"])
def orchestrator(session: nox.Session, name: str) -> None:
    """Run an example with the real package: revetl, dbt and one orchestrator in an environment of their own."""
    packages = {
        "airflow": ("apache-airflow>=3.3,<4",),
        "dagster": ("dagster", "dagster-dbt"),
        "prefect": ("prefect>=3",),
    }
    _install(session, _revetl("dbt"), *packages[name], *TOOLS)
    found = _versions(session)
    session.log(", ".join(f"{one} {found[one]}" for one in sorted(found) if name in one or one in SHOWN))
    _, wrong = _tests(session, f"tests/orchestrators/test_{name}.py", "--timeout=600", *session.posargs)
    if wrong:
        session.error(f"{wrong} went wrong")


@nox.session(python=False, tags=["matrix"])
def table(session: nox.Session) -> None:
    """Write what the cells found into the page."""
    rows = Path(session.create_tmp()).resolve().parents[1] / "rows"
    found = [_row(rows / f"{_slug(name)}.json", name) for name in CELLS]
    lines = ["| environment | Python | dbt | DuckDB | warehouse | pyarrow | tests |", "|---|---|---|---|---|---|---|"]
    for row in found:
        others = [f"{one} {row[one]}" for one in SHOWN[2:4] + SHOWN[5:6] if one in row]
        cells = (row["name"], str(row.get("python", "")).strip(), row.get("dbt-core", "none"), row.get("duckdb", ""),
                 ", ".join(others), row.get("pyarrow", ""), row["outcome"])  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    today = f"Written by `make matrix` on {datetime.now(UTC):%Y-%m-%d}."
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- matrix -->\n", "<!-- /matrix -->"
    before, after = text.partition(begin)[0], text.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n{today}\n\n" + "\n".join(lines) + f"\n\n{end}{after}", encoding="utf-8")
    bad = [row["name"] for row in found if not row["good"]]
    if bad:
        session.error(f"not as it should be: {', '.join(bad)}")
