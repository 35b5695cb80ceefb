"""Each destination has a page, and the half of it that the declaration says is what the declaration says."""

from __future__ import annotations

import os

import pytest

from revetl.destinations import BUILT_IN, registry
from revetl.testing.pages import BEGIN, declared, with_block
from tests.shared import ROOT

PAGES = ROOT / "docs" / "destinations"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_page_is_current(name: str) -> None:
    """The block between the markers equals what is generated; REVETL_UPDATE_PAGES=1 writes it."""
    path = PAGES / f"{name}.md"
    assert path.exists(), f"write docs/destinations/{name}.md: what one needs in the account, what it cannot do"
    page = path.read_text(encoding="utf-8")
    new = with_block(page, declared(registry()[name]))
    if os.environ.get("REVETL_UPDATE_PAGES"):
        path.write_text(new, encoding="utf-8")
        return
    assert page == new, "the declaration changed: REVETL_UPDATE_PAGES=1 pytest tests/test_destination_pages.py"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_page_is_written_by_hand_too(name: str) -> None:
    """Before the tables a person says what is needed in the account and what cannot be done."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    own = page.partition(BEGIN)[0]
    assert own.startswith(f"# {registry()[name].title}")
    assert len(own.split()) > 120
    assert "cannot" in own


def test_a_block_is_replaced_and_nothing_else() -> None:
    """What stands before and after it stays, and doing it twice is doing it once."""
    block = declared(registry()["mailchimp"])
    page = with_block("# Mailchimp\n\nwords\n", block)
    assert page.startswith("# Mailchimp\n\nwords\n\n")
    assert with_block(f"{page}\nmore\n", block) == f"{page}\nmore\n"
