"""For all tests: what they say holds no secret; where ``REVETL_NO_SKIP`` is set, as in CI, none skips."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.shared import ROOT
from tests.shared import shared_path as find_shared

SUITES = ROOT / "revetl" / "testing"
CANARY = re.compile(r"canary-[a-z0-9]+(?:-[a-z0-9]+)*")  # every secret of the tests is called so
NO_SKIP = bool(os.environ.get("REVETL_NO_SKIP"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--trust FILE``, which ``make trust`` gives."""
    parser.addoption("--trust", metavar="FILE", help="write what the run found of each promise and fault")


def pytest_configure(config: pytest.Config) -> None:
    """Collect where the page is wanted, in the process that sees all reports."""
    path = config.getoption("--trust")
    if path and not hasattr(config, "workerinput"):
        from tests.trust.plugin import TrustReport

        config.pluginmanager.register(TrustReport(Path(path)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the warehouses: what asks one server is one worker's, who would go on alone at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith("tests/warehouse/"))


@pytest.fixture
def shared_path() -> Callable[[str], Path]:
    """Return the finder of shared test data; it skips the test where the data are not at hand."""
    return find_shared


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure, unless the shipped suite skips what a destination has no ability for."""
    place, reason = (report.longrepr[0], report.longrepr[2]) if isinstance(report.longrepr, tuple) else ("", "")
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail") and not Path(place).is_relative_to(SUITES):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} must not skip while REVETL_NO_SKIP is set: {reason or report.longrepr}"


def _refuse_canary(report: pytest.TestReport) -> None:
    """Make a test fail whose output or log has a secret in it, whatever it is about."""
    found = {canary for _, text in report.sections for canary in CANARY.findall(text)}
    if report.passed and found:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: its output or log has a secret in it: {', '.join(sorted(found))}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skip of a test a failure, unless the test is marked ``may_skip``; and a secret in its output."""
    report = yield
    _refuse_canary(report)
    if item.get_closest_marker("may_skip") is None:
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a skip of a whole module a failure."""
    report = yield
    _refuse_skip(report)
    return report
