"""What DuckDB says when a file is damaged or a disk is full, in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from revetl.errors import StateError

# A file cannot be read or written; a database is invalidated after that; a block is not what it should be.
_BROKEN = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException)
_CORRUPT = "Corrupt database file"  # a block whose checksum is wrong is an error of no class of its own


def is_broken(error: Exception) -> bool:
    """Return whether an error is about a database's file, and not about a statement."""
    return isinstance(error, _BROKEN) or (isinstance(error, duckdb.Error) and _CORRUPT in str(error))


@contextmanager
def worded() -> Iterator[None]:
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
            hint="look at the disk's space and rights; if state.duckdb is damaged, restore it or: revetl recover",
        ) from error  # fmt: skip
