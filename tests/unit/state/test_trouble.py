"""What DuckDB says of a file that is damaged, in words that help."""

from __future__ import annotations

import duckdb
import pytest

from revetl.errors import StateError
from revetl.state.trouble import is_broken, worded


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (duckdb.IOException("x"), True), (duckdb.FatalException("x"), True), (duckdb.InternalException("x"), True),
        (duckdb.Error("a Corrupt WAL file"), True), (duckdb.Error("Corrupt database file: x"), True),
        (duckdb.Error("the database has been invalidated because"), True),
        (duckdb.BinderException("no such column"), False), (ValueError("Corrupt WAL file"), False),
    ],
)  # fmt: skip
def test_which_errors_are_about_a_file(error: Exception, *, broken: bool) -> None:
    """Of DuckDB alone: those of its files, by class or by their words."""
    assert is_broken(error) is broken


def test_a_broken_file_is_told_with_what_to_do() -> None:
    """The first line, not more than three hundred letters of it; errors of statements pass as they are."""
    with pytest.raises(StateError) as caught, worded():
        raise duckdb.IOException("y" * 400 + "\nz")
    assert caught.value.what == f"a database file cannot be read or written: {'y' * 300}"
    assert (caught.value.code, caught.value.kept) == ("RVT-510", "what was sent before is recorded")
    assert caught.value.hint.startswith("look at the disk's space and rights")
    with pytest.raises(StateError, match="other") as caught, worded("other"):
        raise duckdb.IOException("x")
    assert caught.value.hint == "other"
    with pytest.raises(duckdb.BinderException), worded():
        raise duckdb.BinderException("no such column")
