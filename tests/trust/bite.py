"""Two lines of the page of promises: how many mutants the tests notice, and how much code they come by.

Both are measured by hand now and then, and read here from the pages that those measurements wrote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from tests.shared import ROOT
from tests.trust.rooms import ROOMS

NOTICED, COVERED = 0.90, {"the package": 0.92}  # of mutants; of lines and branches, where not all is wanted


def cells(path: Path) -> Iterator[list[str]]:
    """Yield the rows of the first table of a page, without its head."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = re.findall(r"^\| (.+) \|$", text.partition("\n## ")[0], re.MULTILINE)
    yield from (row.split(" | ") for row in rows[1:])


def mutants(path: Path = ROOT / "docs" / "mutants.md") -> str:
    """Return the line about mutants."""
    found = {row[0]: (row[5], row[9]) for row in cells(path)}
    told = {
        name: share if share.startswith(f"{others} ") else f"{share}, {others} of those that change something"
        for name, (share, others) in found.items()
    }
    below = [name for name, (_, others) in found.items() if float(others.rstrip("%")) / 100 < NOTICED]
    return _line(
        ("The tests notice a mistake", "90 % of mutants, in each room", "`make mutants` draws a sample"),
        told, "mutants.md", below, set(ROOMS) - found.keys(),
    )  # fmt: skip


def coverage(path: Path = ROOT / "docs" / "coverage.md") -> str:
    """Return the line about coverage."""
    found = {row[0]: row[5] for row in cells(path)}
    below = [name for name, share in found.items() if float(share.rstrip("%")) / 100 < COVERED.get(name, 1.0)]
    return _line(
        ("The tests come by the code", "every branch of those rooms, 92 % of the package",
         "`make coverage` counts lines and branches"),
        found, "coverage.md", below, {*ROOMS, *COVERED} - found.keys(),
    )  # fmt: skip


def _line(
    promise: tuple[str, str, str], found: Mapping[str, str], page: str, below: Sequence[str], missing: Collection[str]
) -> str:
    """Return a row: what was found of each room, which stay below the goal, which were not measured."""
    told = [", ".join(f"{name} {share}" for name, share in found.items()) + f" ([all]({page}))"] if found else []
    told += [f"below the goal: {', '.join(below)}"] if below else []
    told += [f"not measured: {', '.join(sorted(missing))}"] if missing else []
    return f"| {' | '.join(promise)} | {'; '.join(told)} |"
