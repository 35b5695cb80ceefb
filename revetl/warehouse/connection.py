"""The one database connection of a run: in memory, with the state and the models attached, then locked down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from revetl.errors import ConfigError
from revetl.sqltext import quote_text

# DuckDB takes up to 90 MB more than it counts (buffers, undo records, what its allocator keeps), Python has 60 MB.
SHARE = 0.7

# A name in a hostile manifest must never load code, read a file or find a Python object.
_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
}
# Intents are written and deleted again within a run: folding them into the file every 16 MB would be for nothing.
_WAL = "256MB"


def connect(memory_limit: str | None = None, temp_directory: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a new connection in memory, its time zone UTC; ``memory_limit`` is the run's, such as ``2GB``.

    Raises:
        ConfigError: RVT-416, a setting is refused.
    """
    config: dict[str, str | bool | int | float | list[str]] = {**_CLOSED, "checkpoint_threshold": _WAL}
    if memory_limit is not None:
        config["memory_limit"] = share_of(memory_limit)
    if temp_directory is not None:
        config["temp_directory"] = str(temp_directory)
    try:
        con = duckdb.connect(":memory:", config=config)
    except (duckdb.ParserException, duckdb.InvalidInputException) as error:
        what = f"DuckDB refuses its settings: {first_line(error)}"
        raise ConfigError("RVT-416", what, hint="write a memory limit as 2GB") from None
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it would write into standard output, beside what belongs there
    return con


def share_of(limit: str) -> str:
    """Return what DuckDB is told of a limit for the whole run; shares of the machine (``80%``) are left as they are."""
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", limit)
    return f"{float(size[1]) * SHARE:.6f}{size[2]}" if size else limit


def lockdown(con: duckdb.DuckDBPyConnection, directories: Sequence[Path] = ()) -> None:
    """Shut the connection off from all files but ``directories`` and the databases attached so far, for good.

    Databases attached before may be detached and attached again (by the very same path); new ones may not. Call it
    once, after every ATTACH and before the first query that names a relation.
    """
    allowed = ", ".join(quote_text(str(directory.absolute())) for directory in directories)
    con.execute(f"SET allowed_directories = [{allowed}]")
    con.execute("SET enable_external_access = false")
    with suppress(duckdb.CatalogException):  # older releases do not know it
        con.execute("SET allowed_configs = ['threads']")  # see single_threaded
    con.execute("SET lock_configuration = true")


@contextmanager
def single_threaded(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let each statement run in the thread that makes it within the block, where DuckDB has a setting for that.

    Many small statements leave nothing to divide: handing their parts to other threads costs more than the parts do.
    """
    before = con.execute("SELECT current_setting('threads')").fetchall()[0][0]
    try:
        con.execute("SET threads = 1")
    except duckdb.InvalidInputException:  # locked with all others
        yield
        return
    try:
        yield
    finally:
        con.execute(f"SET threads = {before}")


def first_line(error: duckdb.Error) -> str:
    """Return the first line of what DuckDB says: the rest repeats the statement."""
    return str(error).partition("\n")[0].strip()


QueryError = duckdb.Error  # what a statement over foreign models may raise
