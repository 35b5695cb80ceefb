"""No text makes revetl search for ever."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase

from tests.architecture.source import Source, package

LONG = 800
PIECES = (
    "a",
    "1",
    " ",
    "\t",
    "-",
    ".",
    "_",
    "a.",
    "a ",
    "1,",
    '"',
    '""',
    "'",
    "{{",
    "{{ '",
    "::",
    "\x1b[",
    "[",
    "%",
    "ü",
)
ANYWHERE = {"search", "sub", "subn", "split", "findall", "finditer"}
Pattern = tuple[str, re.Pattern[str], bool]


def compiled(source: Source) -> Iterator[Pattern]:
    """Yield the regular expressions of a file: where, which, and whether they are looked for anywhere in a text."""
    calls = (node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    funcs = [func for func in calls if isinstance(func, ast.Attribute)]
    anywhere = {ast.unparse(func.value) for func in funcs if func.attr in ANYWHERE}
    for node in (one for one in ast.walk(source.tree) if isinstance(one, ast.Assign)):
        made = node.value
        if (
            isinstance(made, ast.Call)
            and ast.unparse(made.func) == "re.compile"
            and isinstance(made.args[0], ast.Constant)
        ):
            pattern = eval(ast.unparse(made), {"re": re})
            if isinstance(pattern.pattern, str):
                yield f"{source.name}:{node.lineno}", pattern, ast.unparse(node.targets[0]) in anywhere


def test_no_pattern_takes_long() -> None:
    """A long run of any piece with an end that does not fit is refused in a moment, by every pattern as it is used."""
    seen, slow = 0, []
    for where, pattern, anywhere in (found for source in package() for found in compiled(source)):
        seen += 1
        for piece in PIECES:
            text = piece * (LONG // len(piece)) + "\n!"
            began = time.process_time()
            pattern.search(text) if anywhere else pattern.fullmatch(text)
            if time.process_time() - began > 0.2:
                slow.append(f"{where} on many {piece!r}")
    assert slow == []
    assert seen > 40


def test_selections_of_many_stars_end() -> None:
    """What `--select` matches names with does not try every way in which stars may fit."""
    began = time.process_time()
    assert not fnmatchcase("a" * LONG, "*a" * 40 + "b")
    assert time.process_time() - began < 0.5
