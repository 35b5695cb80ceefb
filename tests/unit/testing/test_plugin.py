"""The plugin of the conformance suite: silence fails, reasons are shown in the table."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from revetl.destinations.file import FILE
from revetl.testing.conformance.base import Suite

class TestMine(Suite):
    destination = FILE
    lacks = {"read_back": "a file is not asked"}

    def test_silent(self):
        pytest.skip("no reason that anybody declared")

    def test_reasoned(self):
        self.must_be_readable()

    def test_good(self):
        assert self.kind == "record"

def test_beside():
    pytest.skip("no case of a suite")
"""


@pytest.fixture
def ran(pytester: pytest.Pytester) -> tuple[pytest.RunResult, Path]:
    """Run a suite of three cases and return what pytest said, and the table's path."""
    pytester.makepyfile(SUITE)
    done = pytester.runpytest_inprocess("-p", "revetl.testing.plugin", "--conformance", "out/table.md", "-ra")
    return done, pytester.path / "out" / "table.md"


def test_a_silent_skip_fails(ran: tuple[pytest.RunResult, Path]) -> None:
    """Only the case that skipped for no declared reason fails; other tests are left alone."""
    done, _ = ran
    done.assert_outcomes(failed=1, skipped=2, passed=1)
    done.stdout.fnmatch_lines(["*test_silent*ended without a verdict (no reason that anybody declared)*"])


def test_the_table_shows_verdicts_and_reasons(ran: tuple[pytest.RunResult, Path]) -> None:
    """A row a case with its count, a dash where it does not apply, and the reason below."""
    text = ran[1].read_text(encoding="utf-8")
    assert "| good | 1 |" in text
    assert "| reasoned | - |" in text
    assert "| silent | **1 failed** |" in text
    assert "| **cases** | 1 |" in text
    assert "- a file is not asked: reasoned" in text
    assert "beside" not in text
