"""Reading a state that a run may hold at the same time: read-only, or a copy as of a moment ago, or the ledger alone.

DuckDB lets nobody open a file that another process writes, readers neither. A copy of the file and of its write-ahead
log is consistent as long as no checkpoint ended meanwhile; the database's headers tell.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from revetl.sqltext import quote_text
from revetl.state.lock import holder
from revetl.state.places import Place
from revetl.state.reading import sizing
from revetl.state.schema import MIGRATIONS, STATE
from revetl.types import EMPTY, JSON

# The file header and the two database headers, 4096 bytes each; one of the two is replaced when a checkpoint ends.
# https://duckdb.org/docs/stable/internals/storage
HEADERS = 3 * 4096
TRIES = 5
_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
}


@dataclass(frozen=True, slots=True)
class View:
    """A target's state and ledger, for reading. ``notice`` says in words what the reader must know about it."""

    con: duckdb.DuckDBPyConnection = field(repr=False)
    directory: Path
    readable: bool  # False: only the ledger's files can be read
    busy: bool = False  # another process holds the state; what is shown is a copy as of a moment ago
    notice: str = ""
    status: Mapping[str, JSON] = EMPTY  # status.json as the last run wrote it
    identity: Callable[[str], str] = str  # SQL of how the ledger keeps an identity, from SQL of it
    fetch: Callable[[], Path | None] = field(default=lambda: None, repr=False)  # brings files of a ledger elsewhere

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[Any]:
        """Run one statement and return all its rows."""
        return self.con.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Run one statement and return the first value of its first row, None without rows."""
        found = self.con.execute(sql, parameters).fetchone()
        return found[0] if found else None

    def sizes(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has, by the values of a column; without one, by null."""
        return dict(self.rows(sizing(table, by)))

    @property
    def ledger(self) -> Path:
        """Return the directory of the ledger's files."""
        return self.fetch() or self.directory / "ledger"

    @property
    def pid(self) -> int | None:
        """Return the process that holds the state, None where nobody does or it is not known."""
        found = holder(self.directory / "lock").get("pid") if self.busy else None
        return found if isinstance(found, int) else None


@contextmanager
def open_view(directory: Path, identity: Callable[[str], str] = str, place: Place | None = None) -> Iterator[View]:
    """Open the state in ``directory`` for reading, by the best way there is; nothing is made where nothing is.

    ``place`` keeps the ledger's files, where they lie elsewhere: they are brought when they are asked for.
    """
    status = read_status(directory)
    with ExitStack() as stack:
        con = stack.enter_context(closed_connection())
        readable, busy, notice = _attach(con, directory, stack)

        @cache
        def files() -> Path | None:
            if place is None:
                return None
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="revetl-ledger-")))
            place.fetch(scratch)
            return scratch

        yield View(con, directory, readable, busy, notice, status, identity, files)


@contextmanager
def closed_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection in memory that loads nothing and finds no Python object."""
    con = duckdb.connect(":memory:", config=dict(_CLOSED))
    try:
        con.execute("SET TimeZone = 'UTC'")
        yield con
    finally:
        con.close()


def read_status(directory: Path) -> Mapping[str, JSON]:
    """Return status.json, empty where there is none or it cannot be read."""
    try:
        found = json.loads((directory / "status.json").read_bytes())
    except (OSError, ValueError):
        return EMPTY
    return found if isinstance(found, dict) else EMPTY


def _attach(con: duckdb.DuckDBPyConnection, directory: Path, stack: ExitStack) -> tuple[bool, bool, str]:
    """Attach what can be attached; return whether the state is readable, whether it is held, and what to say."""
    path = directory / "state.duckdb"
    if not path.exists():
        return False, False, "this target has no state yet" if not (directory / "head.json").exists() else _LOST
    if _try(con, path) is None:
        return judge(con, busy=False)
    copy = _copy(path, stack)
    error = _try(con, copy) if copy is not None else "it changes faster than it can be copied"
    if error is None:
        return judge(con, busy=True)
    return False, True, f"the state cannot be read now ({error}); this comes from the ledger's files alone"


_LOST = "the state file is missing although this target has been synced; this comes from the ledger's files alone"


def judge(con: duckdb.DuckDBPyConnection, *, busy: bool) -> tuple[bool, bool, str]:
    """Return whether an attached state can be read, whether it is held, and what to say."""
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [STATE]).fetchall()
    if ("meta",) not in tables:
        return False, busy, "this target has no state yet"
    done = {row[0] for row in con.execute(f"SELECT value FROM {STATE}.meta WHERE name = 'migration'").fetchall()}
    if done - set(MIGRATIONS):
        return False, busy, "a newer revetl wrote the state; this comes from the ledger's files alone"
    if set(MIGRATIONS) - done:
        what = "an older revetl wrote the state, the next run brings it up to date"
        return False, busy, f"{what}; this comes from the ledger's files alone"
    return True, busy, "a run holds the state: this is how it stood a moment ago" if busy else ""


def _try(con: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """Attach a file read-only; return None, or the first line of why not."""
    try:
        con.execute(f"ATTACH {quote_text(str(path))} AS {STATE} (READ_ONLY)")
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    return None


def _copy(path: Path, stack: ExitStack) -> Path | None:
    """Copy the database and its log to a private directory; None if checkpoints keep coming in between."""
    parent = path.parent / "tmp"
    usable = parent.is_dir() and os.access(parent, os.W_OK)
    scratch = Path(stack.enter_context(TemporaryDirectory(prefix="view-", dir=parent if usable else None)))
    for _ in range(TRIES):
        before = _headers(path)
        for name in (path.name, f"{path.name}.wal"):
            (scratch / name).unlink(missing_ok=True)
            try:
                shutil.copyfile(path.with_name(name), scratch / name)
            except FileNotFoundError:
                continue
        if _headers(path) == before:
            return scratch / path.name
    return None


def _headers(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADERS)
