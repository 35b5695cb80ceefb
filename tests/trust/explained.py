"""Changes that change nothing a test could see, each with its reason; read by hand, shown in docs/mutants.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.trust.mutants import Change


@dataclass(frozen=True)
class Explained:
    """A kind of change: the modules, what the old lines hold, what the new ones hold, and why nothing differs."""

    modules: str
    old: str
    new: str
    reason: str


EXPLAINED: tuple[Explained, ...] = (
    Explained(r".*", r"\bcast\(", r"\bcast\(", "`cast` is for the type checker"),
    Explained(r".*", r"encoding=\"utf-8\"", r"", "UTF-8 is the encoding where the tests run"),
    Explained(r".*", r"indent=1\b", r"indent=2\b", "how a file for people is indented"),
    Explained(r"revetl\.state\.ledger", r"\"memory\"", r"\"XXmemoryXX\"", "a ledger in memory has no file to compare"),
    Explained(r"revetl\.state\.lock", r"msvcrt|_FAR", r"", "a line that Windows alone comes by"),
    Explained(
        r"revetl\.diff\.spelling", r"zip\(\*pairs, strict=True\)", r"zip\(\*pairs(, strict=(None|False)|, )?\)",
        "pairs are of two, each",
    ),
)  # fmt: skip


def reason(module: str, change: Change) -> str | None:
    """Return why a change changes nothing, or None."""
    for one in EXPLAINED:
        if re.fullmatch(one.modules, module) and re.search(one.old, change.old) and re.search(one.new, change.new):
            return one.reason
    return None
