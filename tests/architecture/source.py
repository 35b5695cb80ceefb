"""The package as syntax: what the tests of its shape read."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.shared import ROOT

PACKAGE = ROOT / "revetl"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module. ``names``: what is taken from it; ``lazy``: inside a function; ``typing``: for types."""

    path: str
    line: int
    module: str
    names: tuple[str, ...]
    lazy: bool
    typing: bool

    @property
    def top(self) -> str:
        """Return the distribution's first name: ``httpx``, ``revetl``."""
        return self.module.split(".")[0]

    @property
    def rooms(self) -> tuple[str, ...]:
        """Return which of our rooms it reaches into; none for others' modules."""
        parts = self.module.split(".")
        if parts[0] != "revetl":
            return ()
        return (parts[1],) if len(parts) > 1 else tuple(n for n in self.names if not n.startswith("__"))

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


@dataclass(frozen=True)
class Source:
    """One file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Return the path below the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def room(self) -> str:
        """Return the room, or the module's name where it stands at the top (``run``, ``types``)."""
        return self.path.relative_to(PACKAGE).with_suffix("").parts[0]

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return len(self.text.splitlines())

    def imports(self) -> Iterator[Import]:
        """Yield every import, wherever it stands."""
        yield from _imports(self.name, self.tree, lazy=False, typing=False)

    def functions(self) -> Iterator[Function]:
        """Yield every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def _imports(path: str, node: ast.AST, *, lazy: bool, typing: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, node.lineno, alias.name, (), lazy, typing)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield Import(path, node.lineno, module, tuple(alias.name for alias in node.names), lazy, typing)
    lazy = lazy or isinstance(node, Function)
    typing = typing or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
    for child in ast.iter_child_nodes(node):
        yield from _imports(path, child, lazy=lazy, typing=typing)


def parse(path: Path, text: str) -> Source:
    """Return a file as if ``text`` stood at ``path``."""
    return Source(path, text, ast.parse(text, filename=str(path)))


@cache
def package() -> tuple[Source, ...]:
    """Return every file of the package, by name."""
    return tuple(parse(path, path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py")))


def is_ours_or_standard(top: str) -> bool:
    """Return whether a module needs no installed package."""
    return top in sys.stdlib_module_names or top == "revetl"
