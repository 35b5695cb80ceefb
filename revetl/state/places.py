"""Where the ledger's files lie when they do not stay beside the state: an object store, or a directory of all runners.

A run writes its file here first, under the name that it keeps; it counts as part of the ledger once the chain has it.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from revetl.errors import ConfigError, RevetlError, TryLater
from revetl.state.owner import Delete, Insert, Owner, Step

TABLE = "ledger_files"
COLUMNS: Mapping[str, str] = {"file": "VARCHAR", "part": "INTEGER", "data": "VARCHAR"}
# signs, in what Arrow says, of errors that no waiting mends (its S3 and Google file systems)
REFUSED = (
    "NO_SUCH_BUCKET", "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE",
    "PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND",
)  # fmt: skip
PART = 1 << 19  # bytes of a file in one row
_KEPT = {
    "ledger": "what was sent is recorded in the state; the ledger's file is written by the next run",
    "witness": "what was sent is recorded in the state; nothing leaves that the witness is not told of first",
}


class Place(Protocol):
    """Keeps the files of one target's ledger."""

    def check(self) -> None:
        """See that it is there and can be asked, before anything leaves that is to be written down there."""

    def keep(self, path: Path) -> None:
        """Store a file under its own name, in place of what has that name."""

    def fetch(self, directory: Path) -> None:
        """Bring every file to ``directory``, and take away from there what is not kept."""

    def stage(self, path: Path, name: str) -> None:
        """Store what is to be in place of the file ``name`` beside it, where no reader looks."""

    def staged(self) -> Mapping[str, str]:
        """Return the names of files for which something is staged, with its SHA-256."""

    def promote(self, name: str, *, gone: bool = False) -> None:
        """Put what is staged for a file in its place, whole for every reader; ``gone``: the file goes instead."""

    def discard(self, name: str) -> None:
        """Take away what is staged for a file."""


def rows_of(path: Path, name: str = "") -> list[Step]:
    """Return the steps that put a file into the owner's table, in place of what has its name."""
    data = path.read_bytes()
    parts = [data[at : at + PART] for at in range(0, len(data), PART)] or [b""]
    rows = [(name or path.name, str(n), base64.b64encode(part).decode()) for n, part in enumerate(parts)]
    return [*gone(name or path.name), Insert(TABLE, COLUMNS, rows)]


def gone(name: str) -> list[Step]:
    """Return the steps that take a file out of the owner's table."""
    return [Delete(TABLE, {"file": "VARCHAR"}, [(name,)])]


def fetch_files(owner: Owner, directory: Path) -> None:
    """Write every file that the owner's table has to ``directory``, and take away from there what it has not."""
    found: dict[str, dict[int, bytes]] = {}
    for rows in owner.read(TABLE, COLUMNS):
        for file, part, data in rows:
            found.setdefault(Path(str(file)).name, {})[int(part or 0)] = base64.b64decode(data or "")
    _only(directory, found)
    for file, parts in found.items():
        (directory / file).write_bytes(b"".join(parts[n] for n in sorted(parts)))


def _only(directory: Path, names: Collection[str]) -> None:
    for path in directory.glob("*.parquet"):
        if path.name not in names:
            path.unlink()


