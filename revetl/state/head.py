"""The head record: what state must at least contain, kept outside the database.

DuckDB opens a file whose write-ahead log was cut or lost, and silently forgets the tail. The head is replaced after
each commit of intents and at the close of each run; a database that is behind it is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from revetl.errors import StateError
from revetl.state.files import replace_file

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """The last run, the last sequence number of the outbox, and the hash at the end of the ledger's chain."""

    run: str
    seq: int
    chain: str = GENESIS
    version: int = 1
    forgotten: int = 0  # people who must never be sent again: so many tombstones there are


def read_head(path: Path) -> Head | None:
    """Return the head, or None where there never was one.

    Raises:
        StateError: RVT-503, it cannot be read.
    """
    try:
        return parse_head(path.read_bytes(), f"the head record {path.name}")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(f"the head record {path.name}", error) from None


def parse_head(content: bytes, what: str) -> Head:
    """Return the head that ``content`` spells; ``what`` it is called in words.

    Raises:
        StateError: RVT-503, it spells none.
    """
    try:
        return _checked(Head(**json.loads(content)))
    except (ValueError, TypeError) as error:
        raise _unreadable(what, error) from None


def _unreadable(what: str, error: Exception) -> StateError:
    return StateError(
        "RVT-503",
        f"{what} cannot be read ({type(error).__name__})",
        kept="state and ledger are untouched; nothing was sent",
        hint="revetl recover",
    )


def _checked(head: Head) -> Head:
    if not (isinstance(head.run, str) and isinstance(head.seq, int) and isinstance(head.chain, str)) or not isinstance(
        head.forgotten, int
    ):
        raise TypeError("a value of it has another type")
    return head


def write_head(path: Path, head: Head) -> None:
    """Replace the head atomically and durably."""
    replace_file(path, spell_head(head))


def spell_head(head: Head) -> bytes:
    """Return a head as it is written."""
    known = asdict(head)
    if not head.forgotten:
        del known["forgotten"]  # older releases read it, too
    return json.dumps(known).encode()
