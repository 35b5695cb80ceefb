"""Where the ledger's files lie when they do not stay beside the state: an object store, or a directory of all runners.

A run writes its file here first, under the name that it keeps; it counts as part of the ledger once the chain has it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from revetl.errors import ConfigError, TryLater
from revetl.state.owner import Delete, Insert, Owner, Step

TABLE = "ledger_files"
COLUMNS: Mapping[str, str] = {"file": "VARCHAR", "part": "INTEGER", "data": "VARCHAR"}
PART = 1 << 19  # bytes of a file in one row


class Place(Protocol):
    """Keeps the files of one target's ledger."""

    def keep(self, path: Path) -> None:
        """Store a file under its own name, in place of what has that name."""

    def fetch(self, directory: Path) -> None:
        """Bring every file to ``directory``."""


def rows_of(path: Path) -> list[Step]:
    """Return the steps that put a file into the owner's table, in place of what has its name."""
    data = path.read_bytes()
    parts = [data[at : at + PART] for at in range(0, len(data), PART)] or [b""]
    rows = [(path.name, str(n), base64.b64encode(part).decode()) for n, part in enumerate(parts)]
    return [Delete(TABLE, {"file": "VARCHAR"}, [(path.name,)]), Insert(TABLE, COLUMNS, rows)]


def fetch_files(owner: Owner, directory: Path) -> None:
    """Write every file that the owner's table has to ``directory``."""
    found: dict[str, dict[int, bytes]] = {}
    for rows in owner.read(TABLE, COLUMNS):
        for file, part, data in rows:
            found.setdefault(Path(str(file)).name, {})[int(part or 0)] = base64.b64decode(data or "")
    for file, parts in found.items():
        (directory / file).write_bytes(b"".join(parts[n] for n in sorted(parts)))


class Objects:
    """A directory or a bucket, by its URL: ``s3://bucket/prefix``, ``gs://…``, ``file:///…`` or a path."""

    def __init__(self, url: str, target: str) -> None:
        """Name the place; credentials are those of the environment, as the clouds' own tools find them.

        Raises:
            ConfigError: RVT-517, the URL names no place.
        """
        from pyarrow import ArrowException, fs

        self._fs: Any = fs
        text = url if "://" in url else Path(url).absolute().as_uri()
        try:
            self._files, root = fs.FileSystem.from_uri(text)
        except (ArrowException, OSError, ValueError):
            what = "the ledger's URL names no directory and no object store"
            raise ConfigError("RVT-517", what, hint="s3://bucket/prefix, gs://bucket/prefix or a directory") from None
        self._root = f"{root.rstrip('/')}/{target}"

    def keep(self, path: Path) -> None:
        """Store a file: beside first and moved where the place is a directory, whole or not at all in a bucket."""
        name, beside = f"{self._root}/{path.name}", f"{self._root}/.{path.name}.part"
        local = isinstance(self._files, self._fs.LocalFileSystem)
        try:
            self._files.create_dir(self._root, recursive=True)
            with self._files.open_output_stream(beside if local else name) as out:
                out.write(path.read_bytes())
            if local:
                self._files.move(beside, name)
        except OSError as error:
            raise self._away(error) from None

    def fetch(self, directory: Path) -> None:
        """Copy every file that is not there in the same size."""
        try:
            found = self._files.get_file_info(self._fs.FileSelector(self._root, allow_not_found=True))
            for info in found:
                if info.is_file and info.base_name.endswith(".parquet"):
                    with self._files.open_input_stream(info.path) as file:
                        (directory / info.base_name).write_bytes(file.read())
        except OSError as error:
            raise self._away(error) from None

    def _away(self, error: OSError) -> TryLater:
        return TryLater(
            "RVT-518", f"the place of the ledger cannot be reached ({type(error).__name__})",
            kept="what was sent is recorded in the state; the ledger's file is written by the next run",
            hint="check `ledger:` in revetl.yml and the credentials of the environment",
        )  # fmt: skip
