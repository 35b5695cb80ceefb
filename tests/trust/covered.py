"""What ``make coverage`` measured, as docs/coverage.md: lines and branches of each room, and of the package."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.shared import ROOT
from tests.trust.rooms import SERVERS, room

PAGE = ROOT / "docs" / "coverage.md"
HEAD = """# Coverage

Written by `make coverage`; nothing here is typed by hand. A branch is a line from which the code goes on in more than
one way, and each of them counts. Asked were `{tests}`. Of state, what needs a server ({servers}) counts in the package
alone.

| room | lines | missed | branches | missed | lines and branches |
|---|---|---|---|---|---|
"""
COUNTED = ("num_statements", "missing_lines", "num_branches", "missing_branches")


def share(one: Mapping[str, int]) -> float:
    """Return the share of lines and branches that the tests came by."""
    of = one["num_statements"] + one["num_branches"]
    return 1 - (one["missing_lines"] + one["missing_branches"]) / max(of, 1)


def page(report: Mapping[str, Any], tests: str) -> str:
    """Return the page of a report as ``coverage json`` gives it."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    gaps = []
    for path, about in sorted(report["files"].items()):
        name = room(path)
        if name is None:
            continue
        rooms[name].update({word: about["summary"][word] for word in COUNTED})
        ways = [f"{one}→{other if other > 0 else 'end'}" for one, other in about.get("missing_branches", ())]
        if missed := [*map(str, about["missing_lines"]), *ways]:
            gaps.append(f"- {path}: {', '.join(missed)}")
    rooms["the package"].update({word: report["totals"][word] for word in COUNTED})
    lines = [
        f"| {name} | {' | '.join(f'{one[word]:,}' for word in COUNTED)} | {share(one):.1%} |"
        for name, one in [
            *sorted((n, o) for n, o in rooms.items() if n != "the package"),
            ("the package", rooms["the package"]),
        ]
    ]
    head = HEAD.format(tests=tests or "tests", servers=", ".join(SERVERS))
    return head + "\n".join(lines) + "\n" + ("\n## Missed in the rooms\n\n" + "\n".join(gaps) + "\n" if gaps else "")


def main(arguments: Sequence[str]) -> int:
    """Write the page of a report: its path, then the tests that were asked."""
    report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    PAGE.write_text(page(report, " ".join(arguments[1:])), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
