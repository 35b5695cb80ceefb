from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from revetl import errors
from revetl.cli import check as check_command
from tests.unit.cli.shop import Revetl, Shop

CASES = [
    (errors.UsageError("RVT-100", "no", kept="all", hint="try"), 2),
    (errors.ConfigError("RVT-101", "no"), 2),
    (errors.StateError("RVT-501", "no"), 2),
    (errors.GuardError("RVT-700", "no"), 3),
    (errors.TryLater("RVT-411", "no"), 4),
]


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make ``revetl check`` fail with ``error``."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "revetl.engine.checking", SimpleNamespace(check=fail))
    assert check_command


@pytest.mark.parametrize(("error", "code"), CASES, ids=[error.code for error, _ in CASES])
def test_each_class_of_error_has_its_exit_code(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch, error: errors.RevetlError, code: int
) -> None:
    """The exit code is the class's, and stdout stays empty: it is for results."""
    failing(monkeypatch, error)
    done = revetl("check")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error[{error.code}] no\n")


def test_an_error_says_what_happened_what_was_kept_and_what_to_type(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three lines: the error with its code, what was kept, the hint; an empty part has no line."""
    failing(monkeypatch, errors.UsageError("RVT-100", "it is wrong", kept="nothing was sent", hint="revetl ls"))
    assert revetl("check").stderr == "error[RVT-100] it is wrong\nkept: nothing was sent\nhint: revetl ls\n"
    failing(monkeypatch, errors.UsageError("RVT-100", "it is wrong"))
    assert revetl("check").stderr == "error[RVT-100] it is wrong\n"


def test_an_error_is_a_document_where_one_is_wanted(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--output json`` stdout holds one document also when the command fails."""
    failing(monkeypatch, errors.TryLater("RVT-411", "busy", kept="all", hint="wait"))
    done = revetl("check", "--output", "json")
    assert json.loads(done.stdout) == {
        "schema_version": 1,
        "command": "check",
        "error": {"code": "RVT-411", "what": "busy", "kept": "all", "hint": "wait"},
        "exit_code": 4,
    }
    assert done.exit_code == 4


def test_an_error_is_a_log_line_where_they_are_wanted(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--log-format json`` stderr is JSON lines shaped as dbt's."""
    failing(monkeypatch, errors.TryLater("RVT-411", "busy", hint="wait"))
    line = json.loads(revetl("check", "--log-format=json").stderr)
    assert set(line) == {"info", "data"}
    assert set(line["info"]) == {"code", "name", "level", "ts", "invocation_id", "msg"}
    assert (line["info"]["code"], line["info"]["level"]) == ("RVT-411", "error")
    assert line["data"]["hint"] == "wait"


def test_what_nobody_foresaw_leaves_its_traceback_in_a_private_file(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RVT-899 on the screen without a traceback; the file has it, for its owner alone."""
    failing(monkeypatch, ZeroDivisionError("so\x1b[31m it\nwas"))
    done = revetl("check")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output
    assert done.stderr.startswith(
        "error[RVT-899] something unexpected happened inside revetl: ZeroDivisionError: so it was\n"
    )
    (log,) = (shop.root / ".revetl" / "logs").iterdir()
    assert str(log.relative_to(shop.root)) in done.stderr
    assert "ZeroDivisionError" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_the_log_goes_to_the_project_that_the_command_names(
    revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """``--project-dir`` also says where an unforeseen error leaves its file."""
    failing(monkeypatch, ZeroDivisionError())
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    revetl("check", "--project-dir", str(shop.root))
    assert list((shop.root / ".revetl" / "logs").iterdir())


def test_interruption_is_130(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with 128 + SIGINT and no traceback."""
    failing(monkeypatch, KeyboardInterrupt())
    done = revetl("check")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "--nope"],
        ["--nope"],
        ["sync", "--limit", "many"],
        ["check", "--output", "xml"],
        ["check", "--vars", "[1]"],
    ],
)
def test_a_command_line_that_cannot_be_understood_is_exit_2(revetl: Revetl, shop: Shop, words: Any) -> None:
    """Usage errors have the shape of every other error and point to the command's help, or say what to write."""
    done = revetl(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(("error[RVT-100] ", "error[RVT-801] "))
    assert "hint: " in done.stderr
    assert "Traceback" not in done.output


def test_a_slip_in_a_command_names_the_nearest(revetl: Revetl) -> None:
    """``revetl chek`` asks whether check was meant."""
    assert "did you mean check?" in revetl("chek").stderr


def test_no_command_at_all_shows_the_help(revetl: Revetl) -> None:
    """``revetl`` alone is a question, and the help is its answer."""
    done = revetl()
    assert done.exit_code == 2
    assert "Commands:" in done.output


def test_a_command_whose_module_is_missing_says_so(revetl: Revetl, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of the table without a module is RVT-800, not a traceback."""
    monkeypatch.setitem(sys.modules, "revetl.cli.explain", None)
    done = revetl("explain")
    assert done.exit_code == 2
    assert done.stderr.startswith("error[RVT-800] revetl explain ")


def test_a_reader_that_left_is_no_error(shop: Shop) -> None:
    """``revetl explain | head -1`` ends without a word on stderr."""
    code = "from revetl.cli import main; main()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code, "explain"], stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


def test_explain_finds_a_code_however_it_is_written(revetl: Revetl) -> None:
    """RVT-302, rvt302 and 302 mean the same; an unknown code is refused."""
    titles = {revetl("explain", code).stdout for code in ("RVT-302", "rvt302", "302")}
    (told,) = titles
    assert told.startswith(f"RVT-302  {errors.CATALOG['RVT-302']} (meta and mapping)\nA column's `to:` names")
    assert revetl("explain", "RVT-000").exit_code == 2
    every = json.loads(revetl("explain", "--output", "json").stdout)["codes"]
    assert {entry["code"] for entry in every} == set(errors.CATALOG)


def test_every_code_that_the_commands_raise_is_in_the_catalog() -> None:
    """RVT-800 to RVT-849 and RVT-899 in the sources stand in the catalog, each with a title."""
    import re

    import revetl

    root = Path(revetl.__file__).parent
    used = {code for path in root.rglob("*.py") for code in re.findall(r"RVT-8[0-4]\d|RVT-899", path.read_text())}
    assert used <= set(errors.CATALOG)
