"""The page that is kept was made of results, and holds no failure."""

from __future__ import annotations

from tests.shared import ROOT
from tests.trust.promises import PROMISES

PAGE = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")


def test_every_promise_is_on_it() -> None:
    """What is promised has a line, with its figure."""
    assert [one.promise for one in PROMISES if f"| {one.promise} | {one.figure} |" not in PAGE] == []


def test_nothing_on_it_failed() -> None:
    """A page with failures is not kept."""
    assert "failed**" not in PAGE


def test_rows_were_run() -> None:
    """A row of the fault table that no case stands behind is not kept either."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "`" in line.rpartition(" | ")[2]]
    assert len(rows) > 50
    assert [row[:60] for row in rows if " passed" not in row] == []
