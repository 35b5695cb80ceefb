"""A state that lies with an owner: the store of a run over its working copy, and the view beside a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import duckdb

from revetl.state.head import GENESIS, Head, write_head
from revetl.state.owner import Delete, Owner
from revetl.state.places import COLUMNS, TABLE, Place, fetch_files, rows_of
from revetl.state.places import gone as gone_steps
from revetl.state.schema import STATE
from revetl.state.store import Store, no_crash
from revetl.state.views import View, closed_connection, judge
from revetl.state.working import WorkingCopy


class SharedStore(Store):
    """A store whose commits are its owner's. ``directory`` holds files of the ledger while a run works on them."""

    owned = True

    def __init__(
        self,
        copy: WorkingCopy,
        directory: Path,
        clock: Callable[[], datetime],
        crash: Callable[[str], None] = no_crash,
        *,
        anew: bool = False,
        trusting: bool = False,
        place: Place | None = None,
    ) -> None:
        """Open what the copy's owner has.

        Raises:
            StateError: RVT-505, a newer revetl wrote it.
        """
        self.copy = copy
        del trusting  # its head is a row like all others
        super().__init__(cast("duckdb.DuckDBPyConnection", copy), directory, clock, crash, anew=anew, place=place)
        if place is None and TABLE not in copy.known:
            listed = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            copy.execute(f"CREATE TABLE {STATE}.{TABLE} ({listed})")

    def _attach(self, *, anew: bool) -> None:
        """Do nothing: the copy is attached, and a state that is not there was never there."""

    def _read_head(self, *, trusting: bool) -> Head | None:
        del trusting
        return head_of(self.copy.owner)

    def advance_head(self, run: str) -> None:
        """Commit what was gathered, with the head that goes with it."""
        self.head = Head(run, self.last_seq(), self.chain_end())
        self.copy.advance({"run": run, "seq": str(self.head.seq), "chain": self.head.chain})

    def sizes(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has: the owner counts those that are not here."""
        return self.copy.owner.count(table, by) if self.copy.lacks(table) else super().sizes(table, by)

    def bring(self, table: str, columns: Mapping[str, str], keys: Sequence[Sequence[str | None]]) -> None:
        """Bring rows with these keys, spelt as texts travel, unless the whole table is here."""
        self.copy.partly(table, Delete(table, columns, keys))

    def entire(self, table: str) -> None:
        """Make all rows be at hand again, once the table is named."""
        self.copy.entire(table)

    @property
    def parallel(self) -> bool:
        """Return False: what a transaction writes is captured in order, so there is one connection and one thread."""
        return False

    def beside(self) -> Store:
        """Return this store itself: what another connection wrote would not reach the owner."""
        return self

    def keep_file(self, path: Path) -> None:
        """Give a ledger file to the owner, with the next commit; or to the place that was named for it."""
        if self.place is not None:
            self.place.keep(path)
        else:
            self.copy.add(rows_of(path))

    def bring_ledger(self) -> None:
        """Bring the files from the owner, or from the place that was named for them."""
        super().bring_ledger()
        if self.place is None and self.ledger is not None and TABLE in self.copy.known:
            fetch_files(self.copy.owner, self.ledger)

    def stage_file(self, path: Path, name: str, *, gone: bool) -> None:
        """Let the owner replace its file with the next commit, or prepare it in the place."""
        super().stage_file(path, name, gone=gone)
        if self.place is None:
            self.copy.add(gone_steps(name) if gone else rows_of(path, name))


def head_of(owner: Owner) -> Head | None:
    """Return the head as the owner keeps it."""
    told = owner.head()
    return Head(told["run"], int(told["seq"]), told.get("chain", GENESIS)) if told else None


@contextmanager
def open_shared_view(owner: Owner, identity: Callable[[str], str], place: Place | None = None) -> Iterator[View]:
    """Open an owner's state as it stands at this moment; ``owner`` reads in one transaction."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="revetl-view-")))
        con = stack.enter_context(closed_connection())
        if not owner.there():
            yield View(con, scratch, readable=False, notice="this target has no state yet", identity=identity)
            return
        holder = owner.holder()
        copy = cast("duckdb.DuckDBPyConnection", WorkingCopy(con, owner, None))
        readable, busy, notice = judge(copy, busy=holder is not None)
        pid = re.match(r"pid (\d+)", holder.name) if holder else None
        if pid:
            (scratch / "lock").write_text(json.dumps({"pid": int(pid[1])}))
        head = head_of(owner)
        if head is not None:
            write_head(scratch / "head.json", head)

        @cache
        def files() -> Path:
            (scratch / "ledger").mkdir()
            if place is not None:
                place.fetch(scratch / "ledger")
            elif TABLE in copy.known:  # type: ignore[attr-defined]
                fetch_files(owner, scratch / "ledger")
            return scratch / "ledger"

        yield View(copy, scratch, readable, busy, notice, identity=identity, fetch=files)
