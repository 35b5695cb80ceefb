"""What was promised and what was measured, as one table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

SLACK = 1.5
"""What a measurement may miss its target by before the run is red: the machines that measure are shared and noisy."""


@dataclass(frozen=True)
class Measured:
    """One promise: ``sense`` is ``>=``, ``<=`` or, where nothing is promised, empty."""

    promise: str
    measured: float
    sense: str = ""
    target: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the promise is kept."""
        return self._within(1.0)

    @property
    def bearable(self) -> bool:
        """Return whether it is kept or missed by what noise may explain."""
        return self._within(SLACK)

    def _within(self, slack: float) -> bool:
        if self.target is None:
            return True
        return self.measured <= self.target * slack if self.sense == "<=" else self.measured >= self.target / slack

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row of the table."""
        target = "" if self.target is None else f"{self.sense} {self.target:g}"
        verdict = "" if self.target is None else "ok" if self.ok else "MISSED"
        return self.promise, f"{self.measured:.3g}", target, verdict, self.note


HEAD = ("promise", "measured", "target", "ok", "")


@dataclass
class Table:
    """Everything measured in this run."""

    rows: list[Measured] = field(default_factory=list)

    def add(self, promise: str, measured: float, sense: str = "", target: float | None = None, note: str = "") -> None:
        """Keep one measurement."""
        self.rows.append(Measured(promise, measured, sense, target, note))

    def text(self) -> str:
        """Return the table as lines."""
        cells = [HEAD, *(row.cells for row in self.rows)]
        widths = [max(len(row[n]) for row in cells) for n in range(len(HEAD))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)

    def write(self, path: Path) -> None:
        """Write the rows as JSON."""
        path.write_text(json.dumps([{**asdict(row), "ok": row.ok} for row in self.rows], indent=2) + "\n")
