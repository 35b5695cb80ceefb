"""One run at a time per target: a lock file that names who holds it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revetl.errors import TryLater

if os.name == "posix":
    import fcntl


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
        if os.name == "posix":
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = holder(path)
                raise TryLater(
                    "RVT-502",
                    f"another revetl run works on this target (pid {who.get('pid', '?')}, "
                    f"since {str(who.get('started_at', '?'))[:19]} UTC)",
                    kept="nothing was read or sent",
                    hint="wait for it, or see `revetl status`",
                ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "started_at": started_at}).encode(), 0)
        yield
    finally:
        os.close(handle)
