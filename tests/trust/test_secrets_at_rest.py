"""Where a secret could stay behind on this machine."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import click
import pytest

from revetl.cli import COMMANDS, cli, main
from revetl.cli.faults import write_traceback
from tests.conftest import _refuse_canary

WORDS = {"password", "secret", "token", "api-key", "api_key", "credential", "credentials"}


def test_a_traceback_holds_no_values(tmp_path: Path) -> None:
    """What an unforeseen error leaves for its owner has lines of code, and no value of a variable."""
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")

    def fails(password: str) -> None:
        copied = password * 2
        raise ValueError(len(copied))

    try:
        fails("canary" + "-6e01")
    except ValueError as error:
        left = write_traceback(error, tmp_path)
    assert left is not None
    assert "ValueError" in left.read_text()
    assert "canary-6e01" not in left.read_text()


def test_no_option_takes_a_secret() -> None:
    """A command line is seen by everybody on the machine: no option is called like something secret."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        options = {option.lstrip("-") for one in command.params for option in one.opts}
        assert not options & WORDS, name


def test_a_command_leaves_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies writes no file of its memory, which holds credentials."""
    asked: list[Any] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append((which, limits[0])))
    monkeypatch.setattr("sys.argv", ["revetl", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert asked == [(resource.RLIMIT_CORE, 0)]


@pytest.mark.parametrize(
    ("section", "text", "outcome"),
    [("Captured stdout call", "key canary-0a1b", "failed"), ("Captured log call", "canary-0a1b-2c", "failed"),
     ("Captured stderr call", "a canary sings", "passed")],
)  # fmt: skip
def test_no_test_may_say_a_secret(section: str, text: str, outcome: str) -> None:
    """Whatever any test is about: a secret in what it printed or logged makes it fail."""
    report = pytest.TestReport("tests/x.py::test", ("x.py", 1, "test"), {}, "passed", None, "call", [(section, text)])
    _refuse_canary(report)
    assert report.outcome == outcome
