"""What GitHub Actions shows beside a commit: annotations and the step's summary.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from revetl.cli.words import clean, in_actions
from revetl.types import Problem, Severity

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def workflow_commands(problems: Iterable[Problem], locate: Callable[[str], str] = str) -> Iterator[str]:
    """Yield one workflow command a problem; ``locate`` turns a problem's file into its path in the repository."""
    for problem in problems:
        file, line = place(problem.file)
        where = {"file": locate(file) if file else "", "line": line, "title": problem.code}
        about = ".".join(part for part in (problem.model, problem.column) if part)
        words = ": ".join(part for part in (about, problem.message) if part)
        message = f"{words}\n{problem.remedy}" if problem.remedy else words
        named = ",".join(f"{key}={_property(value)}" for key, value in where.items() if value)
        yield f"::{_LEVELS[problem.severity]} {named}::{_data(message)}"


def annotate(problems: Iterable[Problem], project_dir: Path, env: Mapping[str, str] | None = None) -> None:
    """Print the annotations to stderr, where the runner reads them too, if GitHub Actions runs this."""
    import sys

    known = os.environ if env is None else env
    if in_actions(known):
        for line in workflow_commands(problems, locator(project_dir, known)):
            sys.stderr.write(line + "\n")


def locator(project_dir: Path, env: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return what turns a finding's file into its path in the repository, or where that is unknown, from here."""
    known = os.environ if env is None else env
    root = Path(known.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()

    def locate(file: str) -> str:
        """Return the path inside the repository: models' files are relative to the project, revetl.yml to here."""
        inside = project_dir / file
        path = (inside if inside.exists() else Path(file)).resolve()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else file

    return locate


def append(text: str, env: Mapping[str, str] | None = None) -> None:
    """Add Markdown to the step's summary, where there is one."""
    path = (os.environ if env is None else env).get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def summarise(
    title: str, head: Sequence[str], rows: Iterable[Sequence[object]], env: Mapping[str, str] | None = None
) -> None:
    """Add a table to the step's summary, where there is one."""
    append(f"### {cell(title)}\n\n{table(head, rows)}\n", env)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    return "\n".join([_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows), ""])


def cell(value: object) -> str:
    """Return text that stays one cell of a Markdown table and makes neither HTML nor links nor mentions."""
    return re.sub(r"([\\`*_{}\[\]<>|#!@~])", r"\\\1", clean(value, 300)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _row(values: Sequence[object]) -> str:
    return "| " + " | ".join(value if value == "---" else cell(value) for value in map(str, values)) + " |"


def place(file: str | None) -> tuple[str, str]:
    """Return path and line of ``revetl.yml:12``."""
    path, colon, line = (file or "").rpartition(":")
    return (path, line) if colon and line.isdigit() else (file or "", "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
