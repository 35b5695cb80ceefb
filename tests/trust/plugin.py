"""``--trust FILE``: write what was found of each promise and of each row of the fault table.

Results are kept in ``.trust-cases.jsonl`` until the commit changes, so that the whole may be run in pieces: other cases
add to those that are there, a case that is run again replaces itself. ``REVETL_TRUST_SINCE`` names an earlier commit
from which on results count, and the page says so. With ``REVETL_TRUST_KEEP``, what was not run again stands as the page
had it, marked as such.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.shared import ROOT
from tests.trust.catalogue import ROWS
from tests.trust.report import Results, page


def git(*words: str) -> list[str]:
    """Return the lines of an answer of git."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


class TrustReport:
    """All results that count: kept one by one, so that a piece that is cut off loses none; a page at the end."""

    def __init__(self, path: Path) -> None:
        """Name the page."""
        self.path, self.store = path, ROOT / ".trust-cases.jsonl"
        since = os.environ.get("REVETL_TRUST_SINCE", "HEAD")
        self.commit, first = git("rev-parse", "HEAD", since)
        self.commits = {self.commit, first, *git("rev-list", f"{since}..HEAD")}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a result; also of a case that fails, or is skipped, before it begins."""
        if report.when == "call" or not report.passed:
            line = json.dumps([report.nodeid, self.commit, report.outcome, list(report.user_properties)])
            with self.store.open("a", encoding="utf-8") as store:
                store.write(f"{line}\n")

    def pytest_sessionfinish(self) -> None:
        """Write the page, of this session's results and of earlier ones at this commit or at another that counts."""
        lines = self.store.read_text(encoding="utf-8").splitlines() if self.store.exists() else ()
        kept = {case: rest for case, *rest in map(json.loads, lines) if rest[0] in self.commits}
        results = Results()
        if os.environ.get("REVETL_TRUST_KEEP") and self.path.exists():
            results.carry(self.path.read_text(encoding="utf-8"))
        for case, (_, outcome, properties) in kept.items():
            results.add(case, outcome, ((name, value) for name, value in properties))
        self.path.write_text(page(results, ROWS, len({commit for commit, *_ in kept.values()})), encoding="utf-8")
