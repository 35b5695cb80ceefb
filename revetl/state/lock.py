"""One run at a time per target: a lock file that names who holds it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revetl.errors import TryLater

_FAR = 1 << 30  # Windows lets nobody read the bytes that are locked: one behind what anybody writes


def holder(path: Path) -> dict[str, object]:
    """Return who wrote the lock file: pid, started_at; empty if it cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def locked(path: Path, started_at: str) -> Iterator[None]:
    """Hold the lock for the block. The kernel releases it when the process ends, however it ends.

    Raises:
        TryLater: RVT-502, another run holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(handle):
            who = holder(path)
            raise TryLater(
                "RVT-502",
                f"another revetl run works on this target (pid {who.get('pid', '?')}, "
                f"since {str(who.get('started_at', '?'))[:19]} UTC)",
                kept="nothing was read or sent",
                hint="wait for it, or see `revetl status`",
            )
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps({"pid": os.getpid(), "started_at": started_at}).encode())
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Take the lock of an open file; return whether that could be done."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError | PermissionError):  # EWOULDBLOCK; EACCES on Windows
            return False
        raise
    return True
