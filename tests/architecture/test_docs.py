"""What every file must say, and what none may."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import Function, package, parse
from tests.shared import ROOT

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SKIPPED = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__", "target"}
# Written in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|tmp/no" r"tes|opt/py" r"pi)/"),
    "a promise that nobody can keep": re.compile(
        r"exactly"
        r"-once|(?:deliver|sen[dt]|effect|guarantee)\w* exactly"
        r" once|exactly"
        r" once (?:deliver|semantic)",
        re.IGNORECASE,
    ),
    "talk of how it was written": re.compile(
        r"\b(?:chat" r"gpt|clau" r"de|anth" r"ropic|open" r"ai|co" r"pilot)\b", re.IGNORECASE
    ),
}


def _tracked() -> list[Path]:
    """Return the project's files as git lists them, or all of them where git is not at hand."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not SKIPPED & set(p.relative_to(ROOT).parts)]


def _public(node: ast.AST) -> Iterator[Documented]:
    """Yield public classes, functions and methods; what stands in a function is nobody's business."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Documented) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from _public(child)
        elif isinstance(child, ast.If | ast.Try):
            yield from _public(child)


def test_public_things_are_documented() -> None:
    """Every module, public class, function and method of the package has a docstring."""
    bare = [source.name for source in package() if source.tree.body and not ast.get_docstring(source.tree)]
    for source in package():
        bare += [f"{source.name}:{n.lineno} {n.name}" for n in _public(source.tree) if not ast.get_docstring(n)]
    assert bare == []


def test_tests_say_what_must_hold() -> None:
    """Every test has a docstring."""
    bare = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = parse(path, path.read_text(encoding="utf-8")).tree
        tests = (n for n in ast.walk(tree) if isinstance(n, Function) and n.name.startswith("test_"))
        bare += [f"{path.relative_to(ROOT)}:{n.lineno} {n.name}" for n in tests if not ast.get_docstring(n)]
    assert bare == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """No tracked file names a path of one machine, promises too much, or talks of how it was written."""
    found = []
    for path in _tracked():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if FORBIDDEN[what].search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"])
def test_the_project_speaks_for_itself(name: str) -> None:
    """What a stranger looks for first is there, and says something."""
    assert len((ROOT / name).read_text(encoding="utf-8")) > 200


def test_version_is_in_the_changelog() -> None:
    """The changelog keeps Keep a Changelog's form and has an Unreleased part."""
    assert re.search(r"^## \[Unreleased\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_no_two_test_modules_share_a_name() -> None:
    """pytest imports test modules by their name alone: the second of two would not be collected beside the first."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
