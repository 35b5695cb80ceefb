"""Every error has one code, every code has one title, and none is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from revetl.errors import CATALOG
from tests.architecture.source import Source, package

CODE = re.compile(r"RVT-\d+")


def _prose(source: Source) -> set[int]:
    """Return the ids of the docstrings' nodes, which mention codes but do not use them."""
    bodies = (getattr(node, "body", None) for node in ast.walk(source.tree))
    statements = (statement for body in bodies if isinstance(body, list) for statement in body)
    return {id(s.value) for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)}


def _used(source: Source) -> Iterator[str]:
    prose = _prose(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from CODE.findall(node.value)


def _others() -> list[Source]:
    return [source for source in package() if source.name != "revetl/errors.py"]


def test_every_code_has_a_title() -> None:
    """A code that the source mentions, in a docstring too, is in the catalogue."""
    unknown = {f"{s.name}: {code}" for s in _others() for code in CODE.findall(s.text) if code not in CATALOG}
    assert unknown == set()


def test_every_title_is_used() -> None:
    """What the catalogue names can happen."""
    assert set(CATALOG) - {code for source in _others() for code in _used(source)} == set()


def test_the_catalogue_is_in_order() -> None:
    """Codes are three digits, sorted, written once, and no two have the same title."""
    errors = next(source for source in package() if source.name == "revetl/errors.py")
    written = re.findall(r'^    "(RVT-\d+)":', errors.text, re.MULTILINE)
    assert written == sorted(CATALOG)
    assert all(re.fullmatch(r"RVT-[1-8]\d\d", code) for code in written)
    assert len(set(CATALOG.values())) == len(CATALOG)
