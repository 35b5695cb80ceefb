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


DIFF, STATE, ENGINE, SEND = (f"tests/unit/{name}" for name in ("diff", "state", "engine", "send"))
ROOMS: Mapping[str, Room] = {  # a file is in the room that names it most narrowly
    "diff": Room(
        ("revetl/diff/",),
        tuple(f"{DIFF}/test_{name}.py" for name in (
            "changes", "delta", "desired", "engines", "guard", "habits", "likeness", "verdicts")),
    ),
    "guards": Room(
        ("revetl/diff/guard", "revetl/diff/habits", "revetl/engine/gate", "revetl/engine/usual",
         "revetl/state/approvals"),
        (f"{DIFF}/test_guard.py", f"{DIFF}/test_habits.py", f"{ENGINE}/test_engine_unusual.py",
         f"{ENGINE}/test_gate_causes.py", f"{STATE}/test_approvals.py"),
    ),
    "ledger": Room(
        ("revetl/state/ledger", "revetl/state/rewriting", "revetl/state/tombstones"),
        tuple(f"{STATE}/test_{name}.py" for name in ("ledger_chain", "ledger_file", "rewriting", "tombstones")),
    ),
    "retry": Room(
        ("revetl/send/landing", "revetl/send/limits", "revetl/send/retry", "revetl/send/verdict"),
        tuple(f"{SEND}/test_{name}.py" for name in ("landing", "limits", "retry", "verdict")),
    ),
    "state": Room(
        ("revetl/state/",),
        (STATE, DIFF, ENGINE, *(f"tests/unit/cli/test_cli_{name}.py" for name in (
            "forget", "rekey", "retry", "run", "state"))),
    ),
}  # fmt: skip
SERVERS = ("lease", "owner", "postgres", "published", "shared", "snowflake", "sqlowner")  # of state: need a server


def room(path: str) -> str | None:
    """Return the room of a file: the narrowest that it lies in."""
    found = [(len(prefix), name) for name, one in ROOMS.items() for prefix in one.files if path.startswith(prefix)]
    return max(found)[1] if found and Path(path).stem not in SERVERS else None
