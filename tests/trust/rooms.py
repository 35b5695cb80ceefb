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


DIFF, STATE, ENGINE = "tests/unit/diff", "tests/unit/state", "tests/unit/engine"
ROOMS: Mapping[str, Room] = {  # a file is in the room that names it most narrowly
    "diff": Room(
        ("revetl/diff/",),
        (DIFF, *(f"{ENGINE}/test_{name}.py" for name in (
            "at_rest", "backfill", "implied", "incremental", "links", "membership_orphans", "met", "partial",
            "rejections_kept", "rekeying", "withdrawals"))),
    ),
    "guards": Room(
        ("revetl/diff/guard", "revetl/diff/habits", "revetl/engine/gate", "revetl/engine/usual",
         "revetl/state/approvals"),
        (*(f"{ENGINE}/test_{name}.py" for name in ("engine_guards", "engine_unusual", "gate_causes")),
         f"{DIFF}/test_guard.py", f"{DIFF}/test_habits.py", f"{STATE}/test_approvals.py"),
    ),
    "ledger": Room(
        ("revetl/state/ledger", "revetl/state/rewriting", "revetl/state/tombstones"),
        (*(f"{STATE}/test_{name}.py" for name in ("ledger_chain", "ledger_file", "rewriting", "tombstones")),
         *(f"{ENGINE}/test_{name}.py" for name in ("forgotten", "ledger_keys"))),
    ),
    "retry": Room(
        ("revetl/send/landing", "revetl/send/limits", "revetl/send/retry", "revetl/send/verdict"), ("tests/unit/send",)
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
