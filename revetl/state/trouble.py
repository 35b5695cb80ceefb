"""What DuckDB says when a file is damaged or a disk is full, in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from revetl.errors import StateError

# A file cannot be read or written; a database is invalidated after that; a block is not what it should be.
_BROKEN = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException)
# a block or a log whose checksum is wrong is an error of no class of its own
_CORRUPT = ("Corrupt database file", "Corrupt WAL file", "database has been invalidated")


def is_broken(error: Exception) -> bool:
    """Return whether an error is about a database's file, and not about a statement."""
    return isinstance(error, _BROKEN) or (
        isinstance(error, duckdb.Error) and any(sign in str(error) for sign in _CORRUPT)
    )


@contextmanager
def worded(hint: str = "") -> Iterator[None]:
    """Turn the failure of a database's file, within the block, into an error with a remedy.

    Raises:
        StateError: RVT-510.
    """
    try:
        yield
    except duckdb.Error as error:
        if not is_broken(error):
            raise
        raise StateError(
            "RVT-510", f"a database file cannot be read or written: {str(error).partition(chr(10))[0][:300]}",
            kept="what was sent before is recorded",
            hint=hint or "look at the disk's space and rights; if state.duckdb is damaged, restore it from a backup, "
            "then `revetl recover`; or move it away and run `revetl adopt SYNC`",
        ) from error  # fmt: skip
