"""For pytest, ``-p revetl.testing.plugin``: no case of a conformance suite ends in silence, and a table of them all.

A case that ends without a verdict fails, unless the suite says why it is not applicable. ``--conformance FILE`` writes
what each destination came to in each case.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_MARK = "conformance"  # name of the property that a report carries to the process that writes the table


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--conformance FILE``."""
    parser.getgroup("revetl").addoption("--conformance", metavar="FILE", help="write the table destinations by cases")


def pytest_configure(config: pytest.Config) -> None:
    """Collect where the table is wanted, in the process that sees all reports."""
    path = config.getoption("--conformance")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Table(Path(path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a case of a suite: a skip without a reason of its own is a failure."""
    report = yield
    suite = _suite(item)
    if suite is None or not (report.when == "call" or report.skipped):
        return report
    from revetl.testing.conformance.base import NOT_APPLICABLE

    reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
    if report.skipped and not hasattr(report, "wasxfail") and not reason.startswith(NOT_APPLICABLE):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} ended without a verdict ({reason}): say why, by not_applicable() or lacks"
    name = getattr(item, "originalname", item.name)
    told = "" if report.passed else reason.removeprefix(NOT_APPLICABLE) if report.skipped else "failed"
    report.user_properties.append((_MARK, (suite.label(), name, item.name, report.outcome, told)))
    return report


def _suite(item: pytest.Item) -> Any:
    base = sys.modules.get("revetl.testing.conformance.base")
    cls = getattr(item, "cls", None)
    return cls if base is not None and isinstance(cls, type) and issubclass(cls, base.Suite) else None


def _marked(report: pytest.TestReport) -> Any:
    return [found for found in report.user_properties if found[0] == _MARK]


class _Table:
    """All verdicts of a session, written at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[tuple[str, str, str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a verdict; from another process it comes as lists."""
        self.seen += [(a, b, c, d, e) for _, (a, b, c, d, e) in _marked(report)]

    def pytest_sessionfinish(self) -> None:
        """Write the table."""
        from revetl.testing.conformance.table import table

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(table(self.seen), encoding="utf-8")
