"""The state database: opened under the name ``revetl_state`` on a connection that also sees the models.

Two runs never share it (:mod:`revetl.state.lock`); what it must contain is known from outside
(:mod:`revetl.state.head`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from revetl.errors import StateError, TryLater
from revetl.state.files import private_directory
from revetl.state.head import GENESIS, Head, read_head, write_head
from revetl.state.places import Place
from revetl.state.reading import sizing
from revetl.state.schema import LEDGER_ROWS, MIGRATIONS, STATE, migrate
from revetl.state.witness import Witness

# Files of this storage version are opened by DuckDB 1.4 and by every later release up to 2.x.
STORAGE_VERSION = "v1.4.0"
HEADERS = 3 * 4096  # bytes: a file of DuckDB without a single block
PATIENCE = 50  # tenths of a second


def no_crash(_point: str) -> None:
    """Do nothing at a crash point: what production passes."""


class Store:
    """One target's state, ledger directory and head. Everything else in this room works on a store."""

    owned = False  # somebody elsewhere owns it: what lies in ``directory`` is there for this run alone

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        directory: Path | None,
        clock: Callable[[], datetime],
        crash: Callable[[str], None] = no_crash,
        *,
        trusting: bool = False,
        anew: bool = False,
        place: Place | None = None,
        witness: Witness | None = None,
    ) -> None:
        """Attach (or make) the state in ``directory``; None keeps it in memory, for simulations.

        ``anew`` accepts that a state which once was is missing: ``adopt`` begins again from what is there.
        ``place`` keeps the ledger's files, where they are not to stay in ``directory``.
        ``trusting`` takes a head record that cannot be read for none: only ``recover`` may.
        ``witness`` has a head record that is not lost with ``directory``.

        Raises:
            StateError: RVT-503 the head cannot be read, RVT-504 the file cannot be opened, RVT-505 a newer revetl
                wrote it, RVT-507 it is missing although the head says that there was one.
            TryLater: RVT-511 another process reads or writes it.
        """
        self.con = con
        self._beside: list[duckdb.DuckDBPyConnection] = []
        self.directory = directory
        self.clock = clock
        self.crash = crash
        self.place = place
        self.witness = witness
        if directory is not None:
            private_directory(directory)
            private_directory(self.ledger or directory)
            self._tidy()
        self.heads = self._heads(trusting=trusting)
        self.head = max(self.heads, key=lambda head: head.seq, default=None)
        self._attach(anew=anew)
        self.forgotten = self.head.forgotten if self.head else 0
        self._check_versions()
        if anew and self.head is not None and not self.last_seq():
            self.set_meta("seq", str(self.head.seq))  # numbers of changes are never given twice

    # --- opening --------------------------------------------------------------------------------------------------

    def _heads(self, *, trusting: bool) -> tuple[Head, ...]:
        """Return every head record there is: none may be ahead of the database."""
        known = (self._read_head(trusting=trusting), self.witness.head if self.witness else None)
        return tuple(head for head in known if head is not None)

    def _read_head(self, *, trusting: bool) -> Head | None:
        if self.directory is None:
            return None
        try:
            return read_head(self.directory / "head.json")
        except StateError:
            if trusting:
                return None
            raise

    def _attach(self, *, anew: bool) -> None:
        attached = {row[0] for row in self.rows("SELECT database_name FROM duckdb_databases()")}
        if STATE in attached:
            return
        path = ":memory:" if self.directory is None else str(self.directory / "state.duckdb")
        if self.directory and not anew and not Path(path).exists() and self.heads:
            raise StateError(
                "RVT-507",
                "the state file is missing although this target has been synced before",
                kept="the ledger is untouched; nothing was sent",
                hint="restore state.duckdb from a backup, or start again from what is there: revetl adopt SYNC",
            )
        self._unmake(Path(path))
        literal = path.replace("'", "''")
        option = "" if self.directory is None else f" (STORAGE_VERSION '{STORAGE_VERSION}')"
        try:
            self._patiently(f"ATTACH '{literal}' AS {STATE}{option}")
        except duckdb.Error as error:
            text = str(error).splitlines()[0]
            raise StateError(
                "RVT-504",
                f"the state file cannot be opened: {text}",
                kept="the file is left as it is; nothing was sent",
                hint="restore it from a backup, or move it away and run `revetl adopt SYNC`",
            ) from None

    def _unmake(self, path: Path) -> None:
        """Remove a file that was only begun: it has no more than its headers, and nothing was ever sent on its word."""
        if self.directory is None or (self.directory / "head.json").exists():
            return
        if path.exists() and path.stat().st_size <= HEADERS and not path.with_name(f"{path.name}.wal").exists():
            path.unlink()

    def _patiently(self, attach: str) -> None:
        """Attach; a reader (``status``, ``why``) may hold the file for a moment, another run holds the lock file."""
        left = PATIENCE
        while True:
            try:
                self.con.execute(attach)
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise
                if not left:
                    raise TryLater(
                        "RVT-511",
                        f"another process holds the state file: {str(error).splitlines()[0]}",
                        kept="nothing was read or sent",
                        hint="end it, or run the same command again later",
                    ) from None
                left -= 1
                time.sleep(0.1)
            else:
                return

    def _check_versions(self) -> None:
        asked = f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{STATE}'"
        tables = {row[0] for row in self.rows(asked)}
        done: frozenset[str] = frozenset()
        if "meta" in tables:
            done = frozenset(r[0] for r in self.rows(f"SELECT value FROM {STATE}.meta WHERE name = 'migration'"))
        unknown = sorted(done - set(MIGRATIONS))
        if unknown:
            raise StateError(
                "RVT-505",
                f"a newer revetl wrote this state (it knows {unknown[-1]}, this one {max(MIGRATIONS)})",
                kept="the state is left as it is; nothing was sent",
                hint="upgrade revetl to at least that release",
            )
        migrate(self.con.execute, done)
        if self.directory is None:
            self.con.execute(LEDGER_ROWS)

    def check_head(self) -> None:
        """Compare the database with its head records.

        Raises:
            StateError: RVT-506, the database lost something that it had.
        """
        for head in self.heads:
            if self.last_seq() >= head.seq and (head.chain == GENESIS or self._has_chain(head.chain)):
                continue
            whose = "its witness" if self.witness is not None and head is self.witness.head else "its head record"
            raise StateError(
                "RVT-506",
                f"the state is older than {whose} says (number {self.last_seq()} of {head.seq}, run {head.run}): "
                "a file was restored, cut or lost, or another copy was at work",
                kept="state and ledger are untouched; nothing was sent",
                hint="revetl recover",
            )

    def _has_chain(self, value: str) -> bool:
        return bool(self.rows(f"SELECT 1 FROM {STATE}.chain WHERE hash = ?", [value]))

    # --- asking and changing --------------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[Any]:
        """Run one statement and return all its rows."""
        return self.con.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Run one statement and return the first value of its first row, None without rows."""
        found = self.con.execute(sql, parameters).fetchall()
        return found[0][0] if found else None

    def sizes(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has, by the values of a column; without one, by null."""
        return dict(self.rows(sizing(table, by)))

    def bring(self, table: str, columns: Mapping[str, str], keys: Sequence[Sequence[str | None]]) -> None:
        """Make rows with these keys be at hand, and of a shared state no others from now on."""

    def entire(self, table: str) -> None:
        """Make all rows be at hand again."""

    def run_all(self, statements: Sequence[str]) -> None:
        """Run statements one after another."""
        for statement in statements:
            self.con.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it."""
        self.con.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.con.execute("ROLLBACK")
            raise
        self.con.execute("COMMIT")

    @property
    def parallel(self) -> bool:
        """Return whether :meth:`beside` gives a second connection, which another thread may use meanwhile."""
        return True

    def beside(self) -> Store:
        """Return this store on a connection of its own: what it commits waits for no statement of the other."""
        other = copy(self)
        other.con = self.con.cursor()
        self._beside.append(other.con)
        return other

    def close(self) -> None:
        """Close all its connections: an open one keeps the file. Copies of ledger files that lie elsewhere go."""
        self._tidy()
        for con in (*self._beside, self.con):
            con.close()

    def last_seq(self) -> int:
        """Return the last sequence number that was ever given out."""
        value = self.one(f"SELECT value FROM {STATE}.meta WHERE name = 'seq'")
        return int(value or 0)

    def set_meta(self, name: str, value: str) -> None:
        """Store one named value."""
        self.con.execute(f"DELETE FROM {STATE}.meta WHERE name = ?", [name])
        self.con.execute(f"INSERT INTO {STATE}.meta VALUES (?, ?)", [name, value])

    def chain_end(self) -> str:
        """Return the hash at the end of the ledger's chain."""
        return self.one(f"SELECT arg_max(hash, n) FROM {STATE}.chain") or GENESIS

    def tick(self) -> None:
        """Give a number to no change: a copy of the state from before this transaction is behind the next head."""
        self.set_meta("seq", str(self.last_seq() + 1))

    def advance_head(self, run: str) -> None:
        """Replace the head record by what the database contains now."""
        self.head = Head(run, self.last_seq(), self.chain_end(), forgotten=self.forgotten)
        if self.witness is not None:
            self.witness.tell(self.head)
        if self.directory is not None:
            write_head(self.directory / "head.json", self.head)

    def keep_file(self, path: Path) -> None:
        """Give a file of the ledger, whole by now, to the place where it is kept."""
        if self.place is not None:
            self.place.keep(path)

    def bring_ledger(self) -> None:
        """Make the ledger's directory hold the files as they are kept elsewhere; nothing where they lie there."""
        if self.place is not None and self.ledger is not None:
            self.place.fetch(self.ledger)

    def stage_file(self, path: Path, name: str, *, gone: bool) -> None:
        """Prepare that ``path`` replaces the file ``name`` (``gone``: that this goes) once the next commit is done."""
        del gone
        if self.place is not None:
            self.place.stage(path, name)

    def promote_file(self, name: str, *, gone: bool) -> None:
        """Let what was staged, and is committed by now, take its place."""
        if self.place is not None:
            self.place.promote(name, gone=gone)

    @property
    def elsewhere(self) -> bool:
        """Return whether the ledger's files do not stay on this machine."""
        return self.owned or self.place is not None

    @property
    def ledger(self) -> Path | None:
        """Return the directory of the ledger's files; where they lie elsewhere, of those that are worked on."""
        if self.directory is None:
            return None
        return self.directory / "tmp" / "ledger" if self.elsewhere else self.directory / "ledger"

    def _tidy(self) -> None:
        if self.ledger is not None and self.elsewhere:
            for path in (*self.ledger.glob("*.parquet"), *self.ledger.glob(".*.parquet.*")):
                path.unlink()
