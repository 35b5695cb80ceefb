"""Files that must not be lost or read by others: written beside, flushed to disk, renamed into place, mode 0600."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from revetl.errors import StateError


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` atomically and durably."""
    _beside(path, content).replace(path)
    sync_directory(path.parent)


def make_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` as :func:`replace_file` does, unless a file is there: of several makers, one wins."""
    beside = _beside(path, content)
    try:
        os.link(beside, path)
    except OSError:  # somebody was faster, or there are no links here
        if not path.exists():
            beside.replace(path)
    beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def _beside(path: Path, content: bytes) -> Path:
    """Return a file beside ``path`` with that content, safe on disk."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return beside


def sync_directory(path: Path) -> None:
    """Make a rename in this directory durable, where the system can."""
    if os.name != "posix":  # pragma: no cover - a system whose directories cannot be synced
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def private_directory(path: Path) -> Path:
    """Make a directory that only its owner can enter, and refuse one that is a link or another user's.

    Raises:
        StateError: RVT-501.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        raise StateError("RVT-501", f"{path} is a symbolic link", hint="make it a directory of its own")
    if os.name == "posix":  # pragma: no branch - elsewhere rights are no numbers
        if about.st_uid != os.getuid():
            raise StateError("RVT-501", f"{path} belongs to another user", hint=f"chown it, or move {path.name} away")
        if about.st_mode & 0o077:
            path.chmod(0o700)
    return path
