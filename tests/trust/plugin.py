"""``--trust FILE``: write what was found of each promise and of each row of the fault table.

Results are kept in ``.trust-cases.json`` until the commit changes, so that the whole may be run in pieces: other cases
add to those that are there, a case that is run again replaces itself. ``REVETL_TRUST_SINCE`` names an earlier commit
from which on results count, and the page says so.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shared import ROOT
from tests.trust.catalogue import ROWS
from tests.trust.report import Results, page

Kept = dict[str, tuple[str, str, list[tuple[str, Any]]]]  # case → commit, outcome, properties


def git(*words: str) -> list[str]:
    """Return the lines of an answer of git."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


class TrustReport:
    """All results that count, written at the end of each session."""

    def __init__(self, path: Path) -> None:
        """Name the page."""
        self.path, self.store = path, ROOT / ".trust-cases.json"
        since = os.environ.get("REVETL_TRUST_SINCE", "HEAD")
        self.commit, first = git("rev-parse", "HEAD", since)
        self.commits = {self.commit, first, *git("rev-list", f"{since}..HEAD")}
        self.found: Kept = {}

    def earlier(self) -> Kept:
        """Return what was found before, at this commit or at another that counts."""
        kept: Kept = json.loads(self.store.read_text(encoding="utf-8")) if self.store.exists() else {}
        return {case: result for case, result in kept.items() if result[0] in self.commits}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result; also of a case that fails, or is skipped, before it begins."""
        if report.when == "call" or not report.passed:
            self.found[report.nodeid] = (self.commit, report.outcome, list(report.user_properties))

    def pytest_sessionfinish(self) -> None:
        """Write the page, of these results and of earlier ones."""
        self.found = {**self.earlier(), **self.found}
        self.store.write_text(json.dumps(self.found), encoding="utf-8")
        results = Results()
        for case, (_, outcome, properties) in self.found.items():
            results.add(case, outcome, ((name, value) for name, value in properties))
        commits = {commit for commit, _, _ in self.found.values()}
        self.path.write_text(page(results, ROWS, len(commits)), encoding="utf-8")
