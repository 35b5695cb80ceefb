from __future__ import annotations

import ast
import platform
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import revetl as package
from revetl.cli import COMMANDS
from tests.unit.cli.shop import Revetl

HERE = [name for name in COMMANDS if find_spec(f"revetl.cli.{name}")]
MINE = ("init", "debug", "ls", "check", "plan", "sync", "sandbox", "explain")


def test_list_of_commands_comes_from_the_table_in_its_order(revetl: Revetl) -> None:
    """``revetl --help`` names each command with its sentence, in the order in which people meet them."""
    shown = revetl("--help")
    assert shown.exit_code == 0
    lines = shown.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all(sentence in shown.output for sentence in COMMANDS.values())


def test_version(revetl: Revetl) -> None:
    """``--version`` says the package's version on a line of its own, then what a report of a fault needs."""
    first, system, *others = revetl("--version").output.splitlines()
    assert first == f"revetl {package.__version__}"
    assert system.startswith(f"Python {platform.python_version()} on ")
    named = dict(one.split(" ") for line in others for one in line.split(", "))
    assert named["duckdb"] == version("duckdb")
    assert {"pyarrow", "pydantic", "httpx"} <= set(named)


@pytest.mark.parametrize("name", HERE)
def test_each_command_has_help_within_80_columns(revetl: Revetl, name: str) -> None:
    """Each command says what it does, and its help fits a terminal of 80 columns."""
    shown = revetl(name, "--help", terminal_width=80)
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"Usage: cli {name}")
    assert max(map(len, shown.output.splitlines())) <= 80


@pytest.mark.parametrize("name", MINE)
def test_commands_of_the_first_hour_are_here(name: str) -> None:
    """No command of the table's first hour is missing from the installation."""
    assert name in HERE


def test_help_loads_click_and_nothing_else_of_weight() -> None:
    """``revetl --help`` imports none of the libraries that the commands stand on, so that it starts at once."""
    heavy = ["rich", "duckdb", "httpx", "pydantic", "orjson", "yaml", "jinja2", "pyarrow", "uvicorn", "revetl.engine"]
    code = (
        "import sys\nfrom revetl.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", MINE)
def test_help_of_a_command_needs_no_engine(name: str) -> None:
    """``revetl sync --help`` opens no engine either: DuckDB and httpx stay where they are."""
    code = (
        "import sys\nfrom revetl.cli import cli\n"
        f"try:\n    cli([{name!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('duckdb', 'httpx', 'pydantic', 'uvicorn') if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


def test_nobody_but_the_command_line_prints() -> None:
    """No module of the command line calls print(): results go through the screen, which knows where to."""
    for path in (Path(package.__file__).parent / "cli").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path
