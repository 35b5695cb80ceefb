"""The published table of the conformance suite: each of the nine was shown enough, and nothing in it failed."""

from __future__ import annotations

import pytest

from tests.shared import ROOT

PAGE = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")
NINE = ("hubspot", "intercom", "iterable", "mailchimp", "marketo", "pardot", "pipedrive", "sailthru", "salesforce")
ENOUGH = 60  # distinct cases


def row(first: str) -> list[str]:
    """Return the cells of the row that begins so."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("name", NINE)
def test_each_of_the_nine_was_shown_enough(name: str) -> None:
    """Cases are counted once, in however many forms they come."""
    shown = dict(zip(row("case"), row("**cases**"), strict=True))
    assert int(shown[name]) >= ENOUGH


def test_nothing_in_it_failed() -> None:
    """A table with failures is not published."""
    assert "failed**" not in PAGE
