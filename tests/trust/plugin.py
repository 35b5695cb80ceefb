"""``--trust FILE``: write what was found of each promise and of each row of the fault table.

Results are kept in ``.trust.json`` beside it until the commit changes, so that the whole may be run in parts.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shared import ROOT
from tests.trust.catalogue import ROWS
from tests.trust.report import Results, page

Kept = dict[str, tuple[str, list[tuple[str, Any]]]]  # case → outcome, properties


class TrustReport:
    """All results of a commit, written at the end of each session."""

    def __init__(self, path: Path) -> None:
        """Name the page."""
        self.path, self.store = path, ROOT / ".trust.json"
        asked = ["git", "rev-parse", "HEAD"]
        self.commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        self.found: Kept = {}

    def earlier(self) -> Kept:
        """Return what was found at this commit before."""
        kept = json.loads(self.store.read_text(encoding="utf-8")) if self.store.exists() else {}
        found: Kept = kept.get("found", {}) if kept.get("commit") == self.commit else {}
        return found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result; also of a case that fails, or is skipped, before it begins."""
        if report.when == "call" or not report.passed:
            self.found[report.nodeid] = (report.outcome, list(report.user_properties))

    def pytest_sessionfinish(self) -> None:
        """Write the page, of these results and of earlier ones."""
        self.found = {**self.earlier(), **self.found}
        self.store.write_text(json.dumps({"commit": self.commit, "found": self.found}), encoding="utf-8")
        results = Results()
        for case, (outcome, properties) in self.found.items():
            results.add(case, outcome, ((name, value) for name, value in properties))
        self.path.write_text(page(results, ROWS), encoding="utf-8")
