"""Rows taken out of files of the ledger that were written before: who asked for it stands in the chain, for good.

1. the file without the rows, beside the old one; where the ledger's files lie elsewhere, beside it there, too
2. one transaction: the chain's entry, with the new file's hash and the old one in its reason; where the state's owner
   has the files, the file itself
3. the new file in place of the old one, by rename; a file without rows goes

A crash between 2 and 3 is made good by :func:`finish`, before anything else is done with the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from revetl.sqltext import quote_text
from revetl.state import ledger
from revetl.state.files import sha256_of, sync_directory
from revetl.state.places import Place
from revetl.state.schema import STATE
from revetl.state.store import Store

REWRITING = "rewriting"  # the name, in state, of a file that the chain knows rewritten before its place has it


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out: so many rows of so many files, some of which are gone altogether."""

    rows: int = 0
    files: int = 0
    gone: int = 0


def count_rows(store: Store, where: str, parameters: Sequence[object]) -> Removed:
    """Return what :func:`drop_rows` would take out."""
    _bring(store)
    found = [_counted(store, path, where, parameters) for path in _files(store)]
    touched = [(rows, left) for rows, left in found if rows]
    return Removed(sum(rows for rows, _ in touched), len(touched), sum(not left for _, left in touched))


def drop_rows(store: Store, where: str, parameters: Sequence[object], why: str) -> Removed:
    """Take every row for which ``where`` (SQL over the ledger's columns) holds out of the closed runs' files."""
    if store.ledger is None:
        return _drop_in_memory(store, where, parameters)
    _bring(store)
    rows = files = gone = 0
    for path in _files(store):
        matching, left = _counted(store, path, where, parameters)
        if matching:
            _rewrite(store, path, where, parameters, why, empty=not left)
            rows, files, gone = rows + matching, files + 1, gone + (not left)
    if files and store.place is not None:
        _settled(store)
    return Removed(rows, files, gone)


def finish(store: Store) -> None:
    """Bring files in line with the chain where a process ended between the chain's entry and the rename."""
    if store.place is not None:
        _hand_over(store, store.place)
        if store.one(f"SELECT 1 FROM {STATE}.meta WHERE name = ?", [REWRITING]):
            _finish_there(store, store.place)
    directory = store.ledger
    if directory is None or not (beside := sorted(directory.glob(".*.new"))):
        return
    last = {link.file: link.sha256 for link in ledger.links(store)}
    for path in beside:
        name = path.name.removeprefix(".").removesuffix(".new")
        if last.get(name) == sha256_of(path):
            path.replace(directory / name)
        else:
            path.unlink()
        if last.get(name) == ledger.GONE:
            (directory / name).unlink(missing_ok=True)
    sync_directory(directory)


def _hand_over(store: Store, place: Place) -> None:
    """Take files that were written before the ledger lay elsewhere there, too."""
    if store.directory is None or store.owned:
        return
    for path in sorted((store.directory / "ledger").glob("*.parquet")):
        place.keep(path)
        path.unlink()


def _finish_there(store: Store, place: Place) -> None:
    """Do the same where the files lie elsewhere."""
    last = {link.file: link.sha256 for link in ledger.links(store)}
    for name, digest in place.staged().items():
        if last.get(name) in {digest, ledger.GONE}:
            place.promote(name, gone=last[name] == ledger.GONE)
        else:
            place.discard(name)
    _settled(store)


def _settled(store: Store) -> None:
    store.con.execute(f"DELETE FROM {STATE}.meta WHERE name = ?", [REWRITING])


def _bring(store: Store) -> None:
    """Have the files here, and nothing left over in the place of what a killed process had begun."""
    if store.place is not None:
        _finish_there(store, store.place)
    store.bring_ledger()


def _files(store: Store) -> Sequence[Path]:
    return sorted(store.ledger.glob("*.parquet")) if store.ledger is not None else ()


def _counted(store: Store, path: Path, where: str, parameters: Sequence[object]) -> tuple[int, int]:
    """Return how many rows of a file match, and how many do not."""
    sql = f"SELECT count(*) FILTER (WHERE {where}), count(*) FROM read_parquet({quote_text(str(path))})"
    matching, total = store.rows(sql, parameters)[0]
    return int(matching), int(total) - int(matching)


def _rewrite(store: Store, path: Path, where: str, parameters: Sequence[object], why: str, *, empty: bool) -> None:
    beside = path.with_name(f".{path.name}.new")
    select = f"SELECT * FROM read_parquet({quote_text(str(path))}) WHERE ({where}) IS NOT TRUE ORDER BY key, seq"
    store.con.execute(f"COPY ({select}) TO {quote_text(str(beside))} (FORMAT parquet, COMPRESSION zstd)", parameters)
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.chmod(0o600)
    store.crash("before_rewritten")
    digest = ledger.GONE if empty else sha256_of(beside)
    store.stage_file(beside, path.name, gone=empty)
    with store.transaction():
        if store.place is not None:
            store.set_meta(REWRITING, path.name)
        ledger.append(store, path.stem, path.name, f"{why}; was {sha256_of(path)}", digest)
    store.crash("after_rewritten")
    store.promote_file(path.name, gone=empty)
    store.crash("after_promoted")
    if empty:
        path.unlink()
        beside.unlink()
    else:
        beside.replace(path)
    sync_directory(path.parent)


def _drop_in_memory(store: Store, where: str, parameters: Sequence[object]) -> Removed:
    rows = store.one(f"SELECT count(*) FROM {STATE}.ledger_rows WHERE {where}", parameters)
    store.con.execute(f"DELETE FROM {STATE}.ledger_rows WHERE {where}", parameters)
    return Removed(int(rows), int(bool(rows)))
