"""The rooms that the delivery rule rests on: their files, and the quick tests that are asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """Files whose names begin so, and the tests that are asked of them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


DIFF, STATE, ENGINE = "tests/unit/diff", "tests/unit/state", "tests/unit/engine/test_"
HELD = (DIFF, f"{ENGINE}engine_guards.py", f"{ENGINE}engine_unusual.py", f"{ENGINE}gate_causes.py")
ROOMS: Mapping[str, Room] = {  # a file is in the room that names it most narrowly
    "diff": Room(("revetl/diff/",), (DIFF, f"{ENGINE}partial.py", f"{ENGINE}links.py", f"{ENGINE}incremental.py")),
    "guards": Room(
        (
            "revetl/diff/guard",
            "revetl/diff/habits",
            "revetl/engine/gate",
            "revetl/engine/usual",
            "revetl/state/approvals",
        ),
        HELD,
    ),
    "ledger": Room(
        ("revetl/state/ledger", "revetl/state/rewriting", "revetl/state/tombstones"),
        (STATE, f"{ENGINE}forgotten.py", f"{ENGINE}ledger_keys.py"),
    ),
    "retry": Room(
        ("revetl/send/landing", "revetl/send/limits", "revetl/send/retry", "revetl/send/verdict"), ("tests/unit/send",)
    ),
    "state": Room(("revetl/state/",), (STATE, DIFF, f"{ENGINE}rekeying.py", f"{ENGINE}membership_orphans.py")),
}
SERVERS = ("lease", "owner", "postgres", "published", "shared", "snowflake", "sqlowner")  # of state: need a server


def room(path: str) -> str | None:
    """Return the room of a file: the narrowest that it lies in."""
    found = [(len(prefix), name) for name, one in ROOMS.items() for prefix in one.files if path.startswith(prefix)]
    return max(found)[1] if found and Path(path).stem not in SERVERS else None
