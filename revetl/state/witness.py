"""A head record elsewhere: on another disk, on a share of several machines, or in a bucket.

The record beside the state is lost, or put back, together with it. One that lies elsewhere knows better: a state whose
disk forgot its last moments, an older one that came back whole, head and all, and one of two copies of which the other
was at work are all behind it, and are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from revetl.errors import StateError
from revetl.state.files import private_directory, replace_file
from revetl.state.head import Head, parse_head, spell_head

NAME = "head.json"


class Cupboard(Protocol):
    """Keeps small files by name."""

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None where there is none."""

    def put(self, name: str, content: bytes) -> None:
        """Replace a file, durably."""


class Folder:
    """A directory."""

    def __init__(self, path: Path) -> None:
        """Make it, if it is not there."""
        self._path = private_directory(path)

    def get(self, name: str) -> bytes | None:
        """Read a file."""
        path = self._path / name
        return path.read_bytes() if path.exists() else None

    def put(self, name: str, content: bytes) -> None:
        """Write beside, flush, rename."""
        replace_file(self._path / name, content)


class Witness:
    """What was last said of one target's state, wherever that lies."""

    def __init__(self, cupboard: Cupboard) -> None:
        """Hear what there is.

        Raises:
            StateError: RVT-503, it cannot be read.
        """
        self._cupboard = cupboard
        self._heard = cupboard.get(NAME)
        self.head = None if self._heard is None else parse_head(self._heard, "the witness's head record")

    def tell(self, head: Head) -> None:
        """Have a new head written down, unless somebody else told of another one meanwhile.

        Raises:
            StateError: RVT-524, so it is.
        """
        if self._cupboard.get(NAME) != self._heard:
            raise StateError(
                "RVT-524",
                "another copy of this state is at work: the witness was told of it since this run began",
                kept="nothing more is sent; what this run had sent is recorded in this copy",
                hint="keep one copy of the state, or share it (docs/shared-state.md); `revetl recover` makes the copy "
                "at hand the one that counts",
            )
        self._heard = spell_head(head)
        self._cupboard.put(NAME, self._heard)
        self.head = head
