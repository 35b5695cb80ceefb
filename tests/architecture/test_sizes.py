"""Small files, small functions: the sizes that the field's best code keeps."""

from __future__ import annotations

from statistics import median, quantiles

from tests.architecture.source import Function, package

FILE_MEDIAN, FILE_MOST = 120, 400
FUNCTION_MEDIAN, FUNCTION_P90, FUNCTION_MOST = 10, 30, 60


def _length(function: Function) -> int:
    """Return the lines of a function, signature and docstring included, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_file_is_too_long() -> None:
    """A file that grows beyond 400 lines holds two nouns."""
    assert {s.name: s.lines for s in package() if s.lines > FILE_MOST} == {}


def test_no_function_is_too_long() -> None:
    """A function that grows beyond 60 lines does two things."""
    lengths = {f"{s.name}:{f.lineno} {f.name}": _length(f) for s in package() for f in s.functions()}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_MOST} == {}


def test_most_files_are_short() -> None:
    """The median file has 120 lines or fewer; empty ones do not count."""
    assert median(s.lines for s in package() if s.tree.body) <= FILE_MEDIAN


def test_most_functions_are_short() -> None:
    """The median function has 10 lines or fewer, nine of ten have 30 or fewer."""
    lengths = [_length(function) for source in package() for function in source.functions()]
    assert median(lengths) <= FUNCTION_MEDIAN
    assert quantiles(lengths, n=10)[-1] <= FUNCTION_P90
