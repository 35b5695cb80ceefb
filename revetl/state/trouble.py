"""What DuckDB says when a file is damaged or a disk is full, in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from revetl.errors import StateError

# A file cannot be read or written; a database is invalidated after that; a block is not what it should be.
Broken = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException)


@contextmanager
def worded() -> Iterator[None]:
    """Turn the failure of a database's file, within the block, into an error with a remedy.

    Raises:
        StateError: RVT-510.
    """
    try:
        yield
    except Broken as error:
        raise StateError(
            "RVT-510", f"a database file cannot be read or written: {str(error).partition(chr(10))[0][:300]}",
            kept="what was sent before is recorded",
            hint="look at the disk's space and rights; if state.duckdb is damaged, restore it or: revetl recover",
        ) from error  # fmt: skip
