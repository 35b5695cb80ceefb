"""The carrier of :class:`~revetl.contract.PutFile`: a whole file appears below the destination's directory, or none.

The directory is one of this machine, or a prefix of a bucket.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import orjson

from revetl.contract import PutFile, Reply
from revetl.send.buckets import Buckets
from revetl.send.ports import Lane
from revetl.send.wire import Failure
from revetl.types import JSON
from revetl.types.paths import is_file_name

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
"""First characters that make a spreadsheet compute a cell. Source: OWASP, "CSV Injection"."""


class FileCarrier:
    """Writes files below the directory that the destination's ``base_url`` names (a path or a ``file:`` URL)."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """``now`` stamps replies, in UTC epoch seconds."""
        self._now = now
        self._buckets = Buckets()

    def perform(self, lane: Lane, call: PutFile) -> Reply | Failure:
        """Write the file; a failure leaves the one that stood there before."""
        bucket = lane.origin or lane.destination.base_url(lane.settings)
        failure: Failure | None = None
        try:
            content = render(call)
            if _is_bucket(bucket):
                failure = self._buckets.put(bucket, "/".join(parts_of(call.path)), content)
            else:
                put(place(directory(lane), call.path), content)
        except (OSError, ValueError, TypeError, ArithmeticError, ImportError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else _words(error)
            return Failure("RVT-620", f"{call.label}: {what}", sent=False, again=False, fatal=True)
        if failure is not None:
            return failure
        body = orjson.dumps({"rows": len(call.rows), "bytes": len(content)})
        return Reply(200, body, {"content-type": "application/json"}, self._now())


def directory(lane: Lane) -> Path:
    """Return the directory that a lane's files go to.

    Raises:
        ValueError: the destination names none.
    """
    named = lane.origin or lane.destination.base_url(lane.settings)
    root = unquote(urlsplit(named).path) if named.startswith("file:") else named
    if not root or "\0" in root:
        raise ValueError("the destination names no directory")
    return Path(root)


def _is_bucket(named: str) -> bool:
    return "://" in named and not named.startswith("file:")


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a file's name.

    Raises:
        ValueError: it leads out of the directory, or a system that revetl may run on refuses it.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(c in name for c in "\\:\0"):
        raise ValueError("the file's name leads out of the destination's directory")
    if not all(map(is_file_name, parts)):
        raise ValueError("the file's name has a character or a word that Windows refuses")
    return parts


def place(root: Path, name: str) -> Path:
    """Return where ``name`` lies below ``root``.

    Raises:
        ValueError: it would lie elsewhere, also by way of a symbolic link.
    """
    path = root.joinpath(*parts_of(name))
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise ValueError("the file's name leads out of the destination's directory")
    return path


def put(path: Path, content: bytes) -> None:
    """Write ``content`` under ``path``, durably and at once: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    if os.name != "posix":
        return  # Windows opens no directory, and makes a rename durable by itself or not at all
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def render(call: PutFile) -> bytes:
    """Return the file's bytes.

    Raises:
        ValueError: the format is unknown, or a value does not fit it.
    """
    match call.format:
        case "jsonl":
            return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in call.rows)
        case "csv":
            return _csv(call).encode()
        case "parquet":
            return _parquet(call)
        case other:
            raise ValueError(f"unknown file format {other!r}")


def _columns(call: PutFile) -> tuple[str, ...]:
    return call.columns or tuple(dict.fromkeys(name for row in call.rows for name in row))


def _csv(call: PutFile) -> str:
    columns = _columns(call)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(cell(name) for name in columns)
    writer.writerows(_row(columns, row.get) for row in call.rows)
    return out.getvalue()


def _row(columns: Iterable[str], get: Callable[[str], JSON]) -> Iterator[str]:
    return (cell(get(name)) for name in columns)


def cell(value: JSON) -> str:
    """Return a value as a CSV cell: text that a spreadsheet would compute gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, bool | dict | list | tuple):
        return orjson.dumps(value).decode()
    return str(value)


def _parquet(call: PutFile) -> bytes:
    pa = import_module("pyarrow")  # 40 ms, for one format only
    parquet = import_module("pyarrow.parquet")
    columns = _columns(call)
    table = pa.table({name: pa.array([row.get(name) for row in call.rows]) for name in columns})
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def _words(error: Exception) -> str:
    """Return our own words as they are, a library's by its class alone: it may quote values."""
    own = type(error) is ValueError
    return str(error) if own else f"a value does not fit the format ({type(error).__name__})"
