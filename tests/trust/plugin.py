"""``--trust FILE``: write what a run found of each promise and of each row of the fault table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.catalogue import ROWS
from tests.trust.report import Results, page


class TrustReport:
    """All results of a session, written at its end."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self.path = path
        self.results = Results()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result; also of a case that fails, or is skipped, before it begins."""
        if report.when == "call" or not report.passed:
            self.results.add(report.nodeid, report.outcome, report.user_properties)

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        self.path.write_text(page(self.results, ROWS), encoding="utf-8")