class Objects:
    """A directory or a bucket, by its URL: ``s3://bucket/prefix``, ``gs://…``, ``file:///…`` or a path."""

    def __init__(self, url: str, target: str, setting: str = "ledger") -> None:
        """Name the place, which a setting of revetl.yml tells; credentials are the environment's, as the clouds' tools
        find them.

        Raises:
            ConfigError: RVT-517, the URL names no place.
        """
        from pyarrow import ArrowException, fs

        self._fs: Any = fs
        text = url if "://" in url else Path(url).absolute().as_uri()
        try:
            self._files, root = fs.FileSystem.from_uri(text)
        except (ArrowException, OSError, ValueError):
            what = f"the URL of `{setting}:` names no directory and no object store"
            raise ConfigError("RVT-517", what, hint="s3://bucket/prefix, gs://bucket/prefix or a directory") from None
        self._setting, self._thing = setting, setting.rpartition(".")[2]
        self._root = f"{root.rstrip('/')}/{target}"
        self._local = isinstance(self._files, fs.LocalFileSystem)

    def check(self) -> None:
        """List what is there; Google finds no files in a bucket that is missing, unless that itself is asked for."""
        with self._worded():
            if not self._listed() and self._files.type_name == "gcs":
                with suppress(PermissionError):  # what lies beside the prefix may be nobody's business
                    self._files.get_file_info(self._fs.FileSelector(self._root.partition("/")[0]))

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None where there is none."""
        with self._worded():
            (info,) = self._files.get_file_info([f"{self._root}/{name}"])
            return self._read(info.path) if info.is_file else None

    def put(self, name: str, content: bytes) -> None:
        """Replace a small file."""
        with self._worded():
            self._put(content, name)

    def keep(self, path: Path) -> None:
        """Store a file: beside first and moved where the place is a directory, whole or not at all in a bucket."""
        with self._worded():
            self._put(path.read_bytes(), path.name)

    def fetch(self, directory: Path) -> None:
        """Copy every file."""
        with self._worded():
            found = [info for info in self._listed() if info.base_name.endswith(".parquet")]
            _only(directory, [info.base_name for info in found])
            for info in found:
                (directory / info.base_name).write_bytes(self._read(info.path))

    def stage(self, path: Path, name: str) -> None:
        """Store it under a name that is none of a file of the ledger."""
        with self._worded():
            self._put(path.read_bytes(), f".{name}.new")

    def staged(self) -> Mapping[str, str]:
        """Read what is staged."""
        with self._worded():
            found = [info for info in self._listed() if info.base_name.endswith(".new")]
            return {
                info.base_name.removeprefix(".").removesuffix(".new"): sha256(self._read(info.path)).hexdigest()
                for info in found
            }

    def promote(self, name: str, *, gone: bool = False) -> None:
        """Replace the file first, then take away what was staged; doing it twice does the same."""
        with self._worded():
            if gone:
                self._delete(name)
            else:
                self._put(self._read(f"{self._root}/.{name}.new"), name)
            self._delete(f".{name}.new")

    def discard(self, name: str) -> None:
        """Take it away."""
        with self._worded():
            self._delete(f".{name}.new")

    def _listed(self) -> list[Any]:
        found = self._files.get_file_info(self._fs.FileSelector(self._root, allow_not_found=True))
        return [info for info in found if info.is_file]

    def _read(self, path: str) -> bytes:
        with self._files.open_input_stream(path) as file:
            return bytes(file.read())

    def _put(self, content: bytes, name: str) -> None:
        path, beside = f"{self._root}/{name}", f"{self._root}/.{name}.part"
        if self._local:
            self._files.create_dir(self._root, recursive=True)
        with self._files.open_output_stream(beside if self._local else path) as out:
            out.write(content)
        if self._local:
            self._files.move(beside, path)

    def _delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._files.delete_file(f"{self._root}/{name}")

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._away(error) from None

    def _away(self, error: OSError) -> RevetlError:
        refused = next((sign for sign in REFUSED if sign in str(error)), None)
        if refused is not None or isinstance(error, PermissionError):
            return ConfigError(
                "RVT-517", f"the place of the {self._thing} refuses access ({refused or type(error).__name__})",
                kept=_KEPT[self._thing],
                hint=f"check bucket and prefix of `{self._setting}:`; it needs to list, read, write and delete below "
                "the prefix",
            )  # fmt: skip
        return TryLater(
            "RVT-518", f"the place of the {self._thing} cannot be reached ({type(error).__name__})",
            kept=_KEPT[self._thing],
            hint=f"check `{self._setting}:` in revetl.yml and the credentials of the environment",
        )  # fmt: skip
